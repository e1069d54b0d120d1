"""Events whose writers are killed, and two writers of one stream."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from joule_cli.model import EventStream
from tests.engine.event_writers import BLOCK, STREAM
from tests.engine.writers import Program
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.model import Event

MODULE = "tests.engine.event_writers"


async def made(path: Path) -> None:
    async with FileNode("demo", path) as node:
        folder, name = STREAM.rsplit("/", 1)
        await node.event_stream_create(EventStream(name), folder)


async def stored(node: FileNode) -> dict[str, list[Event]]:
    """Return the events of each writer, in the order of their ids."""
    found: dict[str, list[Event]] = {}
    async for event in node.event_stream_read(STREAM):
        found.setdefault(event.content["writer"], []).append(event)
    return {name: sorted(events, key=lambda e: e.id or 0) for name, events in found.items()}


def check_whole(events: list[Event], n_blocks: int) -> None:
    """Every acknowledged block is there, and none in part; the last may not be acknowledged."""
    numbers = [event.content["n"] for event in events]
    assert numbers == list(range(len(numbers)))
    assert len(events) in (n_blocks * BLOCK, (n_blocks + 1) * BLOCK)
    for event in events:
        assert event.end_time == event.start_time + 1 + event.content["n"]
        assert event.content["text"] == f"ü{event.content['n']}" * 20


@pytest.mark.parametrize(
    "group", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 63))]
)
async def test_killed_writers_lose_no_acknowledged_event(tmp_path: Path, group: int):
    path = tmp_path / "node.db"
    await made(path)
    n_blocks: dict[str, int] = {}
    for turn in range(8):
        with Program(MODULE) as first, Program(MODULE) as second:
            for name, program in ((f"a{turn}", first), (f"b{turn}", second)):
                program.begin("write_events", str(path), name)
            time.sleep(random.uniform(0.05, 0.35))
            n_blocks[f"a{turn}"] = len(first.kill())
            # the second goes on while the file is looked at
            async with FileNode("demo", path) as node:
                check_whole((await stored(node)).get(f"a{turn}", []), n_blocks[f"a{turn}"])
            n_blocks[f"b{turn}"] = len(second.kill())
    async with FileNode("demo", path) as node:
        found = await stored(node)
        for name, number in n_blocks.items():
            check_whole(found.get(name, []), number)
        ids = [event.id for events in found.values() for event in events]
        assert len(set(ids)) == len(ids) == await node.event_stream_count(STREAM)
        assert (await node.storage.maintenance.check()).problems == []
    assert sum(n_blocks.values()) > 20


async def test_two_writers_get_ids_of_their_own(tmp_path: Path):
    path = tmp_path / "node.db"
    await made(path)
    with Program(MODULE) as first, Program(MODULE) as second:
        first.begin("write_some", str(path), "first", 40)
        second.begin("write_some", str(path), "second", 40)
        given = {"first": first.finish(), "second": second.finish()}
    ids = {name: [int(number) for number in text.split()] for name, text in given.items()}
    assert not set(ids["first"]) & set(ids["second"])
    async with FileNode("demo", path) as node:
        found = await stored(node)
    for name, numbers in ids.items():
        assert len(numbers) == 40 * BLOCK
        assert [event.id for event in found[name]] == numbers
        check_whole(found[name], 40)
