"""Maintenance of a node file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.engine.stores.base import StoredStream
from joule_cli.engine.stores.maintenance import Maintenance, Report, Sizes
from joule_cli.engine.stores.sqlite import expired
from joule_cli.engine.stores.sqlite.backup import back_up, restore
from joule_cli.engine.stores.sqlite.check import check
from joule_cli.engine.stores.sqlite.connection import converted_errors
from joule_cli.engine.stores.sqlite.places import root_id
from joule_cli.engine.stores.sqlite.space import release
from joule_cli.errors import StorageError
from joule_cli.model import DataStream
from joule_cli.part_file import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import apsw

    from joule_cli.engine.stores.sqlite.storage import SqliteStorage


#: All tables but those of the node itself, of the folders, and of masters and followers.
_TABLES = (
    "body",
    "chunk",
    "annotation",
    "element",
    "data_stream",
    "event",
    "event_tally",
    "event_stream",
)
_LINKS = ("master", "follower")


class SqliteMaintenance(Maintenance):
    """Works on the file itself."""

    def __init__(self, storage: SqliteStorage) -> None:
        self._storage = storage
        self._database = storage.database
        self._path = storage.path

    async def check(self, progress: Callable[[Report], None] = lambda report: None) -> Report:
        self._require_file()
        return await check(self._database, progress)

    async def backup(
        self,
        target: Path,
        *,
        keep: int = 0,
        replace: bool = True,
        progress: Callable[[int, int], None] = lambda done, total: None,
        seen: Callable[[Report], None] = lambda report: None,
    ) -> int:
        self._require_file()
        return await back_up(
            self._database, target, keep=keep, replace=replace, progress=progress, seen=seen
        )

    @property
    def is_new(self) -> bool:
        return not self._path.exists()

    async def restore(
        self,
        source: Path,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
        seen: Callable[[Report], None] = lambda report: None,
    ) -> None:
        with converted_errors(str(self._path)):
            make_folder(self._path.absolute().parent, private=True)
        with self._storage.producers.exclusive():
            await restore(self._database, source, progress, seen)
            await release(self._database)

    async def compact(
        self, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Sizes:
        self._require_file()
        before = await self._size()
        metadata = self._storage.metadata
        streams = [model for _, model in (await metadata.folder("/")).streams()]
        for done, model in enumerate(streams, 1):
            # refuses a damaged description
            stream = await metadata.stream(DataStream, model.id or 0)
            await self._storage.rows.merge_small(StoredStream.of(stream))
            progress(done, len(streams))
        await release(self._database, spare_pages=0)
        # empties the log where no reader needs it; it counts as part of the node
        await self._database.maintain(lambda c: c.pragma("wal_checkpoint", "truncate"))
        return Sizes(before, await self._size())

    async def erase(self, *, links: bool = False) -> None:
        self._require_file()

        def run(connection: apsw.Connection) -> None:
            for table in (*_TABLES, *(_LINKS if links else ())):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
            expired.forget_all(connection)
            connection.execute("PRAGMA defer_foreign_keys = ON")  # folders refer to folders
            connection.execute("DELETE FROM folder WHERE id != ?", (root_id(connection),))

        with self._storage.producers.exclusive():
            await self._database.write(run)
            await release(self._database)

    async def _size(self) -> int:
        return (await self._storage.info()).size_db

    def _require_file(self) -> None:
        if not self._path.exists():
            raise StorageError("the node has no file yet", object=str(self._path))
