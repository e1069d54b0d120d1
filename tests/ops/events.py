"""Events for the tests of operations and commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.errors import StreamNotFound
from joule_cli.model import Event, EventStream
from tests.ops.helpers import T0

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.api.node import Node

#: Start and end from T0, content.
Plain = tuple[int, "int | None", Any]


async def put(node: Node, path: str, events: Iterable[Plain]) -> EventStream:
    """Create an event stream if it is new and write events."""
    folder, _, name = path.rpartition("/")
    try:
        stream = await node.event_stream_get(path)
    except StreamNotFound:
        stream = await node.event_stream_create(EventStream(name), folder or "/")
    await node.event_stream_write(
        stream,
        [Event(T0 + a, None if b is None else T0 + b, content) for a, b, content in events],
    )
    return stream


async def got(node: Node, path: str) -> list[Plain]:
    """All events, in a known order."""
    found = [
        (e.start_time - T0, None if e.end_time is None else e.end_time - T0, e.content)
        async for e in node.event_stream_read(path)
    ]
    return sorted(found, key=repr)


def numbered(starts: Iterable[int], length: int = 5) -> list[Plain]:
    """Events of equal length that say where they begin."""
    return [(a, a + length, {"n": a}) for a in starts]
