"""joule data merge, filter, mean and median"""

from __future__ import annotations

import json

import pytest

from tests.cli.filling import at, fill, intervals, rows


@pytest.fixture
def data(joule):
    fill(joule, "/a/x", (0, 20))
    fill(joule, "/a/y", (0, 10), (12, 30))
    return joule


MERGE = ("data", "merge", "-p", "/a/x", "-s", "/a/y", "-d", "/b/both")


def test_a_merge_asks_and_prints_its_intervals(data):
    result = data.shell("yes | joule data merge -p /a/x -s /a/y -d /b/both")
    assert result.status == 0
    assert "[y/N]" in result.err
    lines = result.out.splitlines()
    assert [line[0] for line in lines[:-1]] == ["[", "["]
    assert lines[-1] == "18 rows written to /b/both"
    assert intervals(data, "/b/both") == [(0, 9), (12, 19)]


def test_no_and_no_answer_write_nothing(data):
    assert data(*MERGE, stdin="n\n").out == "Cancelled\n"
    assert data(*MERGE).status == 1
    assert data("stream", "info", "/b/both").status == 1


def test_a_merge_as_json_and_again(data):
    value = json.loads(data.ok(*MERGE, "--yes", "--json"))
    assert (value["rows"], value["created"], len(value["intervals"])) == (18, True, 2)
    value = json.loads(data.ok(*MERGE, "--json"))
    assert (value["rows"], value["intervals"]) == (0, [])
    refused = data(*MERGE, "--no-resume", "--yes", "--json")
    assert (refused.status, refused.error()["code"]) == (1, "overlap_error")


def test_prefixes_and_colons_in_names(data):
    fill(data, "/a/z:1", (0, 20))
    data.ok(
        *("data", "merge", "--primary", "/a/x:in", "-s", "/a/z:1", "-s", "/a/y:out"),
        *("-d", "/b/both", "--end", at(5), "--yes"),
    )
    elements = json.loads(data.ok("stream", "get", "/b/both", "--json"))["elements"]
    assert [e["name"] for e in elements] == ["in x", "in y", "z:1 x", "z:1 y", "out x", "out y"]
    assert len(rows(data, "/b/both")) == 5


def test_short_pieces_are_reported(data):
    result = data(*MERGE, "--min-interval", "9s", "--yes")
    assert result.status == 0
    assert "too short" in result.err
    assert len(rows(data, "/b/both")) == 10


def test_a_dry_run_of_a_merge(data):
    value = json.loads(data.ok(*MERGE, "--dry-run", "--json"))
    assert (value["rows"], value["creates"]) == (18, True)
    assert "/b/both (new)" in data.ok(*MERGE, "--dry-run")
    assert data("stream", "info", "/b/both").status == 1


def test_an_unknown_stream_in_a_merge(data):
    result = data("data", "merge", "-p", "/a/x", "-s", "/a/nope", "-d", "/b/c", "--json")
    assert (result.status, result.error()["code"]) == (1, "stream_not_found")


@pytest.mark.parametrize("words", [("filter", "mean"), ("mean",)])
def test_the_mean(data, words):
    out = data.ok("data", *words, "/a/x", "/b/m", "-w", "3", "--yes")
    assert out.splitlines()[-1] == "18 rows written to /b/m"
    source, found = rows(data, "/a/x"), rows(data, "/b/m")
    assert intervals(data, "/b/m") == [(1, 18)]
    assert found[0][1][0] == pytest.approx(sum(r[1][0] for r in source[:3]) / 3)


def test_the_median(data):
    data.ok("data", "median", "/a/y", "/b/m", "-w", "5", "--yes", "--datatype", "float64")
    source, found = rows(data, "/a/y"), rows(data, "/b/m")
    assert intervals(data, "/b/m") == [(2, 7), (14, 27)]
    assert found[0][1][0] == sorted(r[1][0] for r in source[:5])[2]


