"""joule annotation, and joule stream annotations"""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import write_rows


@pytest.fixture
def noted(joule):
    joule.ok("stream", "create", "/a/x:int8[v]")
    joule.ok("stream", "create", "/a/y:int8[v]")
    notes = 'one,,1000000\n"two, more","line 1\nline 2",2000000,2500000\nthree,,3000000\n'
    assert joule.ok("annotation", "create", "/a/x", "--from", "-", stdin=notes) == "1\n2\n3\n"
    return joule


def titles(joule, *words):
    return [a["title"] for a in json.loads(joule.ok("annotation", "list", *words, "--json"))]


def test_old_csv_has_no_header_and_quotes_where_needed(noted):
    frozen = 'one,,1000000\n"two, more","line 1\nline 2",2000000,2500000\nthree,,3000000\n'
    assert noted.ok("stream", "annotations", "/a/x", "--csv") == frozen
    assert noted.ok("stream", "annotations", "/a/x", "-c", "-s", "3000000") == "three,,3000000\n"


def test_what_is_printed_can_be_read_again(noted):
    for words in (["stream", "annotations"], ["annotation", "list"]):
        given = noted.ok(*words, "/a/x", "--csv")
        noted.ok("annotation", "create", "/a/y", "--from", "-", stdin=given)
    assert titles(noted, "/a/y") == ["one", "one", "two, more", "two, more", "three", "three"]
    lines = noted.ok("annotation", "list", "/a/x", "--jsonl")
    noted.ok("annotation", "clear", "/a/y", "--all")
    noted.ok("annotation", "create", "/a/y", "--from", "-", stdin=lines)
    assert titles(noted, "/a/y") == titles(noted, "/a/x")


def test_a_plain_cell_stays_on_its_line(noted):
    assert "line 1\\nline 2" in noted.ok("annotation", "list", "/a/x")


def test_range_and_search(noted):
    assert titles(noted, "/a/x", "--start", "@2", "--end", "@3") == ["two, more", "three"]
    assert titles(noted, "/a/*", "--search", "LINE") == ["two, more"]
    assert "stream" in noted.ok("annotation", "list", "/a/*").splitlines()[0]


def test_create_one(noted):
    noted.ok("annotation", "create", "/a/y", "now")
    [note] = json.loads(noted.ok("annotation", "list", "/a/y", "--json"))
    assert note["start"] > 1_700_000_000_000_000
    assert note["end"] is None
    made = json.loads(
        noted.ok(
            *("annotation", "create", "/a/y", "t", "--start", "5", "--end", "6"),
            *("--content", "c", "--json"),
        )
    )
    assert (made["start"], made["end"], made["content"]) == (5, 6, "c")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a,b\n", "-:1: no start time"),
        ("ok,,5\nbad,,soon\n", "-:2: invalid start time"),
        ("ok,,5\nbad,,7,6\n", "-:2: the start time"),
        ("a,b,5,6,7\n", "-:1: 5 columns"),
        ('{"title": "a", "start": 5}\n{"title": \n', "-:2:"),
        ('{"title": "", "start": 5}\n', "-:1: no title"),
    ],
)
def test_a_bad_file_creates_nothing(noted, text, place):
    result = noted("annotation", "create", "/a/y", "--from", "-", stdin=text)
    assert result.status == 1
    assert result.err.startswith(f"Error: {place}")
    assert titles(noted, "/a/y") == []


def test_usage(noted):
    assert noted("annotation", "create", "/a/y").status == 2
    assert noted("annotation", "create", "/a/y", "t", "--from", "-").status == 2
    assert noted("annotation", "create", "/a/y", "t", "--start", "6", "--end", "5").status == 1
    assert noted("annotation", "create", "/a/no", "--from", "-", stdin="").status == 1
    assert noted("annotation", "update", "1").status == 2
    assert noted("annotation", "clear", "/a/x").status == 2
    assert noted("annotation", "clear", "/a/x", "--all", "--start", "5").status == 2


def test_update_keeps_what_is_not_named(noted):
    noted.ok("annotation", "update", "2", "--title", "zwei")
    note = json.loads(noted.ok("annotation", "list", "/a/x", "--json"))[1]
    assert (note["title"], note["content"], note["start"]) == ("zwei", "line 1\nline 2", 2000000)
    assert noted("annotation", "update", "99", "--title", "x").status == 1


def test_delete(noted):
    assert noted("annotation", "delete", "1", "99").status == 1
    assert "two, more" in noted.ok("annotation", "delete", "2", "--dry-run")
    told = noted.ok("annotation", "delete", "1", "3").splitlines()
    assert [line.split(" of ")[0] for line in told] == [
        *("Deleted annotation 1", "Deleted annotation 3", "OK")
    ]
    assert titles(noted, "/a/x") == ["two, more"]


def test_clear_prints_how_many(noted):
    told = noted.ok("annotation", "clear", "/a/x", "--end", "@2")
    assert told.startswith("2 annotations of /a/x deleted, 1970-01-01 00:00:01+00:00 to ")
    assert titles(noted, "/a/x") == ["three"]


def test_old_delete_asks_on_a_terminal_only(noted):
    shown = noted.terminal("stream", "annotations", "/a/x", "--delete", typed="n\r", when="[y/N]")
    assert "Delete 3 annotations" in shown.out
    assert len(titles(noted, "/a/x")) == 3
    assert noted.ok("stream", "annotations", "/a/x", "--delete").endswith("\nOK\n")
    assert titles(noted, "/a/x") == []


def test_info(noted):
    value = json.loads(noted.ok("annotation", "info", "/a/x", "--json"))
    assert value == {"path": "/a/x", "start": 1000000, "end": 3000000, "count": 3}
    assert "Annotations: 3" in noted.ok("annotation", "info", "/a/x")


def test_times_of_an_annotation_may_be_measured_from_the_rows(joule):
    joule.ok("stream", "create", "/a:int8[x]")
    write_rows(joule, "/a", [1_700_000_000_000_000, 1_700_000_010_000_000])
    span = ("--start", "start+1s", "--end", "end-1s")
    made = json.loads(joule.ok("annotation", "create", "/a", "note", *span, "--json"))
    assert (made["start"], made["end"]) == (1_700_000_001_000_000, 1_700_000_009_000_000)
