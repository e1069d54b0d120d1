"""Connecting to the file of a node."""

from __future__ import annotations

import pytest

from joule_cli.errors import StorageError
from joule_cli.model import ConnectionInfo
from tests.engine.sql_helpers import make_stream
from tests.nodes import FileNode

sqlalchemy = pytest.importorskip("sqlalchemy")


async def test_the_engine_reads_the_file(node):
    await make_stream(node)
    engine = await node.db_connect()
    try:
        with engine.connect() as connection:
            names = connection.execute(sqlalchemy.text("SELECT name FROM data_stream")).scalars()
            assert list(names) == ["mains"]
    finally:
        engine.dispose()


async def test_the_engine_cannot_write(node):
    await make_stream(node)
    engine = await node.db_connect()
    try:
        with (
            engine.connect() as connection,
            pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"),
        ):
            connection.execute(sqlalchemy.text("DELETE FROM data_stream"))
    finally:
        engine.dispose()
    assert (await node.data_stream_get("/house/mains")).name == "mains"


async def test_a_path_with_odd_characters(tmp_path):
    async with FileNode("x", tmp_path / "a ?#%é.db") as node:
        await make_stream(node)
        engine = await node.db_connect()
        try:
            with engine.connect() as connection:
                query = sqlalchemy.text("SELECT count(*) FROM data_stream")
                assert connection.execute(query).scalar() == 1
        finally:
            engine.dispose()


async def test_a_node_without_a_file(node):
    with pytest.raises(StorageError, match="does not exist"):
        await node.db_connect()
    info = await node.db_connection_info()
    assert (info.is_file, info.database, info.host) == (True, str(node.storage.path), "")


@pytest.mark.parametrize(
    ("info", "dsn"),
    [
        (ConnectionInfo("u", "p", 5432, "d", "h"), "postgresql://u:p@h:5432/d"),
        (ConnectionInfo("u", "p/@:", 1, "d e", "::1"), "postgresql://u:p%2F%40%3A@[::1]:1/d%20e"),
    ],
)
def test_dsn(info, dsn):
    assert info.to_dsn() == dsn
    url = sqlalchemy.make_url(dsn)
    assert (url.username, url.password, url.port) == (info.username, info.password, info.port)
    assert "p/" not in repr(info)


def test_a_masked_dsn():
    info = ConnectionInfo("u", "p", 5432, "d", "h")
    assert info.to_dsn(password="***") == "postgresql://u:***@h:5432/d"


def test_json_has_every_field():
    record = {"username": "u", "password": "p", "port": 5432, "database": "d", "host": "h"}
    assert ConnectionInfo(**record).to_json() == record
