"""Which file a node is, whatever happens to its name, and the lock file beside it.

SQLite keeps the log and the locks of a database under its name. When another file gets the name,
rows go to the old one; a process that opens the new one would take the log of the old one for its
own. A second name of the file would have a second log.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import apsw

from joule_cli.errors import FileMovedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    #: device and inode
    Identity: TypeAlias = tuple[int, int]

# Locks of an open file description, unlike those of a process, keep two nodes of one process
# apart and survive the closing of another descriptor of the file.
SET_LOCK: Final = getattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK)
GET_LOCK: Final = getattr(fcntl, "F_OFD_GETLK", fcntl.F_GETLK)
#: struct flock: type, whence, start, length, pid.
_FLOCK: Final = "hhqqi0q"
#: Bytes of the lock file from here on stand for inodes, those before for streams.
FIRST_INODE: Final = 1 << 62
#: Seconds between two looks at what SQLite keeps beside the file.
_LOOK_S: Final = 0.5
#: Seconds in which a look at the file need not be repeated before a commit; there is one after it.
_FRESH_S: Final = 0.005
_OTHER_NAME: Final = "make a copy of it with cp, or remove its other name"


class NodeFile:
    """The file that a path led to when a node was opened; all methods from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = os.fspath(path.absolute())
        self._identity: Identity | None = None
        self._beside: dict[str, Identity] = {}
        self._looked = self._looked_beside = 0.0
        self._lost: str | None = None

    def opened(self) -> None:
        """Note which file is open now, the first time; raise if it is not that one."""
        if self._identity is None:
            self._identity = _identity(os.stat(self._path))  # noqa: PTH116  (faster)
        self.refuse_moved(writing=False)

    def refuse_moved(self, *, writing: bool = True) -> None:
        """Raise if the path leads to something else than when the node was opened.

        Parameters
        ----------
        writing
            Refuse a file with a second name, too.

        Raises
        ------
        FileMovedError
            The file was renamed, replaced, removed or linked; once raised, always raised.
        """
        if self._identity is None:
            return
        if self._lost is None:
            self._looked = time.monotonic()
            try:
                found = os.stat(self._path)  # noqa: PTH116  (faster: after every commit)
            except (FileNotFoundError, NotADirectoryError):
                self._lost = "was renamed or removed"
            else:
                if _identity(found) != self._identity:
                    self._lost = "was replaced by another one"
                elif writing and found.st_nlink > 1:
                    raise _linked(self._path)
                elif self._beside and self._looked - self._looked_beside > _LOOK_S:
                    self._look_beside()
        if self._lost is not None:
            raise FileMovedError(
                f"the file of the node {self._lost} while it was open", object=self._path
            )

    def begun(self) -> None:
        """Note what is beside the file, the first time that something is written."""
        if not self._beside:
            self._look_beside()

    def committing(self) -> None:
        """Raise as `refuse_moved` before a commit, unless the last look was just now."""
        if self._lost is not None or time.monotonic() - self._looked > _FRESH_S:
            self.refuse_moved()

    @property
    def moved(self) -> bool:
        """Whether the open file, or its log, is no longer where others look for it."""
        with suppress(FileMovedError, OSError):
            self.refuse_moved(writing=False)
        return self._lost is not None

    def _look_beside(self) -> None:
        """Look at the log and its index, which exist as long as a file is open for writing."""
        real = os.path.realpath(self._path)
        for suffix in ("-wal", "-shm"):
            try:
                found = _identity(os.stat(real + suffix))  # noqa: PTH116
            except FileNotFoundError:
                found = None
            if found is None or self._beside.setdefault(suffix, found) != found:
                self._lost = f"has lost its {suffix} file, which was removed or replaced"
        self._looked_beside = time.monotonic()


class NodeConnection(apsw.Connection):
    """A connection that knows its file, and what it waits with."""

    file: NodeFile | None = None
    waiter: Callable[[int], bool] | None = None

    def wait_with(self, waiter: Callable[[int], bool]) -> None:
        """Set the busy handler."""
        self.waiter = waiter
        self.set_busy_handler(waiter)


def refuse_second_name(path: Path) -> None:
    """Raise if a file that is to be served has another name, by which others would open it.

    Raises
    ------
    FileMovedError
        It has.
    """
    with suppress(FileNotFoundError):
        if path.stat().st_nlink > 1:
            raise _linked(os.fspath(path))


def _linked(path: str) -> FileMovedError:
    return FileMovedError(
        "the file of the node has a second name, a hard link, and is not written",
        object=path,
        hint=_OTHER_NAME,
    )


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


# -- the lock file


def open_lock(path: Path) -> int:
    """Open the lock file beside a node file, by whatever symbolic link it is called.

    Users who may write the node may lock it: with less, a user who may only read could keep its
    writers out.
    """
    path = path.resolve()
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(f"{path}-lock", flags, 0o600)
    with suppress(OSError):
        node, lock = path.stat(), os.fstat(descriptor)
        mode = 0o600
        mode |= 0o060 if node.st_mode & stat.S_IWGRP else 0
        mode |= 0o006 if node.st_mode & stat.S_IWOTH else 0
        if os.geteuid() == 0:
            os.fchown(descriptor, node.st_uid, node.st_gid)
        if os.geteuid() in {0, lock.st_uid} and stat.S_IMODE(lock.st_mode) != mode:
            os.fchmod(descriptor, mode)
    return descriptor


def control(descriptor: int, command: int, kind: int, start: int, length: int) -> tuple[int, ...]:
    """Set a lock on bytes of a lock file, or ask for one; return a `struct flock`."""
    request = struct.pack(_FLOCK, kind, os.SEEK_SET, start, length, 0)
    return struct.unpack(_FLOCK, fcntl.fcntl(descriptor, command, request))


def hold(path: Path) -> int | None:
    """Tell other processes which file is open here, until the descriptor is closed."""
    try:
        descriptor = open_lock(path)
    except OSError:
        # it is about the next file of this name, of which there may never be one
        return None
    with suppress(OSError):
        control(descriptor, SET_LOCK, fcntl.F_RDLCK, _byte(path), 1)
    return descriptor


def refuse_former(path: Path) -> None:
    """Raise while a process writes to a file that had this path before.

    Raises
    ------
    FileMovedError
        One does; both would use the same log.
    """
    try:
        byte = _byte(path)
        descriptor = os.open(f"{path.resolve()}-lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for start, length in ((FIRST_INODE, byte - FIRST_INODE), (byte + 1, 0)):
            # a length of 0 means all that follows
            if start < byte or length == 0:
                kind, *_ = control(descriptor, GET_LOCK, fcntl.F_WRLCK, start, length)
                if kind != fcntl.F_UNLCK:
                    raise FileMovedError(
                        "another process still writes to the file that was here before",
                        object=os.fspath(path),
                        hint="stop it first, the server for instance",
                    )
    finally:
        os.close(descriptor)


def _byte(path: Path) -> int:
    return FIRST_INODE + path.stat().st_ino % (FIRST_INODE - 1)
