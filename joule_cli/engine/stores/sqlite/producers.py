"""Who is writing to which stream, in this process and in others."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from joule_cli.engine.stores.sqlite.connection import converted_errors
from joule_cli.engine.stores.sqlite.node_file import (
    FIRST_INODE,
    GET_LOCK,
    SET_LOCK,
    control,
    open_lock,
)
from joule_cli.engine.stores.storage import Claims
from joule_cli.errors import StorageError, StreamInUseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The byte that each process with a producer shares, and that `exclusive` has alone.
_NODE = 0


class Producers:
    """At most one producer per stream of a node file, across threads and processes.

    A producer holds a lock on byte `stream_id` of the file ``<node file>-lock``, which only
    producers create and nothing removes. The kernel releases the locks of a process that dies
    (a child made by `os.fork` without `exec` keeps them). All methods may be called from any
    thread and return at once.
    """

    def __init__(self, path: Path) -> None:
        self._node = path
        self._path = f"{path.resolve()}-lock"
        self._guard = threading.Lock()
        self._held: dict[int, str] = {}
        self._locking: int | None = None
        self._probing: int | None = None
        self._closed = False
        self._exclusive = False

    def acquire(self, stream_id: int, name: str) -> None:
        """Become the producer of a stream.

        Raises
        ------
        StreamInUseError
            Another producer is writing to the stream.
        """
        with self._guard, converted_errors(self._path):
            if stream_id in self._held:
                raise _in_use(name)
            if self._exclusive or not (self._held or self._lock(fcntl.F_RDLCK, _NODE)):
                raise StreamInUseError("the node is being replaced", object=self._path)
            if not self._lock(fcntl.F_WRLCK, stream_id):
                if not self._held:
                    self._unlock(_NODE)
                raise _in_use(name)
            self._held[stream_id] = name

    def release(self, stream_id: int) -> None:
        """Stop being the producer of a stream; does nothing if it is not held."""
        with self._guard:
            if self._held.pop(stream_id, None) is not None:
                self._unlock(stream_id)
                if not self._held:
                    self._unlock(_NODE)

    def owns(self, stream_id: int) -> bool:
        """Tell whether a producer in this process, on this node object, writes to a stream."""
        with self._guard:
            return stream_id in self._held

    def active(self, stream_id: int) -> bool:
        """Tell whether a stream has a producer, here or in another process."""
        with self._guard:
            return stream_id in self._held or bool(self._locked(stream_id, stream_id + 1))

    def active_streams(self) -> frozenset[int]:
        """Return the ids of all streams that have a producer, here or in another process.

        Costs one system call without producers, and at most three for each of them.
        """
        with self._guard:
            return frozenset(self._held) | self._locked(_NODE + 1, FIRST_INODE)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep every producer out, in all processes, for the time of a block.

        Raises
        ------
        StreamInUseError
            Somebody is writing rows.
        """
        with self._guard, converted_errors(self._path):
            if self._held or not self._lock(fcntl.F_WRLCK, _NODE):
                raise StreamInUseError("rows are being written to the node", object=self._path)
            self._exclusive = True
        try:
            yield
        finally:
            with self._guard:
                self._exclusive = False
                self._unlock(_NODE)

    def close(self) -> None:
        """Release every stream and the lock file."""
        with self._guard:
            self._closed = True
            self._held.clear()
            for descriptor in (self._locking, self._probing):
                if descriptor is not None:
                    os.close(descriptor)
            self._locking = self._probing = None

    def _lock(self, kind: int, byte: int) -> bool:
        """Try to lock a byte; tell whether it worked."""
        if self._closed:
            raise StorageError("the node is closed", object=self._path)
        if self._locking is None:
            self._locking = open_lock(self._node)
        try:
            control(self._locking, SET_LOCK, kind, byte, 1)
        except OSError as exc:
            if exc.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def _unlock(self, byte: int) -> None:
        if self._locking is not None:
            control(self._locking, SET_LOCK, fcntl.F_UNLCK, byte, 1)

    def _locked(self, start: int, end: int) -> frozenset[int]:
        """Return the locked bytes in ``[start, end)`` as others see them."""
        with converted_errors(self._path):
            if self._closed:
                return frozenset()
            if self._probing is None:
                try:
                    self._probing = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                except (FileNotFoundError, PermissionError):
                    # those who may only read the node are not told who writes
                    return frozenset()
            found: set[int] = set()
            ranges = [(start, end)]
            while ranges:
                low, high = ranges.pop()
                # the answer is some lock in the range, not always the first one
                kind, _, first, length, _ = control(
                    self._probing, GET_LOCK, fcntl.F_WRLCK, low, high - low
                )
                if kind == fcntl.F_UNLCK:
                    continue
                last = first + length
                found.update(range(max(first, low), min(last, high)))
                if low < first:
                    ranges.append((low, first))
                if last < high:
                    ranges.append((last, high))
            return frozenset(found)


class SqliteClaims(Claims):
    """Producers as the contract of stores has them."""

    def __init__(self, producers: Producers) -> None:
        self._producers = producers

    async def acquire(self, stream_id: int, name: str) -> None:
        self._producers.acquire(stream_id, name)

    async def release(self, stream_id: int) -> None:
        self._producers.release(stream_id)

    def owns(self, stream_id: int) -> bool:
        return self._producers.owns(stream_id)

    async def is_active(self, stream_id: int) -> bool:
        return self._producers.active(stream_id)

    async def active(self) -> frozenset[int]:
        return self._producers.active_streams()


def _in_use(name: str) -> StreamInUseError:
    return StreamInUseError(f"DataStream [{name}] is already being produced", object=name)
