"""joule data copy, and stream copy"""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest

from tests.cli.conftest import PROGRAM
from tests.cli.filling import at, fill, intervals, rows, with_node
from tests.ops.helpers import fill as fill_node
from tests.ops.helpers import rows_at


@pytest.fixture
def data(joule):
    fill(joule, "/a/x", (0, 10), (20, 30))
    return joule


@pytest.mark.parametrize("group", ["data", "stream"])
def test_a_copy_has_rows_intervals_and_annotations(data, group):
    data.ok("annotation", "create", "/a/x", "note", "--start", at(5))
    out = data.ok(group, "copy", "/a/x", "/b/y")
    assert out.splitlines()[-1] == "OK"
    assert rows(data, "/b/y") == rows(data, "/a/x")
    assert intervals(data, "/b/y") == [(0, 9), (20, 29)]
    assert "note" in data.ok("annotation", "list", "/b/y")


def test_quiet_says_nothing_and_a_repetition_copies_nothing(data):
    assert data.ok("data", "copy", "/a/x", "/b/y", "-q") == ""
    value = json.loads(data.ok("data", "copy", "/a/x", "/b/y", "--json", "--verify"))
    assert (value["rows"], value["intervals"], value["created"]) == (0, [], False)
    assert value["verified_rows"] == 20


def test_bounds_new_and_keep(data):
    data.ok("data", "copy", "/a/x", "/b/y", "-e", at(5), "--keep", "20y")
    assert (
        json.loads(data.ok("stream", "get", "/b/y", "--json"))["keep_us"]
        == 20 * 365 * 86400 * 10**6
    )
    data.ok("data", "copy", "/a/x", "/b/y", "--new", "--end", at(25))
    assert intervals(data, "/b/y") == [(0, 9), (20, 24)]
    assert data("data", "copy", "/a/x", "/b/y", "--new", "--start", at(5)).status == 1


def test_an_intervals_file(data):
    data.ok("stream", "create", "/a/z:float32[x]")
    fill(data, "/a/part", (3, 8))
    (data.folder / "part.json").write_text(data.ok("data", "intervals", "/a/part", "--json"))
    data.ok("data", "copy", "/a/x", "/b/y", "--intervals", "part.json")
    assert intervals(data, "/b/y") == [(3, 7)]


def test_a_dry_run_creates_nothing(data):
    (value,) = json.loads(data.ok("data", "copy", "/a/x", "/b/y", "--dry-run", "--json"))
    assert (value["rows"], value["creates"]) == (20, True)
    assert data("stream", "info", "/b/y").status == 1


def test_to_and_from_another_node(data):
    data.ok("node", "add", "other", "other.db")
    data.ok("-n", "local", "data", "copy", "/a/x", "/b/y", "-d", "other")
    assert rows(data, "/b/y", "other.db") == rows(data, "/a/x")
    data.ok("-n", "local", "data", "copy", "other:/b/y", "/back")
    assert rows(data, "/back") == rows(data, "/a/x")
    data.ok("-n", "local", "data", "copy", "/a/x", "other:/b/")
    assert rows(data, "/b/x", "other.db") == rows(data, "/a/x")
    assert data("-n", "local", "data", "copy", "/a/x", "other:/c", "-d", "other").status == 2
    assert data("-n", "local", "data", "copy", "/a/x", "nope:/c").status == 1


@pytest.mark.parametrize(
    ("destination", "told"),
    [
        ("other:", "write other:/; for a name with a colon it is /other:."),
        ("other:b/y", "write other:/b/y; for"),
        (".", "begin with a slash"),
        ("./y", "begin with a slash"),
    ],
)
def test_what_is_meant_for_a_node_or_a_file_makes_no_stream(data, destination, told):
    result = data("data", "copy", "/a/x", destination)
    assert (result.status, result.out) == (2, "")
    assert told in result.err


def test_units_that_differ_are_asked_about_everywhere(data):
    data.ok("stream", "create", "/b/y:float32[x:mV,y:V]")
    refused = data("data", "copy", "/a/x", "/b/y")
    assert refused.status == 1
    assert "--yes" in refused.err
    assert data("data", "copy", "/a/x", "/b/y", stdin="n\n").out == "Cancelled\n"
    assert rows(data, "/b/y") == []
    assert data.shell("yes | joule data copy /a/x /b/y").status == 0
    assert len(rows(data, "/b/y")) == 20


def test_values_go_to_the_element_of_their_name(data):
    data.ok("stream", "create", "/b/y:float32[y:V,x:V]")
    data.ok("data", "copy", "/a/x", "/b/y", "--verify")
    assert rows(data, "/b/y") == [(time, [y, x]) for time, (x, y) in rows(data, "/a/x")]


