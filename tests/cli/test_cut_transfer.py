"""Transfers from a node that are cut off half way: a part is never taken for the whole."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from joule_cli.model import DataStream, Element, Event, EventStream
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import KEY, serve

ROWS = 250_000
EVENTS = 20_000
#: Bytes of an answer after which the connection breaks, of about 10 and 4 millions.
CUT_ROWS, CUT_EVENTS = 7_000_000, 1_500_000


async def _fill(file):
    async with FileNode("far", file) as node:
        await _store(node)


async def _store(node):
    stream = DataStream(name="x", datatype="float64", elements=[Element(name=n) for n in "abcd"])
    await node.data_stream_create(stream, "/a")
    rows = np.zeros(ROWS, [("timestamp", "<i8"), ("data", "<f8", (4,))])
    rows["timestamp"] = np.arange(1, ROWS + 1)
    async with await node.data_write("/a/x") as pipe:
        await pipe.write(rows)
    await node.event_stream_create(EventStream(name="e"), "/a")
    events = [Event(i, i + 1, content={"text": "x" * 100}) for i in range(EVENTS)]
    await node.event_stream_write("/a/e", events)


class Breaking:
    """Passes bytes on, and breaks a connection over which too many have come."""

    def __init__(self, port):
        self._port = port
        self.limit = 0
        self.broken = 0

    async def __call__(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._pass_on(reader, far_writer, None))
        try:
            await self._pass_on(far_reader, writer, self.limit)
        finally:
            back.cancel()
            far_writer.transport.abort()
            writer.transport.abort()

    async def _pass_on(self, reader, writer, limit):
        seen = 0
        while piece := await reader.read(65536):
            seen += len(piece)
            if limit is not None and seen > limit:
                self.broken += 1
                return
            writer.write(piece)
            await writer.drain()


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("far") / "joule.db"
    asyncio.run(_fill(file))
    return file


@pytest.fixture
def far(forked, filled_file):
    """Runs a command at a node to which connections break."""
    between = []

    async def start(stack):
        node = await stack.enter_async_context(FileNode("far", filled_file))
        served = await stack.enter_async_context(serve(node))
        between.append(Breaking(int(served.url.rpartition(":")[2])))
        server = await asyncio.start_server(between[0], "127.0.0.1", 0)
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    with running(start) as url:

        def run(line):
            between[0].limit = CUT_ROWS if line.startswith("data") else CUT_EVENTS
            result = forked(line, env={"JOULE_URL": url, "JOULE_API_KEY": KEY})
            assert between[0].broken
            return result

        yield run


@pytest.mark.parametrize("options", ["", "--csv", "--jsonl"])
def test_rows_that_were_printed_are_a_part(far, options):
    result = far(f"data read /a/x {options}")
    assert result.status == 3
    assert 0 < result.out.count("\n") < ROWS
    assert result.out.endswith("\n")
    assert "Error" in result.err or '"error"' in result.err


def test_a_json_document_stays_open(far):
    result = far("data read /a/x --json")
    assert (result.status, result.out.rstrip().endswith("}")) == (3, False)
    # events come page by page
    result = far("event read /a/e --json")
    assert (result.status, result.out.rstrip().endswith("]")) == (3, False)
    assert 0 < result.out.count('"start_time"') < EVENTS


@pytest.mark.parametrize(
    "line",
    [
        "data read /a/x -f rows.h5",
        "data read /a/x -f rows.csv",
        "data export /a/x --to rows.jsonl.gz",
        "event read /a/e -f events.jsonl",
    ],
)
def test_no_file_is_left_behind(far, forked, line):
    before = {path.name for path in forked.folder.iterdir()}
    result = far(line)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("Error: ")
    assert {path.name for path in forked.folder.iterdir()} == before
