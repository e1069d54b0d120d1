"""Arguments and options that commands share.

=====================  ==================================================================
``STREAM``, ``PATH``   click types: absolute path, id (bare integer), or path without ``/``
``@time_bounds``       ``-s/--start -e/--end --last``; the command gets ``bounds: Bounds``
``@safe_options``      ``-y/--yes --dry-run``; the command gets ``dry_run: bool``
``@progress_option``   ``--progress/--no-progress``, for commands that use `Progress`
``DURATION``           click type: µs
``expand_streams``     paths, ids and wildcards to ``[(path, DataStream)]``
``find_stream``        one path or id to a ``DataStream``
``streams_below``      the same for lists: folders stand for what is below them
=====================  ==================================================================

::

    @data.command("intervals")
    @click.argument("stream", type=STREAM)
    @time_bounds
    @with_node
    async def intervals(node: Node, stream: str | int, bounds: Bounds) -> None:
        start, end = await bounds.resolve(node, stream)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.cli._settings import Settings
from joule_cli.cli._times import read_duration, read_time
from joule_cli.errors import FolderNotFound, StreamNotFound, TimeFormatError

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import DataStream, EventStream, Folder
    from joule_cli.series.time import ParsedTime

AnyStream = TypeVar("AnyStream", bound="DataStream | EventStream")
F = TypeVar("F", bound=Callable[..., Any])

_WILDCARD = re.compile(r"[*?\[]")


class PathType(click.ParamType[str | int]):
    """A path or an id; a path without a leading slash is taken from the root."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | int:
        if isinstance(value, int):
            return value
        return read_reference(value)


def read_reference(text: str) -> str | int:
    """Return an id for a bare integer, else an absolute path without a slash at its end."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise click.BadParameter("the name is not valid UTF-8") from None
    return "/" + text.strip("/")


class DurationType(click.ParamType[int]):
    """A duration, converted to µs; `unit_us` is what a plain number counts."""

    name = "duration"

    def __init__(self, unit_us: int | None = None) -> None:
        self.unit_us = unit_us

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        # the long spelling, as in --max-gap
        what = max(param.opts, key=len) if param else "duration"
        return read_duration(value, what, self.unit_us)


STREAM = PathType("stream")
PATH = PathType("path")
DURATION = DurationType()


@dataclass(slots=True)
class Bounds:
    """The range of time that a command works on, half-open; open sides are `None`."""

    start: ParsedTime | None = None
    end: ParsedTime | None = None

    @property
    def given(self) -> bool:
        """Whether the range is bounded on any side by an option."""
        return self.start is not None or self.end is not None

    async def resolve(self, node: Node, stream: str | int) -> tuple[int | None, int | None]:
        """Return start and end in µs; times relative to the stream's rows ask the node for them.

        Raises
        ------
        TimeFormatError
            The range is empty, or the stream has no rows to measure from.
        """
        sides = (self.start, self.end)
        first = last = None
        if any(side is not None and side.needs_stream for side in sides):
            info = await node.data_stream_info(stream)
            first, last = info.start, info.end
        return self.within(first, last)

    def within(self, first: int | None, last: int | None) -> tuple[int | None, int | None]:
        """Return start and end in µs, for a stream that reaches from `first` to `last`.

        Raises
        ------
        TimeFormatError
            The range is empty, or it is relative to a stream that is.
        """
        start, end = (None if s is None else s.resolve(first, last) for s in (self.start, self.end))
        check_order(start, end)
        return start, end


def check_order(start: int | None, end: int | None) -> None:
    """Refuse an empty range before any request."""
    if start is not None and end is not None and start >= end:
        raise TimeFormatError("the start time must be before the end time")


def time_bounds(command: F) -> F:
    """Add ``--start``, ``--end`` and ``--last``; the command gets them as ``bounds``."""

    @click.option("-s", "--start", metavar="T", help="Begin at this time (joule help times).")
    @click.option("-e", "--end", metavar="T", help="End before this time.")
    @click.option("--last", metavar="D", help="Begin this long ago, as in --last 1h30m.")
    @wraps(command)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        kwargs["bounds"] = read_bounds(*(kwargs.pop(name) for name in ("start", "end", "last")))
        return command(*args, **kwargs)

    return bounded  # type: ignore[return-value]  # click only sees that it is callable


def read_bounds(start: str | None, end: str | None, last: str | None = None) -> Bounds:
    """Read the texts of the options; every contradiction is found before any request."""
    if last is not None:
        if start is not None:
            raise click.UsageError("--last and --start exclude each other.")
        read_duration(last, "--last")
        start = f"now-{last.strip()}"
    bounds = Bounds(
        None if start is None else read_time(start, "start time"),
        None if end is None else read_time(end, "end time"),
    )
    sides = (bounds.start, bounds.end)
    if all(side is None or not side.needs_stream for side in sides):
        check_order(*(None if side is None else side.timestamp for side in sides))
    return bounds


def read_instant(text: str | None, what: str) -> int | None:
    """Read one time that is not tied to a stream's rows."""
    if text is None:
        return None
    parsed = read_time(text, what)
    if parsed.needs_stream:
        raise TimeFormatError(f"invalid {what}: [{text}] needs a stream to measure from")
    return parsed.timestamp


