"""joule event write"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from joule_cli.model import Event
from tests.cli.conftest import PROGRAM, at_once
from tests.cli.filling import with_node
from tests.cli.test_event_read import FIELDS, T0, copies, fill, stored

WRITE = ("event", "write", "/house/events")
GOOD = f'{{"start_time":{T0 + 10},"end_time":{T0 + 20},"content":{{"power":1}}}}\n'


@pytest.fixture
def house(joule):
    fill(joule, "/house/events", [], FIELDS)
    return joule


def starts(joule, path="/house/events"):
    return [event.start_time for event in stored(joule, path)]


# -- round trips


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "tsv"])
def test_what_read_prints_is_written_to_another_stream(house, form):
    fill(house, "/other", copies())
    result = house.shell(
        f"set -o pipefail; joule event read /other --format {form} "
        "| joule event write /new --create"
    )
    assert (result.status, result.out, result.err) == (0, "3\n", "")
    assert stored(house, "/new") == stored(house, "/other")


def test_events_that_go_back_are_updated(house):
    fill(house, "/house/events", copies()[:2])
    before = stored(house, "/house/events")
    result = house.shell(
        "joule event read /house/events --jsonl | sed s/heat/cool/ "
        "| joule event write /house/events"
    )
    assert (result.status, result.out, result.err) == (0, "2\n", "")
    after = stored(house, "/house/events")
    assert [e.id for e in after] == [e.id for e in before]
    assert [e.content["kind"] for e in after] == ["cool", "cool"]


def test_an_id_of_another_stream_or_node_overwrites_nobody(house):
    fill(house, "/house/events", copies()[:1])
    [event] = stored(house, "/house/events")
    for other in (
        {"event_stream_id": event.event_stream_id + 1},
        {"node_uuid": "someone else's"},
    ):
        record = {**event.to_json(), "node_uuid": event.node_uuid, **other, "content": {}}
        assert house.ok(*WRITE, stdin=json.dumps(record)) == "1\n"
    assert len(starts(house)) == 3
    assert stored(house, "/house/events")[0].content == event.content
    # one that does not say where it is from is taken for one of this stream
    house.ok(*WRITE, stdin=json.dumps({"id": event.id, "start_time": T0 - 5}))
    found = stored(house, "/house/events")
    assert len(found) == 3
    assert (found[0].id, found[0].start_time, found[0].content) == (event.id, T0 - 5, {})


def test_events_without_results_make_an_empty_stream(house):
    line = "joule event read /house/events --jsonl | joule event write /copy --create"
    assert house.shell(line).out == "0\n"
    assert starts(house, "/copy") == []


def test_files_of_every_kind(house):
    fill(house, "/other", copies())
    for name in ("e.csv", "e.tsv.gz", "e.json", "e.jsonl.zst"):
        house.ok("event", "read", "/other", "-f", name)
        house.ok("event", "write", f"/from/{name}", name, "--create")
        assert stored(house, f"/from/{name}") == stored(house, "/other")
    house.shell("joule event write /from/stdin --create < e.csv")
    assert stored(house, "/from/stdin") == stored(house, "/other")


def test_a_made_up_file(house):
    text = "start;end;power;kind\n2024-05-01 10:00;2024-05-01T10:30:00Z;12;heat\n2024-05-02;;+5;\n"
    assert house.ok(*WRITE, stdin=text, env={"TZ": "Europe/Berlin"}) == "2\n"
    first, second = stored(house, "/house/events")
    assert (first.start_time, first.end_time) == (1714550400000000, 1714559400000000)
    assert first.content == {"power": 12, "kind": "heat"}
    assert (second.end_time, second.content) == (None, {"power": 5})


# -- files of other programs


def test_the_form_of_a_file_is_found_out(house):
    (house.folder / "log.csv").write_text(
        "Alarmliste;;;\n\nBeginn;Ende;power;kind\n"
        "27.10.2024 01:50;27.10.2024 02:30;1,5;heat\n27.10.2024 02:10;-;n/a;cool\n"
    )
    write = (*WRITE, "log.csv", "--tz", "Europe/Berlin")
    refused = house(*write)
    assert refused.status == 1
    assert "log.csv:4: Ende: 2024-10-27 02:30 occurs twice in Europe/Berlin" in refused.err
    assert "--ambiguous earlier or later" in refused.err
    assert starts(house) == []
    assert house.ok(*write, "--ambiguous", "later") == "2\n"
    first, second = stored(house, "/house/events")
    assert first.end_time - first.start_time == 100 * 60 * 10**6
    assert first.content == {"power": 1.5, "kind": "heat"}
    assert (second.end_time, second.content) == (None, {"kind": "cool"})


def test_seconds_are_no_microseconds(house):
    (house.folder / "e.csv").write_text("start_time,kind\n1704067200,heat\n")
    house.ok(*WRITE, "e.csv")
    assert starts(house) == [1_704_067_200_000_000]
    (house.folder / "early.csv").write_text("start_time,kind\n5,heat\n")
    for more, told in ((("--time-format", "s"), "1970-01-01 00:00:05"), ((), "is not clear")):
        refused = house(*WRITE, "early.csv", *more)
        assert refused.status == 1
        assert told in refused.err
        assert "--accept-times" in refused.err
    house.ok(*WRITE, "early.csv", "--time-format", "s", "--accept-times")
    assert starts(house)[0] == 5_000_000


def test_columns_and_rows_are_chosen(house):
    text = "at,to,watts,room,kind\n2024-05-01,2024-05-02,12,k,heat\n2024-05-03,,13,b,cool\n"
    chosen = ("--map", "watts=power", "--map", "at=start", "--where", "room=k")
    house.ok(*WRITE, *chosen, "--use-columns", "power,kind", stdin=text)
    [event] = stored(house, "/house/events")
    assert event.end_time - event.start_time == 86_400_000_000
    assert event.content == {"power": 12, "kind": "heat"}


def test_events_of_a_document_are_told_by_their_rows(house):
    text = json.dumps([{"start": "2024-05-01"}, {"start": "2024-05-02"}, {"start": "?"}])
    (house.folder / "e.json").write_text(text)
    result = house(*WRITE, "e.json", "--on-error", "skip")
    assert (result.status, result.out) == (3, "2\n")
    assert "Warning: e.json:3: start: '?' is not an ISO 8601 time" in result.err
    assert "e.json: row 3: " in house(*WRITE, "e.json").err


# -- one event


def test_one_event(house):
    write = (*WRITE, "--start", "2024-05-01", "--end", "2024-05-01T01:00")
    assert house.ok(*write, "power=12", "kind=heat", "note=a=b", "x=[1]", "y=007", "z=") == "1\n"
    [event] = stored(house, "/house/events")
    assert event.end_time - event.start_time == 3_600_000_000
    expected = {"power": 12, "kind": "heat", "note": "a=b", "x": [1], "y": "007", "z": ""}
    assert event.content == expected
    house.ok(*WRITE, "-s", "end+1s", "-q")
    second = stored(house, "/house/events")[1]
    assert (second.start_time, second.end_time, second.content) == (
        event.end_time + 1_000_000,
        None,
        {},
    )


def test_one_event_in_a_new_stream(joule):
    field = ("--create", "--field", "n:numeric", "--field", "t:string")
    [event] = json.loads(
        joule.ok("event", "write", "/a/b", *field, "-s", "5", "n=1", "t=1", "--json")
    )
    assert (event["id"], event["content"], event["end_time"]) == (1, {"n": 1, "t": "1"}, None)
    fields = joule("event", "get", "/a/b", "--json").json()["event_fields"]
    assert fields == {"n": "numeric", "t": "string"}
    other = joule("event", "write", "/a/b", "--create", "--field", "n:string", "-s", "5")
    assert (other.status, other.err) == (
        1,
        "Error: the event stream exists with other fields: /a/b\n",
    )


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["/house/events", "-s", "5", "power=abc"], 1, "the field 'power' must be a number"),
        (["/house/events", "-s", "5", "power="], 1, "the field 'power' must be a number"),
        (["/house/events", "-s", "5", "kind=wet"], 1, "must be one of heat, cool"),
        (["/house/events", "-s", "5", "power"], 2, "'power' is not FIELD=VALUE"),
        (["/house/events", "-s", "5", "=1"], 2, "'=1' is not FIELD=VALUE"),
        (["/house/events", "-s", "5", "a=1", "a=2"], 2, "'a' is given twice"),
        (["/house/events", "-s", "5", "-e", "5"], 1, "before the end"),
        (["/house/events", "-s", "min"], 2, "--start must be an instant"),
        (["/house/events", "-s", "end"], 1, "no events"),
        (["/house/events", "-e", "5"], 2, "--end needs --start"),
        (["/house/events", "power=5"], 2, "needs --start"),
        (["/house/events", "a", "b"], 2, "One FILE only"),
        (["/house/events", "-s", "5", "--where", "a=b"], 2, "--where is for files"),
        (["/house/events", "-s", "5", "--format", "csv"], 2, "--format is for files"),
        (["/house/events", "-s", "5", "--on-error", "skip"], 2, "--on-error is for files"),
        (["/house/events", "--map", "x"], 1, "x is not NAME=ELEMENT"),
        (["/house/events", "--delimiter", ";"], 1, "--delimiter is not for JSON lines files"),
        (["/house/events", "none.csv"], 1, "none.csv: no such file or directory"),
        (["/house/events", "."], 1, "is a directory"),
        (["/house/events", "--rejects", "r"], 2, "need --on-error skip"),
        (["/house/events", "--field", "a:string"], 2, "--field needs --create"),
        (["/house/none"], 1, "--create"),
        (["77"], 1, "77"),
    ],
)
def test_errors(house, options, status, message):
    result = house("event", "write", *options, stdin=GOOD)
    assert (result.status, result.out) == (status, "")
    assert message in result.err
    assert starts(house) == []


def test_the_path_of_a_data_stream(joule):
    joule.ok("stream", "create", "/a/x:int8[x]")
    for more in ((), ("--create",)):
        result = joule("event", "write", "/a/x", *more, stdin=GOOD)
        assert result.status == 1
        assert "joule data" in result.err


# -- bad events


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("e.jsonl", GOOD + '{"start_time":5,\n', "e.jsonl:2: not JSON: "),
        ("e.jsonl", GOOD * 9000 + "{}\n", "e.jsonl:9001: start_time is missing"),
        ("e.jsonl", GOOD + GOOD.replace("1}", '"x"}'), "e.jsonl:2: the field 'power' must be a"),
        ("e.csv", f"start_time,power\n{T0},1\n{T0},x\n", "e.csv:3: power: 'x' is not a number"),
        ("e.json", f'[{GOOD},\n{{"start_time":{T0}}}', "e.json: the document is cut"),
    ],
)
def test_a_bad_file_changes_nothing(house, name, text, message):
    (house.folder / name).write_text(text)
    for result in (
        house("event", "write", "/house/events", name),
        house("event", "write", "/new", name, "--create", "--field", "power:numeric"),
    ):
        assert (result.status, result.out) == (1, "")
        assert result.err.startswith(f"Error: {message}")
    if name == "e.jsonl":
        result = house.shell("joule event write /house/events < e.jsonl")
        assert result.status == 1
    assert starts(house) == []
    assert house("event", "get", "/new").status == 1


@pytest.mark.parametrize(
    ("name", "text", "rejects"),
    [
        (
            "e.jsonl",
            f'{GOOD}{{"start_time":{T0}}}\nnonsense\n{{"start_time":{T0},"content":{{"power":"x"}}}}\n',
            ["nonsense", f'{{"start_time":{T0},"content":{{"power":"x"}}}}'],
        ),
        (
            "e.csv",
            f"start_time,power\n{T0 + 10},1\n{T0},x\n{T0},\n3\n",
            ["start_time,power", f"{T0},x", "3"],
        ),
        (
            "e.json",
            f'[{GOOD}, {{"start_time":{T0}}},\n{{"start_time":"?"}}, [7]]',
            ['{"start_time":"?"}', "[7]"],
        ),
    ],
)
def test_bad_events_are_put_aside(house, name, text, rejects):
    (house.folder / name).write_text(text)
    skip = (*WRITE, name, "--on-error", "skip")
    result = house(*skip, "--max-errors", "1")
    assert result.status == 1
    assert "more than 1 bad events" in result.err
    assert starts(house) == []
    result = house(*skip, "--max-errors", "2", "--rejects", "bad")
    assert (result.status, result.out, result.err) == (3, "2\n", "")
    lines = (house.folder / "bad").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == rejects
    assert [line for line in lines if line.startswith(f"# {name}:")]
    assert starts(house) == [T0, T0 + 10]
    result = house(*skip)
    assert result.status == 3
    assert f"Warning: {name}:" in result.err


def test_rejects_can_be_mended_and_written(house):
    (house.folder / "e.csv").write_text(f"start_time,power\n{T0 + 10},1\n{T0},x\n")
    house(*WRITE, "e.csv", "--on-error", "skip", "--rejects", "bad.csv")
    bad = house.folder / "bad.csv"
    bad.write_text(bad.read_text().replace(f"{T0},x", f"{T0},7"))
    assert house.ok(*WRITE, "bad.csv") == "1\n"
    assert starts(house) == [T0, T0 + 10]


# -- pipes, signals, failures


@contextmanager
def writer(joule, *options):
    child = subprocess.Popen(
        [*PROGRAM, *WRITE, *options],
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


def feed(child, text):
    child.stdin.write(text.encode())
    child.stdin.flush()


def wait_for(joule, count):
    end = time.monotonic() + 15
    while len(starts(joule)) != count:
        assert time.monotonic() < end


def test_a_slow_pipe_is_stored_while_it_arrives(house):
    with writer(house) as child:
        for count in (1, 2):
            feed(child, GOOD)
            wait_for(house, count)
        assert child.poll() is None
        out, err = child.communicate()
        assert (child.returncode, out, err) == (0, b"2\n", b"")


def test_ids_come_while_it_arrives(house):
    with writer(house, "--jsonl") as child:
        feed(child, GOOD)
        event = json.loads(child.stdout.readline())
        assert (event["id"], event["start_time"], event["content"]) == (1, T0 + 10, {"power": 1})
        assert event["node_uuid"] == stored(house, "/house/events")[0].node_uuid
        assert child.poll() is None


def test_a_bad_event_later_keeps_what_is_stored(house):
    with writer(house) as child:
        feed(child, GOOD * 2)
        wait_for(house, 2)
        out, err = child.communicate(b"{}\n")
        assert (child.returncode, out) == (3, b"")
    first, hint = err.decode().splitlines()
    assert first == "Error: -:3: start_time is missing"
    assert "2 events of /house/events are stored, those up to line 2 of the input" in hint
    assert len(starts(house)) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stores_what_arrived(house, number):
    with writer(house) as child:
        feed(child, GOOD)
        wait_for(house, 1)
        child.send_signal(number)
        assert child.wait(10) == 128 + number
        assert b"Interrupted. 1 event of /house/events is stored" in child.stderr.read()
    assert starts(house) == [T0 + 10]


def test_a_killed_process_leaves_whole_events(house):
    with writer(house, "--jsonl") as child:
        told = 0
        for first in range(0, 2000, 500):
            numbers = range(first, first + 500)
            events = ({"start_time": T0 + i, "content": {"power": i}} for i in numbers)
            feed(child, "".join(f"{json.dumps(event)}\n" for event in events))
            if first == 1500:
                break
            while told < first + 500:
                assert json.loads(child.stdout.readline())["start_time"] == T0 + told
                told += 1
        child.kill()
        child.wait()
    found = stored(house, "/house/events")
    assert len(found) >= told
    assert [e.start_time - T0 for e in found] == list(range(len(found)))
    assert all(e.content["power"] == e.start_time - T0 for e in found)


def test_a_reader_of_the_ids_that_goes_away(house):
    (house.folder / "e.jsonl").write_text(GOOD * 20_000)
    result = house.shell(
        "set -o pipefail; joule event write /house/events e.jsonl --jsonl | head -n 1"
    )
    assert (result.status, result.err) == (141, "")


def test_many_events_share_one_start(house):
    fill(house, "/many", [Event(5, None, {"power": i}) for i in range(10_500)])
    result = house.shell("joule event read /many --jsonl | joule event write /house/events")
    assert (result.status, result.out) == (0, "10500\n")
    assert [e.content["power"] for e in stored(house, "/house/events")] == list(range(10_500))


@pytest.mark.parametrize("n_events", [30_000, 60_000])
def test_a_full_disk(house, n_events):
    small = house.folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        (house.folder / "e.jsonl").write_text(
            "".join(
                json.dumps({"start_time": T0 + i, "content": {"x": os.urandom(40).hex()}}) + "\n"
                for i in range(n_events)
            )
        )
        file = ("--url", f"file:{small}/node.db")
        result = house("event", "write", "/a", "--create", "e.jsonl", *file)
        if n_events == 30_000:  # as a whole or not at all
            assert result.status == 1
            assert "no space left on the disk" in result.err
            assert house("event", "count", "/a", *file).out == "0\n"
            return
        assert result.status == 3
        assert "events of /a are stored, those up to line" in result.err
        line = int(result.err.split("up to line ")[1].split()[0])

        async def count(node):
            return await node.event_stream_count("/a")

        assert with_node(house, count, "small/node.db") == line
    finally:
        subprocess.run(["umount", small], check=True)


def test_several_writers_share_a_stream(house):
    text = "".join(f'{{"start_time":{T0 + i}}}\n' for i in range(2000))
    (house.folder / "e.jsonl").write_text(text)
    house.shell(
        "for i in 1 2 3; do joule event write /house/events e.jsonl --jsonl > ids$i & done; wait"
    )
    lines = "".join((house.folder / f"ids{i}").read_text() for i in (1, 2, 3)).splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert sorted(ids) == list(range(1, 6001))
    assert len(starts(house)) == 6000


def test_one_creates_and_the_others_use_it(joule):
    words = ("event", "write", "/lab/e", "-", "--create", "--field", "n:numeric")
    lines = [
        json.dumps({"start_time": T0 + i, "end_time": T0 + i + 1, "content": {"n": i}})
        for i in range(6)
    ]
    ended = at_once(joule, words, lines)
    assert [(err, status) for _, err, status in ended] == [("", 0)] * 6
    assert joule.ok("event", "count", "/lab/e") == "6\n"
