"""How often common commands ask a served node."""

from __future__ import annotations

import logging
from io import BytesIO

import pytest

from joule_cli.cli._options import Bounds
from joule_cli.cli._references import find_stream
from joule_cli.engine.stores.sqlite.database import Database
from joule_cli.formats import open_writer
from joule_cli.model import DataStream, Element, Event, EventStream
from joule_cli.ops.export import ExportOptions, export_stream
from joule_cli.series.time import ParsedTime
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import KEY, serve

T = 1_700_000_000_000_000
SECOND = 1_000_000
ACCESS = logging.getLogger("joule_cli.access")

#: Commands, and what each asks for, in this order; without a method it is GET.
COMMANDS = {
    "data read /a/rows": "/stream.json /data",
    "data read /a/rows --start start+1s": "/stream.json /data",
    "data read /a/rows -r 10 --end end-1s": "/stream.json /data",
    "data read 2 --start start+1s": "/folders.json /stream.json /data",
    "data read /a/rows -f new.csv": "/stream.json /data",
    "data read /a/rows --start end+1s": "/stream.json /data",
    "data export /a/rows --to one.h5 --start start+1s": "/stream.json /data",
    "data export /a/rows --to one/": "/stream.json /data/intervals.json /annotations.json /data",
    "data export /a --to all/": "/stream.json /folders.json"
    + 2 * " /data/intervals.json /annotations.json /data",
    "data plot /a/rows --start start+1s": "/stream.json /data",
    "data plot /a/*": "/folders.json /data /data",
    "data count /a/rows --start start+1s": "/stream.json /data/count.json",
    "data intervals /a/rows --start start+1s": "/stream.json /data/intervals.json",
    "data copy /a/rows /b/new --start start+1s": "/stream.json /stream.json /data/intervals.json "
    "/annotations.json /version.json POST/stream.json /data /stream.json POST/data "
    "/data/intervals.json",
    "event read /a/events --start start+1s": "/event.json /version.json /event/data.json",
    "event count /a/events --start start+1s": "/event.json /event/data/count.json",
    "event copy /a/events /b/events --start start+1s": "/event.json /event.json /stream.json "
    "POST/event.json /version.json /event/data.json POST/event/data.json",
    "stream info /a/rows": "/stream.json /annotations/info.json",
    "event info /a/events": "/event.json",
    "annotation list /a/rows --start start": "/stream.json /annotations.json",
    "annotation create /a/rows on --start start": "/stream.json POST/annotation.json",
    "stream list": "/folders.json",
    "folder list": "/folder.json",
}


class Requests(logging.Handler):
    """Keeps the method and the path of each request."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        method, target = record.getMessage().split('"')[1].split()
        self.seen.append(f"{method}{target.partition('?')[0]}".removeprefix("GET"))


@pytest.fixture
def served(tmp_path):
    """A served node with two streams of rows and one of events, and what it is asked for."""
    path = tmp_path / "served.db"

    async def start(stack):
        node = await stack.enter_async_context(FileNode("plant", path))
        for name in ("more", "rows"):
            model = DataStream(name=name, elements=[Element("x"), Element("y")])
            stream = await node.data_stream_create(model, "/a")
            async with await node.data_write(stream) as pipe:
                await pipe.write([[T + i * SECOND, i, -i] for i in range(100)])
        events = await node.event_stream_create(EventStream(name="events"), "/a")
        await node.event_stream_write(events, [Event(T + i * SECOND, None, {}) for i in range(5)])
        return await stack.enter_async_context(serve(node))

    requests = Requests()
    level = ACCESS.level
    ACCESS.addHandler(requests)
    ACCESS.setLevel(logging.INFO)
    with running(start) as place:
        yield place, requests
    ACCESS.removeHandler(requests)
    ACCESS.setLevel(level)


def test_requests_of_commands(joule, served):
    place, requests = served
    found = {}
    for line in COMMANDS:
        requests.seen.clear()
        joule.ok(*line.split(), env={"JOULE_URL": place.url, "JOULE_API_KEY": KEY})
        found[line] = " ".join(requests.seen)
    assert found == COMMANDS


async def test_a_node_file_is_asked_once_before_the_rows(tmp_path, monkeypatch):
    asked = []
    read = Database.read

    async def counted(database, query):
        asked.append(query.__qualname__.partition(".<locals>")[0])
        return await read(database, query)

    async with FileNode("plant", tmp_path / "joule.db") as node:
        stream = await node.data_stream_create(DataStream("x", elements=[Element("x")]), "/a")
        async with await node.data_write(stream) as pipe:
            await pipe.write([[T + i * SECOND, i] for i in range(100)])
        monkeypatch.setattr(Database, "read", counted)
        source = await find_stream(node, "/a/x", info=True)
        start, end = await Bounds(ParsedTime(None, "start", SECOND)).resolve(node, source.model)
        options = ExportOptions(start, end)
        result = await export_stream(
            source, lambda head: open_writer(BytesIO(), head, "csv"), options
        )
    assert result.rows == 99
    # and what the first rows are read by
    assert asked == ["SqliteMetadata.described", "SqliteDataStore.read"]
