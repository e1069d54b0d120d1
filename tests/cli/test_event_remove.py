"""joule event remove"""

from __future__ import annotations

import json

import pytest

from joule_cli.model import Event
from tests.cli.filling import SECOND, T0, at, with_node

PATH = "/house/heater"


@pytest.fixture
def house(joule):
    """Ten events a minute apart, 90 seconds long each, so that each overlaps the next."""
    joule.ok("event", "create", PATH, "--field", "power:numeric")
    starts = [T0 + 60 * SECOND * i for i in range(10)]
    events = [
        Event(start, start + 90 * SECOND, {"power": i, "kind": "odd" if i % 2 else "even"})
        for i, start in enumerate(starts)
    ]
    with_node(joule, lambda node: node.event_stream_write(PATH, events))
    return joule


def left(joule):
    """The powers that are still there."""

    async def read(node):
        return [event.content["power"] async for event in node.event_stream_read(PATH)]

    return with_node(joule, read)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], 1),
        (["--filter", "[]"], 1),
        (["--filter", ""], 1),
        (["--all", "--last", "1h"], 1),
        (["--all", "--where", "power > 5"], 1),
        (["--start", at(9), "--end", at(3)], 1),
        (["--start", "yesterdy"], 1),
        (["--where", "power >"], 1),
    ],
)
def test_what_to_remove_must_be_said(house, options, status):
    result = house("event", "remove", PATH, *options, "--yes")
    assert (result.status, result.out) == (status, "")
    assert result.err.startswith("Error: ")
    assert left(house) == list(range(10))


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["--all"], range(10)),
        # an event that goes on at the start of the range is in it
        (["--start", at(300)], range(4, 10)),
        (["--end", at(120)], range(2)),
        (["--start", at(211), "--end", at(240)], [3]),
        (["--where", "kind is odd"], range(1, 10, 2)),
        (["--where", "kind is odd", "--start", at(300)], [5, 7, 9]),
        (["--filter", '[[["power","lt",2]],[["power","eq",7]]]'], [0, 1, 7]),
        (["--filter", '[[["kind","is","odd"]]]', "--where", "power > 6"], [7, 9]),
        (["--where", "nothing > 3"], []),
        (["--start", "end-10s"], [9]),
    ],
)
def test_the_number_promised_is_the_number_removed(house, options, gone):
    words = ("event", "remove", PATH, *options)
    [promised] = json.loads(house.ok(*words, "--dry-run", "--json"))
    assert promised["events"] == len(gone)
    assert left(house) == list(range(10))
    assert house.ok(*words).split()[0] == f"{len(gone)}"
    assert left(house) == [i for i in range(10) if i not in gone]
    assert house.ok("event", "list") == f"{PATH}\n"


def test_a_dry_run_tells_range_filter_and_what_began_before(house):
    words = ("--start", at(300), "--end", at(400), "--where", "power > 0", "--dry-run")
    [record] = json.loads(house.ok("event", "remove", PATH, *words, "--json"))
    assert record == {
        "path": PATH,
        "start": T0 + 300 * SECOND,
        "end": T0 + 400 * SECOND,
        "events": 3,
        "began_before": 1,
        "filter": '[[["power","gt",0]]]',
    }
    header, line = house.ok("event", "remove", "1", *words).splitlines()
    assert header.split()[:4] == ["path", "start", "end", "events"]
    assert line.split()[0] == PATH


def test_an_event_without_an_end_goes_on(house):
    endless = Event(T0, None, {"power": -1})
    with_node(house, lambda node: node.event_stream_write(PATH, [endless]))
    told = house.ok("event", "remove", PATH, "--start", at(100_000))
    assert told == f"1 event of {PATH} removed from 2023-11-16 02:00:00+00:00\n"
    assert left(house) == list(range(10))


def test_json_and_quiet(house):
    out = house.ok("event", "remove", PATH, "--where", "power = 3", "--json")
    assert json.loads(out) == {
        "path": PATH,
        "removed": 1,
        "start": T0,
        "end": T0 + (9 * 60 + 90) * SECOND,
        "filter": '[[["power","eq",3]]]',
    }
    assert house.ok("event", "remove", PATH, "--all", "-q") == ""
    assert left(house) == []
    assert house.ok("event", "remove", PATH, "--all") == f"0 events of {PATH} removed\n"


def test_the_question_on_a_terminal_names_the_number(house):
    words = ("event", "remove", PATH, "--start", at(300), "--where", "power > 0")
    question = f"Remove 6 events of {PATH}?"
    declined = house.terminal(*words, typed="n\n", when=question)
    assert declined.status == 0
    assert "from 2023-11-14 22:18:20+00:00" in declined.out
    assert "1 event began before and had not ended then" in declined.out
    assert 'matching [[["power","gt",0]]]' in declined.out
    assert declined.out.endswith("Cancelled\n")
    assert left(house) == list(range(10))
    agreed = house.terminal(*words, typed="y\n", when=question)
    assert f"6 events of {PATH} removed from 2023-11-14 22:18:20+00:00, matching " in agreed.out
    assert left(house) == list(range(4))
    # nothing to lose, nothing to ask
    assert house.terminal(*words).out.startswith(f"0 events of {PATH} removed")


def test_without_a_terminal_nothing_is_asked(house):
    assert house.shell(f"joule event remove {PATH} --end start+1m").out.startswith("1 event of ")
    assert left(house) == list(range(1, 10))


def test_one_stream_only(house):
    house.ok("event", "create", "/house/alarms")
    assert house("event", "remove", "/house/*", "--all", "--yes").status == 2
    assert house("event", "remove", "/none", "--all", "--yes").status == 1
    house.ok("stream", "create", "/house/mains:int8[x]")
    result = house("event", "remove", "/house/mains", "--all", "--yes")
    assert result.status == 1
    assert "/house/mains is a data stream" in result.err
    assert left(house) == list(range(10))


def test_output_that_cannot_be_written_is_an_error(house):
    result = house.shell(f"joule event remove {PATH} --all --yes >&-")
    assert result.status == 1
    assert "cannot write the output" in result.err
