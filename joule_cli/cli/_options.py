"""Arguments and options that commands share.

=====================  ==================================================================
``STREAM``, ``PATH``   click types: absolute path, id (bare integer), or path without ``/``
``@time_bounds``       ``-s/--start -e/--end --last``; the command gets ``bounds: Bounds``
``@safe_options``      ``-y/--yes --dry-run``; the command gets ``dry_run: bool``
``@progress_option``   ``--progress/--no-progress``, for commands that use `Progress`
``@naming_options``    ``--map --by-position``; the command gets ``naming: Naming``
``DURATION``           click type: µs
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

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.cli._references import stream_info
from joule_cli.cli._settings import Settings
from joule_cli.cli._times import read_duration, read_time
from joule_cli.errors import ElementNamesError, TimeFormatError

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.api.references import StreamRef
    from joule_cli.series.element_names import Naming
    from joule_cli.series.time import ParsedTime

F = TypeVar("F", bound=Callable[..., Any])


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
    node, found, _ = text.partition(":/")
    if found and node and "/" not in node:
        raise click.BadParameter(
            f"only copies take a node with the path; write --node {node}, "
            f"or /{text} for a folder of that name"
        )
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

    @property
    def relative(self) -> bool:
        """Whether a side is measured from the rows of a stream."""
        return any(side is not None and side.needs_stream for side in (self.start, self.end))

    async def resolve(self, node: Node, stream: StreamRef) -> tuple[int | None, int | None]:
        """Return start and end in µs; times relative to the stream's rows ask the node for them.

        Raises
        ------
        TimeFormatError
            The range is empty, or the stream has no rows to measure from.
        """
        first = last = None
        if self.relative:
            info = await stream_info(node, stream)
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
    if not bounds.relative:
        bounds.within(None, None)
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


def naming_options(command: F) -> F:
    """Add ``--map`` and ``--by-position``; the command gets them as ``naming``."""

    @click.option(
        "--map",
        "renames",
        multiple=True,
        metavar="NAME=ELEMENT",
        help="Write what is called NAME to ELEMENT; may be repeated.",
    )
    @click.option(
        "--by-position", is_flag=True, help="Keep the order of the elements, whatever their names."
    )
    @wraps(command)
    def named(*args: Any, **kwargs: Any) -> Any:
        kwargs["naming"] = read_naming(kwargs.pop("renames"), by_position=kwargs["by_position"])
        del kwargs["by_position"]
        return command(*args, **kwargs)

    return named  # type: ignore[return-value]  # click only sees that it is callable


def read_naming(renames: tuple[str, ...], *, by_position: bool) -> Naming:
    """Read the texts of ``--map``."""
    from joule_cli.series.element_names import Naming, parse_renames

    if renames and by_position:
        raise click.UsageError("--map and --by-position exclude each other.")
    try:
        return Naming(parse_renames(renames), by_position)
    except ElementNamesError as exc:
        raise click.BadParameter(exc.message, param_hint="--map") from exc


def progress_option(command: F) -> F:
    """Add ``--progress/--no-progress``."""
    return click.option(
        "--progress/--no-progress",
        default=None,
        expose_value=False,
        callback=_stores_flag("progress"),
        help="Show how far the work got; by default on a terminal.",
    )(command)
