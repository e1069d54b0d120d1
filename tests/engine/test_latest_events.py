"""Reading the last events of a window instead of the first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from joule_cli.model import Event, EventStream
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.api.node import Node

TIMES = st.integers(0, 40)
LENGTHS = st.sampled_from([1, 2, 17, 300, None])
BOUND = st.none() | st.integers(-1, 42)


@given(
    events=st.lists(st.tuples(TIMES, LENGTHS), max_size=20),
    start=BOUND,
    end=BOUND,
    limit=st.integers(1, 25),
    ongoing=st.booleans(),
    json_filter=st.sampled_from([None, [[["even", "is", "true"]]]]),
    block_size=st.sampled_from([1, 3, 500]),
)
def test_they_are_the_end_of_all_events(tmp_path_factory, **arguments):
    asyncio.run(compare(tmp_path_factory.mktemp("latest"), **arguments))


async def compare(
    folder: Path, *, events, start, end, limit, ongoing, json_filter, block_size
) -> None:
    if start is not None and end is not None and start >= end:
        return
    async with FileNode("demo", folder / "joule.db") as node:
        await filled(node, events)
        arguments = (start, end, limit, json_filter, ongoing)
        everything = await node.event_stream_read("/e", start, end, 1000, json_filter, ongoing)
        assert await node.event_stream_read("/e", *arguments, latest=True) == everything[-limit:]
        blocks = node.event_stream_read("/e", *arguments, block_size=block_size, latest=True)
        assert [event.id async for block in blocks for event in block] == [
            event.id for event in everything[-limit:]
        ]


async def filled(node: Node, events) -> None:
    await node.event_stream_create(EventStream("e"), "/")
    await node.event_stream_write(
        "/e",
        [
            Event(begin, None if length is None else begin + length, {"even": begin % 2 == 0})
            for begin, length in events
        ],
    )


async def test_without_a_limit_they_are_all(node: Node):
    await filled(node, [(number, 1) for number in range(30)])
    read = node.event_stream_read("/e", latest=True, block_size=7)
    assert [len(block) async for block in read] == [7, 7, 7, 7, 2]
