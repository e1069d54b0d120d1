"""A node file as the asynchronous part of the engine sees it."""

from __future__ import annotations

import asyncio
import errno
import os
import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import apsw

from joule_cli.engine.stores.sqlite import pages
from joule_cli.engine.stores.sqlite.connection import (
    CrampedConnection,
    FixedConnection,
    Waiter,
    converted_errors,
    disk_full,
    empty_connection,
    open_connection,
)
from joule_cli.engine.stores.sqlite.node_file import NodeFile, hold
from joule_cli.engine.stores.sqlite.threads import Threads
from joule_cli.engine.stores.sqlite.transactions import transaction
from joule_cli.errors import CorruptChunkError, JouleError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

#: Threads that read, and as many that decode and encode: a short read is not kept waiting by
#: long work. Two keep a small machine busy without crowding it.
_READERS = 2
#: How often, and after which pauses, a write is tried while reads of a full disk go on.
_TRIES, _PAUSE_S = 100, 0.02
#: Codes of SQLite's for a log whose index cannot be written.
_FIXED_INDEX = frozenset(
    {
        apsw.SQLITE_READONLY,
        apsw.SQLITE_READONLY_RECOVERY,
        apsw.SQLITE_READONLY_CANTLOCK,
        apsw.SQLITE_READONLY_CANTINIT,
    }
)


