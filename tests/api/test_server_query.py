"""Queries on a PostgreSQL server."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from joule_cli.api.server_query import query_server, server_tables
from joule_cli.errors import QueryError

sqlalchemy = pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
pytestmark = pytest.mark.skipif(
    not FOLDERS or os.geteuid() != 0, reason="PostgreSQL is not installed, or not run as root"
)


def _as_postgres(*command):
    user = pwd.getpwnam("postgres")
    subprocess.run(
        command, user=user.pw_uid, group=user.pw_gid, check=True, cwd="/", capture_output=True
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = Path("/tmp") / f"joule-pg-{os.getpid()}"
    folder.mkdir()
    shutil.chown(folder, "postgres", "postgres")
    binaries, data = FOLDERS[-1], folder / "data"
    try:
        _as_postgres(binaries / "initdb", "-D", data, "-A", "trust", "-U", "joule", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        _as_postgres(
            *(binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        )
        try:
            psql = (binaries / "psql", "-h", folder, "-U", "joule", "-d", "postgres")
            _as_postgres(*psql, "-c", "CREATE SEQUENCE numbers; CREATE TABLE t (a int)")
            yield f"postgresql+psycopg://joule@/postgres?host={folder}"
        finally:
            _as_postgres(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


async def ask(server, sql, tz="UTC"):
    async with await query_server(sqlalchemy.create_engine(server), sql, tz) as result:
        return result.columns, [row for rows in [block async for block in result] for row in rows]


async def test_values(server):
    columns, rows = await ask(
        server,
        "SELECT 1 AS a, 1.50 AS b, TIMESTAMPTZ '2024-01-01' AS t, '{\"x\": 1}'::jsonb AS j, "
        "ARRAY[1, NULL] AS l, INTERVAL '1 day' AS i, '\\xaa'::bytea AS blob, NULL AS n, '%' AS p",
    )
    assert [c.kind for c in columns] == [
        *("number", "number", "time", "json", "json", "text", "text", "text", "text")
    ]
    assert rows == [
        (
            *(1, Decimal("1.50"), 1704067200000000, '{"x": 1}', "[1, null]"),
            *("1 day, 0:00:00", "\\xaa", None, "%"),
        )
    ]


async def test_the_zone(server):
    _, rows = await ask(server, "SELECT TIMESTAMPTZ '2024-01-01'", "Europe/Berlin")
    assert rows == [(1704063600000000,)]
    _, rows = await ask(server, "SELECT TIMESTAMPTZ '2024-01-01'", "+01:00")
    assert rows == [(1704063600000000,)]


async def test_tables(server):
    (table,) = await server_tables(sqlalchemy.create_engine(server))
    assert table == ("public.t", [("a", "integer")])


async def test_many_rows(server):
    _, rows = await ask(server, "SELECT i FROM generate_series(1, 25000) AS i;")
    assert rows == [(i,) for i in range(1, 25001)]


@pytest.mark.parametrize("sql", ["CREATE TABLE x (a int)", "SELECT nextval('numbers')"])
async def test_nothing_can_be_changed(server, sql):
    with pytest.raises(QueryError, match=r"syntax error|read-only transaction"):
        await ask(server, sql)


async def test_the_place_of_an_error(server):
    with pytest.raises(QueryError, match='column "foo" does not exist') as caught:
        await ask(server, "SELECT 1,\n  foo")
    assert caught.value.hint == "LINE 2:   foo\n          ^"


async def test_what_is_no_query_and_what_is_no_table(server):
    with pytest.raises(QueryError) as caught:
        await ask(server, " DROP TABLE t")
    assert "begin with SELECT" in caught.value.hint
    with pytest.raises(QueryError) as caught:
        await ask(server, 'SELECT * FROM "/house/mains"')
    assert caught.value.hint.startswith('LINE 1: SELECT * FROM "/house/mains"\n')
    assert "data.stream7" in caught.value.hint
    with pytest.raises(QueryError) as caught:
        await ask(server, "SELECT 1 +")
    assert "begin with" not in (caught.value.hint or "")
