"""A node kept in one file."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from joule_cli.engine.stores.sqlite.annotations import SqliteAnnotations
from joule_cli.engine.stores.sqlite.connection import converted_errors
from joule_cli.engine.stores.sqlite.database import Database
from joule_cli.engine.stores.sqlite.metadata import SqliteMetadata
from joule_cli.engine.stores.sqlite.peers import SqlitePeers
from joule_cli.engine.stores.sqlite.producers import Producers, SqliteClaims
from joule_cli.engine.stores.sqlite.queries import SqliteQueries
from joule_cli.engine.stores.sqlite.watch import FileWatch
from joule_cli.engine.stores.storage import Storage, StorageInfo, time_now
from joule_cli.model.node_info import MISSING_VALUES, SPLIT_INTERVALS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import apsw

    from joule_cli.engine.stores.sqlite.events import SqliteEventStore
    from joule_cli.engine.stores.sqlite.maintenance import SqliteMaintenance
    from joule_cli.engine.stores.sqlite.retention import Expiry
    from joule_cli.engine.stores.sqlite.store import SqliteDataStore

#: Seconds between two looks at the file of a served node.
_LOOK_S = 0.5


def running_time() -> int:
    """Return for how many µs the machine is running, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class SqliteStorage(Storage):
    """All that a node keeps, in the SQLite file `path`.

    The file is made by the first change unless `create` is false; until then the node is empty.

    Parameters
    ----------
    new_folder
        Whether it may be read before the folder of the file exists. Where a person has typed the
        path, a mistake in it would look like a node that has lost everything.
    ticks
        Gives µs at the pace of `clock` which cannot be set, and tells when that was.
    """

    capabilities = frozenset({MISSING_VALUES, SPLIT_INTERVALS})

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        new_folder: bool = True,
        clock: Callable[[], int] = time_now,
        ticks: Callable[[], int] = running_time,
    ) -> None:
        super().__init__(f"file:{path}", clock)
        self.path = path
        self._ticks = ticks
        self.database = Database(path, create=create, new_folder=new_folder)
        self.producers = Producers(path)

    @classmethod
    def open(cls, url: str, *, new_folder: bool = True) -> Self:
        return cls(Path(url.removeprefix("file:")), new_folder=new_folder)

    # numpy and all that needs it loads with the stores of rows and events: listing folders must
    # not wait for it

    @cached_property
    def metadata(self) -> SqliteMetadata:
        return SqliteMetadata(self.database, self.producers, self.clock)

    @cached_property
    def annotations(self) -> SqliteAnnotations:
        return SqliteAnnotations(self.database)

    @cached_property
    def peers(self) -> SqlitePeers:
        return SqlitePeers(self.database)

    @cached_property
    def rows(self) -> SqliteDataStore:
        from joule_cli.engine.stores.sqlite.store import SqliteDataStore

        return SqliteDataStore(self.database, self.expiry)

    @cached_property
    def events(self) -> SqliteEventStore:
        from joule_cli.engine.stores.sqlite.events import SqliteEventStore

        return SqliteEventStore(self.database, self.expiry)

    @cached_property
    def expiry(self) -> Expiry:
        """What decides which rows and events are no longer kept."""
        from joule_cli.engine.stores.sqlite.retention import Expiry

        return Expiry(self.clock, self._ticks)

    @cached_property
    def claims(self) -> SqliteClaims:
        return SqliteClaims(self.producers)

    @cached_property
    def changes(self) -> FileWatch:
        return FileWatch(self.database)

    @cached_property
    def queries(self) -> SqliteQueries:
        return SqliteQueries(self.database)

    @cached_property
    def maintenance(self) -> SqliteMaintenance:
        from joule_cli.engine.stores.sqlite.maintenance import SqliteMaintenance

        return SqliteMaintenance(self)

    async def info(self) -> StorageInfo:
        uuid = await self.uuid()
        return await self.database.outside(lambda _: _info(self.path, uuid))

    async def uuid(self) -> str:
        return await self.database.read(_uuid)

    async def release_space(self) -> None:
        from joule_cli.engine.stores.sqlite.space import release

        await release(self.database)

    @asynccontextmanager
    async def only_server(self) -> AsyncIterator[None]:
        from joule_cli.engine.stores.sqlite.serving import only_server

        with only_server(self.path):
            yield

    async def until_lost(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            with converted_errors(str(self.path)):
                self.database.file.refuse_moved()

    async def close(self) -> None:
        try:
            await self.queries.close()
        finally:
            await self.database.close()
            self.producers.close()


def _uuid(connection: apsw.Connection) -> str:
    # an empty stand-in is read before the file exists, and has another uuid each time
    if not connection.filename:
        return ""
    return str(connection.execute("SELECT value FROM node WHERE key = 'uuid'").get)


def _info(path: Path, uuid: str) -> StorageInfo:
    with converted_errors(str(path)):
        size = sum(_file_size(f"{path.resolve()}{suffix}") for suffix in ("", "-wal"))
        place = path.absolute()
        while not place.exists():
            place = place.parent
        disk = os.statvfs(place)
    total = disk.f_blocks * disk.f_frsize
    free = disk.f_bavail * disk.f_frsize
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    return StorageInfo(
        path=str(path),
        uuid=uuid,
        size_db=size,
        size_free=free,
        size_other=max(used - size, 0),
        size_reserved=max(total - used - free, 0),
    )


def _file_size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116  (a name with a suffix of SQLite's)
    except FileNotFoundError:
        return 0