class Database:
    """One node file: a thread that writes, and a few that read.

    All methods belong to one event loop. Functions passed in run in a worker thread with a
    connection of their own for the time of the call. Writes of this process run one after the
    other in the order of the calls; a write is durable when `write` returns. The file is made by
    the first write; until then reads see an empty node.

    Parameters
    ----------
    create
        Whether the first write makes the file.
    new_folder
        Whether reads see an empty node also while the folder of the file does not exist.
    read_only
        Leave the file as it is, and make none beside it.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        new_folder: bool = True,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self.file = NodeFile(path)
        self._read_only = read_only
        self._create = create
        self._new_folder = new_folder
        self._waiter = Waiter(str(path))
        self._readers = Threads(_READERS, "joule-read")
        self._workers = Threads(_READERS, "joule-work")
        self._writer = Threads(1, "joule-write")
        self._idle: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()
        self._write_connection: apsw.Connection | None = None
        self._lock = threading.Lock()
        self._held: int | None = None
        self._closed = False

    async def read(self, body: Callable[[apsw.Connection], T]) -> T:
        """Run `body` in a read transaction: one consistent view of the file."""
        return await self._submit(self._readers, lambda: self._read(body))

    async def write(self, body: Callable[[apsw.Connection], T]) -> T:
        """Run `body` in a write transaction and commit; nothing is stored when it raises."""

        def run(connection: apsw.Connection) -> T:
            with transaction(connection, write=True):
                return body(connection)

        return await self.maintain(run)

    async def maintain(self, body: Callable[[apsw.Connection], T]) -> T:
        """Run `body` on the writing connection outside of any transaction."""

        def run() -> T:
            with converted_errors(str(self.path)):
                for _ in range(_TRIES):
                    connection = self._writing()
                    try:
                        return body(connection)
                    except apsw.ReadOnlyError as exc:
                        if not _shares_cramped(connection, exc):
                            raise
                        self._close_idle()
                    # a read that began on a full disk is about to end
                    time.sleep(_PAUSE_S)
                raise disk_full(str(self.path))

        return await self._submit(self._writer, run)

    async def outside(self, body: Callable[[apsw.Connection], T]) -> T:
        """Run `body` on a reading connection outside of any transaction."""
        return await self._submit(self._readers, lambda: self._borrowed(body))

    async def open(self, *, verified: bool = True) -> apsw.Connection:
        """Return a connection for reading that the caller closes.

        Parameters
        ----------
        verified
            Refuse pages that fail their checksums.
        """

        def run() -> apsw.Connection:
            with converted_errors(str(self.path)):
                return self._open_for_reading(verified=verified)

        return await self._submit(self._readers, run)

    async def ask(self, connection: apsw.Connection, body: Callable[[apsw.Connection], T]) -> T:
        """Run `body` on a connection from `open`, one call at a time."""

        def run() -> T:
            with converted_errors(str(self.path)):
                self.file.refuse_moved(writing=False)
                return body(connection)

        return await self._submit(self._readers, run)

    async def compute(self, body: Callable[[], T]) -> T:
        """Run work without the file, such as encoding, in a thread for it."""
        return await self._submit(self._workers, body)

    async def close(self) -> None:
        """Wait for running calls, then close every connection."""
        if self._closed:
            return
        self._closed = True
        self._waiter.cancel()
        await asyncio.to_thread(self._shutdown)

    def _shutdown(self) -> None:
        self._writer.stop()
        self._readers.stop()
        self._workers.stop()
        if self._write_connection is not None:
            with suppress(apsw.Error):
                # whatever closes the file last empties the log, and other programs of SQLite do
                # not write the checksums of pages; the next file of this name must not find it
                how = "truncate" if self.file.moved else "passive"
                self._write_connection.pragma("wal_checkpoint", how)
        self._close_idle()
        if self._held is not None:
            os.close(self._held)

    def _close_idle(self) -> None:
        """Close all connections that are not in use; for the writing thread."""
        while not self._idle.empty():
            with suppress(queue.Empty):
                self._idle.get_nowait().close()
        with self._lock:
            if self._write_connection is not None:
                self._write_connection.close()
                self._write_connection = None

    async def _submit(self, threads: Threads, job: Callable[[], T]) -> T:
        if self._closed:
            raise StorageError("the node is closed", object=str(self.path))
        try:
            return await threads.run(job)
        except StorageError as exc:
            if self._waiter.cancelled and isinstance(exc.__cause__, apsw.BusyError):
                raise StorageError("the node was closed", object=str(self.path)) from exc
            raise

    def _read(self, body: Callable[[apsw.Connection], T]) -> T:
        def run(connection: apsw.Connection) -> T:
            with transaction(connection, write=False):
                return body(connection)

        return self._borrowed(run)

    def _borrowed(self, body: Callable[[apsw.Connection], T]) -> T:
        with converted_errors(str(self.path)):
            self.file.refuse_moved(writing=False)
            connection = self._borrow()
            try:
                return body(connection)
            except (TypeError, ValueError, LookupError) as exc:
                if isinstance(exc, JouleError) or pages.are_checked(connection):
                    raise
                # without checksums of its pages, a file may hold anything in place of a value
                raise CorruptChunkError(
                    f"the file is damaged ({exc})",
                    object=str(self.path),
                    hint="see 'joule admin check'",
                ) from exc
            finally:
                if connection.filename and not isinstance(connection, FixedConnection):
                    self._idle.put(connection)
                else:
                    connection.close()

    def _borrow(self) -> apsw.Connection:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._open_for_reading()

    def _open_for_reading(self, *, verified: bool = True) -> apsw.Connection:
        if self.path.exists():
            return open_connection(
                self.path,
                create=False,
                waiter=self._waiter,
                verified=verified,
                read_only=self._read_only,
                file=self.file,
            )
        if not self._create:
            raise StorageError("the file does not exist", object=str(self.path))
        if not self._new_folder and not self.path.parent.is_dir():
            missing = FileNotFoundError(errno.ENOENT, "", str(self.path))
            raise StorageError(
                "the folder of the node does not exist", object=str(self.path)
            ) from missing
        return empty_connection()

    def _writing(self) -> apsw.Connection:
        with self._lock:
            if self._write_connection is None:
                connection = open_connection(
                    self.path, create=self._create, waiter=self._waiter, file=self.file
                )
                if isinstance(connection, CrampedConnection):
                    connection.close()
                    raise disk_full(str(self.path))
                self._write_connection = connection
                if self._held is None:
                    self._held = hold(self.path)
                self.file.refuse_moved()
            return self._write_connection


def _shares_cramped(connection: apsw.Connection, error: apsw.ReadOnlyError) -> bool:
    """Tell whether a connection cannot write because of another one of this process.

    One that was opened on a full disk does not write to the index of the log, and they share it.
    """
    code = getattr(error, "extendedresult", 0)
    return code in _FIXED_INDEX and not connection.readonly("main")
