"""Files that cases start from; making them is not measured."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq

from benchmarks import data

_NAMES = [f"e{i}" for i in range(4)]
_CSV_BLOCK = 50_000


def parameters() -> dict[str, float]:
    """Return what the recording is made with."""
    return {
        "seed": data.SEED,
        "amplitude": data.AMPLITUDE,
        "noise": data.NOISE,
        "period_us": data.PERIOD_US,
        "jitter_us": data.JITTER_US,
    }


def adc(path: str, n_rows: int) -> None:
    data.save_adc(Path(path), n_rows)


def hdf5(source: str, path: str, *, foreign: bool) -> None:
    """Write a recording as this program exports it, or as Joule 1.0.1 does (`foreign`)."""
    rows = np.load(source)
    n, k = rows["data"].shape
    with h5py.File(path, "w") as file:
        for name, values in (("timestamp", rows["timestamp"][:, None]), ("data", rows["data"])):
            chunks = None if foreign else (min(65536, n), values.shape[1])
            file.create_dataset(
                name,
                data=values,
                maxshape=(None, values.shape[1]),
                chunks=chunks or True,
                shuffle=not foreign,
                compression="gzip",
                compression_opts=4 if foreign else 1,
            )
        file.attrs["path"] = "/bench/recording"
        file.attrs["elements"] = json.dumps(_NAMES[:k])
        file.attrs["element_json"] = json.dumps([{"name": name} for name in _NAMES[:k]])
        file.attrs["node_name"] = "bench"
        file.attrs["node_url"] = "http://bench"


def csv(source: str, path: str, kind: str = "plain") -> None:
    """Write a recording as ``data read --csv`` does.

    With ``iso`` times are dates; ``missing`` and ``rejected`` have an empty cell, or a word, in one
    row of a hundred.
    """
    odd = {"missing": "", "rejected": "ERR"}.get(kind)
    rows = np.load(source)
    line = "%d,%s,%s,%s,%s\n"
    with Path(path).open("w") as file:
        file.write("timestamp," + ",".join(_NAMES) + "\n")
        for first in range(0, len(rows), _CSV_BLOCK):
            block = rows[first : first + _CSV_BLOCK]
            columns = [block["timestamp"].tolist(), *block["data"].T.tolist()]
            if kind == "iso":
                line = "%sZ,%s,%s,%s,%s\n"
                columns[0] = block["timestamp"].astype("datetime64[us]").tolist()
                columns[0] = [moment.isoformat(timespec="microseconds") for moment in columns[0]]
            if odd is not None:
                columns[2][::100] = [odd] * len(columns[2][::100])
            values = [value for row in zip(*columns, strict=True) for value in row]
            file.write(line * len(block) % tuple(values))


def hdf5_rows(path: str) -> dict[str, float]:
    """Return how many rows an exported file has."""
    with h5py.File(path, "r") as file:
        n_rows = len(file["data"])
        if len(file["timestamp"]) != n_rows:
            raise SystemExit("the datasets differ in length")
    return {"rows": n_rows}


def parquet_rows(path: str) -> dict[str, float]:
    """Return how many rows an exported file has."""
    return {"rows": pq.read_metadata(path).num_rows}
