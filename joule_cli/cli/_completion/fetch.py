"""The names of a node, asked for in one request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from joule_cli.api.connect import open_entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from joule_cli.api.node import Node
    from joule_cli.api.registry import NodeEntry
    from joule_cli.model import DataStream, EventStream

#: Seconds that the node may take while the user waits after TAB.
_PATIENCE_S = 1.0


def fetch(entry: NodeEntry, kind: str) -> Any:
    """Return the names of a kind as JSON.

    Raises
    ------
    JouleError, TimeoutError
        The node does not answer.
    """

    async def ask() -> Any:
        # made before the clock runs: a remote node loads what speaks HTTP
        opened = open_entry(entry, timeout_s=_PATIENCE_S)
        async with asyncio.timeout(_PATIENCE_S), opened as node:
            return await _KINDS[kind](node)

    # not run(): it would wait for threads, such as one that looks a host up
    loop = asyncio.new_event_loop()
    return loop.run_until_complete(ask())


async def _tree(node: Node) -> Any:
    root = await node.folder_root()
    return {
        "folders": {path: f.description or "" for path, f in root.walk("/") if path != "/"},
        "streams": {path: _data_stream(stream) for path, stream in root.streams("/")},
        "events": {path: _event_stream(stream) for path, stream in root.events("/")},
    }


def _data_stream(stream: DataStream) -> Any:
    about = f"{stream.datatype}_{len(stream.elements)}"
    return [
        f"{about}, {stream.description}" if stream.description else about,
        {element.name: element.units or "" for element in stream.elements},
    ]


def _event_stream(stream: EventStream) -> Any:
    return [stream.description or "events", dict(stream.event_fields)]


async def _modules(node: Node) -> Any:
    return {module.name: module.description for module in await node.module_list()}


async def _proxies(node: Node) -> Any:
    return {proxy.name: proxy.target_url for proxy in await node.proxy_list()}


async def _masters(node: Node) -> Any:
    return [[master.name, master.master_type] for master in await node.master_list()]


async def _followers(node: Node) -> Any:
    return {follower.name: follower.location for follower in await node.follower_records()}


_KINDS: dict[str, Callable[[Node], Awaitable[Any]]] = {
    "tree": _tree,
    "modules": _modules,
    "proxies": _proxies,
    "masters": _masters,
    "followers": _followers,
}
