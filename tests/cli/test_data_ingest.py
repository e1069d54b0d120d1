"""joule data ingest"""

from __future__ import annotations

import gzip
import os

import pytest

T0 = 1_700_000_000_000_000
GOOD = f"timestamp,x,y\n{T0},1,2\n{T0 + 1},3,4\n# interval break\n{T0 + 9},5,6\n"
TEXT = f"{T0} 1 2\n{T0 + 1} 3 4\n# interval break\n{T0 + 9} 5 6\n"


def put(joule, name, text):
    file = joule.folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def read(joule, path="/a/x"):
    return joule.ok("data", "read", path, "-m")


def test_a_new_stream(joule):
    put(joule, "x.csv", GOOD)
    plan = joule("data", "ingest", "x.csv", "-s", "/a/x", "--dry-run", "--json").json()
    assert (plan["rows"], plan["intervals"], plan["created"]) == (3, 2, True)
    assert joule("data", "read", "/a/x").status == 1
    out = joule.ok("data", "ingest", "x.csv", "-s", "/a/x")
    assert out == "Destination: /a/x\ncreating /a/x\n3 rows written\n"
    assert read(joule) == TEXT


def test_rows_in_the_way(joule):
    put(joule, "x.csv", GOOD)
    put(joule, "y.csv", f"timestamp,x,y\n{T0 + 1},7,8\n")
    joule.ok("data", "ingest", "x.csv", "-s", "/a/x")
    again = ("data", "ingest", "y.csv", "-s", "/a/x")
    assert joule(*again).status == 1
    assert joule(*again, "--on-conflict", "fail").status == 1
    result = joule(*again, stdin="n\n")
    assert (result.status, result.out) == (0, "Cancelled\n")
    assert "Replace 1 row of /a/x from " in result.err
    result = joule("data", "ingest", "-", "-s", "/a/x", stdin=f"{T0 + 1} 7 8\n")
    assert result.status == 1
    assert joule(*again, "--on-conflict", "skip", "--json").json()["skipped"] == 1
    assert read(joule) == TEXT
    result = joule(*again, stdin="y\n")
    assert (result.status, result.out) == (0, "Destination: /a/x\n1 row written, 1 replaced\n")
    assert f"{T0 + 1} 7 8\n" in read(joule)


def test_foreign_csv(joule):
    put(
        joule,
        "log.csv",
        "made by a logger\nvolts;when;amps\n1.5;2023-11-14 23:13:20;2\n2.5;2023-11-14 23:13:30;3\n",
    )
    joule.ok(
        *("data", "ingest", "log.csv", "-s", "/a/x", "--skip-lines", "1", "--tz", "Europe/Berlin"),
        *("--time-column", "when", "--use-columns", "amps,volts", "--datatype", "float32"),
        *("--max-gap", "5s", "-q"),
    )
    assert read(joule) == (f"{T0} 2 1.5\n# interval break\n{T0 + 10_000_000} 3 2.5\n")
    put(joule, "s.csv", "1700000000,1\n1700000001.5,2\n")
    joule.ok("data", "ingest", "s.csv", "-s", "/a/s", "--no-header")
    assert read(joule, "/a/s").splitlines()[1] == f"{T0 + 1_500_000} 2"


def test_bad_lines_are_left_out_and_kept(joule):
    put(joule, "x.csv", GOOD.replace("3,4", "3,oops"))
    skip = ("data", "ingest", "x.csv", "-s", "/a/x", "--on-error", "skip")
    assert joule(*skip, "--max-errors", "0").status == 1
    result = joule(*skip, "--rejects", "bad.csv")
    assert result.status == 3
    assert result.out.endswith("2 rows written, 1 rejected\n")
    bad = (joule.folder / "bad.csv").read_text().splitlines()
    assert bad == [
        "timestamp,x,y",
        "# x.csv:3: column 'y': 'oops' is not a number",
        f"{T0 + 1},3,oops",
    ]
    result = joule(*skip, "-y")
    assert (result.status, "Warning: x.csv:3: " in result.err) == (3, True)
    put(joule, "bad.csv", "\n".join(bad).replace("oops", "4") + "\n")
    joule.ok("data", "ingest", "bad.csv", "-s", "/a/x", "--on-conflict", "skip")
    rows = [line for line in read(joule).splitlines() if not line.startswith("#")]
    assert rows == [f"{T0} 1 2", f"{T0 + 1} 3 4", f"{T0 + 9} 5 6"]


def test_resume_continues(joule):
    put(joule, "x.csv", GOOD)
    put(joule, "part.csv", GOOD.partition("#")[0])
    joule.ok("data", "ingest", "part.csv", "-s", "/a/x")
    assert joule("data", "ingest", "x.csv", "-s", "/a/x", "--resume", "--json").json()["rows"] == 1
    assert read(joule) == TEXT


