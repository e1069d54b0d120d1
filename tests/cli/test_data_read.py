"""joule data read, joule data count"""

from __future__ import annotations

import csv
import gzip
import json
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.cli.conftest import PROGRAM, Joule, write_rows
from tests.cli.filling import with_node
from tests.edited import edit
from tests.ops import helpers

T0 = 1_700_000_000_000_000
BREAK = "# interval break"
X = "1700000000000000 0.5 1\n1700000001000000 1.5 2\n"
Y = "1700000010000000 2.5 3\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    joule = Joule(tmp_path_factory.mktemp("read"))
    text = f"{X}{BREAK}\n{Y}"
    joule("data", "write", "/a/x", "--create", "float32[u:V,i]", stdin=text)
    joule.ok("stream", "create", "/a/empty:int16[n]")
    big = "1 9007199254740993\n2 -5\n"
    joule.ok("data", "write", "/a/big", "--create", "int64[n]", "--accept-times", stdin=big)
    ramp = "".join(f"{T0 + i * 1000} {i}\n" for i in range(40_000))
    joule("data", "write", "/a/ramp", "--create", "float32[x]", stdin=ramp)
    return joule


def bits(joule, path):
    """The rows of a stream, bit for bit."""
    return with_node(joule, lambda node: helpers.read(node, path)).tobytes()


def test_text(data):
    assert data.ok("data", "read", "/a/x") == X + Y
    assert data.ok("data", "read", "/a/x", "-m") == f"{X}{BREAK}\n{Y}"
    assert data.ok("data", "read", "a/x", "-i", "1,0", "-s", T0, "-e", T0 + 1) == (
        "1700000000000000 1 0.5\n"
    )
    assert data.ok("data", "read", "/a/big").splitlines()[0] == "1 9007199254740993"


def test_text_as_joule_1_0_1_prints_it(data):
    assert data.ok("data", "read", "/a/x", "--precision", "6", "--limit", "1") == (
        "1700000000000000 0.500000 1.000000\n"
    )


@pytest.mark.parametrize(
    ("layout", "values"),
    [
        ("float32", ["0.1", "16777216", "1.17549435e-38", "inf", "-0.0"]),
        ("float64", ["0.1", "37823861.25", "0.30000000000000004", "5e-324", "-inf", "1e22"]),
        ("int64", ["9007199254740993", "-9223372036854775808"]),
        ("uint64", ["18446744073709551615"]),
        ("int8", ["-128", "0"]),
    ],
)
def test_what_is_read_is_written_as_it_was(joule, layout, values):
    rows = "".join(f"{T0 + i} {value} 1\n" for i, value in enumerate(values))
    joule("data", "write", "/a/a", "--create", f"{layout}[x,y]", stdin=rows)
    for form in ([], ["--csv"], ["--jsonl"], ["--tsv"]):
        line = "joule data read /a/a {0} | joule data write /a/b --create {1}[x,y] {0} -q"
        result = joule.shell(line.format(" ".join(form), layout))
        assert (result.status, result.err) == (0, "")
        first, second = (bits(joule, path) for path in ("/a/a", "/a/b"))
        assert second == first
        assert len(first) == len(values) * (8 + 2 * np.dtype(layout).itemsize)
        joule.ok("stream", "delete", "/a/b", "--yes", "-q")


def test_decimated_text_with_bounds(data):
    rows = data.ok("data", "read", "/a/ramp", "-r", "10", "-b").splitlines()
    assert 0 < len(rows) <= 10
    _, mean, low, high = rows[0].split()
    assert (low, float(high)) == ("0", 2 * float(mean))
    assert len(data.ok("data", "read", "/a/ramp", "-r", "10").split("\n")[0].split()) == 2


def test_a_stream_by_its_id(data):
    number = data("stream", "get", "/a/x", "--json").json()["id"]
    assert data.ok("data", "read", number) == X + Y
    assert data.ok("data", "count", number) == "3\n"


def test_csv(data):
    assert data.ok("data", "read", "/a/x", "--csv", "--header", "units").splitlines()[:2] == [
        "timestamp,u [V],i",
        "1700000000000000,0.5,1",
    ]
    lines = data.ok("data", "read", "/a/x", "--csv", "--no-header", "--interval-column")
    assert [row[-1] for row in csv.reader(lines.splitlines())] == ["0", "0", "1"]
    text = data.ok("data", "read", "/a/x", "--tsv", "--precision", "2", "--time", "iso")
    assert "2023-11-14T22:13:20+00:00\t0.50\t1.00\n" in text
    assert data.ok("data", "read", "/a/x", "--csv", "--annotate").startswith("# path: /a/x\n")
    assert "1700000010000000;2.5;3" in data.ok("data", "read", "/a/x", "--csv", "--delimiter", ";")


