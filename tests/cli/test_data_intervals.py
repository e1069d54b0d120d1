"""joule data intervals, consolidate, decimate"""

from __future__ import annotations

import json

import pytest

from tests.cli.filling import SECOND, T0, at, fill, intervals


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    from tests.cli.conftest import Joule

    joule = Joule(tmp_path_factory.mktemp("intervals"))
    fill(joule, "/a/x", (0, 10), (20, 30), (100, 110))
    fill(joule, "/a/y", (5, 25))
    fill(joule, "/a/empty")
    return joule


def pairs(*seconds):
    return [[T0 + a * SECOND, T0 + b * SECOND + 1] for a, b in seconds]


def test_the_lines_of_joule_1_0_1(data):
    lines = data.ok("data", "intervals", "/a/x").splitlines()
    assert lines[0] == ("[Tue, 14 Nov 2023 22:13:20 +0000 - Tue, 14 Nov 2023 22:13:29 +0000]")
    assert len(lines) == 3


def test_json_and_csv(data):
    expected = pairs((0, 9), (20, 29), (100, 109))
    assert json.loads(data.ok("data", "intervals", "/a/x", "--json")) == expected
    csv = data.ok("data", "intervals", "/a/x", "--csv").splitlines()
    assert csv == ["start,end", *(f"{a},{b}" for a, b in expected)]
    first = json.loads(data.ok("data", "intervals", "/a/x", "--jsonl").splitlines()[0])
    assert [first["start"], first["end"]] == expected[0]


def test_nothing(data):
    assert data.ok("data", "intervals", "/a/empty") == "No intervals.\n"
    assert json.loads(data.ok("data", "intervals", "/a/empty", "--json")) == []
    assert data.ok("data", "intervals", "/a/empty", "--csv") == "start,end\n"


def test_an_unknown_stream(data):
    result = data("data", "intervals", "/a/nope", "--json")
    assert (result.status, result.out) == (1, "")
    assert result.error()["code"] == "stream_not_found"


def test_bounds_cut(data):
    out = data.ok("data", "intervals", "/a/x", "-s", at(25), "-e", at(105), "--json")
    assert json.loads(out) == pairs((25, 29), (100, 104))
    assert data("data", "intervals", "/a/x", "-s", at(5), "-e", at(5)).status == 1


def test_gaps_and_durations(data):
    out = data.ok("data", "intervals", "/a/x", "--gaps", "--json")
    gaps = [[T0 + 9 * SECOND + 1, T0 + 20 * SECOND], [T0 + 29 * SECOND + 1, T0 + 100 * SECOND]]
    assert json.loads(out) == gaps
    out = data.ok("data", "intervals", "/a/x", "--gaps", "--min-gap", "1m", "--json")
    assert json.loads(out) == gaps[1:]
    out = data.ok("data", "intervals", "/a/x", "--min-gap", "1m", "--json", "--durations")
    assert [each["duration_us"] for each in json.loads(out)] == [29 * SECOND + 1, 9 * SECOND + 1]
    assert "3 intervals" in data.ok("data", "intervals", "/a/x", "--durations")


def test_gaps_reach_to_the_bounds_but_not_between_two_rows(data):
    start, end = T0 + 5 * SECOND + 1, T0 + 15 * SECOND
    out = data.ok("data", "intervals", "/a/x", "--gaps", "-s", start, "-e", end, "--json")
    assert json.loads(out) == [[T0 + 9 * SECOND + 1, end]]
    assert data.ok("data", "intervals", "/a/empty", "--gaps") == "No gaps.\n"


def test_diff_and_common(data):
    out = data.ok("data", "intervals", "/a/x", "--diff", "/a/y", "--json")
    assert json.loads(out)[0] == [T0, T0 + 5 * SECOND]
    out = data.ok("data", "intervals", "/a/x", "--common", "/a/y", "--json")
    assert json.loads(out) == pairs((5, 9), (20, 24))


def test_several_streams_are_told_apart(data):
    lines = data.ok("data", "intervals", "/a/?").splitlines()
    assert [line.split()[0] for line in lines] == ["/a/x"] * 3 + ["/a/y"]
    found = json.loads(data.ok("data", "intervals", "/a/?", "--json"))
    assert [(each["path"], len(each["intervals"])) for each in found] == [("/a/x", 3), ("/a/y", 1)]
    assert data.ok("data", "intervals", "/a/?", "--csv").startswith("path,start,end\n/a/x,")


def test_the_timeline_shows_the_gap(data):
    env = {"COLUMNS": "62"}
    first, second, axis = data.ok("data", "intervals", "/a/?", "--timeline", env=env).splitlines()
    assert first.startswith("/a/x  |")
    assert first.endswith("|")
    bar = first.split("|")[1]
    assert bar[0] != " "
    assert bar[-1] != " "
    assert "     " in bar
    assert second.split("|")[1].rstrip().count(" ") < 5
    assert axis.startswith("2023-11-14 22:13:20")


def test_split(joule):
    fill(joule, "/a/x", (0, 3))
    text = "".join(f"{at(second)} 1 2\n" for second in (3, 4, 60, 61, 200))
    joule("data", "write", "/a/x", "--merge-gap", "1h", stdin=text)
    gaps = json.loads(joule.ok("data", "split", "/a/x", "-m", "30s", "--dry-run", "--json"))
    assert [gap["duration_us"] for gap in gaps] == [55_999_999, 138_999_999]
    assert intervals(joule, "/a/x") == [(0, 200)]
    assert joule.ok("data", "split", "/a/x", "--max-gap", "1m") == "Split at 1 gap\n"
    out = joule.ok("data", "split", "/a/x", "-m", "30s", "--json")
    assert json.loads(out) == {"path": "/a/x", "split": 1}
    assert intervals(joule, "/a/x") == [(0, 4), (60, 61), (200, 200)]
    assert joule.ok("data", "split", "/a/*", "-m", "30s", "--yes") == "No long gaps\n"
    assert joule("data", "split", "/a/x").status == 2
    assert joule("data", "split", "/a/x", "-m", "0").status == 1


def test_consolidate(joule):
    fill(joule, "/a/x", (0, 10), (12, 20), (100, 110))
    gaps = json.loads(joule.ok("data", "consolidate", "/a/x", "-m", 3e6, "--dry-run", "--json"))
    assert [(gap["start"], gap["end"]) for gap in gaps] == [(T0 + 9 * SECOND + 1, T0 + 12 * SECOND)]
    assert len(intervals(joule, "/a/x")) == 3
    assert joule.ok("data", "consolidate", "/a/x") == "No intervals to consolidate\n"
    out = joule.ok("data", "consolidate", "/a/x", "-m", "3000000", "--redecimate", "--json")
    assert json.loads(out)["consolidated"] == 1
    assert intervals(joule, "/a/x") == [(0, 19), (100, 109)]
    assert joule("data", "consolidate", "/a/x", "-m", "soon").status == 1


def test_decimations(joule):
    fill(joule, "/a/x", (0, 100))
    assert joule.ok("data", "drop-decimations", "/a/x", "--dry-run", "--csv").count("/a/x") == 1
    assert (
        joule.ok("data", "drop-decimations", "/a/x") == "Dropped the decimated rows of /a/x\nOK\n"
    )
    assert joule.ok("data", "decimate", "/a/x") == "OK\n"
    assert joule("data", "decimate", "/a/*").status == 1
    assert joule.ok("data", "decimate", "/a/*", "--yes") == "OK\n"
