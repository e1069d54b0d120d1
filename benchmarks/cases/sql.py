"""Queries in SQL: the node beside DuckDB on a Parquet file of the same rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.bench import STREAM
from benchmarks.results import Case, CaseError, Metric, Target

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

HOURLY = """
SELECT epoch_us(date_trunc('hour', time)) AS hour, avg(e0), avg(e1), avg(e2), avg(e3)
FROM {table} GROUP BY hour ORDER BY hour
"""
#: What each element was when one of these 400 events began.
ASOF = """
SELECT epoch_us(e.start), s.e0, s.e1, s.e2, s.e3
FROM {events} AS e ASOF JOIN {table} AS s ON e.start >= s.time ORDER BY ALL
"""
_EVENTS, _EVENT_STREAM = 400, "/bench/events"
#: As in `benchmarks.data`, which loads numpy.
_START_US, _PERIOD_US, _MINUTE_US = 1_700_000_000_000_000, 1000, 60_000_000
#: What a process of its own needs beside the query is part of both.
_PARQUET = """
import duckdb
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
for row in connection.execute({sql!r}).fetchall():
    print(*row, sep=",")
"""


def cases() -> list[Case]:
    hourly = {"wall": Metric("s"), "query": Metric("s")}
    compared = {
        name: Metric("s", (Target(2, baseline=f"sql-parquet-hourly/{name}"),)) for name in hourly
    }
    return [
        Case("sql-parquet-hourly", hourly, _parquet_hourly),
        Case("sql-hourly", compared | {"memory": Metric("MB")}, _hourly),
        Case("sql-parquet-asof", {"wall": Metric("s")}, _parquet_asof),
        Case(
            "sql-asof", {"wall": Metric("s", (Target(2, baseline="sql-parquet-asof/wall"),))}, _asof
        ),
        Case("sql-parquet-minute", {"wall": Metric("ms")}, _parquet_minute),
        Case(
            "sql-minute",
            {"wall": Metric("ms", (Target(2, baseline="sql-parquet-minute/wall"),))},
            _minute,
        ),
    ]


def _parquet_hourly(bench: Bench) -> dict[str, float]:
    path = _parquet(bench)
    usage = bench.python("-c", _PARQUET.format(sql=HOURLY.format(table=f"'{path}'")))
    found = bench.worker("sql:parquet_hourly", path=str(path), sql=HOURLY)
    return {"wall": usage.wall_s, "query": found["query"]}


def _hourly(bench: Bench) -> dict[str, float]:
    node = _node(bench)
    usage = bench.joule(
        *("db", "query", HOURLY.format(table=f'"{STREAM}"'), "--csv", "--tz", "UTC"),
        *("--url", f"file:{node}"),
    )
    found = bench.worker("sql:node_hourly", path=str(node), stream=STREAM, sql=HOURLY)
    wanted = bench.worker("sql:parquet_hourly", path=str(_parquet(bench)), sql=HOURLY)
    if any(found[key] != wanted[key] for key in ("hours", "sum", "first")):
        raise CaseError(f"the answers differ: {json.dumps(found)}, {json.dumps(wanted)}")
    return {"wall": usage.wall_s, "query": found["query"], "memory": usage.peak_mb}


def _parquet_asof(bench: Bench) -> dict[str, float]:
    events = bench.file(
        "events.parquet",
        lambda path: bench.worker("sql:parquet_events", path=str(path), starts=_starts(bench)),
    )
    sql = ASOF.format(events=f"'{events}'", table=f"'{_parquet(bench)}'")
    return {"wall": bench.python("-c", _PARQUET.format(sql=sql)).wall_s}


def _asof(bench: Bench) -> dict[str, float]:
    node = _node(bench)
    if (_EVENT_STREAM,) not in bench.warm:
        bench.worker("sql:events", path=str(node), stream=_EVENT_STREAM, starts=_starts(bench))
        bench.warm.add((_EVENT_STREAM,))
    sql = ASOF.format(events=f'"{_EVENT_STREAM}"', table=f'"{STREAM}"')
    return {"wall": bench.joule("db", "query", sql, "--csv", "--url", f"file:{node}").wall_s}


def _starts(bench: Bench) -> list[int]:
    step = bench.sizes.rows * _PERIOD_US // _EVENTS
    return [_START_US + (2 * i + 1) * step // 2 for i in range(_EVENTS)]


def _parquet_minute(bench: Bench) -> dict[str, float]:
    sql = _minute_sql(bench, f"'{_parquet(bench)}'")
    return {"wall": bench.python("-c", _PARQUET.format(sql=sql)).wall_s * 1e3}


def _minute(bench: Bench) -> dict[str, float]:
    sql = _minute_sql(bench, f'"{STREAM}"')
    arguments = ("db", "query", sql, "--csv", "--url", f"file:{_node(bench)}")
    if arguments not in bench.warm:
        # compiled files and the disk cache are for the first one to make
        bench.joule(*arguments)
        bench.warm.add(arguments)
    return {"wall": bench.joule(*arguments).wall_s * 1e3}


def _minute_sql(bench: Bench, table: str) -> str:
    start = _START_US + bench.sizes.rows // 2 * _PERIOD_US
    return (
        f"SELECT count(*), avg(e0), avg(e1), avg(e2), avg(e3) FROM {table} "  # noqa: S608
        f"WHERE time >= make_timestamptz({start}) AND time < make_timestamptz({start + _MINUTE_US})"
    )


def _node(bench: Bench) -> Path:
    def make(path: Path) -> None:
        bench.worker("rows:write", source=str(bench.rows()), path=str(path), stream=STREAM)

    return bench.file("sql.db", make)


def _parquet(bench: Bench) -> Path:
    def make(path: Path) -> None:
        bench.worker("sql:parquet", source=str(bench.rows()), path=str(path))

    return bench.file("sql.parquet", make)
