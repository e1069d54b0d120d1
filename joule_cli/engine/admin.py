"""Maintenance of a node file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from joule_cli.engine import space
from joule_cli.engine.backup import back_up, restore
from joule_cli.engine.check import Report, check
from joule_cli.engine.connection import converted_errors
from joule_cli.engine.stores.base import StoredStream
from joule_cli.engine.stores.sqlite.places import root_id
from joule_cli.errors import StorageError
from joule_cli.part_file import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import apsw

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
        *,
        keep: int = 0,
        replace: bool = True,
        progress: Callable[[int, int], None] = lambda done, total: None,
        seen: Callable[[Report], None] = lambda report: None,
    ) -> int:
        """Write a consistent copy to `target`, which appears when it is complete and verified.

        Its folder is made if it is missing.

        Parameters
        ----------
        keep
            As many copies from before stay as ``FILE.1``, ``FILE.2``, ..., the last one being the
            oldest.
        replace
            Take the place of another file.
        progress
            Told now and then how many bytes of how many are written; called in another thread.
        seen
            Told what was verified so far.

        Returns
        -------
        int
            Size of the copy in bytes.

        Raises
        ------
        CorruptChunkError
            The node is damaged; `target` is as it was.
        """
        self._require_file()
        return await back_up(
            self._database, target, keep=keep, replace=replace, progress=progress, seen=seen
        )

    @property
    def is_new(self) -> bool:
        """Whether the node has no file yet, and so holds nothing."""
        return not self._path.exists()

    async def restore(
        self,
        source: Path,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
        seen: Callable[[Report], None] = lambda report: None,
    ) -> None:
        """Replace the content of the node by that of a backup, in one transaction.

        The file of the node, and its folder, are made if they are missing.

        Parameters
        ----------
        progress, seen
            As for `backup`.

        Raises
        ------
        IncompatibleFileError, CorruptChunkError
            `source` is not a node file, or a damaged one; nothing was changed.
        """
        with converted_errors(str(self._path)):
            make_folder(self._path.absolute().parent, private=True)
        with self._node.producers.exclusive():
            await restore(self._database, source, progress, seen)
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
        tree = await self._node.folder_root()
        streams = [StoredStream.of(model) for _, model in tree.streams()]
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
            connection.execute("DELETE FROM folder WHERE id != ?", (root_id(connection),))

        with self._node.producers.exclusive():
            await self._database.write(run)
            await space.release(self._database)

    async def _size(self) -> int:
        return (await self._node.info()).size_db

    def _require_file(self) -> None:
        if not self._path.exists():
            raise StorageError("the node has no file yet", object=str(self._path))
