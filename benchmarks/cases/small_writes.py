"""Small durable commits, and many short intervals."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import STREAM
from benchmarks.results import Case, Metric, Target

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench, Sizes

_INTERVALS = "intervals.db"


def cases(sizes: Sizes) -> list[Case]:
    return [
        Case(
            "fdatasync-4k",
            {"rate": Metric("/s"), "p50": Metric("ms"), "p99.9": Metric("ms")},
            _sync,
            at_most=3,
        ),
        _commits_case("commits-1-row", 1, 1500),
        _commits_case("commits-100-rows", 100, 1000),
        Case(
            f"intervals-{sizes.intervals}-write",
            {"time": Metric("s", (Target(60),))},
            _write_intervals,
            at_most=1,
        ),
        Case(
            f"intervals-{sizes.intervals}",
            {
                "list": Metric("s", (Target(0.5),)),
                "read": Metric("s", (Target(2),)),
                "decimated": Metric("ms"),
            },
            _read_intervals,
        ),
    ]


def _commits_case(name: str, n_rows: int, rate: float) -> Case:
    metrics = {
        "rate": Metric("/s", (Target(rate, at_least=True),), ("fdatasync-4k/rate",)),
        "p50": Metric("ms"),
        "p99": Metric("ms"),
        "p99.9": Metric("ms", (), ("fdatasync-4k/p99.9",)),
        "max": Metric("ms"),
    }
    return Case(name, metrics, partial(_commits, n_rows=n_rows), at_most=3)


def _sync(bench: Bench) -> dict[str, float]:
    path = str(bench.fresh("sync"))
    return bench.worker("commits:sync", path=path, n_commits=bench.sizes.commits)


def _commits(bench: Bench, n_rows: int) -> dict[str, float]:
    return bench.worker(
        "commits:commits",
        source=str(bench.command_rows()),
        path=str(bench.fresh("commits.db")),
        stream=STREAM,
        n_commits=bench.sizes.commits,
        n_rows=n_rows,
    )


def _write_intervals(bench: Bench) -> dict[str, float]:
    return bench.remake(_INTERVALS, partial(_intervals_to, bench))


def _intervals_to(bench: Bench, path: Path) -> dict[str, float]:
    return bench.worker(
        "intervals:write",
        source=str(bench.command_rows()),
        path=str(path),
        stream=STREAM,
        n_intervals=bench.sizes.intervals,
    )


def _read_intervals(bench: Bench) -> dict[str, float]:
    path = str(bench.file(_INTERVALS, partial(_intervals_to, bench)))
    return bench.worker(
        "intervals:read", path=path, stream=STREAM, n_intervals=bench.sizes.intervals
    )
