"""SQL over data streams gives what reading them gives."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joule_cli.errors import CorruptChunkError, QueryError, StorageError, TimeFormatError
from tests.engine.sql_helpers import SECOND, T0, ask, make_stream, read_all, run, write
from tests.nodes import FileNode

pytest.importorskip("duckdb")


@pytest.fixture
async def mains(node):
    await make_stream(node)
    await write(
        node,
        "/house/mains",
        [T0 + np.arange(0, 9000) * SECOND, T0 + 20_000 * SECOND + np.arange(100) * SECOND],
    )
    return node


async def test_every_row_arrives_in_order(mains):
    rows = await read_all(mains, "/house/mains")
    found = await ask(mains, 'SELECT * FROM "house/mains"')
    assert found == [
        (t, *v) for t, v in zip(rows["timestamp"].tolist(), rows["data"].tolist(), strict=True)
    ]


@pytest.mark.parametrize("datatype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
async def test_integers(node, datatype):
    await check_type(node, datatype, np.iinfo(datatype).min, np.iinfo(datatype).max)


async def check_type(node, datatype, low, high):
    await make_stream(node, "/t/x", datatype, ["v"])
    async with await node.data_write("/t/x") as pipe:
        rows = np.zeros(100, pipe.dtype)
        rows["timestamp"] = np.arange(100)
        rows["data"][:2, 0] = low, high
        await pipe.write(rows)
    assert await ask(node, 'SELECT min(v), max(v) FROM "t/x"') == [(min(low, 0), high)]


@pytest.mark.parametrize("datatype", ["int64", "uint64", "float64"])
async def test_wide_values(node, datatype):
    info = np.finfo if datatype == "float64" else np.iinfo
    await check_type(node, datatype, info(datatype).min, info(datatype).max)


async def test_float32_keeps_its_shortest_digits(node):
    await make_stream(node, "/t/x", "float32", ["v"])
    async with await node.data_write("/t/x") as pipe:
        await pipe.write([[1, 0.1]])
    assert await ask(node, 'SELECT v FROM "t/x"') == [(0.1,)]


async def test_both_spellings_of_a_path_and_another_case(mains):
    both = 'SELECT count(*) FROM "/house/mains" a JOIN "HOUSE/mains" b USING (time)'
    assert await ask(mains, both) == [(9100,)]


async def test_one_stream_under_two_cases_of_its_name(mains):
    sql = 'SELECT count(*) FROM "HOUSE/mains" a JOIN "house/mains" b USING (time)'
    assert await ask(mains, sql) == [(9100,)]


async def test_streams_that_differ_in_case_only(node):
    await make_stream(node, "/a/x")
    await make_stream(node, "/a/X")
    await write(node, "/a/X", [[1, 2, 3]])
    assert await ask(node, 'SELECT count(*) FROM "a/X"') == [(3,)]
    assert await ask(node, 'SELECT count(*) FROM "a/x"') == [(0,)]
    with pytest.raises(QueryError, match="differ in case only"):
        await ask(node, 'FROM "a/x", "a/X"')
    assert await ask(node, 'SELECT count(*) FROM "a/X", "/a/x"') == [(0,)]


async def test_names_of_columns(node):
    await make_stream(node, "/n/x", "float32", ["time", "v", "V", 'a "b"', "v#1"])
    await write(node, "/n/x", [[5]])
    async with await node.db_query('SELECT * FROM "n/x"', "UTC") as result:
        assert [c.name for c in result.columns] == [
            *("time", "time#0", "v#1", "V#2", 'a "b"', "v#1#4")
        ]


async def test_quotes_in_a_path(node):
    await make_stream(node, '/it\'s/a "b"')
    assert await ask(node, 'SELECT count(*) FROM "it\'s/a ""b"""') == [(0,)]


async def test_local_time(node):
    await make_stream(node, "/a/x", "float32", ["v"])
    start = 1_711_836_000_000_000  # 2024-03-30T22:00:00Z, the night in which Berlin's clocks go on
    await write(node, "/a/x", [start + np.arange(0, 40) * 3600 * SECOND])
    sql = """SELECT date_trunc('day', time), count(*) FROM "a/x" GROUP BY 1 ORDER BY 1"""
    found = await ask(node, sql, "Europe/Berlin")
    assert [count for _, count in found] == [1, 23, 16]
    sql = """SELECT min(time) FROM "a/x" WHERE time >= '2024-03-31'"""
    assert await ask(node, sql, "Europe/Berlin") == [(start + 3600 * SECOND,)]
    assert await ask(node, sql, "+01:00") == [(start + 3600 * SECOND,)]
    assert await ask(node, sql, "UTC") == [(start + 2 * 3600 * SECOND,)]


