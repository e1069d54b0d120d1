"""The embedded node: the contract of every node, and what only a file has."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from joule_cli.engine.stores.sqlite.producers import Producers
from joule_cli.errors import IncompatibleFileError, LockedError, StorageError
from tests.contracts.node_contract import NodeContract
from tests.contracts.streams import flow
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path


class TestEmbeddedNode(NodeContract):
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "joule.db"


async def test_reading_makes_no_file(path: Path):
    async with FileNode("demo", path) as node:
        assert (await node.folder_root()).children == []
        info = await node.info()
    assert (info.size_db, info.uuid, info.path) == (0, "", str(path))
    assert info.size_free > 0
    assert not path.parent.exists()


async def test_what_a_killed_process_left_of_a_new_file_is_removed(path: Path):
    path.parent.mkdir()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f".{path.name}.new{suffix}").write_bytes(b"left over")
    async with FileNode("demo", path) as node:
        await node.folder_create("/a")
    assert [file.name for file in path.parent.glob(".*")] == []
    async with FileNode("demo", path) as node:
        assert [folder.name for folder in (await node.folder_root()).children] == ["a"]


async def test_missing_file_without_create(path: Path):
    async with FileNode("demo", path, create=False) as node:
        with pytest.raises(StorageError, match="does not exist"):
            await node.folder_root()
        with pytest.raises(StorageError):
            await node.folder_create("/a")
    assert not path.exists()


async def test_everything_is_there_after_reopening(path: Path):
    async with FileNode("demo", path) as node:
        created = await node.data_stream_create(flow(), "/a/b")
        uuid = (await node.info()).uuid
    async with FileNode("demo", path, create=False) as node:
        found = await node.data_stream_get("/a/b/flow")
        assert found.to_json() == created.to_json()
        assert (await node.info()).uuid == uuid


async def test_file_that_is_no_node(path: Path):
    path.parent.mkdir()
    path.write_text("timestamp,value\n" * 100)
    async with FileNode("demo", path) as node:
        for call in (node.folder_root(), node.folder_create("/a"), node.info()):
            with pytest.raises(IncompatibleFileError, match="not a node"):
                await call
    assert path.read_text() == "timestamp,value\n" * 100


async def test_calls_after_close_are_refused(path: Path):
    node = FileNode("demo", path)
    await node.close()
    with pytest.raises(StorageError, match="closed"):
        await node.folder_root()


async def test_another_node_sees_the_change_at_once(path: Path):
    async with FileNode("one", path) as one, FileNode("two", path) as two:
        await one.data_stream_create(flow(), "/a")
        stream = await two.data_stream_get("/a/flow")
        await two.data_stream_delete(stream)
        assert (await one.folder_get("/a")).data_streams == []


async def test_stream_that_another_process_writes_is_locked(path: Path):
    async with FileNode("demo", path) as node:
        stream = await node.data_stream_create(flow(), "/a/b")
        await node.data_stream_create(flow("free"), "/x")
        writer = Producers(path)
        writer.acquire(stream.id, stream.name)
        found = await node.data_stream_get(stream)
        assert (found.is_destination, found.active, found.locked) == (True, True, True)
        root = await node.folder_root()
        assert {p: f.locked for p, f in root.walk()} == {
            "/": True,
            "/a": True,
            "/a/b": True,
            "/x": False,
        }
        assert {p: s.locked for p, s in root.streams()} == {"/a/b/flow": True, "/x/free": False}
        for call in (
            node.data_stream_update(stream),
            node.data_stream_move(stream, "/x"),
            node.data_stream_delete(stream),
        ):
            with pytest.raises(LockedError, match="stream is locked"):
                await call
        for call in (
            node.folder_update(await node.folder_get("/a/b")),
            node.folder_move("/a", "/x"),
            node.folder_delete("/a", recursive=True),
        ):
            with pytest.raises(LockedError, match="folder is locked"):
                await call
        await node.data_stream_create(flow("beside"), "/a/b")
        await node.folder_move("/x", "/a/b")
        writer.close()
        assert not (await node.data_stream_get(stream)).locked
        await node.folder_delete("/a", recursive=True)


async def test_big_tree_takes_few_queries(path: Path):
    def fill(connection) -> None:
        connection.execute(
            "WITH RECURSIVE k (i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM k WHERE i < 101) "
            "INSERT INTO folder (id, parent_id, name, updated_at) SELECT i, 1, i, 0 FROM k"
        )
        connection.execute(
            "WITH RECURSIVE k (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM k WHERE i < 9999) "
            "INSERT INTO data_stream "
            "(folder_id, name, datatype, keep_us, decimate, updated_at) "
            "SELECT 2 + i / 100, i, 'int8', -1, 1, 0 FROM k"
        )
        connection.execute(
            "INSERT INTO element "
            "(stream_id, position, name, display_type, offset, scale_factor) "
            "SELECT id, 0, 'e', 'EVENT', 0, 1 FROM data_stream"
        )

    async with FileNode("demo", path) as node:
        await node.storage.database.write(fill)
        queries: list[str] = []

        def count(connection) -> None:
            connection.set_profile(lambda text, _: queries.append(text))

        # there may be two reading connections, and only idle ones are handed out again
        await node.storage.database.read(count)
        root = await node.folder_root()
        await node.storage.database.read(lambda c: c.set_profile(None))
    assert len(list(root.streams())) == 10_000
    assert all(len(s.elements) == 1 for _, s in root.streams())
    assert len(queries) < 10


def test_folder_calls_load_no_numpy(path: Path):
    code = f"""
import asyncio, pathlib, sys
from tests.nodes import FileNode
async def main():
    async with FileNode("demo", pathlib.Path({str(path)!r})) as node:
        await node.folder_create("/a")
        await node.folder_root()
        await node.info()
asyncio.run(main())
print([m for m in ("numpy", "h5py", "aiohttp", "zstandard", "rich") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
