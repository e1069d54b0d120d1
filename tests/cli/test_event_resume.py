"""joule event write, event copy and annotation create that are cut off, and repeated."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import time
from collections import Counter

import pytest

from joule_cli.errors import StreamNotFound
from joule_cli.model import Event
from joule_cli.ops import event_resume
from tests.cli.conftest import PROGRAM
from tests.cli.filling import with_node
from tests.cli.test_event_read import T0, fill, stored
from tests.nodes import FileNode
from tests.remote.mortal import mortal
from tests.serving import KEY

WRITE = ("event", "write", "/house/events")
#: More than one transaction takes.
MANY = 51_000


@pytest.fixture
def house(joule):
    fill(joule, "/house/events", [])
    return joule


def lines(numbers):
    return "".join(
        json.dumps(
            {"start_time": T0 + n // 3, "end_time": T0 + n // 3 + 5, "content": {"n": n % 7}}
        )
        + "\n"
        for n in numbers
    )


def keys(events):
    return Counter((e.start_time, e.end_time, json.dumps(e.content)) for e in events)


def expected(numbers):
    return keys([Event(T0 + n // 3, T0 + n // 3 + 5, {"n": n % 7}) for n in numbers])


def count(joule):
    return with_node(joule, lambda node: node.event_stream_count("/house/events"))


def begin(joule, *words, **kw):
    return subprocess.Popen(
        [*PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=joule.environment(kw),
        cwd=joule.folder,
    )


def wait_until(done):
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end


def told(text):
    """The number of events that a message says are stored."""
    return int(
        re.search(r"([\d,]+) (?:events?|annotations?) of \S+ (?:is|are)", text)[1].replace(",", "")
    )


# -- node files


def test_what_fits_a_transaction_is_stored_as_a_whole_or_not_at_all(house):
    (house.folder / "e.jsonl").write_text(lines(range(20_000)))
    seen = set()
    for _ in range(8):
        with begin(house, *WRITE, "e.jsonl", "--resume") as child:
            time.sleep(random.uniform(0.1, 1.2))
            child.kill()
            child.wait()
        seen.add(count(house))
        assert seen <= {0, 20_000}
    house(*WRITE, "e.jsonl", "--resume")
    assert keys(stored(house, "/house/events")) == expected(range(20_000))


def test_a_signal_stores_nothing_or_all(house):
    (house.folder / "e.jsonl").write_text(lines(range(20_000)))
    for number in (signal.SIGINT, signal.SIGTERM):
        before = count(house)
        with begin(house, *WRITE, "e.jsonl") as child:
            time.sleep(random.uniform(0.3, 0.8))
            child.send_signal(number)
            err = child.communicate()[1].decode()
        if "are stored" in err:
            assert told(err) == 20_000
        assert count(house) - before in ({0, 20_000} if child.returncode else {20_000})


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_longer_file_is_resumed_after_a_kill(house, shuffled):
    numbers = list(range(MANY))
    if shuffled:
        random.Random(1).shuffle(numbers)
    (house.folder / "e.jsonl").write_text(lines(numbers))
    with begin(house, *WRITE, "e.jsonl") as child:
        wait_until(lambda: count(house))
        child.kill()
        child.wait()
    there = count(house)
    assert 0 < there < MANY
    result = house(*WRITE, "e.jsonl", "--resume")
    assert (result.status, result.out) == (0, f"{MANY - there}\n")
    assert result.err == f"{there:,} events there already\n"
    assert keys(stored(house, "/house/events")) == expected(range(MANY))
    assert house(*WRITE, "e.jsonl", "--resume").out == "0\n"


def test_what_an_interruption_says_is_stored(house):
    (house.folder / "e.jsonl").write_text(lines(range(MANY)))
    with begin(house, *WRITE, "e.jsonl") as child:
        wait_until(lambda: count(house))
        child.send_signal(signal.SIGINT)
        err = child.communicate()[1].decode()
    assert child.returncode == 130
    assert told(err) == count(house) < MANY
    assert f"those up to line {count(house)} of the input; repeat the command with --resume" in err
    house(*WRITE, "e.jsonl", "--resume")
    assert keys(stored(house, "/house/events")) == expected(range(MANY))


@pytest.mark.parametrize("order", [1, -1])
def test_equal_events_are_left_out_as_often_as_they_are_there(house, order):
    numbers = [1, 1, 1, 2, 9, 9, 30][::order]
    (house.folder / "e.jsonl").write_text(lines(numbers))
    fill(house, "/house/events", [Event(T0, T0 + 5, {"n": 1}), Event(T0 + 3, T0 + 8, {"n": 0})])
    result = house(*WRITE, "e.jsonl", "--resume")
    assert (result.out, result.err) == ("6\n", "1 event there already\n")
    # the one of number 21 is not in the file
    assert count(house) == 8


@pytest.mark.parametrize("order", [1, -1])
async def test_blocks_that_meet_in_equal_events(tmp_path, order):
    events = [Event(n // 5, None, {"n": 0}) for n in range(40)][::order]
    async with FileNode("demo", tmp_path / "x.db") as node:
        stream = await node.event_stream_get("/a/e", create=True)
        await node.event_stream_write(stream, [Event(3, None, {"n": 0}), Event(4, None, {"n": 0})])
        seen = event_resume.Seen()
        seen.take(events)
        present = event_resume.Present(node, stream, seen)
        missing = 0
        for first in range(0, 40, 3):
            left = await present.leave_out(events[first : first + 3])
            missing += len(left)
            fresh = [Event(e.start_time, e.end_time, e.content) for e in left]
            await node.event_stream_write(stream, fresh)
        assert missing == 38
        assert await node.event_stream_count(stream) == 40


def test_a_pipe_is_resumed_in_order(house):
    fill(house, "/house/events", [Event(T0, T0 + 5, {"n": 1})])
    result = house(*WRITE, "--resume", stdin=lines([1, 5, 8]))
    assert (result.status, result.out) == (0, "2\n")
    result = house(*WRITE, "--resume", stdin=lines([8, 1]))
    assert result.status == 1
    assert "begins before the one in front of it" in result.err
    assert "Write the events to a file first." in result.err
    assert count(house) == 3


def test_resume_is_for_files(house):
    assert house(*WRITE, "--resume", "--start", "5").status == 2


# -- served nodes


def test_a_server_that_is_killed(house):
    (house.folder / "e.jsonl").write_text(lines(range(MANY)))
    place, file = house.folder / "socket", house.folder / "joule.db"
    env = {"JOULE_URL": f"unix:{place}", "JOULE_API_KEY": KEY}
    with mortal(file, place) as server, begin(house, *WRITE, "e.jsonl", **env) as child:
        wait_until(lambda: count(house) >= 3000)
        server.kill()
        err = child.communicate()[1].decode()
    assert child.returncode == 3
    there, said = count(house), told(err)
    unsure = re.search(r"up to ([\d,]+) more may be", err)
    assert said % 500 == 0
    assert said <= there <= said + (int(unsure[1].replace(",", "")) if unsure else 0)
    with mortal(file, place):
        result = house(*WRITE, "e.jsonl", "--resume", env=env)
    assert (result.status, result.out) == (0, f"{MANY - there}\n")
    assert keys(stored(house, "/house/events")) == expected(range(MANY))


def test_a_writer_to_a_server_that_is_interrupted(house):
    (house.folder / "e.jsonl").write_text(lines(range(MANY)))
    place, file = house.folder / "socket", house.folder / "joule.db"
    env = {"JOULE_URL": f"unix:{place}", "JOULE_API_KEY": KEY}
    with mortal(file, place):
        with begin(house, *WRITE, "e.jsonl", **env) as child:
            wait_until(lambda: count(house) >= 1000)
            child.send_signal(signal.SIGINT)
            err = child.communicate()[1].decode()
        assert child.returncode == 130
        assert told(err) == count(house) < MANY
        with begin(house, *WRITE, "e.jsonl", "--resume", **env) as child:
            there = count(house)
            wait_until(lambda: count(house) > there)
            child.kill()
            child.wait()
        house(*WRITE, "e.jsonl", "--resume", env=env)
    assert keys(stored(house, "/house/events")) == expected(range(MANY))


def test_a_copy_to_a_server_that_is_killed(house):
    fill(house, "/house/events", [Event(T0 + n, None, {"n": n}) for n in range(MANY)])
    place, file = house.folder / "socket", house.folder / "far.db"
    env = {"JOULE_API_KEY": KEY}
    copy = ("event", "copy", "/house/events", "far:/house/events")

    def copied():
        async def body(node):
            try:
                return await node.event_stream_count("/house/events")
            except StreamNotFound:
                return 0

        return with_node(house, body, "far.db")

    with mortal(file, place) as server:
        house.ok("node", "add", "far", f"unix:{place}", "--no-check", env=env)
        house("node", "default", "local")
        with begin(house, *copy, **env) as child:
            wait_until(lambda: copied() >= 3000)
            server.kill()
            err = child.communicate()[1].decode()
    assert child.returncode == 3, err
    said = int(re.search(r"after ([\d,]+) events", err)[1].replace(",", ""))
    unsure = re.search(r"up to ([\d,]+) more may be stored", err)
    there = copied()
    assert said % 500 == 0
    assert said <= there <= said + (int(unsure[1].replace(",", "")) if unsure else 0)
    with mortal(file, place):
        result = house(*copy, "--action", "skip", env=env)
    assert result.status == 0
    assert copied() == MANY


# -- annotations


def notes(n_notes):
    return "".join(f"note {i % 5},,{i // 2}\n" for i in range(n_notes))


def n_noted(joule):
    async def body(node):
        return (await node.annotation_info("/a/x")).count

    return with_node(joule, body)


def test_annotations_of_a_file_are_stored_as_a_whole_or_not_at_all(joule):
    joule.ok("stream", "create", "/a/x:int8[v]")
    (joule.folder / "notes.csv").write_text(notes(3000))
    words = ("annotation", "create", "/a/x", "--from", "notes.csv")
    for _ in range(5):
        with begin(
            joule, "annotation", "create", "/a/x", "--from", "notes.csv", "--resume"
        ) as child:
            time.sleep(random.uniform(0.1, 0.6))
            child.kill()
            child.wait()
        assert n_noted(joule) in {0, 3000}
    assert joule(*words, "--resume").status == 0
    assert n_noted(joule) == 3000


def test_annotations_for_a_server_are_resumed(joule):
    joule.ok("stream", "create", "/a/x:int8[v]")
    (joule.folder / "notes.csv").write_text(notes(400))
    words = ("annotation", "create", "/a/x", "--from", "notes.csv")
    place, file = joule.folder / "socket", joule.folder / "joule.db"
    env = {"JOULE_URL": f"unix:{place}", "JOULE_API_KEY": KEY}
    with mortal(file, place) as server, begin(joule, *words, **env) as child:
        wait_until(lambda: n_noted(joule) > 20)
        server.kill()
        err = child.communicate()[1].decode()
    assert child.returncode == 3
    there = n_noted(joule)
    assert there - told(err) in {0, 1}
    with mortal(file, place):
        result = joule(*words, "--resume", env=env)
    assert (result.status, result.err) == (0, f"{there:,} annotations there already\n")
    assert n_noted(joule) == 400
    assert joule("annotation", "create", "/a/x", "t", "--resume").status == 2
