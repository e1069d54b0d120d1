"""Many rows through the node in one process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import STREAM
from benchmarks.results import Case, Metric, Target

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

_NODE = "node.db"
#: ADC counts to volts: the float32 values then have bits in every byte.
_VOLTS_PER_COUNT = 10 / 32768 * 1.0173


def cases() -> list[Case]:
    return [
        Case(
            "data_write",
            {
                "rate": Metric(
                    "M rows/s",
                    (
                        Target(6, at_least=True),
                        Target(10, at_least=True, baseline="sqlite-write/rate"),
                    ),
                    ("sqlite-write/rate", "numpy.save/rate", "h5py-write/rate"),
                ),
                "size": Metric("of raw", (Target(0.30),)),
            },
            _write,
        ),
        Case("data_write-volts", {"size": Metric("of raw")}, _write_volts, at_most=1),
        Case(
            "data_read",
            {
                "rate": Metric(
                    "M rows/s",
                    (Target(25, at_least=True),),
                    ("sqlite-read/rate", "numpy.load/rate", "h5py-read/rate"),
                )
            },
            _read,
        ),
        Case(
            "data_read-minute",
            {"median": Metric("ms", (Target(5),)), "max": Metric("ms")},
            _minutes,
        ),
    ]


def node(bench: Bench) -> str:
    """Return the node file with all rows."""
    return str(bench.file(_NODE, partial(_write_to, bench)))


def _write(bench: Bench) -> dict[str, float]:
    return bench.remake(_NODE, partial(_write_to, bench))


def _write_to(bench: Bench, path: Path) -> dict[str, float]:
    source = str(bench.rows())
    return bench.worker("rows:write", source=source, path=str(path), stream=STREAM)


def _write_volts(bench: Bench) -> dict[str, float]:
    source = str(bench.command_rows())
    path = str(bench.fresh("volts.db"))
    found = bench.worker(
        "rows:write", source=source, path=path, stream=STREAM, scale=_VOLTS_PER_COUNT
    )
    return {"size": found["size"]}


def _read(bench: Bench) -> dict[str, float]:
    return bench.worker("rows:read", path=node(bench), stream=STREAM, n_rows=bench.sizes.rows)


def _minutes(bench: Bench) -> dict[str, float]:
    return bench.worker("rows:minutes", path=node(bench), stream=STREAM)
