"""Commands on a node that means harm."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import pytest
from aiohttp import web

from joule_cli.model import DataStream, Element
from tests.cli.serving import running
from tests.remote.hostile import answer, hostile
from tests.serving import listening

FLOW = DataStream(name="flow", elements=[Element("a")], id=3)
ROWS = struct.pack("<qfqf", 10, 1.0, 20, 2.0)
ROWS_HEAD = b"HTTP/1.1 200 OK\r\njoule-layout: float32_1\r\njoule-decimation: 1\r\n"


def facing(behaviour):
    """A hostile server beside the commands; `behaviour` also gets the head of the request."""

    async def start(stack):
        async def behave(reader, writer):
            await behaviour(server.requests[-1], writer)

        server = await stack.enter_async_context(hostile(behave))
        return f"http://127.0.0.1:{server.port}"

    return running(start)


def reset(writer):
    writer.transport.abort()


DEATHS = {
    "in a head": b"HTTP/1.1 200",
    "in JSON": answer(b'{"id": 1', length=1000),
    "in rows": ROWS_HEAD + b"Content-Length: 1000\r\n\r\n" + ROWS,
    "in a chunk": ROWS_HEAD + b"Transfer-Encoding: chunked\r\n\r\n100\r\n" + ROWS,
    "at once": b"",
}
COMMANDS = [
    *("folder list", "data read /flow", "data read /flow --live", "data count /flow"),
    *("data copy /flow local:/copy --yes", "data export /flow --to out.csv"),
    *("data write /flow rows.txt", "data ingest rows.txt --stream /flow"),
    *("event read /flow --follow", "data plot /flow", "master list", "node ping"),
]


@pytest.mark.parametrize("abort", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_server_that_dies_in_mid_answer_is_one_sentence(forked, death, abort):
    rows = "".join(f"{n} {n}\n" for n in range(1, 5000))
    (forked.folder / "rows.txt").write_text(rows)

    async def behave(head, writer):
        if b"GET /stream.json" in head:
            writer.write(answer(json.dumps(FLOW.to_json()).encode()))
            return
        writer.write(death)
        await writer.drain()
        (reset if abort else type(writer).close)(writer)

    with facing(behave) as url:
        for command in COMMANDS:
            done = forked(f"{command} --timeout 5", env={"JOULE_URL": url})
            lines = done.err.splitlines()
            assert done.status in {1, 3}, (command, done)
            assert sum(line.startswith("Error: ") for line in lines) == 1, (command, done)
            assert "Traceback" not in done.err
            assert "retrieved" not in done.err
            # the error, and perhaps what to do about it
            assert len(lines) <= 3, (command, done)


def test_a_server_that_dies_while_it_is_sent_rows_is_one_sentence(joule):
    """With so many rows on their way that writing waits."""

    async def behave(head, writer):
        if b"GET /stream.json" in head:
            writer.write(answer(json.dumps(FLOW.to_json()).encode()))
            return
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        for _ in range(5):
            writer.write(b"HTTP/1.1 400 no\r\nContent-Length: 1000\r\n\r\npart")
            await writer.drain()
        reset(writer)

    rows = "".join(f"{n} {n}\n" for n in range(1, 300_000))
    with facing(behave) as url:
        done = joule("--url", url, "data", "write", "/flow", stdin=rows)
    assert (done.status, "retrieved" in done.err, "Traceback" in done.err) == (1, False, False)
    assert [line for line in done.err.splitlines() if line.startswith("Error: ")] == [
        done.err.splitlines()[0]
    ]


NAMES = ["..", ".", "../../out", "a/../../out", "/etc/out", "a\0b", "x" * 300, "-rf", "a\nb", "%2e"]


INFO = {"start": 1, "end": 2, "rows": 2, "bytes": 1, "total_time": 1}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_streams_lead_to_no_files_elsewhere(forked, name):
    stream = FLOW.to_json() | {"name": name}
    inner = {"id": 2, "name": name, "children": [], "streams": [stream], "event_streams": []}
    tree = inner | {"id": 1, "name": "root", "children": [inner]}
    answers = {
        "/stream.json": stream | {"data_info": INFO},
        "/data/intervals.json": [[10, 21]],
        "/data/count.json": {"count": 2},
        "/annotations.json": [],
    }

    async def everything(request):
        if request.path == "/data":
            headers = {"joule-layout": "float32_1", "joule-decimation": "1"}
            return web.Response(body=ROWS, headers=headers)
        return web.json_response(answers.get(request.path, tree))

    async def start(stack):
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", everything)
        return await stack.enter_async_context(listening(app))

    before = set(forked.folder.parent.rglob("*"))
    with running(start) as url:
        for form in ("csv", "hdf5"):
            line = f"data export / --to deep/inside/{form}/ --format {form}"
            done = forked(line, env={"JOULE_URL": url})
            assert done.status in {0, 1, 3}
    inside = forked.folder / "deep"
    new = {path for path in set(forked.folder.parent.rglob("*")) - before if path != inside}
    assert all(inside in path.parents for path in new)
    if name in {"..", "."}:
        assert [path for path in new if path.suffix == ".csv"], "nothing was exported"


def test_a_drip_ends_with_the_time_limit(joule):
    program = [sys.executable, "-m", "joule_cli", "--timeout", "1", "folder", "list"]

    async def behave(head, writer):
        import asyncio

        writer.write(answer(b"{", length=10**6))
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    with facing(behave) as url:
        done = subprocess.run(
            [*program, "--url", url],
            env=joule.environment(),
            cwd=joule.folder,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert done.returncode == 1
    assert "has sent no more than" in done.stderr
    assert len(done.stderr.splitlines()) == 1
