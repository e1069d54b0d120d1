"""Files that are no node, or a node that somebody has changed, and the modes of our own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from joule_cli.daemon import administration, peers, repair_file
from joule_cli.engine.stores.sqlite.connection import open_connection
from joule_cli.engine.stores.sqlite.migrations import APPLICATION_ID, MIGRATIONS
from joule_cli.engine.stores.sqlite.serving import only_server
from joule_cli.errors import IncompatibleFileError, StorageError
from joule_cli.model import Annotation
from tests.edited import opened
from tests.engine.test_failures import made_stream, make_stream
from tests.nodes import FileNode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


def change(path: Path, *statements: str) -> None:
    with closing(opened(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def make_older(path: Path, *statements: str) -> None:
    """Make a node as the first step of `MIGRATIONS` has made it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(MIGRATIONS[0])
        connection.execute("INSERT INTO node VALUES ('uuid', 'x')")
        connection.execute("INSERT INTO folder (name, updated_at) VALUES ('root', 0)")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()


# -- nothing


def zero_bytes(path: Path) -> None:
    path.touch()


def empty_database(path: Path) -> None:
    change(path, "CREATE TABLE x (y)", "DROP TABLE x", "VACUUM")


@pytest.mark.parametrize("make", [zero_bytes, empty_database])
async def test_an_empty_file_is_not_a_new_node(path: Path, make):
    make(path)
    before = path.read_bytes()
    async with FileNode("demo", path) as node:
        for call in (node.folder_root, node.info):
            with pytest.raises(IncompatibleFileError, match="the file is empty, not a node"):
                await call()
        with pytest.raises(IncompatibleFileError) as failure:
            await node.data_stream_create(made_stream("s"), "/a")
    assert failure.value.object == str(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_an_empty_backup_is_not_restored(path: Path, tmp_path: Path):
    await make_stream(path, (0, 10))
    (tmp_path / "empty.db").touch()
    async with FileNode("demo", path) as node:
        with pytest.raises(IncompatibleFileError):
            await administration(node).restore(tmp_path / "empty.db")
        assert await node.data_count("/a/s") == 10


# -- a schema that is not ours

TRIGGER = "CREATE TRIGGER evil AFTER INSERT ON annotation BEGIN DELETE FROM chunk; END"
CHANGES = [
    ([TRIGGER], "it has the trigger evil"),
    (["CREATE VIEW mine AS SELECT * FROM node"], "it has the view mine"),
    (["CREATE TABLE mine (x)"], "it has the table mine"),
    (["CREATE INDEX mine ON event (content)"], "it has the index mine"),
    (["CREATE TABLE mine (x)", "DROP INDEX event_start"], "it has the table mine"),
    (["DROP INDEX event_start"], "it lacks the index event_start"),
    (["DROP TABLE event_tally"], "it lacks the table event_tally"),
    (["ALTER TABLE annotation ADD COLUMN more"], "its table annotation is another one"),
    (
        [
            "DROP TABLE follower",
            "CREATE TABLE node2 (key)",
            "CREATE VIEW follower AS SELECT key AS id, key AS name FROM node2",
        ],
        "it has the view follower",
    ),
]


@pytest.mark.parametrize(("statements", "told"), CHANGES)
async def test_a_schema_that_is_not_ours_is_refused(path: Path, statements, told):
    await make_stream(path, (0, 10))
    change(path, *statements)
    before = path.read_bytes()
    async with FileNode("demo", path) as node:
        for call in (
            lambda: node.data_count("/a/s"),
            lambda: node.annotation_create(Annotation(title="t", start=1), "/a/s"),
            node.db_connect,
        ):
            with pytest.raises(IncompatibleFileError, match=told) as failure:
                await call()
            assert failure.value.object == str(path)
            assert failure.value.hint is not None
    assert path.read_bytes() == before


@pytest.mark.parametrize(("statements", "told"), CHANGES)
async def test_nor_is_it_restored(path: Path, tmp_path: Path, statements, told):
    await make_stream(path, (0, 10))
    shutil.copy(path, tmp_path / "crafted.db")
    change(tmp_path / "crafted.db", *statements)
    async with FileNode("demo", path) as node:
        with pytest.raises(IncompatibleFileError, match=told):
            await administration(node).restore(tmp_path / "crafted.db")
        await node.annotation_create(Annotation(title="t", start=1), "/a/s")
        assert await node.data_count("/a/s") == 10


@pytest.mark.parametrize(("statements", "told"), CHANGES)
async def test_nor_is_it_checked_or_backed_up(path: Path, tmp_path: Path, statements, told):
    await make_stream(path, (0, 10))
    change(path, *statements)
    async with FileNode("demo", path) as node:
        for work in (administration(node).check(), administration(node).backup(tmp_path / "b.db")):
            with pytest.raises(IncompatibleFileError, match=told):
                await work
    assert not (tmp_path / "b.db").exists()


@pytest.mark.parametrize(("statements", "told"), CHANGES[:4])
async def test_a_repair_takes_what_is_ours(path: Path, tmp_path: Path, statements, told):
    await make_stream(path, (0, 10))
    change(path, *statements)
    async with FileNode("demo", path) as node:
        result = await repair_file(node, tmp_path / "new.db", lambda *_: None, lambda _: None)
    name = told.removeprefix("it has ")
    assert [loss.text for loss in result.losses] == [f"{name}, which no node has"]
    async with FileNode("demo", tmp_path / "new.db") as node:
        assert await node.data_count("/a/s") == 10


async def test_a_repair_tells_of_a_table_that_is_gone(path: Path, tmp_path: Path):
    await make_stream(path, (0, 10))
    change(path, "DROP TABLE follower")
    async with FileNode("demo", path) as node:
        result = await repair_file(node, tmp_path / "new.db", lambda *_: None, lambda _: None)
    assert "the table follower, which is missing" in [loss.text for loss in result.losses]


@pytest.mark.parametrize("statement", [TRIGGER, "CREATE VIEW v AS SELECT 1", "CREATE TABLE t (x)"])
async def test_an_older_format_with_more_in_it(path: Path, tmp_path: Path, statement):
    make_older(tmp_path / "old.db", statement)
    before = (tmp_path / "old.db").read_bytes()
    await make_stream(path, (0, 10))
    async with (
        FileNode("demo", path) as node,
        FileNode("old", tmp_path / "old.db") as old,
    ):
        for work in (
            administration(node).restore(tmp_path / "old.db"),
            administration(old).check(),
            administration(old).backup(tmp_path / "b.db"),
            old.folder_root(),
        ):
            with pytest.raises(IncompatibleFileError, match="it has the"):
                await work
        assert await node.data_count("/a/s") == 10
    assert (tmp_path / "old.db").read_bytes() == before


async def test_what_comes_after_the_check_runs_neither(path: Path):
    """The connection is open when somebody adds a trigger."""
    await make_stream(path, (0, 10))
    async with FileNode("demo", path) as node:
        await node.annotation_create(Annotation(title="first", start=1), "/a/s")
        change(path, TRIGGER)
        await node.annotation_create(Annotation(title="second", start=2), "/a/s")
        change(path, "DROP TRIGGER evil")
        assert await node.data_count("/a/s") == 10
        # what SQLite does by itself for foreign keys goes on
        await node.data_stream_delete("/a/s")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM annotation").fetchone() == (0,)


async def test_statistics_of_sqlite_are_no_change(path: Path):
    await make_stream(path, (0, 10))
    change(path, "ANALYZE")
    async with FileNode("demo", path) as node:
        assert await node.data_count("/a/s") == 10


async def test_an_older_format_is_brought_to_this_one(path: Path):
    make_older(path)
    async with FileNode("demo", path) as node:
        assert (await node.folder_root()).children == []
        await node.data_stream_create(made_stream("s"), "/a")


# -- modes


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_umask")
async def test_no_file_is_more_open_than_the_node(tmp_path: Path):
    path = tmp_path / "new" / "folder" / "node.db"
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        async with await node.data_write("/a/s") as pipe:
            await pipe.write([[1, 1.0, 2.0]])
            with only_server(path):
                assert {each.name: mode(each) for each in path.parent.iterdir()} == {
                    "node.db": 0o600,
                    "node.db-lock": 0o600,
                    "node.db-shm": 0o600,
                    "node.db-wal": 0o600,
                }
        backup = tmp_path / "saved" / "copy.db"
        await administration(node).backup(backup)
    assert mode(backup) == 0o600
    for folder in (path.parent, path.parent.parent, backup.parent):
        assert mode(folder) == 0o700


@pytest.mark.parametrize(
    ("node_mode", "lock_mode"),
    [(0o600, 0o600), (0o644, 0o600), (0o640, 0o600), (0o660, 0o660), (0o666, 0o666)],
)
async def test_who_may_write_the_node_may_lock_it_and_nobody_else(path, node_mode, lock_mode):
    await make_stream(path, (0, 10))
    lock = Path(f"{path}-lock")
    lock.touch()
    # as an earlier version has left it
    lock.chmod(0o644)
    path.chmod(node_mode)
    async with FileNode("demo", path) as node, await node.data_write("/a/s"):
        assert mode(lock) == lock_mode


async def test_the_lock_is_closed_with_the_file_that_gets_keys(path: Path):
    await make_stream(path, (0, 10))
    path.chmod(0o666)
    async with FileNode("demo", path) as node:
        async with await node.data_write("/a/s"):
            pass
        await peers(node).add_follower("a", "key", "http://192.0.2.1:8088")
    assert mode(Path(f"{path}-lock")) == 0o660


async def test_a_link_in_place_of_the_lock_is_not_followed(path: Path, tmp_path: Path):
    await make_stream(path, (0, 10))
    Path(f"{path}-lock").unlink(missing_ok=True)
    (tmp_path / "other").touch(mode=0o644)
    Path(f"{path}-lock").symlink_to(tmp_path / "other")
    async with FileNode("demo", path) as node:
        with pytest.raises(StorageError):
            await node.data_write("/a/s")
    assert mode(tmp_path / "other") == 0o644


def test_every_connection_runs_nothing_of_the_schema(path: Path):
    open_connection(path, create=True).close()
    connection = open_connection(path, create=False)
    try:
        assert connection.pragma("trusted_schema") == 0
    finally:
        connection.close()
