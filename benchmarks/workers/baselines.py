"""The simplest ways to keep the same rows."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import h5py
import numpy as np

from benchmarks.workers.node import BLOCK_ROWS, load

if TYPE_CHECKING:
    import numpy.typing as npt

_FACTOR = 4


def numpy_save(source: str, path: str) -> dict[str, float]:
    """`numpy.save`, then fsync."""
    rows = load(source)
    begin = time.perf_counter()
    with Path(path).open("wb") as file:
        np.save(file, rows)
        _sync(file)
    return _rate(rows, begin)


def numpy_load(path: str) -> dict[str, float]:
    begin = time.perf_counter()
    return _rate(load(path), begin)


def hdf5_write(source: str, path: str) -> dict[str, float]:
    """One contiguous, uncompressed dataset, then fsync."""
    rows = load(source)
    begin = time.perf_counter()
    with h5py.File(path, "w") as file:
        file.create_dataset("rows", data=rows)
    with Path(path).open("rb") as handle:
        os.fsync(handle.fileno())
    return _rate(rows, begin)


def hdf5_read(path: str) -> dict[str, float]:
    begin = time.perf_counter()
    with h5py.File(path, "r") as file:
        return _rate(file["rows"][:], begin)


def sqlite_write(source: str, path: str, n_rows: int) -> dict[str, float]:
    """One SQLite row per sample, and a table per decimation level, durable after each block."""
    rows = load(source)[:n_rows]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE level_1 (t INTEGER PRIMARY KEY, a REAL, b REAL, c REAL, d REAL)"
    )
    begin = time.perf_counter()
    for first in range(0, len(rows), BLOCK_ROWS):
        block = rows[first : first + BLOCK_ROWS]
        ts, data = block["timestamp"], block["data"]
        connection.execute("BEGIN IMMEDIATE")
        _insert(connection, 1, ts, data)
        mean, low, high, level = data.astype(np.float64), data, data, 1
        while len(ts) >= _FACTOR:
            level *= _FACTOR
            ts = _groups(ts).mean(axis=1).astype(np.int64)
            mean = _groups(mean).mean(axis=1)
            low, high = _groups(low).min(axis=1), _groups(high).max(axis=1)
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS level_{level} (t INTEGER PRIMARY KEY, "
                + ", ".join(f"v{i} REAL" for i in range(12))
                + ")"
            )
            _insert(connection, level, ts, np.concatenate([mean, low, high], axis=1))
        connection.execute("COMMIT")
    connection.close()
    return _rate(rows, begin)


def sqlite_read(path: str) -> dict[str, float]:
    """Read every sample into an array."""
    begin = time.perf_counter()
    connection = sqlite3.connect(path)
    cursor = connection.execute("SELECT * FROM level_1 ORDER BY t")
    blocks = []
    while found := cursor.fetchmany(BLOCK_ROWS):
        columns = list(zip(*found, strict=True))
        blocks.append((np.array(columns[0]), np.array(columns[1:], np.float32).T))
    ts = np.concatenate([block[0] for block in blocks])
    connection.close()
    return _rate(ts, begin)


def _insert(
    connection: sqlite3.Connection,
    level: int,
    ts: npt.NDArray[np.int64],
    data: npt.NDArray[np.floating],
) -> None:
    marks = ", ".join("?" * (data.shape[1] + 1))
    connection.executemany(
        f"INSERT INTO level_{level} VALUES ({marks})",  # noqa: S608  # a number of our own
        zip(ts.tolist(), *data.T.tolist(), strict=True),
    )


def _groups(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    whole = len(values) // _FACTOR
    return values[: whole * _FACTOR].reshape(whole, _FACTOR, *values.shape[1:])


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rate(rows: npt.NDArray[np.generic], begin: float) -> dict[str, float]:
    return {"rate": len(rows) / (time.perf_counter() - begin) / 1e6}