async def test_the_zone_of_the_environment(node, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    assert await ask(node, "SELECT TIMESTAMPTZ '2024-01-01'", None) == [(1704047400 * SECOND,)]
    monkeypatch.setenv("TZ", "CET-1CEST")
    with pytest.raises(TimeFormatError, match="TZ=CET-1CEST"):
        await ask(node, "SELECT 1", None)


@pytest.mark.parametrize(
    ("expression", "value", "kind"),
    [
        ("1.50", Decimal("1.50"), "number"),
        ("170141183460469231731687303715884105727", 2**127 - 1, "number"),
        ("'2024-02-29'::DATE", "2024-02-29", "text"),
        ("'2024-02-29 01:02:03.5'::TIMESTAMP", "2024-02-29 01:02:03.5", "text"),
        ("INTERVAL '1 month 2 days'", "1 month 2 days", "text"),
        ("'\\xAA'::BLOB", "\\xAA", "text"),
        ("[1, NULL]", "[1,null]", "json"),
        ("{'t': TIMESTAMPTZ '2024-01-01'}", '{"t":"2024-01-01 00:00:00+00"}', "json"),
        ("MAP {'a': 1}", '{"a":1}', "json"),
        ("'a'::ENUM('a', 'b)')", "a", "text"),
        ("'{\"a\": 1}'::JSON", '{"a": 1}', "json"),
        ("NULL", None, "text"),
        ("true", True, "number"),
        ("'infinity'::TIMESTAMPTZ", None, "time"),
    ],
)
async def test_values(node, expression, value, kind):
    async with await node.db_query(f"SELECT {expression}", "UTC") as result:
        assert await result.read() == [(value,)]
        assert result.columns[0].kind == kind


async def test_names_and_order_of_the_answer(mains):
    sql = 'SELECT a.time, b.time, 1 AS "x y" FROM "house/mains" a, "house/mains" b LIMIT 1'
    async with await mains.db_query(sql) as result:
        assert [c.name for c in result.columns] == ["time", "time", "x y"]
    found = await ask(mains, 'SELECT b FROM "house/mains" ORDER BY hash(b) DESC, time')
    assert len(found) == 9100
    ranks = await ask(mains, 'SELECT hash(b) FROM "house/mains" ORDER BY hash(b) DESC')
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE x",
        "INSERT INTO x VALUES (1)",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "ATTACH '/tmp/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "SET threads = 1",
        "EXPLAIN ANALYZE SELECT 1",
        "CREATE TABLE x AS SELECT 1",
        "EXPORT DATABASE '/tmp/x'",
        "CHECKPOINT",
        "BEGIN",
    ],
)
async def test_only_queries_run(node, sql):
    with pytest.raises(QueryError, match=r"^only queries can be run, and this is an? [A-Z_]+ stat"):
        await ask(node, sql)


async def test_one_statement_at_a_time(node):
    with pytest.raises(QueryError, match="one statement"):
        await ask(node, "SELECT 1; SELECT 2")
    with pytest.raises(QueryError, match="no SQL"):
        await ask(node, " -- nothing\n")


@pytest.mark.parametrize("end", [";", " ; -- done;", "-- done", ";\n\n", "/* ; */"])
async def test_ends_of_a_statement(node, end):
    assert await ask(node, f"SELECT ';', $$;$$, e'\\';' AS \";\" {end}") == [(";", ";", "';")]


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{file}')",
        "read_text('{file}')",
        "'{file}'",
        "glob('{folder}/*')",
        "sqlite_scan('{file}', 'chunk')",
        "read_json('https://localhost/x')",
        "rows",
        "find_locals",
    ],
)
async def test_nothing_outside_is_reached(node, tmp_path, source):
    find_locals = {"a": [1, 2]}
    assert find_locals
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(QueryError):
        await ask(node, f"SELECT * FROM {source.format(file=file, folder=tmp_path)}")


async def test_the_place_of_an_error(mains):
    with pytest.raises(QueryError) as caught:
        await ask(mains, "SELECT 'é',\n  foo\nFROM \"house/mains\"")
    assert caught.value.message == (
        'referenced column "foo" not found in FROM clause; candidate bindings: "a"'
    )
    assert caught.value.hint == "LINE 2:   foo\n          ^"


async def test_an_unknown_table_names_the_nearest(mains):
    with pytest.raises(QueryError) as caught:
        await ask(mains, 'SELECT * FROM "house/mians"')
    assert caught.value.message == 'there is no table "house/mians"'
    assert caught.value.hint == (
        'LINE 1: SELECT * FROM "house/mians"\n                      ^\nDid you mean "house/mains"?'
    )
    with pytest.raises(QueryError, match='no table "mains"') as caught:
        await ask(mains, "SELECT * FROM mains")
    assert caught.value.hint.endswith('Did you mean "house/mains"?')


