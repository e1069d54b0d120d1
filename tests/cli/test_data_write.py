"""joule data write"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from tests.cli.conftest import PROGRAM, at_once
from tests.cli.filling import at, fill, intervals

BREAK = "# interval break\n"
T0 = 1_700_000_000_000_000
ROWS = f"{T0 + 10} 1\n{T0 + 20} 2\n"


@pytest.fixture
def lab(joule):
    joule.ok("stream", "create", "/lab/x:float32[x]")
    return joule


def read(joule):
    return joule.ok("data", "read", "/lab/x", "-m")


@pytest.mark.parametrize(
    ("options", "first", "spans"),
    [
        ([], 30, [(0, 1), (10, 11), (20, 31)]),
        (["--merge-gap", "9s"], 30, [(0, 1), (10, 11), (20, 31)]),
        (["--merge-gap", "8s"], 30, [(0, 1), (10, 11), (20, 21), (30, 31)]),
        ([], 13, [(0, 1), (10, 14), (20, 21)]),
        (["--start", at(10)], 30, [(0, 31)]),
        (["--start", at(20), "--end", at(40)], 25, [(0, 1), (10, 26)]),
        (["--end", at(15)], 25, [(20, 26)]),
        (["--end", at(24)], 25, [(25, 26)]),
    ],
)
def test_a_merge_gap_joins_the_last_gap_only(lab, options, first, spans):
    fill(lab, "/lab/gaps", (0, 2), (10, 12), (20, 22))
    new = f"{at(first)} 1 2\n{at(first + 1)} 1 2\n"
    done = lab("data", "write", "/lab/gaps", "--merge-gap", "1h", *options, "--yes", stdin=new)
    assert done.status == 0
    assert intervals(lab, "/lab/gaps") == spans


def test_what_read_prints_comes_back(lab):
    text = f"{ROWS}{BREAK}{T0 + 50} 5\n"
    result = lab("data", "write", "/lab/x", "-v", stdin=text)
    assert (result.status, result.out) == (0, "")
    assert result.err == (
        "3 rows written to /lab/x, 2023-11-14 22:13:20.000010+00:00 to "
        "2023-11-14 22:13:20.000050+00:00\n"
    )
    assert read(lab) == text


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f"timestamp,x\n{T0 + 10},1\n{T0 + 20},2\n", []),
        (f"other,x,timestamp\nA,1,{T0 + 10}\nB,2,{T0 + 20}\n", []),
        (f'{{"timestamp": {T0 + 10}, "x": 1}}\n{{"timestamp": {T0 + 20}, "x": 2}}\n', []),
        (f"[{T0 + 10}, 1]\n[{T0 + 20}, 2]\n", []),
        (f"{T0 + 10}\t1\n{T0 + 20}\t2\n", ["--format", "tsv"]),
        ("1700000000.00001 1\n1700000000.00002 2\n", []),
        ("2023-11-14T22:13:20.000010Z 1\n2023-11-14T22:13:20.000020Z 2\n", []),
        (f"when;x\n{T0 + 10};1,0\n{T0 + 20};2,0\n", ["--time-format", "us"]),
    ],
)
def test_other_formats(lab, text, options):
    result = lab("data", "write", "/lab/x", "--json", *options, stdin=text)
    assert result.json() == {
        "path": "/lab/x",
        "rows": 2,
        "start": T0 + 10,
        "end": T0 + 21,
        "rejected": 0,
        "missing": {},
    }
    assert read(lab) == ROWS


def test_missing_values(lab):
    text = f"{T0} nan\n{T0 + 1} 1\n{T0 + 2} NA\n"
    result = lab("data", "write", "/lab/x", "--json", stdin=text)
    assert (result.json()["rows"], result.json()["missing"]) == (3, {"x": 2})
    assert read(lab) == f"{T0} nan\n{T0 + 1} 1\n{T0 + 2} nan\n"
    result = lab("data", "write", "/lab/x", "--missing", "error", stdin=f"{T0 + 9} nan\n")
    assert (result.status, "-:1: the value of 'x' is missing" in result.err) == (1, True)
    write = ("data", "write", "/lab/i", "--create", "int16[i]")
    result = lab(*write, stdin=text)
    assert (result.status, "int16 cannot hold that" in result.err) == (1, True)
    assert lab("stream", "get", "/lab/i").status == 1
    assert lab(*write, "--missing", "skip", stdin=text).status == 0
    assert lab.ok("data", "read", "/lab/i") == f"{T0 + 1} 1\n"


def test_bad_rows_are_left_out_and_kept(lab):
    text = f"{T0} 1\nERR sensor\n{T0 + 1} 2\n{T0 + 2} off\n{T0 + 3} 4\n"
    assert lab("data", "write", "/lab/x", stdin=text).status == 1
    skip = ("data", "write", "/lab/x", "--on-error", "skip")
    result = lab(*skip, "--rejects", "bad.txt", "--json", stdin=text)
    assert (result.status, result.json()["rows"], result.json()["rejected"]) == (3, 3, 2)
    assert read(lab) == f"{T0} 1\n{T0 + 1} 2\n{T0 + 3} 4\n"
    assert (lab.folder / "bad.txt").read_text().splitlines() == [
        "# -:2: 'ERR' is not a time in microseconds since 1970",
        "ERR sensor",
        "# -:4: column 1: 'off' is not a number",
        f"{T0 + 2} off",
    ]
    result = lab(*skip, "--max-errors", "1", stdin=text.replace(str(T0)[:-1], str(T0 + 10)[:-1]))
    assert (result.status, "more than 1 bad rows" in result.err) == (1, True)


def test_columns_go_to_the_elements_of_their_names(joule):
    joule.ok("stream", "create", "/lab/xy:float32[x,y]")
    write = ("data", "write", "/lab/xy")
    assert joule(*write, stdin=f"timestamp,y,x\n{T0},2,1\n").status == 0
    assert joule.ok("data", "read", "/lab/xy") == f"{T0} 1 2\n"
    text = f"timestamp,y,volts\n{T0 + 1},2,1\n"
    result = joule(*write, stdin=text)
    assert (result.status, "the names differ" in result.err) == (1, True)
    assert "--map volts=x" in result.err
    assert joule(*write, "--map", "volts=x", stdin=text).status == 0
    assert joule(*write, "--by-position", stdin=text.replace(str(T0), str(T0)[:-1] + "9")).status
    assert joule(*write, "--by-position", stdin=f"timestamp,a,b\n{T0 + 2},1,2\n").status == 0
    assert joule.ok("data", "read", "/lab/xy") == f"{T0} 1 2\n{T0 + 1} 1 2\n{T0 + 2} 1 2\n"


def test_a_file(lab, tmp_path):
    (tmp_path / "rows.txt").write_text(ROWS)
    assert lab("data", "write", "/lab/x", "rows.txt", "-q").status == 0
    assert read(lab) == ROWS


def test_times_from_the_clock_and_from_a_rate(lab):
    before = time.time_ns() // 1000
    lab("data", "write", "/lab/x", "--timestamps", "now", stdin="1\n2\n3\n")
    stamps = [int(line.split()[0]) for line in read(lab).splitlines()]
    assert before <= stamps[0] < stamps[1] < stamps[2] <= time.time_ns() // 1000 + 3
    result = lab(
        *("data", "write", "/lab/y", "--create", "int16_1", "--timestamps", "2024-01-01"),
        *("--rate", "3", "--json"),
        stdin="1\n2\n3\n4\n",
    )
    start = 1_704_067_200_000_000
    assert result.json()["end"] == start + 1_000_001
    assert lab.ok("data", "read", "/lab/y").split()[2] == str(start + 333_333)


def test_a_stream_is_created_with_the_first_rows(joule):
    layout = "int16[volts:V, amps]"
    result = joule("data", "write", "/new/x", "--create", layout, stdin=f"{T0} 2 x\n")
    assert result.status == 1
    assert joule("stream", "get", "/new/x").status == 1
    assert joule("data", "write", "/new/x", "--create", layout, stdin=f"{T0} 2 3\n").status == 0
    elements = joule("stream", "get", "/new/x", "--json").json()["elements"]
    assert [(e["name"], e["units"]) for e in elements] == [("volts", "V"), ("amps", "")]
    result = joule("data", "write", "/new/x", "--create", "float32_2", stdin=f"{T0 + 1} 2 3\n")
    assert (result.status, result.out) == (1, "")
    assert "int16_2" in result.err


def test_columns_go_to_the_names_of_the_layout(joule):
    text = f"timestamp,amps,volts\n{T0},1,230\n"
    write = ("data", "write", "/new/x", "--create")
    assert joule(*write, "float32[volts,amps]", stdin=text).status == 0
    assert joule.ok("data", "read", "/new/x") == f"{T0} 230 1\n"
    result = joule("data", "write", "/new/y", "--create", "float32[u,i]", stdin=text)
    assert (result.status, "the names differ" in result.err) == (1, True)
    assert joule("stream", "get", "/new/y").status == 1
    result = joule(
        "data", "write", "/new/y", "--create", "float32[u,i]", "--by-position", stdin=text
    )
    assert (result.status, joule.ok("data", "read", "/new/y")) == (0, f"{T0} 1 230\n")
    # a layout without names takes the columns as they come
    assert joule("data", "write", "/new/z", "--create", "float32_2", stdin=text).status == 0
    assert joule.ok("data", "read", "/new/z") == f"{T0} 1 230\n"


def test_an_interval_goes_on_within_the_merge_gap(lab):
    lab("data", "write", "/lab/x", stdin=f"{T0 + 10} 1\n")
    lab("data", "write", "/lab/x", "--merge-gap", "10", stdin=f"{T0 + 20} 2\n")
    lab("data", "write", "/lab/x", stdin=f"{T0 + 30} 3\n")
    assert read(lab) == f"{ROWS}{BREAK}{T0 + 30} 3\n"


def test_a_range_is_cleared_first(lab):
    lab("data", "write", "/lab/x", stdin=ROWS)
    clear = ("data", "write", "/lab/x", "-s", str(T0 + 15), "-e", str(T0 + 25))
    result = lab(*clear, stdin=f"{T0 + 20} 9\n")
    assert result.status == 1
    assert "--yes" in result.err
    result = lab(*clear, "--yes", stdin=f"{T0 + 20} x\n")
    assert (result.status, read(lab)) == (1, ROWS)
    assert lab(*clear, "--yes", stdin=f"{T0 + 20} 9\n").status == 0
    assert read(lab).splitlines()[-1] == f"{T0 + 20} 9"


@pytest.mark.parametrize("form", ["plain", "csv", "tsv", "json", "jsonl"])
def test_infinities_come_back_in_every_format(joule, form):
    rows = f"{T0} inf 1.5\n{T0 + 10} -inf -inf\n{T0 + 20} 0 inf\n"
    joule("data", "write", "/a/x", "--create", "float32_2", stdin=rows)
    printed = joule.ok("data", "read", "/a/x", "--format", form)
    wrote = joule("data", "write", "/a/y", "--create", "float32_2", stdin=printed)
    assert wrote.status == 0, wrote.err
    assert joule.ok("data", "read", "/a/y") == rows
    # the mean of infinities of both signs
    means = joule.ok("data", "read", "/a/x", "--max-rows", "1", "--format", form)
    missing = {"plain": "nan nan", "csv": ",,", "tsv": "\t\t"}.get(form, "null")
    assert missing in means


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{ROWS}{T0 + 30} 2 3\n", "-:3: expected 2 columns, found 3"),
        (f"{ROWS}{T0 + 30} abc\n", "-:3: column 1: 'abc' is not a number"),
        (
            f"{ROWS}{T0 + 20} 3\n",
            f"-:3: the time '{T0 + 20}' (2023-11-14 22:13:20.000020+00:00) is repeated",
        ),
        (
            f"{ROWS}{T0 + 5} 2\n",
            f"-:3: the time '{T0 + 5}' (2023-11-14 22:13:20.000005+00:00) is before "
            "2023-11-14 22:13:20.000020+00:00",
        ),
        (f"{T0} 1e99\n", "-:1: column 1: '1e99' is out of the range of float32"),
        ("10 1\n20 2\n", "-: the unit of the time '10' is not clear"),
        (f"{ROWS}30 1\n", "-:3: the time '30' is 1970-01-01 00:00:00.000030+00:00, in the first"),
        (f"{ROWS}2{T0} 1\n", f"-:3: the time '2{T0}' is 2657-08-24"),
        ("", "-: the file is empty"),
        (f"{T0} 2 3\n", "-: the file has 2 columns of values without names, the stream 1 element"),
    ],
)
def test_bad_input_changes_nothing(lab, text, message):
    result = lab("data", "write", "/lab/x", stdin=text)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("Error: ")
    assert message in result.err
    assert len(result.err.splitlines()) <= 2
    assert read(lab) == ""


def test_doubted_times_can_be_accepted(lab):
    write = ("data", "write", "/lab/x")
    assert lab(*write, "--accept-times", stdin="10 1\n20 2\n").status == 0
    assert lab(*write, "--accept-times", "--time-format", "s", stdin="1 3\n").status == 0
    assert read(lab) == f"10 1\n20 2\n{BREAK}1000000 3\n"
    result = lab(*write, "--start-time", "2024-01-01", "--time-format", "s", stdin="0 1\n0.5 2\n")
    assert result.status == 0, result.err
    assert read(lab).splitlines()[-2:] == ["1704067200000000 1", "1704067200500000 2"]


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["/lab/none"], 1, "--create"),
        (["/lab/x", "--create", "float99_2"], 2, "no layout"),
        (["/lab/x", "--rate", "5"], 2, "--timestamps"),
        (["/lab/x", "--timestamps", "2024-01-01"], 2, "--rate"),
        (["/lab/x", "nofile.txt"], 1, "nofile.txt: no such file or directory"),
        (["/lab/x", "."], 1, "is a directory"),
        (["/lab/x", "-s", "5", "-e", "5"], 1, "before the end"),
        (["99"], 1, "99"),
    ],
)
def test_errors(lab, options, status, text):
    result = lab("data", "write", *options, stdin=f"{T0} 1\n")
    assert (result.status, result.out) == (status, "")
    assert text in result.err


def test_rows_that_exist_name_the_stream(lab):
    lab("data", "write", "/lab/x", stdin=ROWS)
    result = lab("data", "write", "/lab/x", stdin=f"{T0 + 20} 5\n")
    assert result.status == 1
    assert "/lab/x" in result.err
    assert read(lab) == ROWS


@contextmanager
def sensor(joule, *options, path="/lab/x"):
    child = subprocess.Popen(
        [*PROGRAM, "data", "write", path, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=joule.environment(),
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def wait_for(joule, count):
    end = time.monotonic() + 10
    while int(joule.ok("data", "count", "/lab/x")) != count:
        assert time.monotonic() < end


def test_each_line_of_a_slow_pipe_is_stored_in_time(lab):
    with sensor(lab, "--timestamps", "now", "--flush", "100ms") as child:
        for count in (1, 2):
            child.stdin.write(b"5\n")
            child.stdin.flush()
            wait_for(lab, count)
        assert child.poll() is None
        child.communicate()
        assert child.returncode == 0
    assert BREAK not in read(lab)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stores_what_arrived(lab, number):
    with sensor(lab, "--flush", "1h") as child:
        child.stdin.write(ROWS.encode())
        child.stdin.flush()
        # the stream is in use once the first rows have arrived
        end = time.monotonic() + 10
        while not json.loads(lab.ok("stream", "get", "/lab/x", "--json"))["active"]:
            assert time.monotonic() < end
        child.send_signal(number)
        assert child.wait(10) == 128 + number
    assert read(lab) == ROWS


def test_a_bad_line_later_keeps_what_is_stored(lab):
    with sensor(lab, "--flush", "0s") as child:
        child.stdin.write(ROWS.encode())
        child.stdin.flush()
        wait_for(lab, 2)
        _, err = child.communicate(f"{T0 + 30} x\n".encode())
        assert child.returncode == 3
    assert err.decode().startswith("Error: -:3: column 1: 'x' is not a number")
    assert f"2 rows of /lab/x are stored, the last at {T0 + 20}" in err.decode()
    assert read(lab) == ROWS


@pytest.mark.parametrize("options", [[], ["--create", "float32[y]"], ["--create", "float32_1"]])
def test_the_first_row_of_a_slow_pipe_may_have_no_value(lab, options):
    path = "/lab/y" if options else "/lab/x"
    with sensor(lab, *options, "--flush", "0s", path=path) as child:
        child.stdin.write(f"{T0} nan\n".encode())
        child.stdin.flush()
        end = time.monotonic() + 20
        while lab("data", "count", path).out != "1\n":
            assert time.monotonic() < end
        _, err = child.communicate(f"{T0 + 1} 1\n".encode())
        assert (child.returncode, err) == (0, b"")
    assert lab.ok("data", "read", path) == f"{T0} nan\n{T0 + 1} 1\n"


def test_a_last_line_that_may_be_cut(lab):
    whole = f"{T0} 1.25\n{T0 + 10} 1.5\n"
    write = ("data", "write", "/lab/x")
    result = lab(*write, stdin=f"{whole}{T0 + 20} 1.")
    assert (result.status, result.err.splitlines()) == (
        3,
        [
            "Error: -:3: the last line has no line end and may be cut",
            f"2 rows of /lab/x are stored, the last at {T0 + 10} (2023-11-14 "
            "22:13:20.000010+00:00); what follows them can be written next.",
        ],
    )
    assert lab(*write, "--last-line", "drop", stdin=f"{T0 + 20} 1.25\n{T0 + 30} 1").status == 0
    assert lab(*write, "--last-line", "keep", stdin=f"{T0 + 30} 1.25\n{T0 + 40} 1").status == 0
    rows = [line for line in read(lab).splitlines() if f"{line}\n" != BREAK]
    assert [int(line.split()[0]) - T0 for line in rows] == [0, 10, 20, 30, 40]
    # a whole number of digits may be whole
    result = lab(*write, "-v", stdin=f"{T0 + 50} 1.25\n{T0 + 60} 1.75")
    assert (result.status, "no line end" in result.err) == (0, True)


def test_one_creates_and_the_others_use_it(joule):
    words = ("data", "write", "/lab/x", "--create", "float32[v]")
    ended = at_once(joule, words, [f"{T0 + i} {i}\n" for i in range(8)])
    assert ended == [("", "", 0)] * 8
    assert joule.ok("data", "count", "/lab/x").split()[-1] == "8"
    assert joule.ok("stream", "list") == "/lab/x\n"


def test_one_that_is_written_for_long_is_waited_for_and_then_told(lab):
    with sensor(lab, "--flush", "0s") as child:
        child.stdin.write(f"{T0 + 10} 1\n".encode())
        child.stdin.flush()
        wait_for(lab, 1)
        refused = lab("data", "write", "/lab/x", stdin=f"{T0 + 20} 2\n")
        assert refused.status == 1
        assert refused.err.splitlines() == [
            "waiting for another program that writes to /lab/x",
            "Error: DataStream [x] is already being produced: /lab/x",
        ]
        child.communicate()


def test_one_that_ends_soon_is_no_failure(lab):
    with sensor(lab, "--flush", "0s") as child:
        child.stdin.write(f"{T0 + 10} 1\n".encode())
        child.stdin.flush()
        wait_for(lab, 1)
        second = subprocess.Popen(
            [*PROGRAM, "data", "write", "/lab/x"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=lab.environment(),
        )
        second.stdin.write(f"{T0 + 20} 2\n".encode())
        second.stdin.close()
        # it says so after a second
        assert second.stderr.readline() == b"waiting for another program that writes to /lab/x\n"
        child.communicate()
        assert second.wait(20) == 0
        second.stderr.close()
    assert read(lab) == f"{T0 + 10} 1\n{BREAK}{T0 + 20} 2\n"
