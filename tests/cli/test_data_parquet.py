"""Parquet and Arrow in joule data read, export, ingest and write"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Joule
from tests.cli.filling import SECOND, T0, fill, intervals, rows

FORMATS = ["parquet", "arrow"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    joule = Joule(tmp_path_factory.mktemp("tables"))
    joule.ok("stream", "create", "/a/x:float32[volts:V,amps]", "--description", "d")
    fill(joule, "/a/x", (0, 5), (8, 20), (20, 23))
    joule.ok("stream", "create", "/a/b/y:int16[n]", "--keep", "1y")
    joule.ok("stream", "create", "/a/none:float64[x]")
    joule.ok("annotation", "create", "/a/x", "note", "--start", T0)
    return joule


@pytest.mark.parametrize("format", FORMATS)
def test_a_folder_comes_back(data, tmp_path, format):
    export = ("data", "export", "/a", "--to", tmp_path, "--format", format, "--split", "5s")
    planned = data(*export, "--dry-run", "--json").json()
    assert sum(entry["rows"] for entry in planned) == 20
    assert list(tmp_path.iterdir()) == []
    written = data(*export, "--jobs", "2", "--resume", "--json").json()
    assert {entry["file"] for entry in written} == {entry["file"] for entry in planned}
    assert all(entry["file"].endswith(f".{format}") for entry in written)
    (first, *_) = sorted(entry["file"] for entry in written)
    with Path(first).open("ab") as file:
        file.write(b"x")
    again = data(*export, "--resume", "--json").json()
    assert [entry["file"] for entry in again if not entry["kept"]] == [first]
    data.ok("data", "ingest", tmp_path, "-s", f"/{format}", "-q")
    for path in ("/a/x", "/a/none"):
        assert rows(data, f"/{format}{path}") == rows(data, path)
        assert intervals(data, f"/{format}{path}") == intervals(data, path)
    stream = data("stream", "get", f"/{format}/a/x", "--json").json()
    assert (stream["description"], stream["layout"]) == ("d", "float32_2")
    assert stream["elements"][0]["units"] == "V"
    assert "note" in data.ok("annotation", "list", f"/{format}/a/x", "--csv")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows"])
def test_a_file_is_continued_and_read_back(data, tmp_path, suffix):
    file = tmp_path / f"x{suffix}"
    for end in (T0 + 3 * SECOND, T0 + 10 * SECOND):
        data.ok("data", "read", "/a/x", "-f", file, "--resume", "-e", end)
    data.ok("data", "export", "/a/x", "--to", file, "--resume")
    assert list(tmp_path.iterdir()) == [file]
    data.ok("data", "ingest", file, "-s", f"/back/{suffix}", "-q")
    assert rows(data, f"/back/{suffix}") == rows(data, "/a/x")
    assert intervals(data, f"/back/{suffix}") == intervals(data, "/a/x")
    refused = data("data", "read", "/a/x", "-f", file, "--resume", "-i", "volts")
    assert refused.status == 1
    assert str(file) in refused.err


def test_an_interrupted_export_leaves_the_old_file(data, tmp_path):
    file = tmp_path / "x.parquet"
    data.ok("data", "read", "/a/x", "-f", file)
    before = file.read_bytes()
    result = data("data", "read", "/a/x", "-f", file, "--no-clobber")
    assert (result.status, result.err) == (1, f"Error: {file}: the file exists already\n")
    assert data("data", "read", "/a/x", "-f", file, "--fail-empty", "-s", "now").status == 1
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_duckdb_queries_what_was_exported(data, tmp_path):
    data.ok("data", "export", "/a/x", "--to", tmp_path / "x.parquet", "--interval-column")
    found = duckdb.sql(
        f"SELECT interval, count(*), min(epoch_us(timestamp)), sum(volts) "
        f"FROM '{tmp_path}/x.parquet' GROUP BY ALL ORDER BY 1"
    ).fetchall()
    stored = rows(data, "/a/x")
    pieces = [stored[:5], stored[5:17], stored[17:]]
    assert found == [
        (i, len(piece), piece[0][0], sum(row[1][0] for row in piece))
        for i, piece in enumerate(pieces)
    ]


def test_arrow_goes_through_pipes(data):
    data.shell(
        "joule data read /a/x --format arrow > x.arrows; joule data export /a/x --to x.arrow"
    )
    done = data.shell(
        "joule data read /a/x --format arrow | joule data ingest - -s /piped/stream -q &&"
        "joule data write /piped/written --create 'float32[volts,amps]' < x.arrows -q &&"
        "cat x.arrow | joule data ingest - -s /piped/file -q"
    )
    assert (done.status, done.out, done.err) == (0, "", "")
    for path in ("stream", "written", "file"):
        assert rows(data, f"/piped/{path}") == rows(data, "/a/x")
        assert intervals(data, f"/piped/{path}") == intervals(data, "/a/x")
    left = data.shell("joule data read /a/x --format arrow | sleep 0; echo ${PIPESTATUS[0]}")
    assert (left.out, left.err) == ("141\n", "")


def test_parquet_needs_a_file_to_read_but_none_to_write(data):
    done = data.shell("joule data read /a/x --format parquet > p; joule data ingest p -s /p/x -q")
    assert (done.status, done.err) == (0, "")
    assert rows(data, "/p/x") == rows(data, "/a/x")
    refused = data.shell("cat p | joule data ingest - -s /p/y")
    assert (refused.status, refused.err) == (
        1,
        "Error: -: Parquet can only be read from a file, not from a pipe\n"
        "Name the file, or its format if the input can seek.\n",
    )
    assert data("stream", "get", "/p/y").status == 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_terminal_is_spared(data, format):
    shown = data.terminal("data", "read", "/a/x", "--format", format)
    assert shown.status == 1
    assert shown.out.startswith(f"Error: -: a terminal cannot show {format.capitalize()}")


def test_a_file_of_pandas(joule):
    n = 1000
    when = pa.array(T0 * 1000 + np.arange(n) * 10**9, pa.timestamp("ns", "Europe/Berlin"))
    power = np.arange(n) / 4
    power[[3, 7]] = np.nan
    table = pa.table({"power": power, "count": np.arange(n), "note": ["x"] * n, "when": when})
    pq.write_table(table, joule.folder / "log.parquet")
    ingest = ("data", "ingest", "log.parquet", "-s", "/a/x")
    refused = joule(*ingest)
    assert (refused.status, refused.err) == (
        1,
        "Error: log.parquet: the column 'note' holds text, such as 'x'\n"
        "Use --use-columns power,count to leave it out, or --missing-values for words that stand "
        "for no value.\n",
    )
    refused = joule(*ingest, "--use-columns", "power,count", "--missing", "error")
    assert (refused.status, refused.err) == (
        1,
        "Error: log.parquet: row 4: the value of 'power' is missing\n"
        "Use --missing store or --missing skip.\n",
    )
    assert joule("stream", "get", "/a/x").status == 1
    some = ("--use-columns", "power", "--datatype", "float32", "--missing", "error")
    skipped = joule(*ingest, *some, "--on-error", "skip", "--rejects", "bad.csv", "--json")
    assert (skipped.status, skipped.json()["rows"], skipped.json()["rejected"]) == (3, 998, 2)
    bad = (joule.folder / "bad.csv").read_text().splitlines()
    assert bad[0] == "# log.parquet:4: the value of 'power' is missing"
    assert len(next(csv.reader(bad[1:2]))) == 2
    assert rows(joule, "/a/x")[3] == (T0 + 4 * SECOND, [1.0])
    stored = joule("data", "ingest", "log.parquet", "-s", "/a/y", *some[:-2], "--json").json()
    assert (stored["rows"], stored["missing"], stored["rejected"]) == (n, {"power": 2}, 0)
    assert np.isnan([power for _, (power,) in rows(joule, "/a/y")]).nonzero()[0].tolist() == [3, 7]


def test_a_damaged_file_changes_nothing(data, tmp_path):
    file = tmp_path / "x.parquet"
    n = 300_000
    stamps = T0 + 100 * SECOND + np.arange(n) * 10
    noise = np.random.default_rng(1).random(n, np.float32)
    table = pa.table({"timestamp": stamps, "volts": noise, "amps": noise})
    pq.write_table(table, file, row_group_size=50_000, write_page_checksum=True)
    whole = bytearray(file.read_bytes())
    group = pq.read_metadata(file).row_group(4).column(1)
    whole[group.data_page_offset + 5000] ^= 0xFF
    before = rows(data, "/a/x")
    for content in (whole, whole[:-1]):
        file.write_bytes(content)
        for path in ("/a/x", "/damaged"):
            result = data("data", "ingest", file, "-s", path, "--time-format", "us")
            assert (result.status, result.out) == (1, "")
            assert result.err == f"Error: {file}: the file is cut or damaged\n"
    assert rows(data, "/a/x") == before
    assert data("stream", "get", "/damaged").status == 1


def test_without_pyarrow(data):
    (data.folder / "no").mkdir()
    (data.folder / "no" / "pyarrow.py").write_text("raise ImportError(__name__)\n")
    without = {"PYTHONPATH": str(data.folder / "no")}
    for command in (
        ("data", "read", "/a/x", "-f", "new.parquet"),
        ("data", "ingest", "new.parquet", "-s", "/new"),
    ):
        result = data(*command, env=without)
        assert (result.status, result.err) == (
            1,
            "Error: Parquet files need pyarrow, which is not installed\n"
            "Install it with: pip install 'joule-cli[parquet]'.\n",
        )
    assert not list(data.folder.glob("new*"))
    error = data("data", "ingest", "new.arrow", "--json", env=without).error()
    assert error["code"] == "missing_extra_error"


def test_events_are_read_but_not_written(joule):
    refused = joule("event", "read", "/e", "-f", "e.parquet")
    assert (refused.status, "CSV, TSV, JSON" in refused.err) == (2, True)
    starts = pa.array([T0, T0 + 1]).cast(pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"start": starts, "kind": ["a", None]}), joule.folder / "e.parquet")
    assert joule.ok("event", "write", "/e", "e.parquet", "--create") == "2\n"
    events = json.loads(joule.ok("event", "read", "/e", "--json"))
    assert [(event["start_time"], event["content"]) for event in events] == [
        (T0, {"kind": "a"}),
        (T0 + 1, {}),
    ]
    (joule.folder / "bad.parquet").write_bytes(b"PAR1")
    refused = joule("event", "write", "/e", "bad.parquet")
    assert (refused.status, "cut or damaged" in refused.err) == (1, True)
