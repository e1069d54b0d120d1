"""Decimated reads over everything, as a stream grows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import STREAM
from benchmarks.results import Case, Metric, Target

if TYPE_CHECKING:
    from benchmarks.bench import Bench, Sizes

_NODE = "growth.db"
_UNITS = ((10**9, "G"), (10**6, "M"), (10**3, "k"))


def cases(sizes: Sizes) -> list[Case]:
    """Return one case per size; each makes the file of the one before longer."""
    found = []
    for n_rows in sizes.growth:
        first = n_rows == sizes.rows
        limit = 5 if first else 20
        targets = (Target(limit),) if first or n_rows == sizes.growth[-1] else ()
        metrics = {"first": Metric("ms"), "warm": Metric("ms", targets)}
        name = f"max_rows-1000-of-{_short(n_rows)}"
        found.append(Case(name, metrics, partial(_decimated, n_rows=n_rows)))
    return found


def _decimated(bench: Bench, n_rows: int) -> dict[str, float]:
    _grow(bench, n_rows // bench.sizes.rows)
    return bench.worker("rows:decimated", path=str(bench.path(_NODE)), stream=STREAM)


def _grow(bench: Bench, copies: int) -> None:
    """Make the stream `copies` recordings long."""
    path = bench.path(_NODE)
    marker = bench.path("growth.copies")
    already = int(marker.read_text()) if marker.exists() else 0
    if already >= copies:
        return
    bench.require_space((copies - already) * bench.sizes.rows)
    source = str(bench.rows())
    if not already:
        bench.fresh(_NODE)
    marker.unlink(missing_ok=True)
    bench.worker(
        "rows:write",
        source=source,
        path=str(path),
        stream=STREAM,
        times=copies - already,
        already=already,
    )
    marker.write_text(str(copies))


def _short(number: int) -> str:
    for unit, letter in _UNITS:
        if number >= unit and number * 10 % unit == 0:
            return f"{number / unit:g}{letter}"
    return str(number)
