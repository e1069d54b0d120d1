"""Whole commands of the installed program, in fresh processes."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import STREAM
from benchmarks.results import Case, CaseError, Metric, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench
    from benchmarks.measure import Usage

#: MB that none of these commands may need, whatever the range.
_MEMORY = Target(200)


#: pyarrow alone, whose process needs time to start as well.
_PYARROW_WRITE = """
import numpy, pyarrow, pyarrow.parquet
rows = numpy.load({source!r})
columns = {{"timestamp": pyarrow.array(rows["timestamp"]).cast(pyarrow.timestamp("us", "UTC"))}}
columns |= {{f"e{{i}}": rows["data"][:, i].astype("f4") for i in range(rows["data"].shape[1])}}
pyarrow.parquet.write_table(pyarrow.table(columns), {path!r}, compression="zstd")
"""
_PYARROW_READ = """
import pyarrow.parquet
pyarrow.parquet.read_table({path!r})
"""


def cases() -> list[Case]:
    return [
        Case("pyarrow-read", {"wall": Metric("s")}, _pyarrow_read),
        Case("pyarrow-write", {"wall": Metric("s")}, _pyarrow_write),
        _case("joule-ingest-hdf5", 1.2, partial(_ingest, make=_hdf5, name="in.h5")),
        _case("joule-ingest-hdf5-1.0.1", 1.2, partial(_ingest, make=_old_hdf5, name="old.h5")),
        _case(
            "joule-ingest-parquet",
            1.2,
            partial(_ingest, make=_parquet, name="in.parquet"),
            ("pyarrow-read/wall",),
        ),
        _case("joule-ingest-csv", 2.5, partial(_ingest, make=_csv, name="in.csv")),
        *(
            _case(
                f"joule-ingest-csv-{kind}",
                None,
                partial(
                    _ingest,
                    make=partial(_csv, kind=kind),
                    name=f"{kind}.csv",
                    options=options,
                    share=share,
                ),
                ("joule-ingest-csv/wall",),
                ratio,
            )
            for kind, options, share, ratio in (
                ("iso", (), 1.0, None),
                ("missing", (), 1.0, 1.5),
                ("rejected", ("--on-error", "skip"), 0.99, 1.5),
            )
        ),
        _case("joule-read-text", 2.2, partial(_read, options=())),
        _case("joule-read-csv", 2.5, partial(_read, options=("--csv",))),
        _case("joule-read-hdf5", 0.9, partial(_read_file, name="out.h5", count="hdf5_rows")),
        _case(
            "joule-read-parquet",
            0.9,
            partial(_read_file, name="out.parquet", count="parquet_rows"),
            ("pyarrow-write/wall",),
        ),
        _case("joule-read-max-rows", None, partial(_read, options=("--max-rows", "1000"))),
    ]


def _case(
    name: str,
    limit: float | None,
    body: Callable[[Bench], Usage],
    baselines: tuple[str, ...] = (),
    ratio: float | None = None,
) -> Case:
    def run(bench: Bench) -> dict[str, float]:
        usage = body(bench)
        return {"wall": usage.wall_s, "cpu": usage.cpu_s, "memory": usage.peak_mb}

    targets = () if limit is None else (Target(limit),)
    if ratio is not None:
        targets += (Target(ratio, baseline=baselines[0]),)
    metrics = {
        "wall": Metric("s", targets, baselines),
        "cpu": Metric("s"),
        "memory": Metric("MB", (_MEMORY,)),
    }
    return Case(name, metrics, run)


def _ingest(
    bench: Bench,
    make: Callable[[Bench, Path], None],
    name: str,
    options: tuple[str, ...] = (),
    share: float = 1.0,
) -> Usage:
    """Import a file; `share` is how much of it is good."""
    source = bench.file(name, partial(make, bench))
    node = bench.fresh("ingested.db")
    words = ("data", "ingest", str(source), "-s", STREAM, *options, "--url", f"file:{node}")
    usage = bench.joule(*words, status=0 if share == 1 else 3)
    stored = bench.worker("rows:count", path=str(node), stream=STREAM)["rows"]
    if stored != round(bench.sizes.command_rows * share):
        raise CaseError(f"{stored} rows were stored of {bench.sizes.command_rows}")
    return usage


def _read(bench: Bench, options: tuple[str, ...]) -> Usage:
    return bench.joule(
        "data", "read", STREAM, *options, "--url", _node(bench), stdout=Path(os.devnull)
    )


def _read_file(bench: Bench, name: str, count: str) -> Usage:
    target = bench.fresh(name)
    usage = bench.joule("data", "read", STREAM, "--file", str(target), "--url", _node(bench))
    stored = bench.worker(f"prepare:{count}", path=str(target))["rows"]
    if stored != bench.sizes.command_rows:
        raise CaseError(f"the file has {stored} rows of {bench.sizes.command_rows}")
    return usage


def _node(bench: Bench) -> str:
    def make(path: Path) -> None:
        source = str(bench.command_rows())
        bench.worker("rows:write", source=source, path=str(path), stream=STREAM)

    return f"file:{bench.file('command.db', make)}"


def _hdf5(bench: Bench, path: Path) -> None:
    source = str(bench.command_rows())
    bench.worker("prepare:hdf5", source=source, path=str(path), foreign=False)


def _pyarrow_write(bench: Bench) -> dict[str, float]:
    return {"wall": _write_parquet(bench, bench.fresh("pyarrow.parquet")).wall_s}


def _pyarrow_read(bench: Bench) -> dict[str, float]:
    path = bench.file("in.parquet", partial(_parquet, bench))
    return {"wall": bench.python("-c", _PYARROW_READ.format(path=str(path))).wall_s}


def _parquet(bench: Bench, path: Path) -> None:
    _write_parquet(bench, path)


def _write_parquet(bench: Bench, path: Path) -> Usage:
    source = str(bench.command_rows())
    return bench.python("-c", _PYARROW_WRITE.format(source=source, path=str(path)))


def _old_hdf5(bench: Bench, path: Path) -> None:
    source = str(bench.command_rows())
    bench.worker("prepare:hdf5", source=source, path=str(path), foreign=True)


def _csv(bench: Bench, path: Path, kind: str = "plain") -> None:
    bench.worker("prepare:csv", source=str(bench.command_rows()), path=str(path), kind=kind)
