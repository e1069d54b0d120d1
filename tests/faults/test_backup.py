"""Copies of damaged nodes, and damaged copies: neither takes the place of something good."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from joule_cli.engine.stores.sqlite import pages
from joule_cli.engine.stores.sqlite.page_file import PageFile
from joule_cli.errors import CorruptChunkError, IncompatibleFileError, StorageError
from tests.edited import edit, opened
from tests.engine.writers import made_stream, rows_at
from tests.faults.test_damage import everything, fill
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "node.db"
    await fill(path)
    return path


def spoil(path: Path, table: str) -> None:
    """Change one bit of the first page of a table."""
    with closing(opened(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
        root = connection.execute(query, (table,)).get
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 + 2000] ^= 1
    path.write_bytes(content)


async def back_up(path: Path, target: Path, **options: int) -> None:
    async with FileNode("demo", path) as node:
        await node.storage.maintenance.backup(target, **options)


@pytest.mark.parametrize("how", ["page", "event", "rows"])
async def test_a_damaged_node_leaves_the_last_copy_alone(path: Path, how: str):
    copy = path.with_name("copy.db")
    await back_up(path, copy)
    before = copy.read_bytes()
    match how:
        case "page":
            spoil(path, "event")
        case "event":
            edit(path, "UPDATE event SET content = '[1' WHERE key = (SELECT max(key) FROM event)")
        case "rows":
            edit(path, "UPDATE body SET rows = zeroblob(length(rows)) WHERE id = 5")
    with pytest.raises(CorruptChunkError, match="damaged") as failure:
        await back_up(path, copy, keep=2)
    assert failure.value.object == str(path)
    assert copy.read_bytes() == before
    assert sorted(file.name for file in path.parent.glob("copy*")) == ["copy.db"]


async def test_copies_from_before_are_kept(path: Path):
    copy = path.with_name("copy.db")
    for number in range(5):
        async with FileNode("demo", path) as node:
            await node.folder_create(f"/number/{number}")
            await node.storage.maintenance.backup(copy, keep=2)
    found = {}
    for file in path.parent.glob("copy*"):
        async with FileNode("copy", file) as node:
            found[file.name] = len((await node.folder_get("/number")).children)
    assert found == {"copy.db": 5, "copy.db.1": 4, "copy.db.2": 3}
    await back_up(path, copy)
    assert copy.with_name("copy.db.2").exists()


async def test_a_copy_of_a_former_version_is_restored_with_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    old, new = tmp_path / "old.db", tmp_path / "new" / "node.db"
    with monkeypatch.context() as patch:
        patch.setattr(pages, "RESERVED", 0)
        await fill(old)
    expected = await everything(old)
    async with FileNode("demo", new) as node:
        await node.storage.maintenance.restore(old)
        assert (await node.storage.maintenance.check()).problems == []
    assert await everything(new) == expected
    with PageFile(new) as file:
        assert file.has_checksums
        assert list(file.unsound_pages()) == []


async def test_a_copy_with_checksums_is_restored_into_a_file_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The reserved bytes of a file never change: other processes may have it open."""
    path, old = tmp_path / "node.db", tmp_path / "old.db"
    await fill(path)
    with monkeypatch.context() as patch:
        patch.setattr(pages, "RESERVED", 0)
        async with FileNode("demo", old) as node:
            await node.data_stream_create(made_stream("other"), "/b")
    await back_up(path, tmp_path / "copy.db")
    async with FileNode("demo", old) as open_before, FileNode("demo", old) as node:
        await open_before.folder_root()
        await node.storage.maintenance.restore(tmp_path / "copy.db")
        async with await open_before.data_write("/a/s", merge_gap=10) as pipe:
            await pipe.write(rows_at([10**6], pipe.dtype))
        await open_before.data_delete("/a/s", start=10**6)
        assert (await node.storage.maintenance.check()).problems == []
    assert await everything(old) == await everything(path)


@pytest.mark.parametrize("table", ["event", "folder", "chunk"])
async def test_a_damaged_copy_is_not_restored(path: Path, table: str):
    copy = path.with_name("copy.db")
    await back_up(path, copy)
    spoil(copy, table)
    expected = await everything(path)
    async with FileNode("demo", path) as node:
        with pytest.raises(CorruptChunkError, match="damaged") as failure:
            await node.storage.maintenance.restore(copy)
        assert failure.value.object == str(copy)
        assert (await node.storage.maintenance.check()).problems == []
    assert await everything(path) == expected


async def test_what_is_no_node_is_not_restored(path: Path):
    other = path.with_name("other.db")
    other.write_bytes(b"SQLite format 3\0" + bytes(5000))
    async with FileNode("demo", path) as node:
        with pytest.raises((IncompatibleFileError, CorruptChunkError)):
            await node.storage.maintenance.restore(other)
        with pytest.raises(StorageError, match="no such file"):
            await node.storage.maintenance.restore(path.with_name("missing.db"))


async def test_the_numbers_of_what_is_gone_are_not_given_again(path: Path):
    copy, new = path.with_name("copy.db"), path.with_name("new.db")
    async with FileNode("demo", path) as node:
        stream = await node.data_stream_create(made_stream("last"), "/a")
        await node.data_stream_delete(stream)
        await node.storage.maintenance.backup(copy)
    async with FileNode("demo", new) as node:
        await node.storage.maintenance.restore(copy)
        later = await node.data_stream_create(made_stream("later"), "/a")
    assert later.id > stream.id
