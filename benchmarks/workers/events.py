"""A million events with three fields: in a node, and in a plain SQLite table."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.workers.node import file_size, open_node
from joule_cli.api import Event, EventStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.api import Node

PATH = "/bench/events"
SEED, START_US, HOUR_US, PER_HOUR = 7, 1_700_000_000_000_000, 3_600_000_000, 700
_BLOCK, _READ_BLOCK = 10_000, 5_000
_HOURS, _REPEATS = 200, 9
_FIELDS = {"power": "numeric", "kind": 'category:["heat","cool","idle"]', "device": "string"}
#: Nearly all events of an hour, and 2-3 % of all events.
_MOST, _FEW = ("power", 10.0), ("power", 3900.0)


def spans(n_events: int) -> list[tuple[int, int, dict[str, Any]]]:
    """Return start, end and content of events, by start: from a second to three hours each."""
    rng = random.Random(SEED)
    start = START_US
    found = []
    for _ in range(n_events):
        start += 1 + int(rng.expovariate(PER_HOUR / HOUR_US))
        length = int(10 ** rng.uniform(6, 10))
        content = {
            "power": round(rng.uniform(0, 4000), 1),
            "kind": rng.choice(["heat", "cool", "idle"]),
            "device": f"pump {rng.randrange(40):02d}",
        }
        found.append((start, start + length, content))
    return found


def node_write(path: str, n_events: int) -> dict[str, float]:
    """Write blocks of 10,000, each durable before the next; what is written is made before."""
    return asyncio.run(_node_write(path, n_events))


async def _node_write(path: str, n_events: int) -> dict[str, float]:
    events = [Event(*span) for span in spans(n_events)]
    async with open_node(path) as node:
        stream = await node.event_stream_create(
            EventStream("events", event_fields=_FIELDS), "/bench"
        )
        begin = time.perf_counter()
        for first in range(0, n_events, _BLOCK):
            await node.event_stream_write(stream, events[first : first + _BLOCK])
        spent = time.perf_counter() - begin
        stored = await node.event_stream_count(stream)
    _expect(stored, n_events)
    return {"rate": n_events / spent / 1e3, "size": file_size(path) / n_events}


def table_write(path: str, n_events: int) -> dict[str, float]:
    """Write the same into a table with an index on the start."""
    rows = spans(n_events)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        'CREATE TABLE event (id INTEGER PRIMARY KEY, start INTEGER, "end" INTEGER, content TEXT)'
    )
    connection.execute("CREATE INDEX event_start ON event (start)")
    begin = time.perf_counter()
    for first in range(0, n_events, _BLOCK):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            'INSERT INTO event (start, "end", content) VALUES (?, ?, ?)',
            ((s, e, json.dumps(content)) for s, e, content in rows[first : first + _BLOCK]),
        )
        connection.execute("COMMIT")
    spent = time.perf_counter() - begin
    stored = connection.execute("SELECT count(*) FROM event").fetchone()[0]
    connection.close()
    _expect(stored, n_events)
    return {"rate": n_events / spent / 1e3, "size": file_size(path) / n_events}


def node_ask(path: str, n_events: int) -> dict[str, float]:
    """Count and read through the node; events that go on are counted and read as well."""
    return asyncio.run(_node_ask(path, n_events))


async def _node_ask(path: str, n_events: int) -> dict[str, float]:
    hours, half = _windows(n_events)
    async with open_node(path) as node:
        # modules that the node loads on first use are no part of a rate
        await node.event_stream_read(PATH, limit=1, json_filter=_filter(*_FEW))
        count_hour, read_hour, hits = [], [], []
        for start, end in hours:
            begin = time.perf_counter()
            await node.event_stream_count(PATH, start, end)
            now = time.perf_counter()
            count_hour.append(now - begin)
            found = await node.event_stream_read(PATH, start, end, json_filter=_filter(*_MOST))
            read_hour.append(time.perf_counter() - now)
            hits.append(len(found))
        count_half, scan, few = [], [], 0
        for _ in range(_REPEATS):
            begin = time.perf_counter()
            await node.event_stream_count(PATH, *half)
            count_half.append(time.perf_counter() - begin)
        for _ in range(3):
            begin = time.perf_counter()
            few = await _scan(node)
            scan.append(time.perf_counter() - begin)
    return _figures(count_hour, count_half, read_hour, hits, scan, few)


async def _scan(node: Node) -> int:
    n_events = 0
    reading = node.event_stream_read(PATH, json_filter=_filter(*_FEW), block_size=_READ_BLOCK)
    async for block in reading:
        n_events += len(block)
    return n_events


def _filter(field: str, limit: float) -> list[Any]:
    return [[[field, "gt", limit]]]


def table_ask(path: str, n_events: int) -> dict[str, float]:
    """Ask the table the same, and parse the contents that it answers."""
    hours, half = _windows(n_events)
    connection = sqlite3.connect(path)
    window = 'start < ? AND "end" >= ?'

    def count(start: int, end: int) -> int:
        query = f"SELECT count(*) FROM event WHERE {window}"  # noqa: S608  # a text of our own
        return int(connection.execute(query, (end, start)).fetchone()[0])

    def read(field: str, limit: float, condition: str, *values: int) -> int:
        cursor = connection.execute(
            f'SELECT id, start, "end", content FROM event WHERE {condition} '  # noqa: S608
            "AND json_extract(content, ?) > ? ORDER BY start",
            (*values, f"$.{field}", limit),
        )
        return len([(*values, json.loads(content)) for *values, content in cursor])

    some = hours[:_REPEATS]
    count_hour = [_timed(partial(count, *w)) for w in some]
    count_half = [_timed(lambda: count(*half)) for _ in range(_REPEATS)]
    hits: list[int] = []
    read_hour = []
    for start, end in some:
        begin = time.perf_counter()
        hits.append(read(*_MOST, window, end, start))
        read_hour.append(time.perf_counter() - begin)
    few: list[int] = []
    scan = [_timed(lambda: few.append(read(*_FEW, "1"))) for _ in range(3)]
    connection.close()
    return _figures(count_hour, count_half, read_hour, hits, scan, few[0])


def _timed(body: Callable[[], object]) -> float:
    begin = time.perf_counter()
    body()
    return time.perf_counter() - begin


def _windows(n_events: int) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Return random hours, and the middle half of all time."""
    rng = random.Random(SEED)
    span = n_events * HOUR_US // PER_HOUR
    starts = [START_US + int(rng.uniform(0.1, 0.9) * span) for _ in range(_HOURS)]
    half = (START_US + span // 4, START_US + span * 3 // 4)
    return [(start, start + HOUR_US) for start in starts], half


def _figures(
    count_hour: Sequence[float],
    count_half: Sequence[float],
    read_hour: Sequence[float],
    hits: Sequence[int],
    scan: Sequence[float],
    few: int,
) -> dict[str, float]:
    return {
        "count-hour": median(count_hour) * 1e3,
        "count-half": median(count_half) * 1e3,
        "read-hour": median(read_hour) * 1e3,
        "hits": median(hits),
        "scan": median(scan),
        "scan-hits": few,
    }


def _expect(got: int, wanted: int) -> None:
    if got != wanted:
        raise SystemExit(f"{got} events are stored, {wanted} were written")
