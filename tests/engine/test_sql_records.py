"""SQL over events and annotations."""

from __future__ import annotations

import json

import pytest

from joule_cli.engine.stores.sqlite.sql.duck import open_engine
from joule_cli.model import Annotation, Event, EventStream
from tests.engine.sql_helpers import ask, make_stream, run, write

pytest.importorskip("duckdb")

FIELDS = {"power": "numeric", "name": "string", "kind": 'category:["heat","cool"]'}


async def events(node, items, path="/house/switches", fields=FIELDS):
    folder, _, name = path.rpartition("/")
    stream = EventStream(name=name, event_fields=fields)
    stream = await node.event_stream_create(stream, folder)
    await node.event_stream_write(stream, items)
    return stream


async def test_columns_of_events(node):
    await events(
        node,
        [
            Event(start_time=10, end_time=20, content={"power": 5, "name": "é", "kind": "heat"}),
            Event(start_time=20, end_time=None, content={"power": 1.5}),
            Event(start_time=30, end_time=31, content={"name": "x", "other": [1, {"a": None}]}),
        ],
    )
    async with await node.db_query('SELECT * FROM "house/switches"') as result:
        assert [(c.name, c.type) for c in result.columns] == [
            ("id", "BIGINT"),
            ("start", "TIMESTAMP WITH TIME ZONE"),
            ("end", "TIMESTAMP WITH TIME ZONE"),
            ("content", "JSON"),
            ("power", "DOUBLE"),
            ("name", "VARCHAR"),
            ("kind", "VARCHAR"),
        ]
        rows = await result.read()
    assert [row[1:3] + row[4:] for row in rows] == [
        (10, 20, 5.0, "é", "heat"),
        (20, None, 1.5, None, None),
        (30, 31, None, "x", None),
    ]
    assert [json.loads(row[3]) for row in rows] == [
        {"power": 5, "name": "é", "kind": "heat"},
        {"power": 1.5},
        {"name": "x", "other": [1, {"a": None}]},
    ]
    stored = await node.event_stream_read_list("/house/switches")
    assert [row[0] for row in rows] == [event.id for event in stored]


async def test_values_of_another_type_are_null(node):
    await events(node, [Event(start_time=1, end_time=2, content={"power": 1, "name": "x"})])
    contents = [
        {"power": "5", "name": 5},
        {"power": True, "name": False},
        {"power": None, "name": None},
        {"power": [1], "name": {"a": "b"}},
        {"power": -3, "name": ""},
        {"power": 18446744073709551615, "name": "null"},
    ]

    def store(connection):
        connection.executemany(
            "INSERT INTO event (key, stream_id, reach, start, content) "
            "SELECT (SELECT max(key) FROM event) + 1, stream_id, 16, start + 1, ? "
            "FROM event ORDER BY key DESC LIMIT 1",
            [(json.dumps(content),) for content in contents],
        )

    await node.storage.database.write(store)
    found = await ask(node, 'SELECT power, name FROM "house/switches" ORDER BY start')
    assert found == [
        (1, "x"),
        *[(None, None)] * 4,
        (-3, ""),
        (18446744073709551615.0, "null"),
    ]


async def test_odd_names_of_fields(node):
    fields = {"a/b": "numeric", "c~d": "numeric", "it's": "string", 'q"': "numeric"}
    fields |= {"start": "numeric", "x": "numeric", "X": "numeric", "$.y": "numeric"}
    content = {
        name: "t" if kind == "string" else i for i, (name, kind) in enumerate(fields.items())
    }
    await events(node, [Event(start_time=1, end_time=2, content=content)], fields=fields)
    async with await node.db_query('SELECT * FROM "house/switches"') as result:
        assert [c.name for c in result.columns][4:] == [
            *("a/b", "c~d", "it's", 'q"', "start#4", "x#5", "X#6", "$.y")
        ]
        assert (await result.read())[0][4:] == (0, 1, "t", 3, 4, 5, 6, 7)


async def test_equal_starts_are_given_once(node):
    items = [Event(start_time=7, end_time=8, content={"power": i}) for i in range(20_000)]
    await events(node, items)
    sql = 'SELECT count(*), count(DISTINCT id), sum(power) FROM "house/switches"'
    assert await ask(node, sql) == [(20_000, 20_000, sum(range(20_000)))]


async def test_only_the_window_is_read(node):
    await events(node, [Event(start_time=i, end_time=i + 1, content={}) for i in range(1000)])
    query, rows = run(
        node.storage.path,
        'SELECT epoch_us(start) FROM "house/switches" WHERE start >= make_timestamptz(500) '
        "AND start < make_timestamptz(510)",
    )
    assert rows == [(i,) for i in range(500, 510)]
    assert query.counts.rows == 10


async def test_samples_joined_with_events(node):
    await make_stream(node, elements=["a"])
    await write(node, "/house/mains", [range(0, 100_000, 1000)])
    await events(
        node,
        [
            Event(start_time=5000, end_time=10_000, content={"name": "one"}),
            Event(start_time=50_000, end_time=51_000, content={"name": "two"}),
        ],
    )
    found = await ask(
        node,
        'SELECT e.name, count(*) FROM "house/switches" e JOIN "house/mains" m '
        'ON m.time >= e.start AND m.time < e."end" GROUP BY ALL ORDER BY ALL',
    )
    assert found == [("one", 5), ("two", 1)]


async def test_samples_at_the_time_of_events(node):
    await make_stream(node, elements=["a"])
    await write(node, "/house/mains", [range(0, 100_000, 1000)])
    starts = [*range(500, 100_000, 50_000), 99_000]
    await events(node, [Event(start_time=start, content={}) for start in starts])
    found = await ask(
        node,
        'SELECT e.start, m.time FROM "house/switches" e ASOF JOIN "house/mains" m '
        "ON e.start >= m.time ORDER BY ALL",
    )
    assert found == [(start, start // 1000 * 1000) for start in starts]


def test_an_asof_join_is_no_comparison_of_all_with_all():
    import pyarrow as pa

    class Source:
        """How many rows it has is not told, as of a stream."""

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.table({"time": [1, 2, 3]}).__arrow_c_stream__()

    connection = open_engine().connection
    connection.register("one", Source())
    connection.register("other", Source())
    plan = connection.execute(
        "EXPLAIN (FORMAT JSON) FROM one ASOF JOIN other ON one.time >= other.time"
    ).fetchall()[0][1]
    connection.close()
    assert "ASOF_JOIN" in plan
    assert "NESTED_LOOP_JOIN" not in plan


async def test_annotations(node):
    await make_stream(node)
    await node.annotation_create(Annotation(title="first", content="", start=5), "/house/mains")
    await node.annotation_create(
        Annotation(title="second", content="more", start=7, end=9), "/house/mains"
    )
    found = await ask(node, "SELECT * EXCLUDE (id) FROM annotations")
    assert found == [
        ("house/mains", "first", "", 5, None),
        ("house/mains", "second", "more", 7, 9),
    ]


async def test_every_table_is_listed(node):
    await make_stream(node, elements=["a"])
    await events(node, [])
    tables = {table.path: [name for name, _ in table.columns] for table in await node.db_tables()}
    assert tables == {
        "annotations": ["stream", "id", "title", "content", "start", "end"],
        "house/mains": ["time", "a"],
        "house/switches": ["id", "start", "end", "content", "power", "name", "kind"],
    }
