"""Programs that write events from processes of their own; see `tests.engine.writers`."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from joule_cli.model import Event
from tests.engine.writers import acknowledge, main
from tests.nodes import FileNode

STREAM = "/a/events"
#: Events of one call.
BLOCK = 50


def block(writer: str, index: int) -> list[Event]:
    """Return numbered events, whose length and content follow from their number."""
    return [
        Event(1000 + n % 7, 1001 + n % 7 + n, {"writer": writer, "n": n, "text": f"ü{n}" * 20})
        for n in range(index * BLOCK, (index + 1) * BLOCK)
    ]


async def write_events(path: str, writer: str) -> None:
    """Write blocks until killed, one byte for each."""
    async with FileNode("writer", Path(path)) as node:
        for index in itertools.count():
            await node.event_stream_write(STREAM, block(writer, index))
            acknowledge()


async def write_some(path: str, writer: str, n_blocks: int) -> None:
    """Write blocks and print the ids of their events."""
    async with FileNode("writer", Path(path)) as node:
        for index in range(n_blocks):
            events = await node.event_stream_write(STREAM, block(writer, index))
            os.write(1, b"".join(b"%d " % (event.id or 0) for event in events))


if __name__ == "__main__":
    main({f.__name__: f for f in (write_events, write_some)})
