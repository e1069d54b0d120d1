"""joule event copy"""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest

from joule_cli.errors import ApiError
from tests.cli.conftest import PROGRAM, Joule
from tests.cli.filling import at, fill, with_node
from tests.ops import events
from tests.ops.events import numbered

SECOND = 1_000_000


def put(joule, path, plain, file="joule.db"):
    with_node(joule, lambda node: events.put(node, path, plain), file)


def got(joule, path, file="joule.db"):
    return with_node(joule, lambda node: events.got(node, path), file)


def seconds(*starts):
    return numbered([s * SECOND for s in starts])


@pytest.fixture
def data(joule):
    put(joule, "/a/x", seconds(*range(10)))
    return joule


def test_a_copy_has_all_events(data):
    lines = data.ok("event", "copy", "/a/x", "/b/y").splitlines()
    assert lines == ["/a/x -> /b/y: 10 events, event stream created", "OK"]
    assert got(data, "/b/y") == got(data, "/a/x")
    assert data.ok("event", "copy", "/a/x", "/b/", "-q") == ""
    assert got(data, "/b/x") == got(data, "/a/x")


def test_bounds_and_a_filter(data):
    data.ok("event", "copy", "/a/x", "/b/y", "-s", at(2), "-e", at(6))
    assert got(data, "/b/y") == sorted(seconds(2, 3, 4, 5), key=repr)
    data.ok("event", "copy", "/a/x", "/b/z", "-s", "end-3s", "--where", f"n >= {8 * SECOND}")
    assert got(data, "/b/z") == sorted(seconds(8, 9), key=repr)
    value = json.loads(
        data.ok(
            *("event", "copy", "/a/x", "/b/z", "--action", "ignore", "--json"),
            *("--filter", f'[[["n","eq",{8 * SECOND}]]]'),
        )
    )
    assert (value["events"], value["present"], value["created"]) == (1, 0, False)
    bad = data("event", "copy", "/a/x", "/b/w", "--where", "n >> 1")
    assert bad.status == 1
    assert "^" in bad.err
    assert "/b/w" not in data.ok("folder", "list", "--flat")


def test_times_are_read_before_anything_else(data):
    put(data, "/b/y", seconds(1))
    result = data("event", "copy", "/a/x", "/b/y", "-s", "1 hour agoo")
    assert result.status == 1
    assert "start time" in result.err
    assert data("event", "copy", "/a/x", "/b/y", "-s", at(5), "-e", at(5)).status == 1


@pytest.mark.parametrize(
    ("action", "expected"),
    [("ignore", [1, 1, 2, 3, 50]), ("skip", [1, 2, 3, 50]), ("replace", [1, 2, 3])],
)
def test_an_action_answers_the_question(joule, action, expected):
    put(joule, "/a/x", seconds(1, 2, 3))
    put(joule, "/b/y", seconds(1, 50))
    joule.ok("event", "copy", "/a/x", "/b/y", "--action", action)
    assert got(joule, "/b/y") == sorted(seconds(*expected), key=repr)


def test_nobody_to_ask(data):
    put(data, "/b/y", seconds(1, 50))
    before = got(data, "/b/y")
    result = data("event", "copy", "/a/x", "/b/y")
    assert result.status == 1
    assert result.out == ""
    assert "2 events" in result.err
    assert "--action ignore, replace or skip" in result.err
    refused = data("event", "copy", "/a/x", "/b/y", "--no-input", stdin="s\n")
    assert (refused.status, "--action" in refused.err) == (1, True)
    assert data("event", "copy", "/a/x", "/b/y", "--json").status == 1
    assert got(data, "/b/y") == before
    # outside of the range is nothing to ask about
    data.ok("event", "copy", "/a/x", "/b/y", "-s", at(5), "-e", at(6))
    data.ok("event", "copy", "/a/x", "/b/y", "--yes")
    assert got(data, "/b/y") == sorted(seconds(*range(10), 50), key=repr)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("c", [1, 50]),
        ("", [1, 50]),
        ("i", [1, 1, 2, 50]),
        ("r", [1, 2]),
        ("what?\nskip", [1, 2, 50]),
    ],
)
def test_answers_through_a_pipe(joule, answer, expected):
    put(joule, "/a/x", seconds(1, 2))
    put(joule, "/b/y", seconds(1, 50))
    result = joule("event", "copy", "/a/x", "/b/y", stdin=f"{answer}\n")
    assert result.status == 0
    assert result.out.splitlines()[-1] == ("Cancelled" if answer in {"c", ""} else "OK")
    assert got(joule, "/b/y") == sorted(seconds(*expected), key=repr)


def test_answers_on_a_terminal(joule):
    put(joule, "/a/x", seconds(1, 2))
    put(joule, "/b/y", seconds(1, 50))
    shown = joule.terminal("event", "copy", "/a/x", "/b/y", typed="r\n", when="[s]kip?")
    assert shown.status == 0
    assert "1 event, 1 were there already, 1 event removed" in shown.out
    shown = joule.terminal("event", "copy", "/a/x", "/b/y", send=signal.SIGINT, when="[s]kip?")
    assert shown.status == 130


