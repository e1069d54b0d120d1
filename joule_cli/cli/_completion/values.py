"""The values that are offered, as what is typed and the node have them.

Each function is a ``shell_complete`` callback of click, or makes one.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from joule_cli.cli._completion.files import DIRECTORY, FILE
from joule_cli.cli._settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Items = list[CompletionItem[str]]
    Completer = Callable[[click.Context, click.Parameter, str], Items]

#: Type of a value that goes on, as a folder does: no blank follows it.
OPEN = "open"

_TIMES = {
    "now": "this moment",
    "now-15m": "15 minutes ago",
    "now-1h": "an hour ago",
    "now-1d": "24 hours ago",
    "now-1w": "a week ago",
    "yesterday": "24 hours ago",
    "midnight": "the beginning of today",
    "noon": "today at 12:00",
}
_OF_STREAM = {
    "start": "the first row",
    "start+1h": "an hour after the first row",
    "end-1h": "an hour before the last row",
    "end": "the last row",
}
_DURATIONS = {
    "10s": "10 seconds",
    "1m": "a minute",
    "15m": "15 minutes",
    "1h": "an hour",
    "1d": "a day",
    "1w": "a week",
    "30d": "30 days",
    "1y": "365 days",
}
_UNITS = {
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
    "ms": "milliseconds",
    "mo": "months of 30 days",
    "y": "years of 365 days",
}
_NUMBER = re.compile(r"((?:now-|start\+|end-)?[0-9]{1,4})")


def words(offered: Mapping[str, str]) -> Completer:
    """Offer fixed words with what they mean."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        return _matching(offered, incomplete)

    return complete


def times(*, of_stream: bool = True) -> Completer:
    """Offer times; those that count from the rows of a stream only where there is one."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        import time

        offered = _TIMES | _OF_STREAM if of_stream else _TIMES
        offered = {**offered, time.strftime("%Y-%m-%d"): "the beginning of today"}
        return _matching(offered, incomplete) + _with_unit(incomplete)

    return complete


def durations(**more: str) -> Completer:
    """Offer durations, and further words."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        return _matching({**_DURATIONS, **more}, incomplete) + _with_unit(incomplete)

    return complete


def _with_unit(incomplete: str) -> Items:
    if not _NUMBER.fullmatch(incomplete):
        return []
    offered = {incomplete + unit: meaning for unit, meaning in _UNITS.items()}
    known = _TIMES.keys() | _DURATIONS.keys() | _OF_STREAM.keys()
    return _matching({word: text for word, text in offered.items() if word not in known}, "")


def _matching(offered: Mapping[str, str], incomplete: str, *, type: str = "plain") -> Items:
    return [
        CompletionItem(value, type, help=text)
        for value, text in offered.items()
        if value.startswith(incomplete)
    ]


def files(*suffixes: str) -> Completer:
    """Offer files with one of the suffixes, or all."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        return [CompletionItem("", FILE, suffixes=suffixes)]

    return complete


def directories(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer directories."""
    return [CompletionItem("", DIRECTORY)]


def addresses(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer the kinds of addresses, and files behind ``file:``."""
    for scheme in ("file:", "unix:"):
        if incomplete.startswith(scheme):
            return [CompletionItem(scheme, FILE, suffixes=(".db",) if scheme == "file:" else ())]
    known = {entry.url: entry.name for entry in _registry()}
    schemes = {
        "file:": "a node in a file",
        "http://": "a node on the network",
        "https://": "a node on the network, with TLS",
        "unix:": "a node behind a socket of this machine",
    }
    return _matching(known, incomplete) + _matching(schemes, incomplete, type=OPEN)


def time_zones(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer time zones, one level at a time."""
    import zoneinfo

    found = _matching({"UTC": "", "local": "the zone of the system"}, incomplete)
    folder, slash, start = incomplete.rpartition("/")
    for place in zoneinfo.TZPATH:
        try:
            entries = sorted(os.scandir(os.path.join(place, folder)), key=lambda e: e.name)  # noqa: PTH118
        except OSError:
            continue
        for entry in entries:
            # others are lists and copies of the zones
            if entry.name.startswith(start) and entry.name[0].isupper() and entry.name != "UTC":
                name = folder + slash + entry.name
                inner = entry.is_dir()
                found.append(
                    CompletionItem(f"{name}/" if inner else name, OPEN if inner else "plain")
                )
        break
    return found


def _registry() -> Iterable[Any]:
    from joule_cli.api.registry import Registry

    return Registry.from_environment(os.environ).nodes()


def stored_nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer the stored nodes."""
    given = ctx.params.get(param.name or "")
    taken = given if isinstance(given, tuple) else ()
    known = {entry.name: entry.url for entry in _registry() if entry.name not in taken}
    return _matching(known, incomplete)


def nodes(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer the stored nodes, and the one in the default file."""
    return _matching(known_nodes(), incomplete)


def known_nodes() -> dict[str, str]:
    """Return the names of nodes with their addresses."""
    from joule_cli.api.connect import LOCAL

    known = {entry.name: entry.url for entry in _registry()}
    known.setdefault(LOCAL, "the node in your data directory")
    return known


def ask(ctx: click.Context, kind: str, node: str | None = None) -> Any:
    """Return the names of a kind on the node that the line chooses."""
    from joule_cli.cli._completion.cache import names

    return names(ctx.find_object(Settings) or Settings(), node, kind)


def members(kind: str) -> Completer:
    """Offer what the node has of a kind: modules, proxies, followers."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        return _matching(ask(ctx, kind) or {}, incomplete)

    return complete


def masters(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer the masters of the type that stands before."""
    begin = str(ctx.params.get("type") or "").upper()
    known = {name: kind for name, kind in ask(ctx, "masters") or [] if kind.startswith(begin)}
    return _matching(known, incomplete)


def topics(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer topics and commands, behind a group its commands."""
    from joule_cli.cli._lazy import Group
    from joule_cli.cli._topics import TOPICS

    typed = ctx.params.get(param.name or "") or ()
    at = ctx.find_root()
    group: click.Command = at.command
    for word in typed:
        inner = group.get_command(at, word) if isinstance(group, click.Group) else None
        if inner is None:
            return []
        group = inner
    found = group.command_items(at, incomplete) if isinstance(group, Group) else []
    titles = {name: topic[0] for name, topic in TOPICS.items()} if not typed else {}
    return _matching(titles, incomplete) + found
