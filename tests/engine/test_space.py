"""What a deletion leaves in the file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from joule_cli.engine.stores.sqlite import space
from joule_cli.engine.stores.sqlite.connection import open_connection
from joule_cli.engine.stores.sqlite.database import Database
from tests.contracts.streams import flow
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "joule.db"


async def store(database: Database, stream_id: int, n_chunks: int) -> None:
    """Put chunks of 1 MiB into a stream."""

    def insert(connection: apsw.Connection) -> None:
        for i in range(n_chunks):
            connection.execute("INSERT INTO body (rows) VALUES (randomblob(?))", (MIB,))
            connection.execute(
                "INSERT INTO chunk VALUES (?, ?, ?, 10, 1, ?, NULL)",
                (stream_id, i * 100, i * 100 + 90, connection.last_insert_rowid()),
            )

    await database.write(insert)


async def count(database: Database, table: str) -> int:
    query = f"SELECT count(*) FROM {table}"
    return await database.read(lambda c: int(c.execute(query).get))


async def test_info_adds_up_the_chunks(path: Path):
    async with FileNode("demo", path) as node:
        stream = await node.data_stream_create(flow(), "/a")
        await store(node.storage.database, stream.id, 3)
        info = await node.data_stream_info(stream)
    assert (info.start, info.end, info.rows, info.total_time) == (0, 290, 30, 290)
    assert info.bytes == 3 * MIB


@pytest.mark.parametrize("by", ["stream", "folder"])
async def test_deleting_a_stream_deletes_its_rows_only(path: Path, by: str):
    async with FileNode("demo", path) as node:
        kept = await node.data_stream_create(flow(), "/kept")
        gone = await node.data_stream_create(flow(), "/gone/deep")
        await store(node.storage.database, kept.id, 1)
        await store(node.storage.database, gone.id, 2)
        if by == "stream":
            await node.data_stream_delete(gone)
        else:
            await node.folder_delete("/gone", recursive=True)
        assert (await node.data_stream_info(kept)).rows == 10
        for table, left in (("chunk", 1), ("body", 1), ("element", 2), ("data_stream", 1)):
            assert await count(node.storage.database, table) == left


async def test_file_shrinks_after_a_deletion(path: Path):
    async with FileNode("demo", path) as node:
        stream = await node.data_stream_create(flow(), "/a")
        await store(node.storage.database, stream.id, 30)
        await node.data_stream_delete(stream)
        assert path.stat().st_size < 3 * MIB


async def test_others_write_between_the_steps(path: Path):
    async with FileNode("demo", path) as node:
        stream = await node.data_stream_create(flow(), "/a")
        await store(node.storage.database, stream.id, 40)
        await node.storage.database.write(lambda c: c.execute("DELETE FROM body").fetchall())
        other = open_connection(path, create=False)
        other.set_busy_handler(None)
        written = 0

        def write_from_outside(connection: apsw.Connection) -> None:
            nonlocal written
            assert connection.pragma("freelist_count") > 0
            other.execute("UPDATE folder SET description = ?", (str(written),))
            written += 1

        original = node.storage.database.maintain

        async def maintain(body):
            await original(write_from_outside)
            return await original(body)

        node.storage.database.maintain = maintain
        await space.release(node.storage.database)
        other.close()
    # one look, at least four steps of 2000 pages for 40 MiB, one checkpoint
    assert written >= 6


async def test_failure_to_shrink_is_only_logged(path: Path, caplog: pytest.LogCaptureFixture):
    database = Database(path, create=False)
    with caplog.at_level(logging.INFO, "joule_cli.engine"):
        await space.release(database)
    assert "freed space is not given back yet" in caplog.text
    await database.close()