def test_several_files(joule):
    put(joule, "x.csv", GOOD)
    put(joule, "bad.csv", "timestamp,x,y\n1,2\n")
    result = joule("data", "ingest", "bad.csv", "x.csv", "-s", "/a/x", "--jsonl")
    assert result.status == 3
    assert result.out.count("\n") == 1
    assert result.error()["object"] == "bad.csv"
    assert joule("data", "ingest", "bad.csv", "bad.csv", "-s", "/a/y").status == 1


BAD = {
    "count": (GOOD + f"{T0 + 10},1\n", "x.csv:6: expected 3 columns, found 2"),
    "number": (GOOD + f"{T0 + 10},1,zz\n", "x.csv:6: column 'y': 'zz' is not a number"),
    "repeated": (
        GOOD + f"{T0 + 9},1,1\n",
        "x.csv:6: the time '1700000000000009' (2023-11-14 22:13:20.000009+00:00) is repeated",
    ),
    "digits": (GOOD + f"{T0 + 10},1,{2**53 + 1}\n", "x.csv:6: column 'y': 9007199254740993 has"),
    "falling": (GOOD + f"{T0 + 2},1,1\n", "x.csv:6: the time '1700000000000002' (2023-11-14"),
    "units": (GOOD + "1700000001,1,1\n", "x.csv:6: the time '1700000001' is 1970-01-01 00:28:20"),
    "future": (GOOD + f"9{T0},1,1\n", f"x.csv:6: the time '9{T0}' is 4875-11-09"),
    "cut": (
        GOOD.replace(",6", ",66") + f"{T0 + 10},1,1",
        "x.csv:6: the last line has no line end and may be cut",
    ),
    "gzip": (gzip.compress(GOOD.encode() * 9)[:-9], "x.csv: the file is cut"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 99, "x.h5: "),
    "empty": (b"", "x.csv: the file is empty"),
    "utf16": (b"\xff\xfe\x00\x01\n" * 5, "x.csv: cannot decode the text"),
    "binary": (b"\xff\xfd\x00\x01\n" * 5, "x.csv: "),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    from tests.cli.conftest import Joule

    joule = Joule(tmp_path_factory.mktemp("ingest"))
    put(joule, "good.csv", f"timestamp,x,y\n{T0 + 9},5,6\n")
    joule.ok("data", "ingest", "good.csv", "-s", "/a/x")
    return joule


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_changes_nothing(stored, case):
    content, message = BAD[case]
    file = put(stored, message.partition(":")[0], content)
    for path in ("/a/x", "/b/new"):
        result = stored("data", "ingest", file.name, "-s", path, "--on-conflict", "replace")
        assert (result.status, result.out) == (1, "")
        assert result.err.startswith(f"Error: {message}")
        assert len(result.err.splitlines()) <= 2
    assert read(stored) == f"{T0 + 9} 5 6\n"
    assert stored("stream", "get", "/b/new").status == 1


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["nofile.csv", "-s", "/a/x"], 1, "nofile.csv: no such file or directory"),
        (["good.csv"], 1, "which stream"),
        (["good.csv", "-s", "/b/x", "--no-create"], 1, "stream does not exist: /b/x"),
        ([".", "-s", "/b"], 1, "manifest.json"),
        (["good.csv", "-s", "/a/x", "--rejects", "r"], 2, "--on-error"),
        (["good.csv", "-s", "/a/x", "--use-columns", "z"], 1, "there is no column 'z'"),
        (["-", "-", "-s", "/a/x"], 2, "once"),
        ([], 2, "FILE"),
    ],
)
def test_errors(stored, options, status, text):
    result = stored("data", "ingest", *options)
    assert (result.status, result.out) == (status, "")
    assert text in result.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(stored):
    file = put(stored, "secret.csv", GOOD)
    file.chmod(0)
    result = stored("data", "ingest", "secret.csv", "-s", "/a/x")
    assert result.err == "Error: secret.csv: permission denied\n"
    assert result.status == 1


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "America/New_York"])
@pytest.mark.parametrize(
    ("evening", "night", "form"),
    [("23:00", "00:10", "auto"), ("05/01 23:00", "05/02 00:10", "%m/%d %H:%M")],
)
def test_the_start_time_gives_the_day_of_its_zone(joule, zone, evening, night, form):
    put(joule, "x.csv", f"time,v\n{evening},1\n{night},2\n")
    ingest = ("data", "ingest", "x.csv", "-s", "/a/x", "--time-format", form)
    joule.ok(*ingest, "--start-time", "2024-05-01", env={"TZ": zone})
    out = joule.ok("data", "read", "/a/x", "--time", "%F %T", "--tz", zone)
    assert out == "2024-05-01 23:00:00 1\n2024-05-02 00:10:00 2\n"
