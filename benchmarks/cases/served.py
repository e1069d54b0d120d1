"""Clients and the server of a node file, each in a process of its own, over TCP."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.bench import ROW_BYTES, STREAM
from benchmarks.results import Case, CaseError, Metric, Target
from benchmarks.serving import bare, serving

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.serving import Server

_SERVED = "served.db"
_MEMORY = Metric("MB", (Target(250),))
#: Processor time of client and server together.
_CPU = Metric("s")


def cases() -> list[Case]:
    return [
        Case("http-send", {"rate": Metric("M rows/s"), "cpu": _CPU}, _send),
        Case("http-fetch", {"rate": Metric("M rows/s"), "cpu": _CPU}, _fetch),
        Case(
            "served-write",
            {
                "rate": Metric(
                    "M rows/s", (Target(3, at_least=True),), ("http-send/rate", "data_write/rate")
                ),
                "cpu": Metric("s", (), ("http-send/cpu",)),
                "memory": _MEMORY,
            },
            _write,
        ),
        Case(
            "served-read",
            {
                "rate": Metric(
                    "M rows/s", (Target(8, at_least=True),), ("http-fetch/rate", "data_read/rate")
                ),
                "cpu": Metric("s", (), ("http-fetch/cpu",)),
                "memory": _MEMORY,
            },
            _read,
        ),
        Case("embedded-max_rows-1000", {"first": Metric("ms"), "warm": Metric("ms")}, _embedded),
        Case(
            "served-max_rows-1000",
            {
                "first": Metric("ms"),
                "warm": Metric("ms", (Target(15),), ("embedded-max_rows-1000/warm",)),
            },
            _decimated,
        ),
        Case(
            "served-answers",
            {
                "idle": Metric("ms"),
                "p50": Metric("ms"),
                "p99": Metric("ms", (Target(20),), ("served-answers/idle",)),
                "max": Metric("ms"),
                "rate": Metric("M rows/s"),
                "memory": _MEMORY,
            },
            _answers,
            at_most=3,
        ),
        Case(
            "served-stalled",
            {
                "before": Metric("MB"),
                "standing": Metric("MB"),
                "growth": Metric("x", (Target(1.02),)),
                "memory": _MEMORY,
            },
            _stalled,
            at_most=3,
        ),
        Case("joule-copy-embedded", {"rate": Metric("M rows/s"), "cpu": _CPU}, _copy_embedded),
        Case(
            "joule-copy-served",
            {
                "rate": Metric(
                    "M rows/s", (Target(2, at_least=True),), ("joule-copy-embedded/rate",)
                ),
                "cpu": Metric("s", (), ("joule-copy-embedded/cpu",)),
                "memory": _MEMORY,
            },
            _copy_served,
        ),
    ]


def _send(bench: Bench) -> dict[str, float]:
    source = str(bench.command_rows())
    with bare(bench) as server:
        found = bench.worker("served:send", **server.place, source=source)
    return _with(found, server)


def _fetch(bench: Bench) -> dict[str, float]:
    n_rows = bench.sizes.command_rows
    with bare(bench) as server:
        found = bench.worker("served:fetch", **server.place, n_rows=n_rows, row_bytes=ROW_BYTES)
    return _with(found, server)


def _write(bench: Bench) -> dict[str, float]:
    source = str(bench.command_rows())
    with serving(bench, bench.fresh("written.db")) as server:
        found = bench.worker("served:write", **server.place, source=source, stream=STREAM)
    return _with(found, server)


def _read(bench: Bench) -> dict[str, float]:
    n_rows = bench.sizes.command_rows
    with serving(bench, _node(bench)) as server:
        found = bench.worker("served:read", **server.place, stream=STREAM, n_rows=n_rows)
    return _with(found, server)


def _embedded(bench: Bench) -> dict[str, float]:
    return bench.worker("rows:decimated", path=str(_node(bench)), stream=STREAM)


def _decimated(bench: Bench) -> dict[str, float]:
    with serving(bench, _node(bench)) as server:
        return bench.worker("served:decimated", **server.place, stream=STREAM)


def _answers(bench: Bench) -> dict[str, float]:
    source = str(bench.command_rows())
    seconds = min(4.0, max(0.2, bench.sizes.command_rows / 500_000))
    with serving(bench, bench.fresh("busy.db")) as server:
        found = bench.worker("served:answers", **server.place, source=source, seconds=seconds)
    bench.fresh("busy.db")
    return _with(found, server)


def _stalled(bench: Bench) -> dict[str, float]:
    source = str(bench.command_rows())
    bench.fresh("stalled.db")
    path = bench.file("stalled.db", partial(_fill, bench))
    with serving(bench, path) as server:
        found = bench.worker(
            "served:stall", **server.place, source=source, stream=STREAM, pid=server.pid
        )
    bench.fresh("stalled.db")
    return _with(found, server)


def _copy_embedded(bench: Bench) -> dict[str, float]:
    target = bench.fresh("copied.db")
    _register(bench, "source", f"file:{_node(bench)}")
    _register(bench, "target", f"file:{target}")
    return _copy(bench, target)


def _copy_served(bench: Bench) -> dict[str, float]:
    target = bench.fresh("copied.db")
    with serving(bench, _node(bench)) as source, serving(bench, target) as destination:
        _register(bench, "source", source.url, source.key)
        _register(bench, "target", destination.url, destination.key)
        found = _copy(bench, target)
    found["cpu"] += source.cpu_s + destination.cpu_s
    return found | {"memory": max(source.peak_mb, destination.peak_mb)}


def _register(bench: Bench, name: str, url: str, key: str = "") -> None:
    bench.joule("node", "add", name, url, *filter(None, [key]), "--no-check", "--yes")


def _copy(bench: Bench, target: Path) -> dict[str, float]:
    """Copy with the program, its start included."""
    usage = bench.joule("data", "copy", f"source:{STREAM}", f"target:{STREAM}", "--yes")
    stored = bench.worker("rows:count", path=str(target), stream=STREAM)["rows"]
    if stored != bench.sizes.command_rows:
        raise CaseError(f"{stored} rows were copied of {bench.sizes.command_rows}")
    return {"rate": stored / usage.wall_s / 1e6, "cpu": usage.cpu_s}


def _node(bench: Bench) -> Path:
    return bench.file(_SERVED, partial(_fill, bench))


def _fill(bench: Bench, path: Path) -> None:
    source = str(bench.command_rows())
    bench.worker("rows:write", source=source, path=str(path), stream=STREAM)


def _with(found: dict[str, float], server: Server) -> dict[str, float]:
    """Add what the server took to what its client found."""
    cpu = found.get("cpu", 0.0) + server.cpu_s
    return found | {"cpu": cpu, "memory": server.peak_mb}
