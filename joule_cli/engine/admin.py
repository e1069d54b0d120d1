"""Maintenance of a node file."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import apsw

from joule_cli.engine import metadata, space
from joule_cli.engine.check import Report, check
from joule_cli.engine.connection import converted_errors
from joule_cli.engine.migrations import migrate
from joule_cli.engine.schema import distrust, own_version
from joule_cli.errors import IncompatibleFileError, StorageError
from joule_cli.part_file import PartFile, make_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from joule_cli.engine.node import EmbeddedNode


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
#: Steps of SQLite between two reports of a backup, and pages between those of a restoration.
_STEPS = 50
_PAGES = 10_000
#: Seconds between two reports at least: rows of the file may be large or small.
_PAUSE_S = 0.02


class Sizes(NamedTuple):
    """Bytes of a node file before and after."""

    before: int
    after: int


class Administration:
    """What one can do to a node file as a whole.

    `check`, `backup` and `compact` work while others read and write. `restore` and `erase`
    refuse to begin while anybody writes rows, and keep producers out until they are done.
    """

    def __init__(self, node: EmbeddedNode) -> None:
        self._node = node
        self._database = node.database
        self._path = node.path

    async def check(self, progress: Callable[[Report], None] = lambda report: None) -> Report:
        """Verify every chunk, interval, level and event."""
        self._require_file()
        return await check(self._database, progress)

    async def backup(
        self,
        target: Path,
        progress: Callable[[int, int], None] = lambda done, total: None,
        *,
        replace: bool = True,
    ) -> int:
        """Write a consistent copy to `target`, which appears when it is complete.

        Its folder is made if it is missing.

        Parameters
        ----------
        progress
            Told now and then how many bytes of how many are written; called in another thread.
        replace
            Take the place of another file.

        Returns
        -------
        int
            Size of the copy in bytes.
        """
        self._require_file()

        def run(connection: apsw.Connection) -> int:
            told = 0.0

            def look() -> bool:
                nonlocal told
                if time.monotonic() - told > _PAUSE_S:
                    told = time.monotonic()
                    # the copy has no unused pages, so that it may be complete before
                    with suppress(OSError):
                        progress(part.path.stat().st_size, total)
                return False

            with converted_errors(str(target)):
                total = connection.pragma("page_count") * connection.pragma("page_size")
                if target.exists() and target.samefile(self._path):
                    raise StorageError("a node cannot be backed up to its own file")
                make_folder(target.absolute().parent, private=True)
                part = PartFile(target.resolve(), mode=0o600)
                try:
                    connection.set_progress_handler(look, _STEPS)
                    connection.execute("VACUUM INTO ?", (str(part.path),))
                    size = part.path.stat().st_size
                    part.commit(replace=replace)
                finally:
                    connection.set_progress_handler(None)
                    part.discard()
                return size

        return await self._database.outside(run)

    @property
    def is_new(self) -> bool:
        """Whether the node has no file yet, and so holds nothing."""
        return not self._path.exists()

    async def restore(
        self, source: Path, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """Replace the content of the node by that of a backup, in one transaction.

        The folder of the node is made if it is missing.

        Parameters
        ----------
        progress
            Told now and then how many bytes of how many are written; called in another thread.

        Raises
        ------
        IncompatibleFileError
            `source` is not a sound node file; nothing was changed.
        """
        with converted_errors(str(self._path)):
            make_folder(self._path.absolute().parent, private=True)
        with self._node.producers.exclusive():
            await self._database.maintain(lambda c: _restore(source, c, progress))
            await space.release(self._database)

    async def compact(
        self, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Sizes:
        """Join small chunks and give unused pages back to the file system.

        Parameters
        ----------
        progress
            Told after each stream how many of how many are done.
        """
        self._require_file()
        before = await self._size()
        streams = await self._node.stored_streams()
        for done, stream in enumerate(streams, 1):
            await self._node.store.merge_small(stream)
            progress(done, len(streams))
        await space.release(self._database, spare_pages=0)
        # empties the log where no reader needs it; it counts as part of the node
        await self._database.maintain(lambda c: c.pragma("wal_checkpoint", "truncate"))
        return Sizes(before, await self._size())

    async def erase(self, *, links: bool = False) -> None:
        """Delete all folders and streams with what they hold; the node keeps its identity.

        Parameters
        ----------
        links
            Also forget who may control the node, and what it can control. Otherwise both stay:
            an erased node is still reached with the same keys.
        """
        self._require_file()

        def run(connection: apsw.Connection) -> None:
            for table in (*_TABLES, *(_LINKS if links else ())):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
            connection.execute("PRAGMA defer_foreign_keys = ON")  # folders refer to folders
            connection.execute("DELETE FROM folder WHERE id != ?", (metadata.root_id(connection),))

        with self._node.producers.exclusive():
            await self._database.write(run)
            await space.release(self._database)

    async def _size(self) -> int:
        return (await self._node.info()).size_db

    def _require_file(self) -> None:
        if not self._path.exists():
            raise StorageError("the node has no file yet", object=str(self._path))


def _restore(
    source: Path, connection: apsw.Connection, progress: Callable[[int, int], None]
) -> None:
    with converted_errors(str(source)):
        if not source.is_file():
            raise StorageError("no such file", object=str(source))
        origin = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            if origin.pragma("quick_check") != "ok":
                raise IncompatibleFileError("the backup is damaged", object=str(source))
            distrust(origin)
            if own_version(origin, str(source)) == 0:
                raise IncompatibleFileError("the file is not a node", object=str(source))
            # page by page into the open file, so that other processes see all of it or nothing
            with connection.backup("main", origin, "main") as copy:
                page = origin.pragma("page_size")
                while not copy.done:
                    copy.step(_PAGES)
                    progress((copy.page_count - copy.remaining) * page, copy.page_count * page)
        finally:
            origin.close()
    migrate(connection, str(source))
