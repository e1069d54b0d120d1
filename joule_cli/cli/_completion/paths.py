"""Paths of folders and streams, one level at a time, and what streams consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from click.shell_completion import CompletionItem

from joule_cli.cli._completion.files import FILE
from joule_cli.cli._completion.values import OPEN, ask, known_nodes
from joule_cli.cli._options import read_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import click

    from joule_cli.cli._completion.values import Completer, Items

DATA = ("streams",)
EVENTS = ("events",)
FOLDERS = ("folders",)
ALL = ("folders", "streams", "events")


def paths(*kinds: str) -> Completer:
    """Offer paths of things of these kinds, and the folders that lead to them."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        return _level(ask(ctx, "tree"), kinds, incomplete)

    return complete


def ends(*kinds: str) -> Completer:
    """Offer an end of a copy: a path, or a node and a path on it."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        name, colon, below = incomplete.partition(":/")
        if colon and name and not incomplete.startswith("/"):
            found = _level(ask(ctx, "tree", name), kinds, f"/{below}")
            for item in found:
                item.value = f"{name}:{item.value}"
            return found
        other = ctx.params.get("destination_node") if param.name == "destination" else None
        found = _level(ask(ctx, "tree", other), kinds, incomplete)
        return found + [
            CompletionItem(f"{name}:/", OPEN, help=url)
            for name, url in known_nodes().items()
            if f"{name}:/".startswith(incomplete)
        ]

    return complete


def _level(tree: Any, kinds: Sequence[str], incomplete: str) -> Items:
    """Return what comes next in the tree after what is typed, sorted by name."""
    if not tree:
        return []
    # a path without a slash at the start is taken from the root
    lead = "" if incomplete.startswith("/") or not incomplete else "/"
    typed = lead + (incomplete or "/")
    base = typed[: typed.rindex("/") + 1]
    folders: set[str] = set()
    found: list[tuple[str, str, str]] = []
    for kind in kinds:
        for path in tree[kind]:
            if not path.startswith(typed):
                continue
            name, slash, _ = path[len(base) :].partition("/")
            if slash or kind == "folders":
                folders.add(base + name)
            else:
                found.append((path, "plain", tree[kind][path][0]))
    found += [(f"{path}/", OPEN, tree["folders"].get(path) or "") for path in folders]
    return [
        CompletionItem(path[len(lead) :], type, help=text) for path, type, text in sorted(found)
    ]


def elements(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer elements of the data streams on the line, in a list with commas."""
    return _list(
        {name: u for _, each in _given(ctx, "streams") for name, u in each.items()}, incomplete
    )


def one_element(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer an element of the data stream on the line."""
    known = {name: units for _, each in _given(ctx, "streams") for name, units in each.items()}
    return [CompletionItem(n, help=u) for n, u in known.items() if n.startswith(incomplete)]


def fields(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Offer fields of the event stream on the line, in a list with commas."""
    return _list(
        {name: t for _, each in _given(ctx, "events") for name, t in each.items()}, incomplete
    )


def one_field(after: str = "") -> Completer:
    """Offer a field of the event stream on the line, and what comes after it."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        return [
            CompletionItem(name + after, OPEN if after else "plain", help=type)
            for _, known in _given(ctx, "events")
            for name, type in known.items()
            if (name + after).startswith(incomplete)
        ]

    return complete


def fields_or_files(*suffixes: str) -> Completer:
    """Offer ``FIELD=`` of the event stream on the line, and files."""
    assignments = one_field(after="=")

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
        found = assignments(ctx, param, incomplete)
        return [*found, CompletionItem("", FILE, suffixes=suffixes)]

    return complete


def _list(known: dict[str, str], incomplete: str) -> Items:
    before, comma, last = incomplete.rpartition(",")
    taken = {name.strip() for name in before.split(",")}
    return [
        CompletionItem(before + comma + name, help=text)
        for name, text in known.items()
        if name.startswith(last) and name not in taken
    ]


def _given(ctx: click.Context, kind: str) -> Iterator[Any]:
    """Yield the streams of a kind that stand on the line already."""
    # behind an option that still lacks its value, click has not assigned the arguments yet
    references: list[Any] = [read_reference(text) for text in ctx.args]
    for name in ("stream", "streams", "path", "source", "events"):
        value = ctx.params.get(name)
        references += value if isinstance(value, tuple) else [value]
    tree = ask(ctx, "tree") if any(isinstance(each, str) for each in references) else None
    for reference in references:
        if tree and reference in tree[kind]:
            yield tree[kind][reference]