def test_new_never_asks_and_continues(data):
    data.ok("event", "copy", "/a/x", "/b/y", "-e", at(4))
    put(data, "/b/y", [(0, 10**12, "long")])
    value = json.loads(data.ok("event", "copy", "/a/x", "/b/y", "--new", "--json"))
    assert (value["events"], value["present"]) == (6, 1)
    value = json.loads(data.ok("event", "copy", "/a/x", "/b/y", "-n", "-a", "ignore", "--json"))
    assert (value["events"], value["present"]) == (0, 1)
    assert data("event", "copy", "/a/x", "/b/y", "--new", "-s", at(2)).status == 1
    assert data("event", "copy", "/a/x", "/b/y", "--new", "-a", "replace").status == 1


def test_a_dry_run_changes_nothing(data):
    (value,) = json.loads(data.ok("event", "copy", "/a/x", "/b/y", "--dry-run", "--json"))
    assert (value["creates"], value["events"]) == (True, 10)
    assert data("event", "copy", "/a/x", "/b/y", "--where", "n > 1", "--dry-run").status == 0
    assert "/b/y" not in data.ok("folder", "list", "--flat")
    put(data, "/b/y", seconds(1, 50))
    assert "--action" in data("event", "copy", "/a/x", "/b/y", "--dry-run").err
    (value,) = json.loads(
        data.ok("event", "copy", "/a/x", "/b/y", "--dry-run", "--json", "-a", "replace")
    )
    assert (value["events"], value["present"], value["removed"]) == (9, 1, 1)
    assert got(data, "/b/y") == sorted(seconds(1, 50), key=repr)


def test_to_and_from_another_node(data):
    data.ok("node", "add", "other", "other.db")
    data.ok("-n", "local", "event", "copy", "/a/x", "/b/y", "-d", "other")
    assert got(data, "/b/y", "other.db") == got(data, "/a/x")
    data.ok("-n", "local", "event", "copy", "other:/b/y", "/back")
    assert got(data, "/back") == got(data, "/a/x")
    assert data("-n", "local", "event", "copy", "/a/x", "other:/c", "-d", "other").status == 2


def test_what_cannot_be_copied(data):
    fill(data, "/a/rows", (0, 5))
    missing = data("event", "copy", "/a/none", "/b/y", "--json")
    assert (missing.status, missing.error()["code"]) == (1, "stream_not_found")
    wrong = data("event", "copy", "/a/rows", "/b/y")
    assert (wrong.status, "data stream" in wrong.err) == (1, True)
    taken = data("event", "copy", "/a/x", "/a/rows", "--json")
    assert (taken.status, taken.error()["code"]) == (1, "name_taken_error")
    assert data("event", "copy", "/a/x", "/a/x").status == 1
    assert "/b" not in data.ok("folder", "list", "--flat")


def test_thousands_of_events_with_one_start(joule):
    put(joule, "/a/x", [(5, 6, {"n": n}) for n in range(10_500)])
    value = json.loads(joule.ok("event", "copy", "/a/x", "/b/y", "--json"))
    assert value["events"] == 10_500
    assert sorted(e[2]["n"] for e in got(joule, "/b/y")) == [*range(10_500)]
    value = json.loads(joule.ok("event", "copy", "/a/x", "/b/y", "--new", "--json"))
    assert (value["events"], value["present"]) == (0, 10_500)


COUNT = 150_000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    joule = Joule(tmp_path_factory.mktemp("large"))
    # three events share each start
    put(joule, "/a/big", [(n // 3, n // 3 + 5, {"n": n}) for n in range(COUNT)])
    return joule


def number(joule, path):
    async def count(node):
        try:
            return await node.event_stream_count(path)
        except ApiError:  # the stream is not there yet
            return 0

    return with_node(joule, count)


def is_complete(joule, source, destination):
    """Whether the streams have equal events."""
    (plan,) = json.loads(
        joule.ok(
            *("-n", "local", "event", "copy", source, destination),
            *("-a", "replace", "--dry-run", "--json"),
        )
    )
    return (plan["events"], plan["present"], plan["removed"]) == (0, COUNT, 0)


@pytest.mark.parametrize(
    ("sent", "again"),
    [
        (signal.SIGINT, ["--new"]),
        (signal.SIGKILL, ["--new"]),
        (signal.SIGKILL, ["--action", "skip"]),
        (signal.SIGINT, ["--action", "replace"]),
    ],
)
def test_an_interrupted_copy_is_completed_by_repeating_it(large, sent, again):
    path = f"/b/{sent}{again[-1]}"
    child = subprocess.Popen(
        [*PROGRAM, "event", "copy", "/a/big", path, *again],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=large.environment(),
    )
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and child.poll() is None and not number(large, path):
        time.sleep(0.005)
    child.send_signal(sent)
    out, err = child.communicate(timeout=15)
    assert "OK" not in out
    if sent == signal.SIGINT:
        assert child.returncode == 130
        assert f"events of {path}, the last at" in err
        assert "Repeat the command" in err
        assert again == ["--new"] or "--action replace" in err
    assert 0 < number(large, path) < COUNT
    large.ok("event", "copy", "/a/big", path, *again)
    assert is_complete(large, "/a/big", path)


def test_a_copy_that_fails_half_way_is_3_and_says_where_it_got(large):
    large.ok("node", "add", "small", "small.db")
    failed = large.shell("ulimit -f 8000; joule -n local event copy /a/big small:/b/big")
    assert failed.status == 3
    assert "events of /b/big, the last at" in failed.err
    assert "--action skip" in failed.err
    assert "OK" not in failed.out
    large.ok("-n", "local", "event", "copy", "/a/big", "small:/b/big", "--action", "skip")
    assert is_complete(large, "/a/big", "small:/b/big")
