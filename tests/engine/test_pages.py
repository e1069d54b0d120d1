"""Checksums of pages: every page has one, whoever writes it; older files have none."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.engine.stores.sqlite import pages
from joule_cli.engine.stores.sqlite.page_file import PageFile
from joule_cli.errors import CorruptChunkError
from joule_cli.model import Event, EventStream
from tests.edited import opened
from tests.engine.writers import made_stream, read_pieces, rows_at
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

DTYPE = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


async def write(path: Path, first: int, after: int) -> None:
    async with FileNode("demo", path) as node:
        if first == 0:
            await node.data_stream_create(made_stream("s"), "/a")
            await node.event_stream_create(EventStream("e"), "/a")
        async with await node.data_write("/a/s", merge_gap=10) as pipe:
            await pipe.write(rows_at(range(first, after), pipe.dtype))
        await node.event_stream_write("/a/e", [Event(i, i + 1, {"i": i}) for i in range(500)])


def unsound(path: Path) -> list[int]:
    with PageFile(path) as file:
        assert file.has_checksums
        return list(file.unsound_pages())


async def test_every_page_has_its_checksum(path: Path):
    for first in range(0, 50_000, 10_000):
        await write(path, first, first + 10_000)
        assert unsound(path) == []
    async with FileNode("demo", path) as node:
        await node.data_delete("/a/s", 0, 30_000)
        await node.storage.maintenance.compact()
        await node.storage.maintenance.backup(path.with_name("copy.db"))
    assert unsound(path) == unsound(path.with_name("copy.db")) == []


async def test_the_sums_are_those_of_sqlite(path: Path):
    """The same by our definition in Python, by NumPy and by SQLite's own function."""
    await write(path, 0, 10_000)
    content = path.read_bytes()
    with closing(opened(path)) as connection:
        for start in range(0, len(content), 4096):
            page = content[start : start + 4096]
            assert page[-8:] == pages.checksum(page)
            assert connection.execute("SELECT verify_checksum(?)", (page,)).get == 1
            wrong = bytes([page[0] ^ 1]) + page[1:]
            assert wrong[-8:] != pages.checksum(wrong)
            assert connection.execute("SELECT verify_checksum(?)", (wrong,)).get == 0


async def test_a_page_that_has_changed_is_named(path: Path):
    await write(path, 0, 100)
    with closing(opened(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'event'").get
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 + 2000] ^= 1
    path.write_bytes(content)
    async with FileNode("demo", path) as node:
        with pytest.raises(CorruptChunkError, match="a page fails its checksum"):
            _ = [event async for event in node.event_stream_read("/a/e")]
        assert await read_pieces(node, "/a/s", DTYPE) == [list(range(100))]
        told = [problem.text for problem in (await node.storage.maintenance.check()).problems]
    assert f"page {root} (table event) fails its checksum" in told


@pytest.mark.parametrize(("at", "bit"), [(0, 1), (17, 1), (18, 4), (20, 8), (20, 1), (70, 2)])
async def test_a_header_that_has_changed_is_told(path: Path, at: int, bit: int):
    """Also where it hides that there are checksums, or that it is a database at all."""
    await write(path, 0, 100)
    content = bytearray(path.read_bytes())
    content[at] ^= bit
    path.write_bytes(content)
    async with FileNode("demo", path) as node:
        with pytest.raises(CorruptChunkError, match="damaged"):
            await node.data_count("/a/s")
        assert (await node.storage.maintenance.check()).problems


async def test_a_page_of_the_log_that_has_changed_is_told(path: Path):
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        async with await node.data_write("/a/s") as pipe:
            await pipe.write(rows_at(range(100), pipe.dtype))
        log = path.with_name("node.db-wal")
        content = bytearray(log.read_bytes())
        content[32 + 5 * (24 + 4096) + 100] ^= 1
        log.write_bytes(content)
        told = [problem.text for problem in (await node.storage.maintenance.check()).problems]
        assert told[0] == "page 6 of the log fails its checksum"


# -- files of former versions


@pytest.fixture
async def old(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as patch:
        patch.setattr(pages, "RESERVED", 0)
        await write(path, 0, 1000)
    return path


async def test_a_file_of_a_former_version_stays_as_it_is(old: Path):
    await write(old, 1000, 2000)
    with PageFile(old) as file:
        assert not file.has_checksums
    async with FileNode("demo", old) as node:
        assert await read_pieces(node, "/a/s", DTYPE) == [list(range(2000))]
        report = await node.storage.maintenance.check()
        assert (report.problems, report.has_checksums) == ([], False)


async def test_a_copy_of_it_has_checksums(old: Path):
    copy = old.with_name("copy.db")
    async with FileNode("demo", old) as node:
        await node.storage.maintenance.backup(copy)
    assert unsound(copy) == []
    async with FileNode("demo", copy) as node:
        assert await read_pieces(node, "/a/s", DTYPE) == [list(range(1000))]
        assert (await node.storage.maintenance.check()).has_checksums


# -- several processes

_WITHOUT_EXTRAS = """
import asyncio, sys
from pathlib import Path
real = Path.exists
Path.exists = lambda path, **options: path.name != "cksumvfs.so" and real(path, **options)
from joule_cli.engine.stores.sqlite import pages
from tests.engine.test_pages import write
assert pages.checking_vfs() == "joule-checksums"
asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
"""


def write_without_extras(path: Path, first: int, after: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _WITHOUT_EXTRAS, str(path), str(first), str(after)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_an_apsw_without_its_extras_writes_the_same(path: Path):
    assert write_without_extras(path, 0, 20_000).stderr == ""
    assert unsound(path) == []
    await write(path, 20_000, 40_000)
    assert write_without_extras(path, 40_000, 60_000).stderr == ""
    assert unsound(path) == []
    async with FileNode("demo", path) as node:
        assert await read_pieces(node, "/a/s", DTYPE) == [list(range(60_000))]
    with closing(opened(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'element'").get
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 + 1000] ^= 1
    path.write_bytes(content)
    assert "fails its checksum" in write_without_extras(path, 60_000, 60_100).stderr


async def test_another_program_of_sqlite_that_has_the_file_open_does_no_harm(path: Path):
    """It empties the log when it is the last to close the file, without checksums."""
    await write(path, 0, 1000)
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT count(*) FROM chunk").fetchall()
        await write(path, 1000, 5000)
    assert not path.with_name("node.db-wal").exists()
    assert unsound(path) == []


async def test_looking_at_the_pages_takes_no_lock_away(path: Path):
    """A process that closes a file loses its locks on it, also those of another descriptor."""
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        assert (await node.storage.maintenance.check()).problems == []
        log = path.with_name("node.db-wal")
        # what closes the file last removes the log
        subprocess.run([sys.executable, "-c", _USE, str(path)], check=True, capture_output=True)
        assert log.exists()


_USE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM chunk").fetchall()
connection.close()
"""
