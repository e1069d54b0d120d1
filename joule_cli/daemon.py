"""Where the parts of a node on this machine are put together."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joule_cli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from joule_cli.api.node import Node
    from joule_cli.engine.node import EmbeddedNode
    from joule_cli.engine.peers import NodePeers
    from joule_cli.engine.stores.maintenance import Maintenance
    from joule_cli.engine.stores.sqlite.repair import Repaired
    from joule_cli.model import ArchiveLog
    from joule_cli.server.listeners import SocketAddress, TcpAddress
    from joule_cli.server.settings import ServerSettings


def administration(node: Node) -> Maintenance:
    """Return what can be done to the store of an embedded node.

    Raises
    ------
    ApiError
        The node is reached over a socket; its file is somewhere else.
    """
    return _embedded(node, "be administered").storage.maintenance


async def repair_file(
    damaged: Node | Path,
    target: Path,
    progress: Callable[[int, int], None],
    seen: Callable[[Any], None],
) -> Repaired:
    """Take what is whole of a node file, or of that of an embedded node, into a new one.

    Parameters
    ----------
    progress
        Told how many bytes of how many were looked at; called in another thread.
    seen
        Told what of the new file was verified so far.

    Raises
    ------
    ApiError
        There is nothing of a node in the file, or `target` exists or cannot be written.
    """
    from joule_cli.engine.stores.sqlite.repair import repair

    path = damaged if isinstance(damaged, Path) else _file(damaged)
    return await repair(path, target, progress, seen)


def peers(node: Node) -> NodePeers:
    """Return the keys, masters and followers of an embedded node, for its server.

    Raises
    ------
    ApiError
        The node is reached over a socket; its server looks after them.
    """
    from joule_cli.engine.peers import NodePeers

    return NodePeers(_embedded(node, "have its keys here"))


def archive_importer(node: Node, directory: Path) -> Callable[[Path], Awaitable[ArchiveLog]]:
    """Return what imports archives by the importer files in a directory, which are read now.

    Raises
    ------
    ConfigurationError
        There is no such directory.
    """
    from joule_cli.ops.archive_import import import_archive
    from joule_cli.ops.archive_importers import read_importers

    importers = read_importers(directory)
    return lambda path: import_archive(node, path, importers)


@asynccontextmanager
async def served(
    node: Node, settings: ServerSettings, addresses: Iterable[TcpAddress | SocketAddress]
) -> AsyncIterator[list[str]]:
    """Serve the file of an embedded node during a block, which gets the URLs.

    At its end, no more requests are taken, and those that are open are finished, or cut off after
    a while with what they have stored; closing the node is left to the caller.

    Raises
    ------
    ApiError
        The node is reached over a socket.
    ConflictError
        Another process serves the file.
    FileMovedError
        The file has a second name.
    ConfigurationError
        An address cannot be used.
    """
    from joule_cli.server.app import make_app
    from joule_cli.server.runner import Server

    async with _embedded(node, "be served").storage.only_server():
        server = Server(make_app(node, keys=peers(node), settings=settings))
        try:
            yield await server.start(addresses)
        finally:
            await server.stop()


async def file_lost(node: Node) -> None:
    """Watch the store of an embedded node, for its server; ends only with an error.

    Raises
    ------
    FileMovedError
        Its file is no longer the one at its path, or has a second name.
    """
    await _embedded(node, "be served").storage.until_lost()


def _file(node: Node) -> Path:
    from joule_cli.engine.stores.sqlite.storage import SqliteStorage

    storage = _embedded(node, "be repaired").storage
    if not isinstance(storage, SqliteStorage):
        raise ApiError("only a node in a file can be repaired", object=node.url)
    return storage.path


def _embedded(node: Node, purpose: str) -> EmbeddedNode:
    from joule_cli.engine.node import EmbeddedNode

    if not isinstance(node, EmbeddedNode):
        raise ApiError(f"only a node in a file of this machine can {purpose}", object=node.url)
    return node
