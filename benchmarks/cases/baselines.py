"""The simplest ways to keep the same rows; others are compared with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.results import Case, Metric

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.bench import Bench

RATE = {"rate": Metric("M rows/s")}


def cases() -> list[Case]:
    return [
        Case("numpy.save", RATE, _numpy_save),
        Case("numpy.load", RATE, _numpy_load),
        Case("h5py-write", RATE, _hdf5_write),
        Case("h5py-read", RATE, _hdf5_read),
        Case("sqlite-write", RATE, _sqlite_write, at_most=3),
        Case("sqlite-read", RATE, _sqlite_read, at_most=3),
    ]


def _numpy_save(bench: Bench) -> dict[str, float]:
    return _write(bench, "numpy_save", "saved.npy")


def _numpy_load(bench: Bench) -> dict[str, float]:
    return bench.worker("baselines:numpy_load", path=str(bench.rows()))


def _hdf5_write(bench: Bench) -> dict[str, float]:
    return _write(bench, "hdf5_write", "plain.h5")


def _hdf5_read(bench: Bench) -> dict[str, float]:
    return _read(bench, "hdf5_write", "hdf5_read", "plain.h5")


def _sqlite_write(bench: Bench) -> dict[str, float]:
    return _write(bench, "sqlite_write", "samples.sqlite", n_rows=bench.sizes.sqlite_rows)


def _sqlite_read(bench: Bench) -> dict[str, float]:
    return _read(
        bench, "sqlite_write", "sqlite_read", "samples.sqlite", n_rows=bench.sizes.sqlite_rows
    )


def _write(bench: Bench, function: str, name: str, **arguments: object) -> dict[str, float]:
    return bench.remake(name, partial(_write_to, bench, function, arguments))


def _write_to(
    bench: Bench, function: str, arguments: dict[str, object], path: Path
) -> dict[str, float]:
    source = str(bench.rows())
    return bench.worker(f"baselines:{function}", source=source, path=str(path), **arguments)


def _read(
    bench: Bench, writer: str, reader: str, name: str, **arguments: object
) -> dict[str, float]:
    path = bench.file(name, partial(_write_to, bench, writer, arguments))
    return bench.worker(f"baselines:{reader}", path=str(path))