async def test_a_path_without_quotes(mains):
    with pytest.raises(QueryError) as caught:
        await ask(mains, "SELECT * FROM house/mains")
    assert caught.value.hint.splitlines()[-1] == (
        'A path is written in double quotes: FROM "house/mains"'
    )


async def test_an_error_while_rows_are_computed(mains):
    sql = "SELECT CASE WHEN i > 50000 THEN error('stop here') ELSE i END FROM range(60000) r(i)"
    with pytest.raises(QueryError, match="stop here"):
        await ask(mains, sql)


async def test_damage_is_named(mains):
    await mains.storage.database.write(
        lambda c: c.execute("UPDATE body SET rows = x'0000000000000000'").fetchall()
    )
    with pytest.raises(CorruptChunkError, match="unknown coding: stream mains, rows from"):
        await ask(mains, 'SELECT avg(a) FROM "house/mains"')


async def test_one_state_of_the_file(mains):
    async with await mains.db_query('SELECT time FROM "house/mains"') as result:
        first = await result.read(1)
        await mains.data_delete("/house/mains")
        await write(mains, "/house/mains", [[1, 2, 3]])
        rest = [row for block in [block async for block in result] for row in block]
    assert len(first) + len(rest) == 9100
    assert await ask(mains, 'SELECT count(*) FROM "house/mains"') == [(3,)]


async def test_a_node_without_a_file(tmp_path):
    async with FileNode("x", tmp_path / "no.db") as node:
        assert await ask(node, "SELECT 1") == [(1,)]
        assert [table.path for table in await node.db_tables()] == ["annotations"]
    assert not (tmp_path / "no.db").exists()
    async with FileNode("x", tmp_path / "no.db", create=False) as node:
        with pytest.raises(StorageError, match="does not exist"):
            await ask(node, "SELECT 1")


async def test_the_snapshot_cannot_write(mains):
    def change(path):
        query, _ = run(path, "SELECT 1")
        return query

    query = await asyncio.to_thread(change, mains.storage.path)
    assert query.needs == {}


async def test_cancelling_stops_a_query(mains):
    sql = "SELECT sum(hash(i)) FROM range(100000000000) r(i)"
    running = asyncio.create_task(mains.db_query(sql))
    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 10)


async def test_closing_the_node_closes_its_queries(fresh_node):
    async with fresh_node() as node:
        result = await node.db_query("SELECT i FROM range(1000000000) r(i)")
        assert len(await result.read(5)) == 5
    with pytest.raises(StorageError, match="closed"):
        await result.read()


async def test_tables(mains):
    table = (await mains.db_tables())[-1]
    assert table.path == "house/mains"
    assert table.columns == [("time", "TIMESTAMPTZ"), ("a", "FLOAT"), ("b", "FLOAT")]


blocks = st.lists(
    st.lists(st.integers(0, 400), min_size=1, max_size=200, unique=True).map(sorted), max_size=4
)


@settings(max_examples=10)
@given(blocks=blocks, low=st.integers(-10, 2000), length=st.integers(0, 800), data=st.data())
async def test_any_window_is_as_read(tmp_path_factory, blocks, low, length, data):
    place = tmp_path_factory.mktemp("sql")
    high = low + length
    async with FileNode("x", place / "x.db") as node:
        await make_stream(node, elements=["a", "b", "c"])
        await write(
            node,
            "/house/mains",
            [[i * 500 + t for t in times] for i, times in enumerate(blocks)],
        )
        rows = await read_all(node, "/house/mains")
        ts, values = rows["timestamp"], rows["data"]
        part = (ts >= low) & (ts < high)
        column = data.draw(st.sampled_from("abc"))
        index = "abc".index(column)
        window = f"time >= make_timestamptz({low}) AND time < make_timestamptz({high})"
        found = await ask(node, f'SELECT time, {column} FROM "house/mains" WHERE {window}')
        assert found == list(zip(ts[part].tolist(), values[part, index].tolist(), strict=True))
        other = ts[(ts < low) | (ts == high)]
        sql = f"""SELECT count(*), sum(epoch_us(time)) FROM "house/mains"
            WHERE time < make_timestamptz({low}) OR time = make_timestamptz({high})"""
        assert await ask(node, sql) == [(len(other), int(other.sum()) if len(other) else None)]


async def test_between_two_rows_there_are_none(node):
    stream = await make_stream(node)
    await write(node, stream, [T0 + np.arange(100_000) * SECOND])
    at = T0 + 70_000 * SECOND
    for end in (at + 10, at + 30_000 * SECOND):
        sql = (
            f'SELECT count(*), sum(a) FROM "house/mains" WHERE time > make_timestamptz({at}) '
            f"AND time < make_timestamptz({end}) AND time < make_timestamptz({at + 20})"
        )
        assert await ask(node, sql) == [(0, None)]
