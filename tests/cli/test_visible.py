"""What comes from data and files is shown without what steers a terminal."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shlex
import sys

import pytest
from aiohttp import web

from joule_cli.cli._log_format import LineFormatter
from joule_cli.model import Annotation, DataStream, Element, Event, EventStream
from joule_cli.series.visible import lines_of, one_line
from tests.archives import flow_model, npy, write_archive
from tests.cli.conftest import Forked, forks
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import listening

T = 1_700_000_000_000_000
SECOND = 1_000_000
#: A name that sets the title, colours, moves the cursor, begins a line, and turns text around.
EVIL = "a\x1b]0;x\x07\x1b[31m\x9b2J\r\nError: b\t\x7f\u202egnp\u2066c\u200f\u2028d\u061c"
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
#: What the program itself draws with: colours, and what takes a bar off the screen.
OWN = re.compile(r"\x1b\[[0-9;]*m|\r?\x1b\[K|\r")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("größe 温度 🌡", "größe 温度 🌡"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[31m\x9b", "\\x1b[31m\\x9b"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2066a\u2069\u200e", "\\u2066a\\u2069\\u200e"),
        ("a\u2028b\x85c", "a\\u2028b\\x85c"),
        ("क्‍ष", "क्‍ष"),
    ],
)
def test_what_steers_is_escaped(text, line):
    assert one_line(text) == line


def test_lines_and_tabs_stay_in_a_text_of_lines():
    assert lines_of("a\n\tb\r\x1b\u202e") == "a\n\tb\\r\\x1b\\u202e"


def test_a_record_of_the_log_is_a_line():
    try:
        int(EVIL)
    except ValueError:
        record = logging.LogRecord("x", 30, "x", 1, "about %s", (EVIL,), sys.exc_info())
    text = LineFormatter("%(message)s").format(record)
    assert text.splitlines()[0] == f"about {one_line(EVIL)}"
    assert "Traceback" in text.splitlines()[1]
    assert not STEERING.search(text)


async def _fill(folder):
    path = f"/{EVIL}/{EVIL}"
    async with FileNode("lab", folder / "joule.db") as node:
        elements = [Element(name=EVIL, units=EVIL), Element(name="b")]
        model = DataStream(name=EVIL, description=EVIL, elements=elements)
        stream = await node.data_stream_create(model, f"/{EVIL}")
        async with await node.data_write(path) as pipe:
            await pipe.write([[T + i * SECOND, i, i] for i in range(10)])
        await node.annotation_create(Annotation(EVIL, T, content=EVIL), stream)
        events = EventStream(
            name="e", description=EVIL, event_fields={EVIL: "string", "n": "numeric"}
        )
        await node.event_stream_create(events, "/e")
        content = {EVIL: EVIL, "n": 1, f"{EVIL}2": {EVIL: [EVIL]}}
        await node.event_stream_write("/e/e", [Event(T, T + 5, content)])
        await node.event_stream_create(EventStream(name=EVIL), "/e")
        await node.folder_create(f"/{EVIL}/inner", EVIL)


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """A node whose names come from an attacker, and files of one."""
    folder = tmp_path_factory.mktemp("evil")
    asyncio.run(_fill(folder))
    flow = (EVIL, flow_model(), {f"{T}.dat": npy([T, T + SECOND])})
    events = (EVIL, [{"start_time": T, "end_time": None, "content": {EVIL: 1}}])
    write_archive(folder / "bad.zip", data=[flow], events=[events], name=EVIL, node=EVIL)
    (folder / f"{EVIL}.csv").write_text("timestamp,x\n1,2\n")
    return folder


@pytest.fixture
def run(evil):
    return Forked(forks(), evil)


@pytest.fixture(scope="module")
def hostile():
    """The address of a node that answers with such names."""
    module = {"id": 0, "name": EVIL, "description": EVIL, "is_app": True}
    module |= {"inputs": {EVIL: EVIL}, "outputs": {EVIL: EVIL}, "statistics": None}
    message = {"message": EVIL, "source_label": EVIL, "metadata": {"destination": EVIL}}
    answers = {
        "/modules.json": [module],
        "/module.json": module,
        "/module/logs.json": [EVIL, f"[2026-03-01T08:15:00.250000]: {EVIL}"],
        "/proxies.json": [{"id": 0, "name": EVIL, "url": "http://x/"}],
        "/proxy.json": {"id": 0, "name": EVIL, "url": "http://x/"},
        "/masters.json": [{"master_type": "User", "name": EVIL}],
        "/followers.json": [{"id": 1, "name": EVIL, "location": EVIL, "key": "k"}],
        "/archive.json": {"info": [message], "warnings": [message], "errors": [message]},
        "/version.json": {"version": EVIL, "name": EVIL, "uuid": EVIL},
        "/dbinfo": {"name": EVIL, "version": EVIL, "uuid": EVIL, "path": EVIL},
    }

    async def answer(request):
        await request.read()
        if request.path in answers:
            return web.json_response(answers[request.path])
        return web.Response(status=400, text=EVIL)

    async def start(stack):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        return await stack.enter_async_context(listening(app))

    with running(start) as url:
        yield url


P = shlex.quote(f"/{EVIL}/{EVIL}")
LINES = [
    "folder list",
    "folder list --layout -i --info",
    "folder list --flat",
    f"folder info {shlex.quote('/' + EVIL)}",
    f"folder info {shlex.quote('/' + EVIL + '/inner')}",
    f"folder delete {shlex.quote('/' + EVIL)} -r --dry-run",
    f"folder delete {shlex.quote('/' + EVIL)}",
    "folder delete '/*' -r",
    "stream list --info",
    "stream list --columns path,name,description",
    f"stream info {P} -e --spark",
    f"stream get {P}",
    f"stream delete {P}",
    f"stream delete {P}x --yes",
    "stream update 1 --element c units=x",
    f"stream create {P}:float32[x]",
    f"data read {P} -i c",
    f"data read {P} --start 2000-01-01 --end 2000-01-02 --fail-empty",
    f"data plot {P}",
    f"data plot {P} --ascii",
    f"data plot {P} --end 2000-01-01",
    f"data intervals {P} --timeline",
    "data intervals '/**'",
    f"data intervals {P} --gaps --durations",
    f"data count {P} {P}",
    f"data delete {P} --all --dry-run",
    f"data copy {P} {P}x --dry-run",
    "data copy '/**' /copied",
    f"data export {P}x --to out/",
    f"data merge -p {P} -s {P} -d /both",
    f"data mean {P} /both -w 3",
    "event list --info",
    "event info /e/e",
    "event get /e/e",
    "event read /e/e",
    "event read /e/e --fields n,b",
    "event read /e/e --where 'b > 3'",
    f"event read /e/{shlex.quote(EVIL)}",
    f"event count {shlex.quote('/e/' + EVIL)} /e/e",
    f"event remove {shlex.quote('/e/' + EVIL)} --all --yes",
    "event update /e/e --drop-field b",
    "event copy /e/e '/e/e'",
    f"annotation list {P}",
    f"annotation info {P}",
    "annotation delete 1 --dry-run",
    f"stream annotations {P}",
    "db query",
    f"db query 'SELECT * FROM {shlex.quote(chr(34) + EVIL + '/' + EVIL + chr(34))[1:-1]}'",
    "db query 'SELECT * FROM \"e/e\"'",
    "db query 'SELECT * FROM \"a\"'",
    "archive inspect bad.zip -v",
    f"archive inspect {shlex.quote(EVIL + '.csv')}",
    f"data ingest {shlex.quote(EVIL + '.cs')} --stream /x",
    f"data write /none {shlex.quote(EVIL)}",
]


SERVED = [
    "module list",
    "module list --statistics",
    "module info 0",
    "module logs 0",
    "module info none",
    "proxy list",
    "proxy info 0",
    "master list",
    "master delete user none",
    "follower list",
    "follower delete none",
    "archive upload bad.zip -v",
    "node info",
    "node ping",
    "stream list",
    "data read /a/b",
    "folder delete /x --yes",
    "event create /x/y",
]


def check(run, line, env):
    result = run(line, env=env)
    shown = run(line, typed="n\nn\n", env={"TERM": "xterm", "COLUMNS": "100", **env})
    for text in (result.out, result.err, OWN.sub("", shown.out)):
        assert not STEERING.search(text)
        # and no line of it begins a message
        assert not re.search(r"^Error: b", text, re.MULTILINE)
    return result


@pytest.mark.parametrize("line", LINES)
def test_nothing_steers_a_pipe_or_a_terminal(run, line):
    check(run, line, {})


@pytest.mark.parametrize("line", SERVED)
def test_nor_does_what_a_node_answers(run, hostile, line):
    check(run, line, {"JOULE_URL": hostile})


def test_the_archive_is_listed(run):
    shown = run("archive inspect bad.zip -v").out
    assert f"Node:\t{one_line(EVIL)}" in shown
    assert f"Label:     {one_line(EVIL)}" in shown


def test_programs_get_what_is_there(run):
    found = json.loads(run("stream list --json").out)
    assert found[0]["name"] == EVIL