def test_other_names_are_refused_with_the_remedy(data):
    data.ok("stream", "create", "/b/y:float32[q:V,p:V]")
    # an answer to every question is none to this
    refused = data("data", "copy", "/a/x", "/b/y", "--yes")
    assert (refused.status, refused.out) == (1, "")
    assert "the elements are x, y, those of the destination q, p" in refused.err
    assert "--map x=q" in refused.err
    assert "--by-position" in refused.err
    assert rows(data, "/b/y") == []
    data.ok("data", "copy", "/a/x", "/b/y", "--map", "x=p", "--map", "y=q")
    assert rows(data, "/b/y") == [(time, [y, x]) for time, (x, y) in rows(data, "/a/x")]
    data.ok("stream", "create", "/b/z:float32[q:V,p:V]")
    data.ok("data", "copy", "/a/x", "/b/z", "--by-position")
    assert rows(data, "/b/z") == rows(data, "/a/x")


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["--map", "x"], 2, "NAME=ELEMENT"),
        (["--map", "x=a", "--map", "x=b"], 2, "renamed to a and to b"),
        (["--map", "x=a", "--by-position"], 2, "exclude each other"),
        (["--map", "z=a"], 1, "there is no element z"),
    ],
)
def test_maps_that_say_nothing(data, options, status, text):
    refused = data("data", "copy", "/a/x", "/b/y", *options)
    assert (refused.status, refused.out) == (status, "")
    assert text in refused.err
    assert data("stream", "info", "/b/y").status == 1


def test_what_cannot_be_copied(data):
    data.ok("stream", "create", "/b/y:int16[x]")
    result = data("data", "copy", "/a/x", "/b/y", "--json")
    assert (result.status, result.error()["code"]) == (1, "layout_mismatch_error")
    assert data("data", "copy", "/a/nope", "/b/z", "--json").error()["code"] == "stream_not_found"
    assert data("data", "copy", "/a/x", "/a/x").status == 1


def test_a_pattern_keeps_the_folders_below_it(data):
    fill(data, "/a/deep/z", (0, 5))
    refused = data("data", "copy", "/a/**", "/b")
    assert refused.status == 1
    assert "/a/deep/z -> /b/deep/z" in refused.err
    copied = json.loads(data.ok("data", "copy", "/a/**", "/b", "--yes", "--json"))
    assert {each["destination"]: each["rows"] for each in copied} == {"/b/x": 20, "/b/deep/z": 5}


def _fill_big(joule, count):
    """Two intervals with a row per millisecond."""
    half, step = count // 2, 1000

    async def prepare(node):
        stream = await fill_node(node, "/a/big", [])
        for first in (0, half * step + 5_000_000):
            async with await node.data_write(stream) as pipe:
                await pipe.write(rows_at(range(first, first + half * step, step)))

    with_node(joule, prepare)


def test_a_copy_that_fails_half_way_is_3_and_says_where_it_got(joule):
    _fill_big(joule, 2_000_000)
    joule.ok("node", "add", "small", "small.db")
    failed = joule.shell("ulimit -f 400; joule -n local data copy /a/big small:/b/big")
    assert failed.status == 3
    assert "rows of /b/big, the last at" in failed.err
    assert "Repeat the command" in failed.err
    assert "OK" not in failed.out
    joule.ok("-n", "local", "data", "copy", "/a/big", "small:/b/big", "--verify")
    assert intervals(joule, "/b/big", "small.db") == intervals(joule, "/a/big")


@pytest.mark.parametrize("form", ["plain", "json"])
def test_an_interrupted_copy_is_completed_by_repeating_it(joule, form):
    count = 3_000_000
    _fill_big(joule, count)
    child = subprocess.Popen(
        [*PROGRAM, "data", "copy", "/a/big", "/b/big", "--format", form],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=joule.environment(),
    )
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and child.poll() is None and not _some(joule):
        time.sleep(0.005)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=15)
    assert child.returncode == 130
    told = err if form == "plain" else json.loads(err)["error"]["message"]
    assert "Repeat the command" in told
    assert 0 < _some(joule) < count
    joule.ok("data", "copy", "/a/big", "/b/big", "--verify")
    assert _some(joule) == count
    assert intervals(joule, "/b/big") == intervals(joule, "/a/big")


def _some(joule):
    async def count(node):
        from joule_cli.errors import StreamNotFound

        try:
            return await node.data_count("/b/big")
        except StreamNotFound:
            return 0

    return with_node(joule, count)


def test_an_unknown_column_does_not_turn_a_done_copy_into_a_failure(data):
    result = data("data", "copy", "/a/x", "/b/y", "--csv", "--columns", "rows,nope")
    assert (result.status, result.out) == (0, "rows\n20\n")
    assert "there is no column 'nope'" in result.err