def _stores_flag(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        settings = ctx.find_object(Settings)
        if value is not None and settings is not None:
            setattr(settings, attribute, value)

    return callback


def yes_option(command: F) -> F:
    """Add ``--yes``, which answers every question of the command."""
    return click.option(
        "-y",
        "--yes",
        is_flag=True,
        default=None,
        expose_value=False,
        callback=_stores_flag("yes"),
        help="Answer yes to every question.",
    )(command)


def safe_options(command: F) -> F:
    """Add ``--yes`` and ``--dry-run``; the command gets ``dry_run``."""
    return yes_option(
        click.option("--dry-run", is_flag=True, help="Show what would happen and change nothing.")(
            command
        )
    )


def progress_option(command: F) -> F:
    """Add ``--progress/--no-progress``."""
    return click.option(
        "--progress/--no-progress",
        default=None,
        expose_value=False,
        callback=_stores_flag("progress"),
        help="Show how far the work got; by default on a terminal.",
    )(command)


def is_pattern(reference: str | int) -> bool:
    """Whether a reference has wildcards."""
    return isinstance(reference, str) and _WILDCARD.search(reference) is not None


def any_pattern(references: Iterable[str | int], found: Iterable[tuple[str, Any]]) -> bool:
    """Whether any reference was taken for a pattern; one that is a path itself was not."""
    paths = {path for path, _ in found}
    return any(is_pattern(each) and each not in paths for each in references)


def glob_regex(pattern: str) -> re.Pattern[str]:
    """Translate a path with wildcards; ``*`` stays within a name, ``**`` spans names."""
    out, i = [], 0
    while i < len(pattern):
        c = pattern[i]
        if pattern.startswith("/**/", i):
            out.append("/(?:[^/]+/)*")
            i += 4
        elif pattern.startswith("**", i):
            out.append(".*")
            i += 2
        elif c == "*":
            out.append("[^/]*")
            i += 1
        elif c == "?":
            out.append("[^/]")
            i += 1
        elif c == "[" and (end := pattern.find("]", i + 2)) > 0:
            negated = pattern[i + 1] in "!^"
            inner = pattern[i + 1 + negated : end].replace("\\", "\\\\").replace("[", "\\[")
            out.append(f"(?!/)[{'^' if negated else ''}{inner}]")
            i = end + 1
        else:
            out.append(re.escape(c))
            i += 1
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error as exc:
        raise click.BadParameter(f"the pattern {pattern} cannot be used: {exc}") from exc


async def expand_streams(
    node: Node, references: Iterable[str | int]
) -> list[tuple[str, DataStream]]:
    """Return the streams that paths, ids and wildcards name, each once, in the order given.

    A stream whose path is exactly the text wins over the pattern.

    Raises
    ------
    StreamNotFound
        A reference names no stream.
    """
    root = await node.folder_root()
    known = list(root.streams("/"))
    found: dict[str, DataStream] = {}
    for reference in references:
        matches = match_streams(known, reference)
        if not matches:
            what = "no stream matches" if is_pattern(reference) else "stream does not exist"
            raise StreamNotFound(what, object=str(reference), hint=other_kind(root, reference))
        found.update(matches)
    return list(found.items())


async def find_stream(node: Node, reference: str | int) -> DataStream:
    """Return the one data stream that a path or an id names.

    Raises
    ------
    StreamNotFound
        It names none; the hint says if it names an event stream.
    """
    try:
        return await node.data_stream_get(reference)
    except StreamNotFound as exc:
        exc.hint = other_kind(await node.folder_root(), reference)
        raise


def other_kind(root: Folder, reference: str | int) -> str | None:
    """Return a hint for who takes an event stream for a data stream, or the reverse.

    Only for a reference that names no stream of the kind that was meant.
    """
    for path, _ in match_streams(root.events("/"), reference):
        return f"{path} is an event stream, see joule event"
    for path, _ in match_streams(root.streams("/"), reference):
        return f"{path} is a data stream, see joule data"
    return None


async def streams_below(
    node: Node,
    references: Iterable[str | int],
    streams: Callable[[Folder, str], Iterable[tuple[str, AnyStream]]],
) -> list[tuple[str, AnyStream]]:
    """Return the streams that references name, where a folder stands for all below it.

    They are sorted by path, as `ls` sorts, not parents first as the tree is walked; a pattern
    that matches nothing is no error. Without references these are all streams.

    Parameters
    ----------
    streams
        Gives the streams of the wanted kind in a folder at a path.

    Raises
    ------
    StreamNotFound
        A reference names neither a stream nor a folder.
    """
    root = await node.folder_root()
    known = sorted(streams(root, "/"), key=itemgetter(0))
    wanted = list(references)
    if not wanted:
        return known
    found: dict[str, AnyStream] = {}
    for reference in wanted:
        matches = match_streams(known, reference)
        if not matches and not is_pattern(reference):
            matches = sorted(_below(root, reference, streams), key=itemgetter(0))
        found.update(matches)
    return list(found.items())


def _below(
    root: Folder,
    reference: str | int,
    streams: Callable[[Folder, str], Iterable[tuple[str, AnyStream]]],
) -> Iterable[tuple[str, AnyStream]]:
    for path, folder in root.walk("/"):
        if path == reference:
            return streams(folder, path)
    what = "stream does not exist" if isinstance(reference, int) else "no such stream or folder"
    raise StreamNotFound(what, object=str(reference), hint=other_kind(root, reference))


def match_streams(
    known: Iterable[tuple[str, AnyStream]], reference: str | int
) -> list[tuple[str, AnyStream]]:
    """Return those of `known` that a reference names."""
    known = list(known)
    if isinstance(reference, int):
        return [(path, stream) for path, stream in known if stream.id == reference]
    exact = [(path, stream) for path, stream in known if path == reference]
    if exact or not is_pattern(reference):
        return exact
    regex = glob_regex(reference)
    return sorted(((p, s) for p, s in known if regex.fullmatch(p)), key=itemgetter(0))


async def expand_folders(node: Node, references: Iterable[str | int]) -> list[tuple[str, Folder]]:
    """Return the folders that paths, ids and wildcards name, as `expand_streams` does."""
    known = list((await node.folder_root()).walk("/"))
    found: dict[str, Folder] = {}
    for reference in references:
        if isinstance(reference, int):
            matches = [(path, folder) for path, folder in known if folder.id == reference]
        else:
            matches = [(path, folder) for path, folder in known if path == reference]
            if not matches and is_pattern(reference):
                regex = glob_regex(reference)
                # a pattern never means the root
                matches = [(path, f) for path, f in known[1:] if regex.fullmatch(path)]
        if not matches:
            raise FolderNotFound("folder does not exist", object=str(reference))
        found.update(matches)
    return list(found.items())
