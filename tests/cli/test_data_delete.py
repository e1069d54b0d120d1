"""joule data delete"""

from __future__ import annotations

import json

import pytest

from tests.cli.filling import SECOND, T0, at, fill, intervals, rows


@pytest.fixture
def data(joule):
    fill(joule, "/a/x", (0, 10), (20, 30))
    fill(joule, "/a/y", (0, 10))
    return joule


@pytest.mark.parametrize("options", [[], ["--all", "-s", "0"], ["--all", "--last", "1h"]])
def test_what_to_delete_must_be_said(data, options):
    result = data("data", "delete", "/a/x", *options)
    assert (result.status, result.out) == (1, "")
    assert "--all" in result.err
    assert len(rows(data, "/a/x")) == 20


def test_a_range(data):
    assert data.ok("data", "delete", "/a/x", "-s", at(5), "-e", at(25)).endswith("\nOK\n")
    assert intervals(data, "/a/x") == [(0, 4), (25, 29)]


def test_one_bound_reaches_to_the_end(data):
    data.ok("data", "delete", "/a/x", "--before", at(22))
    assert intervals(data, "/a/x") == [(22, 29)]
    data.ok("data", "delete", "/a/x", "--start", "end-3s")
    assert intervals(data, "/a/x") == [(22, 25)]


def test_all_rows_and_the_stream_stays(data):
    out = data.ok("data", "delete", "/a/x", "--all", "--json")
    assert json.loads(out)["deleted"][0]["rows"] == 20
    assert rows(data, "/a/x") == []
    assert data.ok("data", "delete", "/a/x", "--all") == "Nothing to delete in /a/x\nOK\n"


def test_a_dry_run_lists_intervals_with_exact_rows_and_changes_nothing(data):
    before = rows(data, "/a/x")
    out = data.ok("data", "delete", "/a/x", "/a/y", "-s", at(5), "--dry-run", "--json")
    assert [(r["path"], r["start"], r["rows"]) for r in json.loads(out)] == [
        ("/a/x", T0 + 5 * SECOND, 5),
        ("/a/x", T0 + 20 * SECOND, 10),
        ("/a/y", T0 + 5 * SECOND, 5),
    ]
    assert rows(data, "/a/x") == before


def test_an_intervals_file_is_what_data_intervals_writes(data):
    listed = data.ok("data", "intervals", "/a/y", "--csv")
    (data.folder / "gone.csv").write_text(listed)
    data.ok("data", "delete", "/a/x", "--intervals", "gone.csv")
    assert intervals(data, "/a/x") == [(20, 29)]
    piped = json.dumps([[T0 + 20 * SECOND, T0 + 25 * SECOND]])
    data.ok("data", "delete", "/a/x", "--intervals", "-", stdin=piped)
    assert intervals(data, "/a/x") == [(25, 29)]


def test_a_bad_file_or_time_or_stream_deletes_nothing(data):
    (data.folder / "bad.csv").write_text("start,end\n5,x\n")
    for options in (
        ["/a/x", "--intervals", "bad.csv"],
        ["/a/x", "-s", "whenever"],
        ["/a/x", "/a/nope", "--all"],
    ):
        assert data("data", "delete", *options).status == 1
    assert len(rows(data, "/a/x")) == 20


def test_a_pattern_lists_its_matches_and_asks(data):
    refused = data("data", "delete", "/a/*", "--all")
    assert refused.status == 1
    assert "/a/x  20 rows" in refused.err
    assert "--yes" in refused.err
    assert len(rows(data, "/a/y")) == 10
    told = data.shell("yes | joule data delete '/a/*' --all").out
    assert told.endswith("\n30 rows of 2 streams\nOK\n")
    assert rows(data, "/a/x") == rows(data, "/a/y") == []


def test_a_person_is_asked(data):
    shown = data.terminal("data", "delete", "/a/x", "--all", typed="n\r", when="[y/N]")
    assert "Delete 20 rows of /a/x?" in shown.out
    assert "Cancelled" in shown.out
    assert len(rows(data, "/a/x")) == 20
