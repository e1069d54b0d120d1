"""Where the parts of a node on this machine are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.engine.admin import Administration
from joule_cli.engine.node import EmbeddedNode
from joule_cli.engine.peers import FilePeers
from joule_cli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from joule_cli.api.node import Node
    from joule_cli.model import ArchiveLog


def administration(node: Node) -> Administration:
    """Return what can be done to the file of an embedded node.

    Raises
    ------
    ApiError
        The node is reached over a socket; its file is somewhere else.
    """
    if not isinstance(node, EmbeddedNode):
        raise ApiError("only a node in a file of this machine can be administered", object=node.url)
    return Administration(node)


def peers(node: Node) -> FilePeers:
    """Return the keys, masters and followers of an embedded node, for its server.

    Raises
    ------
    ApiError
        The node is reached over a socket; its server looks after them.
    """
    if not isinstance(node, EmbeddedNode):
        raise ApiError("only a node in a file of this machine has its keys here", object=node.url)
    return FilePeers(node)


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
