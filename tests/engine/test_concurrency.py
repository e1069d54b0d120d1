"""Several processes, and several pipes, on one node file at the same time."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from joule_cli.errors import StreamInUseError
from tests.engine.writers import STEP, Program, made_stream, merge_small, numbered_rows, rows_at
from tests.nodes import FileNode

MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


async def make_streams(path: Path, *names: str) -> None:
    async with FileNode("demo", path) as node:
        for name in names:
            # float64 holds the row numbers exactly
            await node.data_stream_create(made_stream(name, "float64"), "/a")


async def n_chunks(node: FileNode, stream: str) -> int:
    stream_id = (await node.data_stream_get(stream)).id
    query = "SELECT count(*) FROM chunk WHERE stream_id = ?"
    return await node.storage.database.read(lambda c: int(c.execute(query, (stream_id,)).get))


# -- many processes


@pytest.mark.parametrize("seconds", [5, pytest.param(30, marks=pytest.mark.slow)])
async def test_producers_and_readers_do_not_disturb_each_other(path: Path, seconds: float):
    streams = ["/a/one", "/a/two"]
    await make_streams(path, "one", "two")
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    with ExitStack() as stack:
        programs = [stack.enter_context(Program()) for _ in range(6)]
        for i, stream in enumerate(streams):
            programs[i].begin("produce", str(path), stream, seed + i, seconds)
        for i in range(3):
            programs[2 + i].begin("watch", str(path), streams[i % 2], seed + i, seconds)
        programs[5].begin("tend", str(path), streams, seed, seconds)
        largest_log = 0
        while programs[0].process.poll() is None:
            await asyncio.sleep(0.1)
            log_file = Path(f"{path}-wal")
            largest_log = max(largest_log, log_file.stat().st_size if log_file.exists() else 0)
        counts = [int(program.finish()) for program in programs]
    assert min(counts) > 0
    assert largest_log < 100 * MIB, "readers kept the log from being used again"
    async with FileNode("demo", path) as node:
        for stream, written in zip(streams, counts[:2], strict=True):
            assert await node.data_count(stream) == written
        assert (await node.storage.maintenance.check()).problems == []


async def test_eight_processes_create_the_file_at_the_same_moment(path: Path):
    with ExitStack() as stack:
        programs = [stack.enter_context(Program()) for _ in range(8)]
        for number, program in enumerate(programs):
            program.begin("first_use", str(path), f"s{number}")
        uuids = {program.finish() for program in programs}
    assert len(uuids) == 1
    async with FileNode("demo", path) as node:
        assert (await node.info()).uuid in uuids
        folder = await node.folder_get("/all")
        assert {s.name for s in folder.data_streams} == {f"s{i}" for i in range(8)}


async def test_second_producer_is_refused_until_the_first_is_gone(path: Path):
    await make_streams(path, "s", "other")
    with Program() as program:
        program.begin("hold", str(path), "/a/s")
        program.wait_byte()
        async with FileNode("demo", path) as node:
            with pytest.raises(StreamInUseError, match=r"\[s\] is already being produced"):
                await node.data_write("/a/s")
            async with await node.data_write("/a/other") as pipe:
                await pipe.write(rows_at([1], pipe.dtype))
            program.kill()
            async with await node.data_write("/a/s") as pipe:
                await pipe.write(rows_at([4], pipe.dtype))
                with pytest.raises(StreamInUseError):
                    await node.data_write("/a/s")
            assert await node.data_count("/a/s") == 4


async def test_refused_producer_deletes_nothing(path: Path):
    await make_streams(path, "s")
    with Program() as program:
        program.begin("hold", str(path), "/a/s")
        program.wait_byte()
        async with FileNode("demo", path) as node:
            with pytest.raises(StreamInUseError):
                await node.data_write("/a/s", start=0)
            assert await node.data_count("/a/s") == 3


async def test_waiting_producer_says_so_and_goes_on(path: Path, caplog: pytest.LogCaptureFixture):
    await make_streams(path, "s")
    with Program() as program:
        async with FileNode("demo", path) as node, await node.data_write("/a/s") as pipe:
            program.begin("block", str(path), 2.0)
            program.wait_byte()
            begun = time.monotonic()
            with caplog.at_level(logging.WARNING, "joule_cli.engine"):
                await pipe.write(rows_at([1, 2], pipe.dtype))
            assert time.monotonic() - begun > 1.5
            assert await node.data_count("/a/s") == 2
        program.finish()
    assert [r.getMessage() for r in caplog.records] == [f"waiting for another writer of {path}"]


async def test_readers_do_not_wait_for_a_producer(path: Path, caplog: pytest.LogCaptureFixture):
    await make_streams(path, "s")
    with Program() as program:
        async with FileNode("demo", path) as node:
            async with await node.data_write("/a/s") as pipe:
                await pipe.write(rows_at([1, 2], pipe.dtype))
            program.begin("block", str(path), 1.5)
            program.wait_byte()
            begun = time.monotonic()
            assert await node.data_count("/a/s") == 2
            assert len(await node.data_read_array("/a/s")) == 2
            assert time.monotonic() - begun < 1
        program.finish()
    assert not caplog.records


async def test_a_node_opens_for_reading_while_another_process_writes(
    path: Path, caplog: pytest.LogCaptureFixture
):
    await make_streams(path, "s")
    with Program() as program:
        program.begin("block", str(path), 1.5)
        program.wait_byte()
        begun = time.monotonic()
        async with FileNode("demo", path) as node:
            assert await node.data_count("/a/s") == 0
        assert time.monotonic() - begun < 1
        program.finish()
    assert not caplog.records


# -- the log and the size of the file


async def fill(node: FileNode, stream: str, n_blocks: int, first: int = 0) -> None:
    async with await node.data_write(stream, merge_gap=STEP) as pipe:
        for i in range(n_blocks):
            rows = numbered_rows(first + i * 50_000, 50_000, pipe.dtype)
            rows["data"][:, 1] = np.random.default_rng(i).random(50_000)  # does not compress
            await pipe.write(rows)


async def empty_log(node: FileNode) -> tuple[int, int, int]:
    return await node.storage.database.maintain(
        lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    )


async def test_reader_that_pauses_does_not_keep_the_log(path: Path):
    await make_streams(path, "s", "t")
    async with FileNode("reader", path) as reader, FileNode("writer", path) as writer:
        await fill(writer, "/a/s", 20)
        async with await reader.data_read("/a/s") as pipe:
            first = await pipe.read()
            assert len(first)
            pipe.consume_all()
            await fill(writer, "/a/t", 60)
            assert await empty_log(writer) == (0, 0, 0)
            assert Path(f"{path}-wal").stat().st_size == 0
            n_rows = len(first) + sum([len(rows) async for rows, _ in pipe.blocks()])
            assert n_rows == 20 * 50_000


async def test_log_stays_small_while_much_is_written(path: Path):
    await make_streams(path, "s")
    async with FileNode("writer", path) as writer:
        await fill(writer, "/a/s", 150)
        assert (await writer.data_stream_info("/a/s")).bytes > 40 * MIB
        assert Path(f"{path}-wal").stat().st_size < 30 * MIB


async def test_file_gets_smaller_when_rows_are_deleted(path: Path):
    await make_streams(path, "s", "t")
    async with FileNode("demo", path) as node:
        await fill(node, "/a/t", 1)
        await fill(node, "/a/s", 60)
        await empty_log(node)
        before = path.stat().st_size
        await node.data_delete("/a/s", end=55 * 50_000 * STEP)
        assert path.stat().st_size < before / 4
        assert await node.data_count("/a/s") == 5 * 50_000
        assert await node.data_count("/a/t") == 50_000
        assert (await node.storage.maintenance.check()).problems == []


# -- small chunks become large ones


@pytest.mark.parametrize(("size", "n_blocks"), [(1, 6000), (100, 1000)])
async def test_small_appends_make_few_chunks(path: Path, size: int, n_blocks: int):
    await make_streams(path, "s")
    async with FileNode("demo", path) as node:
        async with await node.data_write("/a/s") as pipe:
            for i in range(n_blocks):
                await pipe.write(numbered_rows(i * size, size, pipe.dtype))
        # full ones, then less than 64 of each smaller kind: 4,096 rows, 64 rows, single blocks
        assert await n_chunks(node, "/a/s") < n_blocks * size / 4096 + 4096 / max(64, size) + 64
        assert await node.data_count("/a/s") == n_blocks * size
        assert (await node.storage.maintenance.check()).problems == []


async def test_chunks_merge_across_sessions(path: Path):
    """As a cron job appends: one session and one node for every few rows."""
    await make_streams(path, "s")
    for i in range(300):
        node = FileNode("demo", path)
        async with node, await node.data_write("/a/s", merge_gap=STEP) as pipe:
            await pipe.write(numbered_rows(i * 10, 10, pipe.dtype))
    async with FileNode("demo", path) as node:
        assert await node.data_intervals("/a/s") == [[0, 2999 * STEP + 1]]
        # 3,000 rows in chunks of at least 64, and at most 7 blocks behind them
        assert await n_chunks(node, "/a/s") <= 3000 // 64 + 7
        assert (await node.storage.maintenance.check()).problems == []


async def test_chunks_of_interleaved_streams_merge(path: Path):
    names = [f"s{i}" for i in range(4)]
    await make_streams(path, *names)
    async with FileNode("one", path) as one, FileNode("two", path) as two:
        pipes = [await (one, two)[i % 2].data_write(f"/a/{n}") for i, n in enumerate(names)]
        for i in range(1000):
            for pipe in pipes:
                await pipe.write(numbered_rows(i * 5, 5, pipe.dtype))
        for pipe in pipes:
            await pipe.close()
        for name in names:
            assert await n_chunks(one, f"/a/{name}") <= 1 + 904 // 64 + 1 + 13
            await merge_small(one, f"/a/{name}")
            assert await n_chunks(one, f"/a/{name}") == 1
            assert await node_rows(one, f"/a/{name}") == list(range(5000))


async def node_rows(node: FileNode, stream: str) -> list[int]:
    async with await node.data_read(stream) as pipe:
        return [int(x) for rows in [r async for r, _ in pipe.blocks()] for x in rows["data"][:, 0]]


# -- one session while others change its stream


@pytest.mark.parametrize("size", [1, 5000])
@pytest.mark.parametrize("change", ["delete", "delete end", "consolidate", "drop", "stream"])
async def test_session_goes_on_when_others_change_its_chunks(path: Path, change: str, size: int):
    await make_streams(path, "s", "other")
    async with FileNode("one", path) as one, FileNode("two", path) as two:
        async with await one.data_write("/a/s") as pipe:
            for i in range(63):
                await pipe.write(numbered_rows(i * size, size, pipe.dtype))
                if i % 20 == 0:
                    await pipe.close_interval()
            kept = 0
            match change:
                case "delete":
                    await two.data_delete("/a/s")
                    kept = 63 * size
                case "delete end":
                    await two.data_delete("/a/s", start=60 * size * STEP)
                case "consolidate":
                    await two.data_consolidate("/a/s", STEP)
                    await merge_small(two, "/a/s")
                case "drop":
                    await two.data_drop_decimations("/a/s")
                case "stream":
                    # numbers of chunks that are gone may be given to chunks of other streams
                    await two.data_delete("/a/s")
                    async with await two.data_write("/a/other") as other:
                        for i in range(63):
                            await other.write(numbered_rows(i * size, size, other.dtype))
                    kept = 63 * size
            for i in range(63, 130):
                await pipe.write(numbered_rows(i * size, size, pipe.dtype))
        expected = set(range(kept, 130 * size))
        if change == "delete end":
            expected -= set(range(60 * size, 63 * size))
        assert await node_rows(one, "/a/s") == sorted(expected)
        assert (await one.storage.maintenance.check()).problems == []


async def test_array_read_beside_a_producer_is_never_too_long(path: Path):
    """The level is chosen and the rows are read at different moments."""
    await make_streams(path, "s")
    one, two = FileNode("one", path), FileNode("two", path)
    async with one, two, await one.data_write("/a/s") as pipe:
        await pipe.write(numbered_rows(0, 16, pipe.dtype))

        async def produce() -> None:
            for i in range(16, 600):
                await pipe.write(numbered_rows(i, 1, pipe.dtype))
                if i % 3 == 0:
                    await pipe.close_interval()

        task = asyncio.create_task(produce())
        while not task.done():
            rows = await two.data_read_array("/a/s", max_rows=20)
            assert 0 < len(rows) <= 20
        await task
