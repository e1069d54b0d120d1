"""A node with names that are hard to type, in a file and served, for the tests of completion."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager

from joule_cli.api import get_node
from joule_cli.models import DataStream, Element, EventStream
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import KEY, serve

#: Blanks, all quotes, what shells expand, what they split at, and letters of other languages.
AWKWARD = 'it\'s $HOME "now" `date`; a\\b !x #y *?[z] {1,2} ~k & (c) <d> | e'
STREAMS = {
    "/house/mains": "grid",
    "/house/kitchen/fridge": "",
    "/my house/first floor": "",
    f"/hard/{AWKWARD}": "",
    "/größe/naïve:1": "",
    "/größe/日本 語": "",
    "/meter:7/a:b=c,d@e": "",
}
EVENTS = {"/doors/front": {"who": "string", "count": "numeric"}, "/house/alarms": {}}


async def _fill(path):
    async with get_node(url=f"file:{path}") as node:
        for stream_path, description in STREAMS.items():
            folder, _, name = stream_path.rpartition("/")
            elements = [Element("volts", units="V"), Element("amps", units="A"), Element("phase 1")]
            stream = DataStream(name, elements=elements, description=description)
            await node.data_stream_create(stream, folder)
        for stream_path, fields in EVENTS.items():
            folder, _, name = stream_path.rpartition("/")
            await node.event_stream_create(EventStream(name, event_fields=fields), folder)
        await node.folder_create("/empty one")


def fill(path):
    """Make a node file."""
    asyncio.run(_fill(path))


def store_nodes(folder, nodes):
    """Store nodes: ``{name: (url, key)}``."""
    entries = [{"name": n, "url": url, "key": key} for n, (url, key) in nodes.items()]
    folder.mkdir()
    (folder / "nodes.json").write_text(json.dumps(entries))


@contextmanager
def served(path):
    """Serve a node file on loopback until the block ends, and give the address."""

    async def start(stack):
        node = await stack.enter_async_context(FileNode("plant", path))
        return await stack.enter_async_context(serve(node))

    with running(start) as place:
        yield place


__all__ = ["AWKWARD", "EVENTS", "KEY", "STREAMS", "fill", "served", "store_nodes"]
