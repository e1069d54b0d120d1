"""The embedded node: the whole `Node` surface over one file in this process."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from joule_cli import __version__, model
from joule_cli.api.node import Node
from joule_cli.engine.annotation import EmbeddedAnnotations
from joule_cli.engine.archive import EmbeddedArchives
from joule_cli.engine.connection import converted_errors
from joule_cli.engine.data import EmbeddedData
from joule_cli.engine.data_stream import EmbeddedDataStreams
from joule_cli.engine.db import EmbeddedDb
from joule_cli.engine.event_stream import EmbeddedEventStreams
from joule_cli.engine.folder import EmbeddedFolders
from joule_cli.engine.follower import EmbeddedFollowers
from joule_cli.engine.master import EmbeddedMasters
from joule_cli.engine.module import EmbeddedModules
from joule_cli.engine.stores.sqlite.storage import SqliteStorage
from joule_cli.model.node_info import MISSING_VALUES, SPLIT_INTERVALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from joule_cli.model import NodeInfo


_CAPABILITIES = frozenset({MISSING_VALUES, SPLIT_INTERVALS})


def time_now() -> int:
    """Return the present time in µs."""
    return time.time_ns() // 1000


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
    """A node kept in the file `path`.

    Belongs to one event loop. A change is durable when its call returns. The file is made by the
    first change unless `create` is false; until then the node is empty.

    Parameters
    ----------
    new_folder
        Whether it may be read before the folder of the file exists. Where somebody has typed the
        path, a mistake in it would look like a node that has lost everything.
    clock
        Gives the present time in µs, for `updated_at` and for `keep`.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        create: bool = True,
        new_folder: bool = True,
        clock: Callable[[], int] = time_now,
    ) -> None:
        super().__init__(name, f"file:{path}")
        self.path = path
        self.storage = SqliteStorage(path, create=create, new_folder=new_folder, clock=clock)
        self.database = self.storage.database
        self.producers = self.storage.producers
        self._clock = clock

    async def info(self) -> NodeInfo:
        uuid = await self.storage.uuid()
        return await self.database.outside(lambda _: self._node_info(uuid))

    async def capabilities(self) -> frozenset[str]:
        return _CAPABILITIES

    async def close(self) -> None:
        try:
            await self._close_queries()
            await self._close_pipes()
        finally:
            await self.database.close()
            self.producers.close()

    def _node_info(self, uuid: str) -> NodeInfo:
        with converted_errors(str(self.path)):
            size = sum(_file_size(f"{self.path}{suffix}") for suffix in ("", "-wal"))
            place = self.path.absolute()
            while not place.exists():
                place = place.parent
            disk = os.statvfs(place)
        total = disk.f_blocks * disk.f_frsize
        free = disk.f_bavail * disk.f_frsize
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        return model.NodeInfo(
            version=__version__,
            name=self.name,
            path=str(self.path),
            size_reserved=max(total - used - free, 0),
            size_other=max(used - size, 0),
            size_free=free,
            size_db=size,
            uuid=uuid,
            capabilities=_CAPABILITIES,
        )


def _file_size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116  (a name with a suffix of SQLite's)
    except FileNotFoundError:
        return 0