@pytest.mark.parametrize(("window", "status"), [("0", 1), ("4.5", 1), ("2 rows", 1), ("0s", 1)])
def test_what_is_no_window_costs_nothing(data, window, status):
    data.ok("data", "mean", "/a/x", "/b/m", "-w", "3", "--yes")
    before = rows(data, "/b/m")
    refused = data("data", "mean", "/a/x", "/b/m", "-w", window, "--yes")
    assert (refused.status, refused.out) == (status, "")
    assert rows(data, "/b/m") == before


@pytest.mark.parametrize("window", ["4", "4s", "4000ms"])
def test_even_windows_and_times(data, window):
    data.ok("data", "mean", "/a/x", "/b/m", "-w", window, "--yes")
    source = dict(rows(data, "/a/x"))
    step = 1_000_000
    found = rows(data, "/b/m")
    assert len(found) == (17 if window == "4" else 16)
    for time, values in found:
        inside = [source[time + k * step] for k in (-2, -1, 0, 1)]
        assert values == pytest.approx([sum(column) / 4 for column in zip(*inside, strict=True)])
    assert "of 4s (float" in data.ok("data", "mean", "/a/x", "/b/n", "-w", "4s", "--dry-run")


def test_results_of_float64_are_float64(joule):
    counts = "".join(f"{at(i)} {37823861.25 + i / 100}\n" for i in range(9))
    joule("data", "write", "/c", "--create", "float64[energy]", stdin=counts)
    joule("data", "write", "/u", "--create", "float32[u]", stdin=counts)
    joule.ok("data", "merge", "-p", "/u", "-s", "/c", "-d", "/m", "--yes", "-q")
    assert rows(joule, "/m")[0][1][1] == 37823861.25
    joule.ok("data", "filter", "median", "/c", "/med", "-w", "3", "--yes", "-q")
    assert [value for _, (value,) in rows(joule, "/med")][:2] == [37823861.26, 37823861.27]
    joule.ok(
        *("data", "merge", "-p", "/u", "-s", "/c", "-d", "/m32", "--datatype", "float32"),
        *("--yes", "-q"),
    )
    assert joule("stream", "get", "/m32", "--json").json()["datatype"] == "float32"


def test_results_go_to_the_element_of_their_name(data):
    data.ok("stream", "create", "/b/m:float64[y,x]")
    data.ok("data", "mean", "/a/x", "/b/m", "-w", "1", "--yes")
    source = rows(data, "/a/x")
    assert rows(data, "/b/m") == [(time, [y, x]) for time, (x, y) in source]
    data.ok("stream", "create", "/b/other:float64[p,q]")
    refused = data("data", "mean", "/a/x", "/b/other", "-w", "1", "--yes")
    assert (refused.status, "--by-position" in refused.err) == (1, True)
    data.ok("data", "mean", "/a/x", "/b/other", "-w", "1", "--yes", "--map", "x=q", "--map", "y=p")
    assert rows(data, "/b/other") == rows(data, "/b/m")


def test_the_question_tells_of_rows_that_are_replaced(data):
    data.ok("data", "mean", "/a/x", "/b/m", "-w", "3", "--yes")
    before = rows(data, "/b/m")
    refused = data("data", "median", "/a/x", "/b/m", "-w", "5")
    assert refused.status == 1
    assert "replace 18 rows" in refused.err
    assert rows(data, "/b/m") == before
    value = json.loads(data.ok("data", "median", "/a/x", "/b/m", "-w", "5", "--dry-run", "--json"))
    assert (value["replaced_rows"], value["mode"]) == (18, "replace")
    data.ok("data", "median", "/a/x", "/b/m", "-w", "5", "--yes")
    assert intervals(data, "/b/m") == [(2, 17)]


def test_resume_computes_what_is_missing(data):
    data.ok("data", "mean", "/a/x", "/b/whole", "-w", "3", "--yes")
    data.ok("data", "mean", "/a/x", "/b/m", "-w", "3", "--end", at(10), "--yes")
    value = json.loads(
        data.ok("data", "mean", "/a/x", "/b/m", "-w", "3", "--resume", "--yes", "--json")
    )
    assert value["rows"] == 10
    assert rows(data, "/b/m") == rows(data, "/b/whole")
    assert intervals(data, "/b/m") == intervals(data, "/b/whole")
