"""joule event read"""

from __future__ import annotations

import csv
import gzip
import io
import json
import signal
import subprocess
import time

import pytest

from joule_cli.model import Event
from tests.cli.conftest import PROGRAM
from tests.cli.filling import with_node

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
FIELDS = {"power": "numeric", "kind": 'category:["heat","cool"]'}
EVENTS = [
    Event(T0, T0 + 90 * SECOND, {"power": 100, "kind": "heat", "note": "first, of all"}),
    Event(T0 + SECOND, None, {"power": 250.5, "kind": "cool"}),
    Event(T0 + 2 * SECOND, T0 + 3 * SECOND, {"big": 10**30, "list": [1, None], "text": "12"}),
]


def fill(joule, path, events, fields=None):
    """Store events in a new event stream."""

    async def store(node):
        await node.event_stream_get(path, create=True, event_fields=fields or {})
        for begin in range(0, len(events), 10_000):
            await node.event_stream_write(path, events[begin : begin + 10_000])

    with_node(joule, store)


def stored(joule, path):
    """All events of a stream, and their ids."""

    async def read(node):
        return [event async for event in node.event_stream_read(path)]

    return with_node(joule, read)


def copies(events=EVENTS):
    return [Event(e.start_time, e.end_time, e.content) for e in events]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    from tests.cli.conftest import Joule

    joule = Joule(tmp_path_factory.mktemp("house"))
    fill(joule, "/house/events", copies(), FIELDS)
    fill(joule, "/house/none", [], FIELDS)
    fill(joule, "/house/many", [Event(T0 + i // 7, None, {"n": i}) for i in range(50_000)])
    return joule


def test_plain_columns(house):
    lines = house.ok("event", "read", "/house/events").splitlines()
    assert lines[0].split() == [
        *("start", "end", "duration", "power", "kind", "note", "big", "list", "text"),
    ]
    assert lines[1].startswith("2023-11-14 22:13:20+00:00  2023-11-14 22:14:50+00:00    1m 30s")
    assert "first, of all" in lines[1]
    assert lines[2].split()[2:] == ["-", "-", "250.5", "cool", "-", "-", "-", "-"]
    assert str(10**30) in lines[3]
    assert "[1,null]" in lines[3]


def test_a_table_on_a_terminal(house):
    shown = house.terminal("event", "read", "/house/events", "--no-color", columns=160)
    assert shown.status == 0
    assert "│ start " in shown.out
    assert "│ heat │ first, of all │" in shown.out


def test_wide_contents_are_shortened_in_a_table_only(joule):
    fill(joule, "/a/e", [Event(T0, None, {"text": "x" * 500})])
    table = joule.terminal("event", "read", "/a/e", columns=200).out
    assert "x" * 59 + "…" in table
    assert "x" * 60 not in table
    assert "x" * 500 in joule.ok("event", "read", "/a/e")


def test_csv(house):
    text = house.ok("event", "read", "/house/events", "--csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == [
        *("start_time", "end_time", "power", "kind", "note", "big", "list", "text", "content"),
    ]
    assert rows[1][:5] == [str(T0), str(T0 + 90 * SECOND), "100", "heat", "first, of all"]
    assert rows[2][1] == ""
    assert rows[3][5:8] == [str(10**30), "[1,null]", '"12"']
    options = ("--ids", "--no-header", "--delimiter", ";", "--time", "s", "--limit", "1")
    assert house.ok("event", "read", "/house/events", "--csv", *options) == (
        '1700000000;1700000090;100;heat;"first, of all";;1\n'
    )
    assert house.ok("event", "read", "/house/events", "--tsv").startswith("start_time\tend_time\t")


def test_json(house):
    events = json.loads(house.ok("event", "read", "/house/events", "--json"))
    assert [e["content"] for e in events] == [e.content for e in EVENTS]
    assert list(events[1]) == [
        *("id", "event_stream_id", "start_time", "end_time", "content", "node_uuid"),
    ]
    assert events[1]["end_time"] is None
    lines = house.ok("event", "read", "/house/events", "--jsonl").splitlines()
    assert [json.loads(line) for line in lines] == events


def test_selected_fields(house):
    read = ("event", "read", "/house/events", "--fields", "kind,power")
    assert house.ok(*read, "--csv").splitlines()[:2] == [
        "start_time,end_time,kind,power",
        f"{T0},{T0 + 90 * SECOND},heat,100",
    ]
    assert json.loads(house.ok(*read, "--jsonl").splitlines()[0]) == {
        "start_time": T0,
        "end_time": T0 + 90 * SECOND,
        "content": {"kind": "heat", "power": 100},
    }
    assert house.ok(*read).splitlines()[0].split() == ["start", "end", "duration", "kind", "power"]


def starts(joule, *options):
    text = joule.ok("event", "read", "/house/events", "--csv", "--no-header", *options)
    return [(int(line.split(",")[0]) - T0) // SECOND for line in text.splitlines()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [0, 1, 2]),
        (["--where", "power > 100"], [1]),
        (["--where", "kind is heat", "--where", "power < 200"], [0]),
        (["--filter", '[[["power","gt",200]],[["text","is","12"]]]'], [1, 2]),
        (["-s", str(T0 + 2 * SECOND)], [0, 1, 2]),
        (["-s", str(T0 + 2 * SECOND), "--no-ongoing"], [2]),
        (["-e", str(T0 + SECOND)], [0]),
        (["-s", "start+1s", "--no-ongoing"], [1, 2]),
        (["--limit", "2"], [0, 1]),
        (["--limit", "0"], []),
    ],
)
def test_which_events(house, options, expected):
    assert starts(house, *options) == expected


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("csv", "start_time,end_time,power,kind,content\n"),
        ("json", "[]\n"),
        ("jsonl", ""),
        ("plain", "start  end  duration  power  kind\n"),
    ],
)
def test_no_events(house, form, text):
    assert house.ok("event", "read", "/house/none", "--format", form) == text
    failed = house("event", "read", "/house/none", "--format", form, "--fail-empty")
    assert (failed.status, failed.out) == (1, text)
    assert failed.err.startswith(("Error: the stream has no events: ", '{"error": {"code": "no_'))


