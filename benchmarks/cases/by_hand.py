"""What is made by hand, beside the library that could do it: it stays while it saves 15 %."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import STREAM
from benchmarks.results import Case, Metric, Target
from benchmarks.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.measure import Usage

_SAVES = 1 / 1.15
_PLOT = ("data", "plot", STREAM, "-q")


def cases() -> list[Case]:
    return [
        *_pair("plot", "plotext", _plot, _plot_plotext),
        *_pair("plot-png", "constrained", _picture, _picture_constrained),
        *_pair("ingest-json", "ijson", _ingest, _ingest_ijson),
        *_pair("list", "aiohttp", _list, _list_aiohttp),
    ]


def _pair(
    name: str,
    library: str,
    command: Callable[[Bench], Usage],
    other: Callable[[Bench], Usage],
) -> list[Case]:
    baseline = f"{name}-{library}"
    target = Target(_SAVES, baseline=f"{baseline}/cpu")
    return [
        Case(baseline, {"cpu": Metric("s")}, partial(_cpu, body=other)),
        Case(f"joule-{name}", {"cpu": Metric("s", (target,))}, partial(_cpu, body=command)),
    ]


def _cpu(bench: Bench, body: Callable[[Bench], Usage]) -> dict[str, float]:
    return {"cpu": body(bench).cpu_s}


def _plot(bench: Bench) -> Usage:
    return bench.joule(*_PLOT, "--url", _node(bench))


def _plot_plotext(bench: Bench) -> Usage:
    """Load the library and no more."""
    return _with(bench, "by_hand:plotext", words=[*_PLOT, "--url", _node(bench)])


def _picture(bench: Bench) -> Usage:
    return bench.joule(*_PLOT, "--url", _node(bench), "--png", str(bench.path("by-hand.png")))


def _picture_constrained(bench: Bench) -> Usage:
    words = [*_PLOT, "--url", _node(bench), "--png", str(bench.path("by-library.png"))]
    return _with(bench, "by_hand:constrained", words=words)


def _ingest(bench: Bench) -> Usage:
    words = ("data", "ingest", str(_json(bench)), "-s", STREAM, "-q")
    return bench.joule(*words, "--url", f"file:{bench.fresh('by-hand.db')}")


def _ingest_ijson(bench: Bench) -> Usage:
    """Write what ijson reads, without looking at the columns first."""
    path = str(bench.fresh("by-library.db"))
    return _with(bench, "by_hand:ijson", source=str(_json(bench)), path=path, stream=STREAM)


def _list(bench: Bench) -> Usage:
    with _small_node(bench):
        return bench.joule("folder", "list", "--node", "by-hand")


def _list_aiohttp(bench: Bench) -> Usage:
    with _small_node(bench):
        return _with(bench, "by_hand:http_library", words=["folder", "list", "--node", "by-hand"])


@contextmanager
def _small_node(bench: Bench) -> Iterator[None]:
    with serving(bench, bench.fresh("by-hand-served.db")) as server:
        bench.joule("node", "add", "by-hand", server.url, server.key, "--no-check", "--yes")
        yield


def _with(bench: Bench, function: str, **arguments: object) -> Usage:
    return bench.python("-m", "benchmarks.workers", function, json.dumps(arguments))


def _node(bench: Bench) -> str:
    def make(path: Path) -> None:
        source = str(bench.command_rows())
        bench.worker("rows:write", source=source, path=str(path), stream=STREAM)

    return f"file:{bench.file('by-hand-plot.db', make)}"


def _json(bench: Bench) -> Path:
    def make(path: Path) -> None:
        bench.worker("by_hand:objects", source=str(bench.command_rows()), path=str(path))

    return bench.file("by-hand.json", make)
