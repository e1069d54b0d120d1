"""joule event read --follow"""

from __future__ import annotations

import json
import signal

import pytest
from aiohttp import web

from tests.cli.following import Running
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.server.replay import body_bytes, read_recording
from tests.serving import KEY, listening, serve

T0 = 1_700_000_000_000_000
PATH = "/a/switches"


@pytest.fixture(params=["file", "served"])
def node(request, joule):
    """The program on a file, or on a node that is served."""
    if request.param == "file":
        joule.ok("event", "create", PATH)
        yield joule
        return

    async def start(stack):
        node = await stack.enter_async_context(FileNode("plant", joule.folder / "served.db"))
        return await stack.enter_async_context(serve(node))

    with running(start) as served:
        joule.env.update({"JOULE_URL": served.url, "JOULE_API_KEY": KEY})
        joule.ok("event", "create", PATH)
        yield joule


def add(joule, *numbers, start=T0):
    lines = [
        json.dumps({"start_time": start + n, "end_time": start + n + 1, "content": {"n": n}})
        for n in numbers
    ]
    joule.ok("event", "write", "-q", PATH, "--jsonl", stdin="\n".join(lines))


def numbers(lines):
    return [json.loads(line)["content"]["n"] for line in lines]


def test_new_events_come_behind_those_since_the_start(node):
    add(node, 1, 2, 3)
    options = ("--follow", "--jsonl", "--start", T0 + 2)
    with Running(node, "event", "read", PATH, *options) as reader:
        # the first one ends when it begins
        assert numbers(reader.lines(3)) == [1, 2, 3]
        add(node, 9, 8)
        assert sorted(numbers(reader.lines(2))) == [8, 9]
        # before the start, and then earlier than what was printed
        add(node, 0)
        add(node, 5)
        assert numbers(reader.lines(1)) == [5]
        assert reader.end() == (0, [], [])


def test_filter_limit_and_plain_lines(node):
    add(node, 1)
    options = ("--follow", "--where", "n > 2", "--limit", 2, "--start", T0)
    with Running(node, "event", "read", PATH, *options, "--no-header") as reader:
        add(node, 2, 3)
        (line,) = reader.lines(1)
        assert line.split()[-1] == "3"
        add(node, 4, 5)
        (line,) = reader.lines(1)
        assert line.split()[-1] in {"4", "5"}
        assert reader.end(None) == (0, [], [])


def test_a_file_is_complete_when_it_is_ended(joule):
    joule.ok("event", "create", PATH)
    add(joule, 1)
    options = ("--follow", "--start", T0, "--limit", 1, "-f", "events.json")
    joule.ok("event", "read", PATH, "-q", *options)
    assert len(json.loads((joule.folder / "events.json").read_text())) == 1


def test_sigterm_ends_it_well_and_an_end_contradicts_it(joule):
    joule.ok("event", "create", PATH)
    add(joule, 1)
    with Running(joule, "event", "read", PATH, "--follow", "--jsonl", "--start", T0) as reader:
        reader.lines(1)
        assert reader.end(signal.SIGTERM) == (0, [], [])
    assert joule("event", "read", PATH, "--follow", "--end", "now").status == 1


@pytest.mark.parametrize("recorded", ["event_read_many_limit", "event_read_empty"])
def test_a_joule_1_0_1_node_cannot_tell_of_new_events(joule, recorded):
    """It takes the question for a read, whether it has an event to answer with or none."""
    lines = {line["name"]: line for line in read_recording("daemon") if "name" in line}
    answers = {
        "/version.json": lines["version_json"],
        "/event.json": lines["event_get_with_data"],
        "/event/data.json": lines[recorded],
    }
    asked = []

    async def answer(request):
        asked.append((request.path, request.query.get("limit")))
        response = answers[request.path]["response"]
        return web.Response(
            status=response["status"],
            body=body_bytes(response["body"]),
            headers={"Content-Type": response["headers"]["content-type"]},
        )

    async def start(stack):
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        return await stack.enter_async_context(listening(app))

    with running(start) as url:
        path = "/rec/events/starts"
        result = joule("event", "read", path, "--follow", env={"JOULE_URL": url})
    assert (result.status, result.out) == (1, "")
    assert result.err == f"Error: the node cannot tell of new events: {path}\n"
    # and no more of it is read than one event
    assert asked.count(("/event/data.json", "1")) == 1
    assert {limit for _, limit in asked} <= {None, "1"}
