"""Missing values in the files that are written, read by others."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from joule_cli.formats import WriteOptions, open_writer
from joule_cli.series.layout import Layout
from tests.contracts.format_contract import make_head, make_rows

if TYPE_CHECKING:
    from pathlib import Path

NAN = np.nan
VALUES = [[1.5, NAN, 2.0], [NAN, NAN, NAN], [NAN, np.inf, -0.0]]
NONE = [[1.5, None, 2.0], [None, None, None], [None, np.inf, -0.0]]
LAYOUT = Layout("float64", 3)


def holed() -> np.ndarray:
    rows = make_rows(3, layout=str(LAYOUT))
    rows["data"] = VALUES
    return rows


def write(place: Path | io.BytesIO, format: str, *blocks: np.ndarray, **options) -> None:
    head = make_head(LAYOUT)
    with open_writer(place, head, format, WriteOptions(**options)) as writer:
        for rows in blocks or (holed(),):
            writer.write(rows)


def text(format: str, **options) -> str:
    out = io.BytesIO()
    write(out, format, **options)
    return out.getvalue().decode()


@pytest.mark.parametrize("precision", [None, 2])
def test_in_csv_they_are_empty_cells(precision):
    rows = list(csv.reader(io.StringIO(text("csv", header="none", precision=precision))))
    assert [[float(c) if c else None for c in row[1:]] for row in rows] == NONE
    tabs = text("tsv", header="none", interval_column=True).splitlines()
    assert tabs[1] == "2000\t\t\t\t0"


def test_the_only_cell_of_a_row_may_be_empty():
    layout = Layout("float32", 1)
    rows = make_rows(2, layout=str(layout))
    rows["data"] = NAN
    out = io.BytesIO()
    with open_writer(out, make_head(layout), "csv", WriteOptions()) as writer:
        writer.write(rows)
    assert out.getvalue() == b"timestamp,e0\n1000,\n2000,\n"


@pytest.mark.parametrize("precision", [None, 2])
def test_in_text_they_are_words(precision):
    lines = text("text", precision=precision).splitlines()
    assert [line.split()[1:] for line in lines][1] == ["nan"] * 3
    np.testing.assert_array_equal([list(map(float, x.split()[1:])) for x in lines], VALUES)


@pytest.mark.parametrize("precision", [None, 2])
def test_in_json_they_are_null(precision):
    document = json.loads(text("json", precision=precision))
    assert [row[1:] for row in document["data"]][:2] == NONE[:2]
    assert document["data"][2][1:] == [None, "inf", -0.0]
    lines = [json.loads(x) for x in text("jsonl", precision=precision).splitlines()]
    assert lines[1] == {"timestamp": 2000, "e0": None, "e1": None, "e2": None}


@pytest.mark.parametrize("format", ["parquet", "arrow", "arrows"])
def test_in_tables_they_are_null(tmp_path: Path, format: str):
    file = tmp_path / f"x.{format}"
    # the second block has none
    more = make_rows(3, 10, layout=str(LAYOUT))
    write(file, "arrow" if format == "arrows" else format, holed(), more)
    if format == "parquet":
        table = pq.read_table(file)
    else:
        opener = pa.ipc.open_file if format == "arrow" else pa.ipc.open_stream
        with pa.OSFile(str(file), "rb") as opened:
            table = opener(opened).read_all()
    found = [list(row) for row in zip(*(table[f"e{i}"].to_pylist() for i in range(3)), strict=True)]
    assert found == [*NONE, *more["data"].tolist()]
    assert table["timestamp"].null_count == 0


def test_in_hdf5_they_are_nan(tmp_path: Path):
    write(tmp_path / "x.h5", "hdf5")
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["data"][()], VALUES)


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_tables_from_before_missing_values_are_continued(tmp_path: Path, format: str):
    """Their columns say that no value is null."""
    file = tmp_path / f"x.{format}"
    first = make_rows(3, layout=str(LAYOUT))
    write(file, format, first)
    if format == "parquet":
        table = pq.read_table(file)
    else:
        table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
    schema = pa.schema([f.with_nullable(False) for f in table.schema], table.schema.metadata)
    table = table.cast(schema)
    if format == "parquet":
        pq.write_table(table, file)
    else:
        with pa.OSFile(str(file), "wb") as out, pa.ipc.new_file(out, schema) as writer:
            writer.write_table(table)
    last = holed()
    last["timestamp"] += 10_000
    write(file, format, last, append=True)
    if format == "parquet":
        table = pq.read_table(file)
    else:
        table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
    assert table["e0"].to_pylist() == [*first["data"][:, 0].tolist(), 1.5, None, None]
