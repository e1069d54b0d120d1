"""Ranges of time in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.cli._output import show_time
from joule_cli.cli._references import event_stream_info, stream_info

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.api.references import StreamRef
    from joule_cli.model import EventStream


def range_text(start: int | None, end: int | None) -> str:
    """Return a range of time, or an instant, to be put behind a number; nothing if not known."""
    first, last = show_time(start), show_time(end)
    if first is None or first == last or last is None:
        return f", {first or last}" if first or last else ""
    return f", {first} to {last}"


def bounds_text(start: int | None, end: int | None) -> str:
    """Return the bounds that were asked for, to be put behind a number; nothing without any."""
    sides = (("from", start), ("before" if start is None else "to", end))
    return "".join(f" {word} {show_time(side)}" for word, side in sides if side is not None)


async def no_rows(node: Node, stream: StreamRef, start: int | None, end: int | None) -> str:
    """Return that a stream has no rows in a range, and where it has some."""
    info = await stream_info(node, stream)
    return _nothing("rows", (start, end), (info.start, info.end))


async def no_events(node: Node, stream: EventStream, start: int | None, end: int | None) -> str:
    """Return that an event stream has no such events in a range, and where it has some."""
    info = await event_stream_info(node, stream)
    return _nothing("events", (start, end), (info.start, info.end))


def _nothing(
    what: str, asked: tuple[int | None, int | None], extent: tuple[int | None, int | None]
) -> str:
    if extent == (None, None):
        return f"the stream has no {what}"
    such = f"there are no {'such ' if what == 'events' else ''}{what}{bounds_text(*asked)}"
    return f"{such}; those of the stream are{bounds_text(*extent)}"
