"""The embedded node: the whole `Node` surface over a store that this process reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli import __version__, model
from joule_cli.api.node import Node
from joule_cli.engine.annotation import EmbeddedAnnotations
from joule_cli.engine.archive import EmbeddedArchives
from joule_cli.engine.data import EmbeddedData
from joule_cli.engine.data_stream import EmbeddedDataStreams
from joule_cli.engine.db import EmbeddedDb
from joule_cli.engine.event_stream import EmbeddedEventStreams
from joule_cli.engine.folder import EmbeddedFolders
from joule_cli.engine.follower import EmbeddedFollowers
from joule_cli.engine.master import EmbeddedMasters
from joule_cli.engine.module import EmbeddedModules

if TYPE_CHECKING:
    from joule_cli.engine.stores.storage import Storage
    from joule_cli.model import NodeInfo


class EmbeddedNode(
    EmbeddedFolders,
    EmbeddedDataStreams,
    EmbeddedData,
    EmbeddedEventStreams,
    EmbeddedAnnotations,
    EmbeddedModules,
    EmbeddedMasters,
    EmbeddedFollowers,
    EmbeddedDb,
    EmbeddedArchives,
    Node,
):
    """A node whose data is in `storage`, which is closed with it.

    Belongs to one event loop. A change is durable when its call returns.
    """

    embedded = True

    def __init__(self, name: str, storage: Storage) -> None:
        super().__init__(name, storage.url)
        self.storage = storage

    async def info(self) -> NodeInfo:
        return model.NodeInfo(
            version=__version__,
            name=self.name,
            capabilities=self.storage.capabilities,
            **(await self.storage.info())._asdict(),
        )

    async def capabilities(self) -> frozenset[str]:
        return self.storage.capabilities

    async def close(self) -> None:
        try:
            await self._close_pipes()
        finally:
            await self.storage.close()
