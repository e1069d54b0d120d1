"""Events with three fields: a node beside a plain SQLite table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.results import Case, Metric, Target

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

_FILES = {"node": "events.db", "table": "events.sqlite"}


def cases() -> list[Case]:
    return [
        Case(
            "events-table-write",
            {"rate": Metric("k events/s"), "size": Metric("bytes each")},
            partial(_write, kind="table"),
            at_most=2,
        ),
        Case(
            "events-write",
            {
                "rate": Metric(
                    "k events/s", (Target(150, at_least=True),), ("events-table-write/rate",)
                ),
                "size": Metric("bytes each", (), ("events-table-write/size",)),
            },
            partial(_write, kind="node"),
            at_most=3,
        ),
        Case("events-table", _metrics(""), partial(_ask, kind="table"), at_most=1),
        Case("events", _metrics("events-table"), partial(_ask, kind="node"), at_most=3),
    ]


def _metrics(baseline: str) -> dict[str, Metric]:
    """Return what is asked of the events; targets are for what has a baseline."""

    def metric(name: str, unit: str, limit: float) -> Metric:
        if not baseline:
            return Metric(unit)
        return Metric(unit, (Target(limit),), (f"{baseline}/{name}",))

    return {
        "count-hour": metric("count-hour", "ms", 5),
        "count-half": metric("count-half", "ms", 5),
        "read-hour": metric("read-hour", "ms", 20),
        "hits": Metric("events"),
        "scan": metric("scan", "s", 1.5),
        "scan-hits": Metric("events"),
    }


def _write(bench: Bench, kind: str) -> dict[str, float]:
    return bench.remake(_FILES[kind], partial(_write_to, bench, kind))


def _write_to(bench: Bench, kind: str, path: Path) -> dict[str, float]:
    return bench.worker(f"events:{kind}_write", path=str(path), n_events=bench.sizes.events)


def _ask(bench: Bench, kind: str) -> dict[str, float]:
    path = bench.file(_FILES[kind], partial(_write_to, bench, kind))
    return bench.worker(f"events:{kind}_ask", path=str(path), n_events=bench.sizes.events)