def test_no_events_in_the_range_names_range_and_extent(house):
    words = ("--start", "2000-01-01", "--end", "2000-01-02", "--fail-empty")
    failed = house("event", "read", "/house/events", *words)
    assert failed.status == 1
    assert (
        "there are no such events from 2000-01-01 00:00:00+00:00 to 2000-01-02 00:00:00+00:00; "
        "those of the stream are from "
    ) in failed.err


def test_files(house):
    for name in ("a.csv", "a.tsv", "a.json", "a.jsonl", "a.txt.gz"):
        refused = name == "a.txt.gz"
        result = house("event", "read", "/house/events", "-f", name)
        assert (result.status, result.out) == (2 if refused else 0, "")
        assert (house.folder / name).exists() != refused
    house.ok("event", "read", "/house/events", "-o", "b.jsonl.gz")
    lines = gzip.decompress((house.folder / "b.jsonl.gz").read_bytes()).splitlines()
    assert [json.loads(line)["content"] for line in lines] == [e.content for e in EVENTS]
    before = (house.folder / "a.csv").read_bytes()
    taken = house("event", "read", "/house/events", "-f", "a.csv", "--no-clobber")
    assert (taken.status, taken.err) == (1, "Error: a.csv: the file exists already\n")
    none = house("event", "read", "/house/none", "-f", "a.csv", "--fail-empty")
    assert none.status == 1
    assert (house.folder / "a.csv").read_bytes() == before
    assert not list(house.folder.glob("*.part"))


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["/house/nothing"], 1, "event stream does not exist: /house/nothing"),
        (["99"], 1, "99"),
        (["/house/events", "--where", "power >> 1"], 1, "column 7"),
        (["/house/events", "--filter", "[["], 1, "filter"),
        (["/house/events", "--fields", "a,,b"], 2, "--fields has an empty entry"),
        (["/house/events", "--columns", "a"], 2, "--fields"),
        (["/house/events", "--no-clobber"], 2, "--no-clobber needs a file"),
        (["/house/events", "-f", "x.csv", "--json"], 2, "x.csv cannot be written as json"),
        (["/house/events", "-f", "x.h5"], 2, "x.h5"),
        (["/house/events", "-f", "no/x.csv"], 1, "no/x.csv: no such file or directory"),
        (["/house/none", "-s", "start"], 1, "no events"),
        (["/house/events", "-s", "5", "-e", "5"], 1, "before the end"),
    ],
)
def test_errors(house, options, status, message):
    result = house("event", "read", *options)
    assert (result.status, result.out) == (status, "")
    assert message in result.err


def test_a_data_stream_is_told_apart(joule):
    joule.ok("stream", "create", "/a/x:int8[x]")
    result = joule("event", "read", "/a/x")
    assert result.status == 1
    assert "joule data" in result.err


def test_equal_starts_come_once(house):
    lines = house.ok("event", "read", "/house/many", "--jsonl").splitlines()
    assert [json.loads(line)["content"]["n"] for line in lines] == list(range(50_000))


def test_a_reader_that_goes_away(house):
    for form in ("jsonl", "csv", "json", "plain"):
        result = house.shell(
            f"set -o pipefail; joule event read /house/many --format {form} | head -n 2"
        )
        assert (result.status, result.err) == (141, "")
        assert len(result.out.splitlines()) == 2


def test_output_that_is_closed_or_full(house):
    closed = house.shell("joule event read /house/events --jsonl >&-")
    assert closed.status == 1
    assert "ad file descriptor" in closed.err
    full = house.shell("joule event read /house/events --csv > /dev/full")
    assert (full.status, full.err) == (1, "Error: standard output: no space left on device\n")


def test_ctrl_c_while_nobody_takes_the_output(house):
    child = subprocess.Popen(
        [*PROGRAM, "event", "read", "/house/many", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=house.environment(),
    )
    try:
        assert child.stdout.readline() == b"[\n"
        child.send_signal(signal.SIGINT)
        begin = time.monotonic()
        assert child.wait(10) == 130
        assert time.monotonic() - begin < 5
        out, err = child.communicate()
    finally:
        child.kill()
        child.wait()
    # cut output is not closed as if it were whole
    assert not out.endswith(b"]\n")
    assert err == b""


def test_a_person_who_finds_nothing_is_told_of_fields_that_are_not_declared(joule):
    fill(joule, "/house/events", EVENTS, FIELDS)
    told = "/house/events declares no powr; did you mean power? The fields are power, kind"
    read = ("event", "read", "/house/events", "--where")
    assert told in joule.terminal(*read, "powr > 100 and kind is heat").out
    # other fields may be there as well, and scripts are left alone
    assert told not in joule.terminal(*read, "note is 'first, of all'").out
    assert joule(*read, "powr > 100").err == ""
