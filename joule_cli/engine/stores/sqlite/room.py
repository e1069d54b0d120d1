"""Room on the disk of a node file: what is left of it, and what a change will need.

A change goes to the log beside the file first, and from there into the file. A log that has taken
the last room could neither be moved to the file, which cannot grow, nor be cut, for what is in it
is in no other place. So where little is left, the log is kept small, nothing of a change goes there
before the whole is known to fit, and what would make the file grow is refused while there is room
for other changes to be undone.

Some of this is asked about every change, and must not take as long as the commit of a few rows: so
names are strings here, which are faster than `Path`.
"""

# ruff: noqa: PTH110, PTH116, PTH120, PTH208

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    Name: TypeAlias = str | Path

#: Bytes that are left for what makes the file no larger: deletions, and the end of an interval.
RESERVE_BYTES = 512 * 1024
#: Bytes of free room below which it is looked after; twice the largest log that is kept.
SHORT_BYTES = 128 * 1024 * 1024
#: A log is large that is more than this part of the room.
_LARGE = 8
#: SQLite maps the index of the log in parts of as many bytes, each for as many bytes of log.
_PART_BYTES, _PART_LOG_BYTES = 32 * 1024, 4062 * 4120
#: Bytes of log for which there is an index before it is written.
_AHEAD_BYTES = 64 * 1024 * 1024
#: Bytes that a file system may need for itself.
_SPARE_BYTES = 64 * 1024
#: What the system counts the room of a file in.
_BLOCK_BYTES = 512


def free_bytes(path: Name) -> int:
    """Return how much a file in the folder of `path` can grow."""
    try:
        found = os.statvfs(os.path.dirname(path) or ".")
    except FileNotFoundError:
        # the folder was moved: `node_file` refuses what goes to a file that is gone
        return sys.maxsize
    return found.f_bavail * found.f_frsize


def is_short(path: Name) -> bool:
    """Tell whether little room is left for a file that is written through a log."""
    return free_bytes(path) < SHORT_BYTES and os.path.exists(_log(path))


def has_large_log(path: Name) -> bool:
    """Tell whether the log takes much of the little room that is left."""
    try:
        return _LARGE * os.stat(_log(path)).st_size > free_bytes(path)
    except FileNotFoundError:
        return False


def lacks_index(path: Name) -> bool:
    """Tell whether there is no room for the index of the log, without which SQLite cannot begin.

    SQLite writes to the index through memory: without room on the disk that is no error, but a
    signal, which ends the process.
    """
    missing = _index_bytes(path, 0) - _allocated(_index(path))
    return missing > 0 and free_bytes(path) < missing + _SPARE_BYTES


def reserve_index(path: Name) -> None:
    """Take the room for the index of the log that a change may need; in the write transaction.

    SQLite makes it with holes where the blocks of the file system are smaller than pages of memory.

    Raises
    ------
    OSError
        There is no room.
    """
    try:
        found = os.stat(_index(path))
    except FileNotFoundError:
        # the journal is of another kind
        return
    size, whole = found.st_size, found.st_blocks * _BLOCK_BYTES >= found.st_size
    if whole and size >= _index_bytes(path, _AHEAD_BYTES):
        return
    wanted = _index_bytes(path, min(_AHEAD_BYTES, free_bytes(path)))
    if size < wanted or not whole:
        descriptor = _own_descriptor(found)
        if descriptor is not None:
            os.posix_fallocate(descriptor, 0, max(wanted, size))


def require_room(connection: apsw.Connection, path: Name) -> None:
    """Raise unless what was changed fits into the log and from there into the file.

    Parameters
    ----------
    connection
        In the write transaction, before its end.

    Raises
    ------
    apsw.FullError
        It does not fit.
    """
    if not is_short(path):
        return
    page_bytes = int(connection.pragma("page_size"))
    growth = int(connection.pragma("page_count")) * page_bytes - os.stat(path).st_size
    if growth <= 0:
        return
    free = free_bytes(path)
    unwritten, _ = connection.status(apsw.SQLITE_DBSTATUS_CACHE_USED)
    if free < growth + min(growth, unwritten) + RESERVE_BYTES:
        raise apsw.FullError


def empty_log(connection: apsw.Connection, busy_handler: Callable[[int], bool] | None) -> None:
    """Move the log into the file and cut it, unless others use it; does not wait.

    Parameters
    ----------
    busy_handler
        Of the connection, which is without it meanwhile.
    """
    connection.set_busy_handler(None)
    try:
        # what does not succeed now does with a later change
        with suppress(apsw.Error):
            connection.pragma("wal_checkpoint", "truncate")
    finally:
        connection.set_busy_handler(busy_handler)


def _log(path: Name) -> str:
    return f"{path}-wal"


def _index(path: Name) -> str:
    return f"{path}-shm"


def _index_bytes(path: Name, ahead_bytes: int) -> int:
    """Return the size of the index for the present log and some more of it."""
    try:
        log_bytes = os.stat(_log(path)).st_size
    except FileNotFoundError:
        log_bytes = 0
    return (1 + (log_bytes + ahead_bytes) // _PART_LOG_BYTES) * _PART_BYTES


def _allocated(path: str) -> int:
    """Return how much room a file takes, 0 if there is none."""
    try:
        return os.stat(path).st_blocks * _BLOCK_BYTES
    except FileNotFoundError:
        return 0


def _own_descriptor(file: os.stat_result) -> int | None:
    """Return the descriptor by which SQLite has a file open in this process.

    Another one must not be opened: closing it would end SQLite's locks on the file.
    """
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                if os.path.samestat(os.fstat(int(name)), file):
                    return int(name)
    return None
