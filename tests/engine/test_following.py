"""Rows that other processes commit, as they arrive."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.engine.stores.base import StoredStream
from joule_cli.engine.stores.sqlite.following import SqliteRowFollower
from joule_cli.errors import EmptyPipeError, StorageError, SubscriptionError
from tests.contracts.data import PATH, Times, add, rows_at, store
from tests.contracts.streams import flow
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

#: Takes one line of JSON per step: a list of offsets to write, or null for a break; tells when each
#: was done. A line that is empty ends the producer, the end of the input the process.
WRITER = """
import asyncio, json, sys, time, pathlib
from tests.nodes import FileNode
from tests.contracts.data import PATH, rows_at

async def main():
    async with FileNode("other", pathlib.Path(sys.argv[1])) as node:
        pipe = None
        for line in sys.stdin:
            if pipe is None:
                pipe = await node.data_write(PATH)
            if not line.strip():
                await pipe.close()
                pipe = None
            elif (times := json.loads(line)) is None:
                await pipe.close_interval()
            else:
                await pipe.write(rows_at(times))
            print(time.monotonic(), flush=True)

asyncio.run(main())
"""


class Writer:
    """A process that writes to `PATH` step by step."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    async def step(self, line: str) -> float:
        """Have one line worked on; return when it was done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return float(await asyncio.to_thread(self._process.stdout.readline))

    async def write(self, *times: int) -> float:
        return await self.step(json.dumps(times))

    async def close_interval(self) -> None:
        await self.step("null")

    async def end(self) -> None:
        await self.step("")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "joule.db"


async def test_rows_of_another_process_arrive_once_with_their_breaks(path: Path):
    async with FileNode("own", path) as node:
        await store(node, [0])
        with Writer(path) as writer:
            await writer.write(1)
            async with await node.data_subscribe(PATH) as live:
                times = Times(live)
                await writer.write(2, 3)
                assert await times.next(2) == [2, 3]
                await writer.write(4)
                await writer.close_interval()
                await writer.write(6)
                assert await times.next(3) == [4, None, 6]
                await writer.end()
                with pytest.raises(EmptyPipeError):
                    await live.read()
            with pytest.raises(SubscriptionError):
                await node.data_subscribe(PATH)


async def test_a_subscription_ends_when_the_other_process_dies(path: Path):
    async with FileNode("own", path) as node:
        await store(node)
        with Writer(path) as writer:
            await writer.write(1)
            async with await node.data_subscribe(PATH) as live:
                writer.kill()
                async with asyncio.timeout(20):
                    with pytest.raises(EmptyPipeError):
                        await live.read()


async def test_following_meets_producers_here_and_elsewhere(path: Path):
    async with FileNode("own", path) as node:
        await store(node)
        with Writer(path) as writer:
            async with await node.data_subscribe(PATH, follow=True) as live:
                times = Times(live)
                await writer.write(1, 2)
                await writer.end()
                await add(node, [5], [7])
                await writer.write(9)
                assert await times.next(8) == [1, 2, None, 5, None, 7, None, 9]


async def test_rows_are_followed_within_50_ms(path: Path):
    delays = []
    async with FileNode("own", path) as node:
        await store(node)
        with Writer(path) as writer:
            async with await node.data_subscribe(PATH, follow=True) as live:
                for number in range(15):
                    written = asyncio.create_task(writer.write(number))
                    await live.read()
                    arrived = time.monotonic()
                    live.consume_all()
                    delays.append(arrived - await written)
    # the median: this machine may be busy with something else now and then
    assert sorted(delays)[len(delays) // 2] < 0.05


async def test_a_slow_reader_gets_everything_and_holds_up_nobody(path: Path):
    async with FileNode("own", path) as node:
        await store(node)
        async with await node.data_subscribe(PATH, follow=True) as live:
            async with await node.data_write(PATH) as pipe:
                for block in range(20):
                    await pipe.write(rows_at(range(block * 100_000, (block + 1) * 100_000)))
            expected = 0
            while expected < 2_000_000:
                rows = await live.read()
                live.consume_all()
                offsets = rows["timestamp"] - rows_at([0])["timestamp"][0]
                assert offsets[0] == expected
                assert (offsets[1:] - offsets[:-1] == 1).all()
                expected += len(rows)


async def test_a_chunk_that_grows_while_it_is_followed_is_given_whole(path: Path):
    async with FileNode("own", path) as node:
        await store(node)
        stored = StoredStream.of(await node.data_stream_get(PATH))
        follower = SqliteRowFollower(node.storage.database, stored)
        await follower.begin()
        async with await node.data_write(PATH) as pipe:
            await pipe.write(rows_at(range(200_000)))
            looking = follower.new_rows()
            found = [await anext(looking)]
            # the last chunk of those that this look found takes these in
            await pipe.write(rows_at(range(200_000, 300_000)))
            found += [items async for items in looking]
        while batches := [items async for items in follower.new_rows()]:
            found += batches
        rows = np.concatenate([rows for items in found for rows in items])
        assert (rows["timestamp"] == rows_at(range(300_000))["timestamp"]).all()


async def test_many_follow_with_one_look_at_the_file(path: Path):
    async with FileNode("own", path) as node:
        await store(node)
        live = [await node.data_subscribe(PATH, follow=True) for _ in range(20)]
        await add(node, [1, 2])
        for pipe in live:
            assert await Times(pipe).next(2) == [1, 2]
        watching = [t for t in asyncio.all_tasks() if "FileWatch" in repr(t.get_coro())]
        assert len(watching) == 1
        for pipe in live:
            await pipe.close()
        assert watching[0].done()


async def test_old_rows_that_are_no_longer_kept_do_not_stop_it(path: Path):
    async with FileNode("own", path, clock=lambda: int(rows_at([50])["timestamp"][0])) as node:
        await node.data_stream_create(flow(keep_us=10), "/a")
        async with await node.data_subscribe(PATH, follow=True) as live:
            times = Times(live)
            async with await node.data_write(PATH) as pipe:
                await pipe.write(rows_at([45]))
                assert await times.next(1) == [45]
                await node.data_delete(PATH)
                await pipe.write(rows_at([47]))
                assert await times.next(1) == [47]


async def test_a_stream_that_keeps_nothing_cannot_be_followed_from_elsewhere(path: Path):
    async with FileNode("own", path) as node:
        await node.data_stream_create(flow(keep_us=0), "/a")
        with Writer(path) as writer:
            await writer.write(1)
            with pytest.raises(SubscriptionError, match="keeps no rows"):
                await node.data_subscribe(PATH)


async def test_closing_the_node_fails_those_who_follow(path: Path):
    node = FileNode("own", path)
    await store(node)
    await node.data_stream_create(flow("other", keep_us=0), "/a")
    for name in (PATH, "/a/other"):
        live = await node.data_subscribe(name, follow=True)
        waiting = asyncio.create_task(live.read())
        await asyncio.sleep(0)
        if name != PATH:
            await node.close()
            with pytest.raises(StorageError):
                await waiting
        else:
            first = waiting
    with pytest.raises(StorageError):
        await first
