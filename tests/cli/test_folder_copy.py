"""joule folder copy"""

from __future__ import annotations

import json

import pytest

from tests.cli.filling import at, fill, intervals, rows, with_node
from tests.ops import events
from tests.ops.events import numbered


@pytest.fixture
def data(joule):
    fill(joule, "/a/x", (0, 10), (20, 30))
    fill(joule, "/a/deep/y", (0, 5))
    joule.ok("stream", "create", "/a/empty:int16[v]")
    return joule


def test_everything_is_copied_a_line_per_stream(data):
    lines = data.ok("folder", "copy", "/a", "/b").splitlines()
    assert lines[-1] == "OK"
    assert sum(" -> /b/" in line for line in lines) == 3
    assert intervals(data, "/b/x") == [(0, 9), (20, 29)]
    assert rows(data, "/b/deep/y") == rows(data, "/a/deep/y")
    assert data("stream", "info", "/b/empty").status == 0


def test_a_summary_for_programs(data):
    value = json.loads(data.ok("folder", "copy", "/a", "/b", "--json"))
    assert {r["destination"]: r["rows"] for r in value} == {
        "/b/x": 20,
        "/b/deep/y": 5,
        "/b/empty": 0,
    }
    assert data.ok("folder", "copy", "/a", "/c", "--csv").startswith("source,destination,")
    assert data.ok("folder", "copy", "/a", "/d", "--quiet") == ""


def test_a_filled_destination_needs_resume(data):
    data.ok("folder", "copy", "/a", "/b", "-e", at(10))
    refused = data("folder", "copy", "/a", "/b")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == (
        "Error: the destination has streams already: /b\n"
        "Repeat the copy with --resume to add what is missing.\n"
    )
    assert intervals(data, "/b/x") == [(0, 9)]
    data.ok("folder", "copy", "/a", "/b", "--resume")
    assert rows(data, "/b/x") == rows(data, "/a/x")


def test_include_and_exclude(data):
    data.ok("folder", "copy", "/a", "/b", "--include", "x", "--include", "deep/*")
    assert data.ok("stream", "list", "/b").split() == ["/b/deep/y", "/b/x"]
    data.ok("folder", "copy", "/a", "/c", "--exclude", "x", "--exclude", "empty")
    assert data.ok("stream", "list", "/c").split() == ["/c/deep/y"]


def test_a_dry_run_creates_nothing(data):
    value = json.loads(data.ok("folder", "copy", "/a", "/b", "--dry-run", "--json"))
    assert sorted((r["destination"], r["rows"]) for r in value) == [
        ("/b/deep/y", 5),
        ("/b/empty", 0),
        ("/b/x", 20),
    ]
    assert data("folder", "info", "/b").status == 1


def test_some_that_fail_are_3_and_the_others_are_copied(data):
    data.ok("stream", "create", "/b/x:int16[v]")
    result = data("folder", "copy", "/a", "/b", "--resume")
    assert result.status == 3
    assert "layout" in result.err
    assert "OK" not in result.out
    assert rows(data, "/b/deep/y") == rows(data, "/a/deep/y")


def test_names_decide_unless_the_positions_do(data):
    data.ok("stream", "create", "/b/x:float32[y:V,x:V]")
    data.ok("stream", "create", "/c/x:float32[p:V,q:V]")
    data.ok("folder", "copy", "/a", "/b", "--resume")
    assert rows(data, "/b/x") == [(time, [y, x]) for time, (x, y) in rows(data, "/a/x")]
    refused = data("folder", "copy", "/a", "/c", "--resume", "--yes")
    assert refused.status == 3
    assert "those of the destination p, q" in refused.err
    assert "--map belongs to joule data copy" in refused.err
    assert rows(data, "/c/deep/y") == rows(data, "/a/deep/y")
    data.ok("folder", "copy", "/a", "/c", "--resume", "--by-position")
    assert rows(data, "/c/x") == rows(data, "/a/x")


def test_units_that_differ_are_asked_about(data):
    data.ok("stream", "create", "/b/x:float32[x,y]")
    refused = data("folder", "copy", "/a", "/b", "--resume")
    assert refused.status == 3
    assert "--yes" in refused.err
    data.ok("folder", "copy", "/a", "/b", "--resume", "--yes")
    assert len(rows(data, "/b/x")) == 20


def test_to_another_node(data):
    data.ok("node", "add", "other", "other.db")
    data.ok("-n", "local", "folder", "copy", "/a", "other:/copy")
    assert rows(data, "/copy/x", "other.db") == rows(data, "/a/x")


def test_what_cannot_be_copied(data):
    assert data("folder", "copy", "/nope", "/b", "--json").error()["code"] == "folder_not_found"
    assert data("folder", "copy", "/a", "/a/deep").status == 1
    assert data("folder", "copy", "/a", "/b", "-s", "end-1h").status == 1


@pytest.fixture
def with_events(data):
    seconds = [s * 1_000_000 for s in range(7)]
    with_node(data, lambda node: events.put(node, "/a/deep/ev", numbered(seconds)))
    with_node(data, lambda node: events.put(node, "/a/bare", []))
    data.ok("annotation", "create", "/a/x", "note", "--start", at(5))
    return data


def test_event_streams_are_copied_a_line_each(with_events):
    lines = with_events.ok("folder", "copy", "/a", "/b").splitlines()
    assert "/a/deep/ev -> /b/deep/ev: 7 events, event stream created" in lines
    assert "/a/bare -> /b/bare: no events to copy, event stream created" in lines
    assert lines[-2:] == ["3 streams copied, 25 rows; 2 event streams copied, 7 events", "OK"]
    copied = with_node(with_events, lambda node: events.got(node, "/b/deep/ev"))
    assert copied == with_node(with_events, lambda node: events.got(node, "/a/deep/ev"))
    assert "note" in with_events.ok("annotation", "list", "/b/x")


def test_event_streams_in_the_summary_for_programs(with_events):
    args = ("folder", "copy", "/a", "/b", "--include", "deep/*")
    planned = json.loads(with_events.ok(*args, "--dry-run", "--json"))
    assert [(r["kind"], r["creates"], r["rows"], r["events"]) for r in planned] == [
        ("stream", True, 5, None),
        ("event_stream", True, None, 7),
    ]
    with_events.ok(*args, "-e", at(3))
    value = json.loads(with_events.ok(*args, "--resume", "--json"))
    assert [(r["kind"], r["created"], r["rows"], r["events"], r["present"]) for r in value] == [
        ("stream", False, 2, None, None),
        ("event_stream", False, None, 4, 3),
    ]
    assert with_events("folder", "copy", "/a", "/b", "--include", "deep/ev").status == 1
    table = with_events.ok(*args, "--resume", "--csv").splitlines()
    assert table[0] == "source,destination,kind,created,rows,annotations,events,error"
    assert table[2] == "/a/deep/ev,/b/deep/ev,event_stream,false,,,0,"
