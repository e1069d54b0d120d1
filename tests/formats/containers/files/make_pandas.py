"""Makes the HDF5 files of pandas beside this script; needs pandas (they are of 3.1) and tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
ZONED = pd.date_range("2024-01-01", periods=3, freq="s", tz="Europe/London")
NAIVE = pd.date_range("2024-01-01", periods=3, freq="s", unit="ns")
LEVELS = pd.MultiIndex.from_tuples(
    [("power", "active"), ("voltage", "")], names=["physical_quantity", "type"]
)
METER = pd.DataFrame([[1.5, 230], [2.5, 231], [3.5, 232]], ZONED, LEVELS, dtype="float32")
MIXED = pd.DataFrame(
    {
        "a": [1.5, np.nan, 3],
        "n": [1, 2, 3],
        "w": [4.5, 5, 6],
        "when": [pd.Timestamp("2024-05-01"), pd.NaT, pd.Timestamp("2024-05-02")],
        "s": ["x", "y", "z"],
        "c": pd.Categorical(["u", None, "u"]),
    },
    index=NAIVE.rename("at"),
)


def store(name: str, frame: pd.DataFrame | pd.Series, key: str = "lab/df", **given) -> None:
    frame.to_hdf(HERE / name, key=key, complevel=9, **({"mode": "w", "index": False} | given))


if __name__ == "__main__":
    store("meter_table.h5", METER, "building1/elec/meter1", format="table")
    store("meter_fixed.h5", METER, format="fixed", index=True)
    store("mixed_table.h5", MIXED, format="table")
    store("mixed_data_columns.h5", MIXED, format="table", data_columns=True)
    store("mixed_fixed.h5", MIXED.drop(columns=["s", "c"]), format="fixed", index=True)
    store("series_fixed.h5", METER[("power", "active")].rename("p"), format="fixed", index=True)
    store("series_table.h5", METER[("power", "active")].rename("p"), format="table")
    store("empty_fixed.h5", MIXED[["a"]].iloc[:0], format="fixed", index=True)
    store("rows_fixed.h5", MIXED[["a"]].reset_index(drop=True), format="fixed", index=True)
    store("two.h5", METER, "house/a", format="table")
    store("two.h5", METER, "house/b", format="table", mode="a")
