"""Full disks, missing rights, foreign and damaged files, cancellation and early closing."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.errors import (
    ApiError,
    ClosedPipeError,
    CorruptChunkError,
    DiskFullError,
    IncompatibleFileError,
    PipeError,
    StorageError,
)
from joule_cli.model import DataStream, Element
from joule_cli.series.layout import Layout
from tests.edited import edit, opened
from tests.engine.writers import Program, made_stream, read_pieces, rows_at
from tests.nodes import FileNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.pipes import Pipe

DTYPE = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


async def make_stream(path: Path, *blocks: tuple[int, int], name: str = "s") -> None:
    """Make a stream with one interval for each block ``(first, after)``."""
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream(name), "/a")
        async with await node.data_write(f"/a/{name}") as pipe:
            for first, after in blocks:
                await pipe.write(rows_at(range(first, after), pipe.dtype))
                await pipe.close_interval()


# -- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "none", place],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def noise(first: int, size: int) -> np.ndarray:
    """Rows that do not compress."""
    rows = np.empty(size, DTYPE)
    rows["timestamp"] = range(first, first + size)
    rows["data"] = np.random.default_rng(first).random((size, 2))
    return rows


async def fill_up(pipe: Pipe, size: int) -> int:
    """Write until the disk is full; return the number of acknowledged rows."""
    written = 0
    with suppress(DiskFullError):
        while True:
            await pipe.write(noise(written, size))
            written += size
    return written


@pytest.mark.parametrize("size", [100, 1000, 50_000])
async def test_full_disk_refuses_a_block_and_keeps_the_others(small_disk: Path, size: int):
    path = small_disk / "node.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1024 * 1024))
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        pipe = await node.data_write("/a/s")
        written = await fill_up(pipe, size)
        with pytest.raises(DiskFullError) as failure:
            await pipe.write(noise(written, size))
        assert failure.value.object == str(path)
        with suppress(DiskFullError):  # no room for the break either
            await pipe.close()
        assert written > 0
        assert await node.data_count("/a/s") == written
        ballast.unlink()
        async with await node.data_write("/a/s", merge_gap=10) as pipe:
            await pipe.write(noise(written, 10))
        written += 10
    async with FileNode("demo", path) as node:
        async with await node.data_read("/a/s") as pipe:
            rows = await pipe.read_all(maxrows=10**9)
        assert rows["timestamp"].tolist() == list(range(written))
        assert rows[:size].tobytes() == noise(0, size).tobytes()
        assert (await node.storage.maintenance.check()).problems == []


async def test_deletion_on_a_full_disk_is_done_or_refused(small_disk: Path):
    """A deletion too needs room in the log."""
    path = small_disk / "node.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1024 * 1024))
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        pipe = await node.data_write("/a/s")
        written = await fill_up(pipe, 4096)
        with suppress(DiskFullError):
            await pipe.close()
    async with FileNode("demo", path) as node:
        try:
            await node.data_delete("/a/s", end=written // 2)
        except DiskFullError:
            assert await node.data_count("/a/s") == written
            ballast.unlink()
            await node.data_delete("/a/s", end=written // 2)
        assert await node.data_count("/a/s") == written - written // 2
        assert (await node.storage.maintenance.check()).problems == []


async def test_full_disk_before_the_file_exists(small_disk: Path):
    (small_disk / "ballast").write_bytes(bytes(3 * 1024 * 1024))
    async with FileNode("demo", small_disk / "node.db") as node:
        with pytest.raises(DiskFullError):
            await node.data_stream_create(made_stream("s"), "/a")
        (small_disk / "ballast").unlink()
        await node.data_stream_create(made_stream("s"), "/a")


# -- files that are not a node, or not for us


def other_application(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()


def other_application_id(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA application_id = 77")
    connection.execute("CREATE TABLE mine (x)")
    connection.close()


def text_file(path: Path) -> None:
    path.write_text("time,value\n" * 500)


@pytest.mark.parametrize("make", [other_application, other_application_id, text_file])
async def test_foreign_file_is_refused_and_left_as_it_is(path: Path, make):
    make(path)
    before = path.read_bytes()
    async with FileNode("demo", path) as node:
        with pytest.raises(IncompatibleFileError, match="not a node") as failure:
            await node.folder_root()
        assert failure.value.object == str(path)
        with pytest.raises(IncompatibleFileError):
            await node.data_stream_create(made_stream("s"), "/a")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_later_format_is_refused(path: Path):
    await make_stream(path, (0, 10))
    edit(path, "PRAGMA user_version = 99")
    async with FileNode("demo", path) as node:
        with pytest.raises(IncompatibleFileError, match="format 99") as failure:
            await node.data_count("/a/s")
    assert failure.value.hint is not None


async def test_directory_is_refused(tmp_path: Path):
    async with FileNode("demo", tmp_path) as node:
        for call in (node.folder_root(), node.data_stream_create(made_stream("s"), "/a")):
            with pytest.raises(StorageError, match="directory"):
                await call


async def test_file_in_place_of_a_directory_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("text")
    async with FileNode("demo", tmp_path / "file" / "node.db") as node:
        with pytest.raises(StorageError):
            await node.data_stream_create(made_stream("s"), "/a")


# -- rights


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach."""
    place = Path(tempfile.mkdtemp(prefix="joule-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@needs_root
@pytest.mark.parametrize(
    ("folder_mode", "file_mode"), [(0o755, 0o444), (0o777, 0o444), (0o755, 0o666)]
)
async def test_node_is_readable_without_the_right_to_write(
    public: Path, folder_mode: int, file_mode: int
):
    path = public / "node.db"
    await make_stream(path, (0, 100))
    path.chmod(file_mode)
    public.chmod(folder_mode)
    with Program() as program:
        program.begin("read_only", str(path), "/a/s")
        assert program.finish() == "100 StorageError"


@needs_root
async def test_an_older_node_is_readable_without_the_right_to_write(public: Path):
    path = public / "node.db"
    await make_stream(path, (0, 100))
    edit(path, "PRAGMA user_version = 3")
    path.chmod(0o444)
    with Program() as program:
        program.begin("read_only", str(path), "/a/s")
        assert program.finish() == "100 StorageError"


@needs_root
async def test_unreadable_file_and_folder(public: Path):
    path = public / "node.db"
    await make_stream(path, (0, 100))
    path.chmod(0o600)
    with Program() as program:
        program.begin("outsider", str(path), str(public / "new.db"))
        told = program.finish().splitlines()
    assert told == [
        f"StorageError no permission to open the file: {path}",
        f"StorageError the file does not exist and cannot be created here: {public / 'new.db'}",
    ]


@needs_root
async def test_node_on_a_read_only_file_system(tmp_path: Path):
    place = tmp_path / "fixed"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", place], capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        await make_stream(place / "node.db", (0, 100))
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        async with FileNode("demo", place / "node.db") as node:
            assert await node.data_count("/a/s") == 100
            assert await read_pieces(node, "/a/s", DTYPE) == [list(range(100))]
            with pytest.raises(StorageError):
                await node.data_delete("/a/s")
            with pytest.raises(StorageError):
                await node.data_write("/a/s")
    finally:
        subprocess.run(["umount", place], check=True)


# -- damage


def damage(path: Path, stream: str, start: int, at: float) -> None:
    """Flip one byte in the stored rows of a chunk."""
    connection = opened(path)
    ((number, blob),) = connection.execute(
        "SELECT b.id, b.rows FROM body b JOIN chunk c ON c.body_id = b.id "
        "JOIN data_stream s ON s.id = c.stream_id WHERE s.name = ? AND c.start = ?",
        (stream, start),
    )
    spoilt = bytearray(blob)
    spoilt[int(at * (len(spoilt) - 1))] ^= 0x40
    connection.execute("UPDATE body SET rows = ? WHERE id = ?", (bytes(spoilt), number))
    connection.close()


@pytest.mark.parametrize("at", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("size", [10, 1000])
async def test_damaged_rows_are_told_by_stream_and_time(path: Path, at: float, size: int):
    await make_stream(path, (0, size), (5000, 5000 + size), (9000, 9000 + size))
    await make_stream(path, (0, 100), name="other")
    damage(path, "s", 5000, at)
    async with FileNode("demo", path) as node:
        with pytest.raises(CorruptChunkError, match=r"stream s, rows from 5000 on") as failure:
            await read_pieces(node, "/a/s", DTYPE)
        assert failure.value.object == "s"
        with pytest.raises(CorruptChunkError, match=r"rows from 5000 on"):
            await node.data_count("/a/s", 5003, 5005)
        # what is not damaged can be read
        async with await node.data_read("/a/s", 9000) as pipe:
            assert len(await pipe.read_all()) == size
        assert await read_pieces(node, "/a/other", DTYPE) == [list(range(100))]
        async with await node.data_write("/a/other", merge_gap=10) as pipe:
            await pipe.write(rows_at([200], pipe.dtype))
        problems = (await node.storage.maintenance.check()).problems
        assert [(problem.path, problem.time) for problem in problems] == [("/a/s", 5000)]
        # and what is damaged can be deleted
        await node.data_delete("/a/s", 5000, 9000)
        assert len(await read_pieces(node, "/a/s", DTYPE)) == 2
        assert (await node.storage.maintenance.check()).problems == []


async def test_decimated_infinities_are_compared(path: Path):
    elements = [Element("x"), Element("y")]
    async with FileNode("demo", path) as node:
        await node.data_stream_create(DataStream("s", "", "float64", elements=elements), "/a")
    rows = np.zeros(1000, Layout("float64", 2).dtype)
    rows["timestamp"] = np.arange(1000)
    rows["data"][5] = [np.inf, -np.inf]
    rows["data"][6:8, 0] = [-np.inf, 1e308]
    async with FileNode("demo", path) as node:
        async with await node.data_write("/a/s") as pipe:
            await pipe.write(rows)
        assert (await node.storage.maintenance.check()).problems == []
    with closing(opened(path)) as connection:
        ((summary,),) = connection.execute("SELECT summary FROM chunk")
    decimated = np.frombuffer(summary, Layout("float64", 2).decimated.dtype).copy()
    assert np.isnan(decimated["data"][0, 0])
    assert decimated["data"][0, 1:].tolist() == [-np.inf, -np.inf, -np.inf, np.inf, 0]

    async def problems_with(column: int, value: float) -> list[str]:
        changed = decimated.copy()
        changed["data"][0, column] = value
        edit(path, "UPDATE chunk SET summary = ?", changed.tobytes())
        async with FileNode("demo", path) as node:
            return [each.text for each in (await node.storage.maintenance.check()).problems]

    # another machine may write NaN with another sign
    assert await problems_with(0, -decimated["data"][0, 0]) == []
    for column, value in ((0, 1.0), (0, np.inf), (1, np.inf), (1, np.nan), (3, -1e308)):
        told = await problems_with(column, value)
        assert told == ["has decimated rows (level summary) that do not match its rows"], column


async def test_missing_rows_are_told(path: Path):
    await make_stream(path, (0, 10), (5000, 5010))
    edit(path, "DELETE FROM body WHERE id = (SELECT body_id FROM chunk WHERE start = 5000)")
    async with FileNode("demo", path) as node:
        with pytest.raises(CorruptChunkError, match="rows from 5000 on"):
            await read_pieces(node, "/a/s", DTYPE)


async def test_damaged_pages_never_give_wrong_rows(path: Path):
    """Bytes anywhere in the file: an error of ours, or the rows as they were."""
    await make_stream(path, *[(i * 3000, i * 3000 + 2000) for i in range(30)])
    whole = path.read_bytes()
    expected = [list(range(i * 3000, i * 3000 + 2000)) for i in range(30)]
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    n_failures = 0
    for _ in range(40):
        spoilt = bytearray(whole)
        start = rng.randrange(100, len(spoilt) - 64)
        spoilt[start : start + 64] = rng.randbytes(64)
        path.write_bytes(spoilt)
        try:
            async with FileNode("demo", path) as node:
                found: list[np.ndarray] = []
                stream = await node.data_stream_get("/a/s")
                if stream.layout == "float32_2":
                    async with await node.data_read("/a/s") as pipe:
                        found = [r for r in [rows async for rows, _ in pipe.blocks()] if len(r)]
                    for rows in found:
                        assert rows.tobytes() == rows_at(rows["timestamp"], DTYPE).tobytes()
                problems = (await node.storage.maintenance.check()).problems
                if not problems:
                    assert [x for r in found for x in r["timestamp"]] == [
                        x for piece in expected for x in piece
                    ]
                n_failures += bool(problems)
        except ApiError:
            n_failures += 1
    assert n_failures, f"seed {seed}"


# -- cancellation and closing


@pytest.mark.parametrize("size", [1, 3000, 60_000])
async def test_cancelled_writes_store_whole_blocks(path: Path, size: int):
    await make_stream(path)
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    first = 0
    known: list[list[int]] = []
    for _ in range(25):
        async with FileNode("demo", path) as node:
            pipe = await node.data_write("/a/s")
            acknowledged = first

            async def produce() -> None:
                nonlocal acknowledged
                while True:
                    after = acknowledged + size
                    await pipe.write(rows_at(range(acknowledged, after), pipe.dtype))  # noqa: B023
                    acknowledged = after

            task = asyncio.create_task(produce())
            await asyncio.sleep(rng.random() * 0.03)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            if rng.random() < 0.5:
                with suppress(PipeError):
                    await pipe.close()
            else:
                with suppress(PipeError):
                    await node.close()
        async with FileNode("demo", path) as node:
            stop = await node.data_count("/a/s")
            assert stop in (acknowledged, acknowledged + size), f"seed {seed}"
            if stop > first:
                known.append([first, stop])
            assert await node.data_intervals("/a/s") == known, f"seed {seed}"
        first = stop
    async with FileNode("demo", path) as node:
        assert (await node.storage.maintenance.check()).problems == []


async def read_to_the_end(pipe: Pipe) -> None:
    async for _ in pipe.blocks():
        pass


async def test_closing_the_node_fails_its_pipes(path: Path):
    await make_stream(path, *[(i * 200_000, i * 200_000 + 100_000) for i in range(12)])
    await make_stream(path, name="t")
    node = FileNode("demo", path)
    writing = await node.data_write("/a/t")
    writing.enable_cache(100)
    await writing.write(rows_at([1, 2, 3], writing.dtype))
    reading = await node.data_read("/a/s")
    assert len(await reading.read())
    reading.consume_all()
    untouched = await node.data_read("/a/s")
    live = await node.data_subscribe("/a/t")
    await node.close()
    with pytest.raises(StorageError, match="the node was closed"):
        await writing.write(rows_at([4], writing.dtype))
    for pipe in (reading, untouched):
        with pytest.raises(StorageError, match="the node was closed"):
            await asyncio.wait_for(read_to_the_end(pipe), 5)
    assert len(await live.read_all()) == 3
    for pipe in (writing, reading, untouched):
        with suppress(ClosedPipeError):
            await pipe.close()
    with pytest.raises(StorageError, match="the node is closed"):
        await node.data_count("/a/t")
    await node.close()
    gc.collect()
    # what was cached is stored
    async with FileNode("demo", path) as node:
        assert await read_pieces(node, "/a/t", DTYPE) == [[1, 2, 3]]


async def test_closing_the_node_ends_a_wait_for_the_lock(path: Path):
    await make_stream(path)
    with Program() as program:
        async with FileNode("demo", path) as node:
            program.begin("block", str(path), 20)
            program.wait_byte()
            task = asyncio.create_task(node.data_delete("/a/s"))
            await asyncio.sleep(0.2)
            async with asyncio.timeout(3):
                await node.close()
            with pytest.raises(StorageError, match="the node was closed"):
                await task


async def test_reader_that_leaves_early_leaves_nothing(path: Path):
    await make_stream(path, *[(i * 200_000, i * 200_000 + 100_000) for i in range(12)])
    async with FileNode("demo", path) as node:
        for consumed in (0, 1, 3):
            async with await node.data_read("/a/s") as pipe:
                for _ in range(consumed):
                    await pipe.read()
                    pipe.consume_all()
        gc.collect()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