def test_json(data):
    document = data("data", "read", "/a/x", "--json", "-m").json()
    assert document["columns"] == ["timestamp", "u", "i"]
    assert document["data"] == [[T0, 0.5, 1], [T0 + 1_000_000, 1.5, 2], [T0 + 10_000_000, 2.5, 3]]
    assert len(document["intervals"]) == 2
    lines = data.ok("data", "read", "/a/x", "--jsonl", "-m", "-i", "i").splitlines()
    assert list(map(json.loads, lines))[1:3] == [
        {"timestamp": T0 + 1_000_000, "i": 2},
        {"interval_break": True},
    ]
    lines = data.ok("data", "read", "/a/x", "--jsonl", "--arrays", "--limit", "1")
    assert json.loads(lines) == [T0, 0.5, 1]


def test_nothing_to_read(data):
    assert data.ok("data", "read", "/a/empty") == ""
    assert data("data", "read", "/a/empty", "--json").json()["data"] == []
    assert data.ok("data", "read", "/a/x", "-s", "now") == ""
    result = data("data", "read", "/a/empty", "--fail-empty")
    assert (result.status, result.out) == (1, "")
    assert result.err == "Error: the stream has no rows: /a/empty\n"


def test_nothing_in_the_range_tells_where_there_is_something(data):
    asked = ("data", "read", "/a/x", "--start", T0 - 60_000_000, "--end", T0 - 1_000_000)
    result = data(*asked, "--fail-empty")
    told = (
        "there are no rows from 2023-11-14 22:12:20+00:00 to 2023-11-14 22:13:19+00:00; "
        "those of the stream are from 2023-11-14 22:13:20+00:00 to "
    )
    assert result.err.startswith(f"Error: {told}")
    assert data.ok(*asked) == ""
    shown = data.terminal(*asked, columns=200)
    assert (shown.status, shown.out.startswith(f"/a/x: {told}")) == (0, True)
    error = data(*asked, "--fail-empty", "--json").error()
    assert (error["object"], error["message"].startswith(told)) == ("/a/x", True)
    before = data("data", "read", "/a/x", "--end", "2000-01-01", "--fail-empty").err
    assert "no rows before 2000-01-01 00:00:00+00:00; those of the stream are from " in before


def test_only_some_intervals(data, tmp_path):
    file = tmp_path / "pieces.csv"
    file.write_text(f"start,end\n{T0},{T0 + 1}\n{T0 + 9_000_000},{T0 + 20_000_000}\n")
    expected = X.splitlines(True)[0] + f"{BREAK}\n" + Y
    assert data.ok("data", "read", "/a/x", "--intervals", file, "-m") == expected
    text = json.dumps([[T0, T0 + 1]])
    assert data.ok("data", "read", "/a/x", "--intervals", "-", stdin=text) == X.splitlines(True)[0]
    file.write_text("start,end\n5,3\n")
    result = data("data", "read", "/a/x", "--intervals", file)
    assert (result.status, result.out) == (1, "")
    assert f"{file}:2: " in result.err


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.jsonl", "x.txt", "x.h5"])
def test_a_file_is_continued_after_its_last_row(data, tmp_path, name):
    whole, file = tmp_path / f"whole-{name}", tmp_path / name
    data.ok("data", "read", "/a/x", "-f", whole)
    data.ok("data", "read", "/a/x", "-f", file, "-e", T0 + 1)
    for _ in range(2):
        data.ok("data", "read", "/a/x", "-f", file, "--resume")
    if name.endswith(".h5"):
        back = [data.ok("data", "ingest", f, "-s", f"/b/{f.name}", "-q") for f in (whole, file)]
        assert back == ["", ""]
        assert data.ok("data", "read", f"/b/{name}") == X + Y
    else:
        opened = gzip.open if name.endswith(".gz") else open
        with opened(whole) as a, opened(file) as b:
            assert a.read() == b.read()
    assert not list(tmp_path.glob("*.part"))


