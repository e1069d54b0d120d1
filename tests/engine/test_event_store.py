"""What the store of events promises beyond the contract of every node."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from joule_cli.engine.stores.sqlite.event_keys import LAST_EVENT_ID
from joule_cli.engine.stores.sqlite.events import ENDLESS, reach
from joule_cli.errors import ApiError
from joule_cli.model import Event, EventStream
from tests.nodes import FileNode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECOND = 1_000_000


class Clock:
    """A clock that stands still."""

    now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def node(tmp_path: Path, clock: Clock) -> AsyncIterator[FileNode]:
    async with FileNode("demo", tmp_path / "node.db", clock=clock) as node:
        yield node


@pytest.mark.parametrize("k", range(1, 16))
def test_reach_is_the_smallest_power_that_bounds_the_length(k: int):
    for start in (-(2**62), 0, 5):
        assert reach(start, start + 16**k) == k
        assert reach(start, start + 16**k + 1) == k + 1
        assert reach(start, start + 16 ** (k - 1) + 1) == k


def test_reach_of_the_extremes():
    assert reach(0, 1) == 0
    assert reach(0, None) == ENDLESS
    assert reach(-(2**63), 2**63 - 1) == ENDLESS


async def starts(node: FileNode) -> list[int]:
    return [event.start_time // SECOND for event in await node.event_stream_read("/a/s")]


async def test_events_are_kept_for_a_time_after_their_end(node: FileNode, clock: Clock):
    stream = EventStream("s", keep_us=100 * SECOND)
    await node.event_stream_create(stream, "/a")
    spans = [(800, 899), (801, 900), (802, 901), (803, None), (2000, 3000)]
    events = [Event(s * SECOND, None if e is None else e * SECOND) for s, e in spans]
    written = await node.event_stream_write("/a/s", events)
    # the first had ended too long ago when it came; it has an id all the same
    assert len({event.id for event in written}) == 5
    assert await starts(node) == [801, 802, 803, 2000]
    clock.now += SECOND
    await node.event_stream_write("/a/s", [])
    assert await starts(node) == [802, 803, 2000]
    clock.now += 10_000 * SECOND
    await node.event_stream_write("/a/s", [Event(clock.now, clock.now + 1)])
    assert await starts(node) == [803, 11001]


async def test_events_are_kept_for_ever_or_not_at_all(node: FileNode, clock: Clock):
    stream = await node.event_stream_create(EventStream("s"), "/a")
    await node.event_stream_write("/a/s", [Event(0, 1), Event(clock.now, clock.now + 1)])
    assert len(await starts(node)) == 2
    stream.keep_us = 0
    await node.event_stream_update(stream)
    assert len(await starts(node)) == 2
    await node.event_stream_write("/a/s", [])
    assert await starts(node) == [1000]
    stream.keep_us = 2**63 - 1
    await node.event_stream_update(stream)
    await node.event_stream_write("/a/s", [Event(-(2**62), -(2**62) + 1)])
    assert len(await starts(node)) == 2


async def test_keeping_leaves_other_streams_alone(node: FileNode):
    await node.event_stream_create(EventStream("s"), "/a")
    await node.event_stream_create(EventStream("short", keep_us=0), "/a")
    await node.event_stream_write("/a/s", [Event(0, 1)])
    await node.event_stream_write("/a/short", [Event(0, 1)])
    assert await node.event_stream_count("/a/short") == 0
    assert await starts(node) == [0]


async def test_last_id_of_a_stream(node: FileNode):
    stream = await node.event_stream_create(EventStream("s"), "/a")
    neighbour = await node.event_stream_create(EventStream("t"), "/a")
    await node.event_stream_write(neighbour, [Event(0, 1, "neighbour")])
    await node.storage.database.write(
        lambda c: c.execute(
            "UPDATE event_stream SET last_event_id = ? WHERE id = ?", (LAST_EVENT_ID - 1, stream.id)
        )
    )
    (last,) = await node.event_stream_write(stream, [Event(0, 1, "last")])
    assert last.id == LAST_EVENT_ID
    with pytest.raises(ApiError, match="can take no more events"):
        await node.event_stream_write(stream, [Event(2, 3)])
    assert await node.event_stream_read(stream) == [Event(0, 1, "last")]
    assert await node.event_stream_remove(stream) == 1
    assert await node.event_stream_read(neighbour) == [Event(0, 1, "neighbour")]


async def test_info_tells_the_size_of_contents(node: FileNode):
    stream = await node.event_stream_create(EventStream("s"), "/a")
    contents = [{"n": 1}, {"text": "ü" * 10_000}]
    await node.event_stream_write(stream, [Event(0, 1, content) for content in contents])
    info = await node.event_stream_info(stream)
    texts = [json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in contents]
    assert info.bytes == sum(len(text.encode()) for text in texts)


async def test_heavy_events_come_in_whole_blocks(node: FileNode):
    stream = await node.event_stream_create(EventStream("s"), "/a")
    heavy = "x" * 5_000_000
    await node.event_stream_write(stream, [Event(i // 3, 9, f"{i}{heavy}") for i in range(9)])
    blocks = [
        [event.content[0] for event in block]
        async for block in node.event_stream_read(stream, block_size=8)
    ]
    assert blocks == [list("01234567"), ["8"]]


async def test_id_of_another_type_is_refused(node: FileNode):
    stream = await node.event_stream_create(EventStream("s"), "/a")
    await node.event_stream_write(stream, [Event(0, 1)])
    for number in ("1", 1.0, True):
        (event,) = await node.event_stream_read(stream)
        event.id = number  # type: ignore[assignment]
        with pytest.raises(ApiError, match=r"\[id\] must be an integer"):
            await node.event_stream_write(stream, [event])


async def test_removing_much_makes_the_file_small_again(tmp_path: Path):
    path = tmp_path / "node.db"
    sizes = []
    for n_kept in (10_000, 100):
        async with FileNode("demo", path) as node:
            stream = await node.event_stream_get("/a/s", create=True)
            if n_kept == 10_000:
                events = [Event(i, i + 1, "x" * 1000) for i in range(n_kept)]
                await node.event_stream_write(stream, events)
            else:
                assert await node.event_stream_remove(stream, n_kept) == 9901
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0] / 10


async def test_too_many_conditions_are_refused(node: FileNode):
    stream = await node.event_stream_create(EventStream("s"), "/a")
    await node.event_stream_write(stream, [Event(0, 1, {"a": 1})])
    conditions = [["a", "eq", 1]] * 1000
    assert await node.event_stream_count(stream, json_filter=[conditions]) == 1
    assert await node.event_stream_count(stream, json_filter=[[c] for c in conditions]) == 1
    with pytest.raises(ApiError, match="more than 1000 conditions"):
        await node.event_stream_count(stream, json_filter=[[*conditions, ["a", "eq", 1]]])
