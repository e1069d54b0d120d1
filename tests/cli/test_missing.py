"""Missing values, seen from the commands."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
import sqlite3
from contextlib import closing

import pytest

from tests.cli.conftest import Joule
from tests.cli.serving import running
from tests.contracts.streams import flow
from tests.nodes import FileNode
from tests.older import OlderNode
from tests.serving import serve

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
NAN = math.nan
#: What stands at 0, 1, 2, ... seconds.
ROWS = [[1, NAN], [NAN, NAN], [NAN, math.inf], [4, 7], [5, NAN]]


def store(joule, path, values, step=SECOND):
    async def run():
        async with FileNode("local", joule.folder / "joule.db") as node:
            folder, _, name = path.rpartition("/")
            width = len(values[0])
            await node.data_stream_create(flow(name, width=width, datatype="float64"), folder)
            async with await node.data_write(path, missing=True) as pipe:
                await pipe.write([[T0 + i * step, *row] for i, row in enumerate(values)])

    asyncio.run(run())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    joule = Joule(tmp_path_factory.mktemp("missing"))
    store(joule, "/a/x", ROWS)
    wave = [[math.sin(i / 50) if not 300 <= i < 600 else NAN, NAN] for i in range(1200)]
    store(joule, "/a/wave", wave)
    store(joule, "/a/nothing", [[NAN]] * 100)
    return joule


def test_read_in_every_form(data):
    text = data.ok("data", "read", "/a/x").splitlines()
    assert [line.split()[1:] for line in text][1] == ["nan", "nan"]
    cells = list(csv.reader(io.StringIO(data.ok("data", "read", "/a/x", "--csv"))))
    assert [row[1:] for row in cells[1:]] == [
        ["1", ""],
        ["", ""],
        ["", "inf"],
        ["4", "7"],
        ["5", ""],
    ]
    tabs = data.ok("data", "read", "/a/x", "--tsv", "--precision", "1").splitlines()
    assert tabs[2] == f"{T0 + SECOND}\t\t"
    rows = json.loads(data.ok("data", "read", "/a/x", "--json"))["data"]
    assert [row[1:] for row in rows] == [[1, None], [None, None], [None, "inf"], [4, 7], [5, None]]
    lines = data.ok("data", "read", "/a/x", "--jsonl").splitlines()
    assert json.loads(lines[1]) == {"timestamp": T0 + SECOND, "e0": None, "e1": None}
    (mean,) = data.ok("data", "read", "/a/x", "-r", "1", "--show-bounds", "--csv").splitlines()[1:]
    assert [float(cell) for cell in mean.split(",")[1:]] == [10 / 3, math.inf, 1, 7, 5, math.inf]


def test_rows_count_whatever_is_missing_in_them(data):
    assert data.ok("data", "count", "/a/nothing").split() == ["100"]
    assert data.ok("data", "intervals", "/a/nothing").count("\n") == 1
    assert "100" in data.ok("stream", "info", "/a/nothing").split()


def test_the_node_is_sound(data):
    assert json.loads(data.ok("admin", "check", "--json"))["problems"] == []
    assert json.loads(data.ok("node", "info", "--json"))["capabilities"] == [
        "missing-values",
        "split-intervals",
    ]


def test_sql(data):
    pytest.importorskip("duckdb")
    sql = 'SELECT count(*), count(e0), avg(e0) FROM "a/x"'
    assert data.ok("db", "query", sql, "--csv", "--no-header") == f"5,3,{10 / 3}\n"
    lines = data.ok("db", "query", 'SELECT e0, e1 FROM "a/x"', "--jsonl").splitlines()
    assert json.loads(lines[1]) == {"e0": None, "e1": None}


def ink(out):
    """Tell which columns of a curve, behind its axis, have something in them."""
    lines = [line for line in out.splitlines() if "│" in line[:12] or "┤" in line[:12]]
    at = min(line.find(mark) for line in lines for mark in "│┤" if mark in line) + 1
    return [any(line[at:].ljust(80)[x] != " " for line in lines) for x in range(72)]


def test_a_curve_has_a_hole(data):
    inked = ink(data.ok("data", "plot", "/a/wave", "-i", "0"))
    assert all(inked[:17])
    assert not any(inked[20:35])
    assert all(inked[38:72])
    assert not any(ink(data.ok("data", "plot", "/a/wave", "-i", "1")))
    assert not any(ink(data.ok("data", "plot", "/a/nothing")))


def test_a_single_value_between_holes_is_seen(joule):
    store(joule, "/a/x", [[NAN], [1], [NAN], [2], [3], [NAN]])
    assert sum(ink(joule.ok("data", "plot", "/a/x"))) > 10
    store(joule, "/a/y", [[NAN], [1], [NAN]])
    assert sum(ink(joule.ok("data", "plot", "/a/y"))) == 1


def test_the_points_of_a_plot(data):
    found = json.loads(data.ok("data", "plot", "/a/x", "--json"))
    assert [row[1] for row in found["data"]] == [1, None, None, 4, 5]
    lines = data.ok("data", "plot", "/a/x", "-i", "e0", "--csv").splitlines()
    assert lines[2] == f"{T0 + SECOND},,,"


def test_spark_leaves_holes_blank(data):
    wave, nothing = data.ok("stream", "info", "/a/wave", "--spark").splitlines()[-2:]
    curve = wave.split("  ", 3)[-1]
    assert "     " in curve.strip()
    assert set(curve) & set("▁▂▃▄▅▆▇█")
    assert nothing.strip() == "e1"


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_pictures(data, suffix):
    for name in ("x", "nothing"):
        file = data.folder / f"{name}.{suffix}"
        assert data("data", "plot", f"/a/{name}", f"--{suffix}", file).status == 0
        assert file.stat().st_size > 1000
    if suffix == "svg":
        assert "no values" in file.read_text()


def test_files_and_filters_keep_them(data):
    data.ok("data", "filter", "median", "/a/x", "/b/median", "-w", "3", "--yes")
    rows = json.loads(data.ok("data", "read", "/b/median", "--json"))["data"]
    assert [row[1:] for row in rows] == [[1, "inf"], [4, "inf"], [4.5, "inf"]]
    data.ok("data", "copy", "/a/x", "/b/copy", "--verify", "--yes")
    assert data.ok("data", "read", "/b/copy") == data.ok("data", "read", "/a/x")


def test_a_node_that_cannot_hold_them_gets_nothing(data, tmp_path):
    store(data, "/old/whole", [[1, 2]] * 10)
    store(data, "/old/x", ROWS)

    async def start(stack):
        node = await stack.enter_async_context(OlderNode("old", tmp_path / "old.db"))
        return await stack.enter_async_context(serve(node, unix=tmp_path / "socket"))

    with running(start) as place:
        data.ok("node", "add", "old", place.url)
        result = data("-n", "local", "data", "copy", "/a/x", "old:/a/x")
        assert result.status == 1
        assert (
            "Error: values are missing at 2023-11-14 22:13:20+00:00, which node old" in result.err
        )
        assert "--missing skip, leave such rows out" in result.err
        result = data("-n", "local", "folder", "copy", "/old", "old:/old", "--yes")
        assert result.status == 3
        assert "values are missing" in result.err
        paths = json.loads(data.ok("-n", "old", "stream", "list", "--json"))
    assert [stream["path"] for stream in paths] == ["/old/whole"]
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("SELECT sum(n_rows) FROM chunk").fetchone() == (10,)