def test_a_file_is_replaced_only_as_a_whole(data, tmp_path):
    file = tmp_path / "x.csv"
    file.write_text("old")
    for options in (["--no-clobber"], ["--fail-empty", "-s", "now"]):
        result = data("data", "read", "/a/x", "-f", file, *options)
        assert (result.status, file.read_text()) == (1, "old")
    data.ok("data", "read", "/a/x", "-o", file)
    assert file.read_text().startswith("timestamp,u,i\n")
    assert list(tmp_path.iterdir()) == [file]
    result = data("data", "read", "/a/x", "-f", tmp_path)
    assert (result.status, result.err) == (1, f"Error: {tmp_path}: is a directory, not a file\n")
    result = data("data", "read", "/a/big", "-f", file, "--resume")
    assert (result.status, file.read_text()[:14]) == (1, "timestamp,u,i\n")


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["/a/none"], 1, "stream does not exist: /a/none"),
        (["/a"], 1, "/a is a folder; what is below it is '/a/**'."),
        (["/a/x", "-i", "7"], 1, "there is no element 7"),
        (["/a/x", "-s", "2", "-e", "1"], 1, "before the end"),
        (["/a/x", "-s", "nonsense"], 1, "invalid start time"),
        (["/a/x", "--time", "nonsense"], 1, "unknown form of time"),
        (["/a/x", "--format", "hdf5"], 1, "HDF5"),
        (["/a/x", "-f", "/nowhere/x.csv"], 1, "/nowhere/x.csv: no such file or directory"),
        (["/a/x", "--csv", "-f", "x.h5"], 2, "suffix"),
        (["/a/x", "--columns", "u"], 2, "--elements"),
        (["/a/x", "--append"], 2, "need a file"),
        (["/a/x", "--format", "table"], 2, "table"),
        (["/a/x", "-r", "0"], 2, "--max-rows"),
        ([], 2, "STREAM"),
    ],
)
def test_errors(data, options, status, text):
    result = data("data", "read", *options)
    assert (result.status, result.out) == (status, "")
    assert text in result.err
    if status == 1:
        assert result.err.startswith("Error: ")
        assert len(result.err.splitlines()) <= 2


def test_an_error_as_json(data):
    result = data("data", "read", "/a/none", "--json")
    assert (result.status, result.out) == (1, "")
    assert result.error()["code"] == "stream_not_found"


def test_a_reader_that_leaves(data):
    result = data.shell("joule data read /a/ramp | head -n 1; echo ${PIPESTATUS[0]}")
    assert (result.out, result.err) == (f"{T0} 0\n141\n", "")
    result = data.shell("joule data read /a/ramp >&-")
    assert result.status == 1
    assert len(result.err.splitlines()) == 1


def test_an_interruption_leaves_no_file(data, tmp_path):
    # nobody reads, so that the program is in the middle when the signal comes
    child = subprocess.Popen(
        [*PROGRAM, "data", "read", "/a/ramp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=data.environment(),
        cwd=tmp_path,
    )
    assert child.stdout.read(1) == b"1"
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    assert child.stderr.read() == b""
    child.stdout.close()
    child.stderr.close()


def test_damage_after_good_rows_is_partial(joule):
    text = "".join(f"{i} {i}\n" for i in range(250_000))
    joule.ok("data", "write", "/a/x", "--create", "float32[x]", "--accept-times", stdin=text)
    edit(
        joule.folder / "joule.db",
        "update body set rows = x'00' where id = (select max(id) from body)",
    )
    result = joule("data", "read", "/a/x")
    assert result.status == 3
    assert result.out.startswith("0 0\n1 1\n")
    assert result.out.endswith("\n")
    assert result.err.startswith("Error: ")
    result = joule("data", "read", "/a/x", "--json")
    assert (result.status, result.out.rstrip().endswith("]}")) == (3, False)
    result = joule("data", "read", "/a/x", "-f", "x.csv")
    assert (result.status, list(joule.folder.glob("x.csv*"))) == (1, [])


def test_count(data):
    assert data.ok("data", "count", "/a/x") == "3\n"
    assert data.ok("data", "count", "/a/x", "--start", "start+1s", "--json") == (
        '{\n  "path": "/a/x",\n  "rows": 2\n}\n'
    )
    rows = data("data", "count", "/a/*", "--jsonl").out.splitlines()
    assert {json.loads(r)["path"]: json.loads(r)["rows"] for r in rows} == {
        "/a/x": 3,
        "/a/empty": 0,
        "/a/big": 2,
        "/a/ramp": 40_000,
    }
    half = int(data.ok("data", "count", "/a/ramp", "--estimate", "-e", T0 + 20_000_000))
    assert half == pytest.approx(20_000, rel=0.01)
    result = data("data", "count", "/a/none")
    assert (result.status, result.err) == (1, "Error: stream does not exist: /a/none\n")


def test_a_limit_of_nothing(joule):
    joule.ok("stream", "create", "/a/x:int8[x]")
    write_rows(joule, "/a/x", [1_700_000_000_000_000])
    assert joule.ok("data", "read", "/a/x", "--limit", "0") == ""
    assert joule.ok("data", "read", "/a/x", "--limit", "0", "--csv") == "timestamp,x\n"
    assert json.loads(joule.ok("data", "read", "/a/x", "--limit", "0", "--json"))["data"] == []


def test_output_that_is_closed_or_full(joule):
    joule.ok("stream", "create", "/a/x:int8[x]")
    write_rows(joule, "/a/x", [1_700_000_000_000_000])
    closed = joule.shell("joule data read /a/x >&-")
    assert (closed.status, closed.err) == (1, "Error: standard output: bad file descriptor\n")
    full = joule.shell("joule data read /a/x > /dev/full")
    assert full.err == "Error: standard output: no space left on device\n"
