"""Connections to a node file: pragmas, waiting for other processes, errors."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from joule_cli.engine.stores.sqlite import cut_log, pages, room
from joule_cli.engine.stores.sqlite.migrations import migrate
from joule_cli.engine.stores.sqlite.node_file import NodeConnection, NodeFile, refuse_former
from joule_cli.engine.stores.sqlite.schema import distrust, own_version
from joule_cli.errors import (
    ApiError,
    CorruptChunkError,
    DiskFullError,
    IncompatibleFileError,
    StorageError,
)
from joule_cli.part_file import (
    lock_folder,
    make_folder,
    publish,
    remove,
    remove_left_over,
    sync,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("joule_cli.engine")

#: Every SQLite up to 3.51.2 can corrupt a WAL file that several processes write and checkpoint.
SQLITE_REQUIRED = (3, 51, 3)
#: Seconds after which a waiting writer says so, and after which it gives up.
NOTICE_S, GIVE_UP_S = 1.0, 60.0
#: WAL pages between checkpoints (16 MiB), and the size a WAL file is cut back to.
_CHECKPOINT_PAGES, _WAL_LIMIT_BYTES = 4096, 64 * 1024 * 1024
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
#: File systems without shared memory between hosts, on which WAL does not work.
_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"}
)


class Waiter:
    """Busy handler: wait with jitter while another process holds the write lock.

    Plain exponential polling is unfair between two busy writers; short random waits are not.
    `cancel` makes a waiting connection give up at once, from any thread.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._cancelled = threading.Event()
        self._since = 0.0
        self._told = False

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def __call__(self, attempt: int) -> bool:
        now = time.monotonic()
        if attempt == 0:
            self._since, self._told = now, False
        waited = now - self._since
        if waited > NOTICE_S and not self._told:
            self._told = True
            log.warning("waiting for another writer of %s", self._path)
        import random

        # a wait for the clock, not for work: the lock holder is another process
        return waited < GIVE_UP_S and not self._cancelled.wait(random.uniform(0.0005, 0.004))


def open_connection(
    path: Path,
    *,
    create: bool,
    waiter: Waiter | None = None,
    verified: bool = True,
    read_only: bool = False,
    file: NodeFile | None = None,
) -> NodeConnection:
    """Open a node file and bring it to the present version.

    Parameters
    ----------
    create
        Make the file, and missing folders above it, if it does not exist.
    verified
        Refuse pages that fail their checksums.
    read_only
        Leave the file as it is.
    file
        The file that other connections of the same node have open.

    Raises
    ------
    StorageError
        The file cannot be opened; IncompatibleFileError if it is not a node, FileMovedError if it
        is not `file`.
    """
    _require_sqlite()
    try:
        return _open(
            path,
            create,
            waiter or Waiter(str(path)),
            verified,
            read_only,
            file or NodeFile(path),
        )
    except StorageError as exc:
        if path.is_file() and pages.header_is_damaged(path):
            raise _damaged("the header of the file is damaged", path) from exc
        raise


def _open(
    path: Path, create: bool, waiter: Waiter, verified: bool, read_only: bool, file: NodeFile
) -> NodeConnection:
    text = str(path)
    with converted_errors(text):
        new = create and not path.exists()
        if new:
            # a symbolic link may lead to where there is nothing yet
            real = path.resolve()
            make_folder(real.parent, private=True)
            _refuse_network(real)
        if cramped := _is_cramped(path.resolve()):
            if new:
                raise disk_full(text)
        elif new:
            _make(path.resolve())
        elif not read_only:
            _remove_unfinished(path.resolve())
        if path.is_dir():
            raise StorageError("a node is a file, this is a directory", object=text)
        refuse_former(path)
        writable = not (read_only or cramped) and _can_write(path) and _has_one_name(path)
        # SQLite makes no file by itself: it would be open to all that the process does not mask
        flags = apsw.SQLITE_OPEN_READWRITE if writable else apsw.SQLITE_OPEN_READONLY
        connection = _connect(path, flags, cramped=cramped)
        try:
            file.opened()
            connection.file = file
            connection.wait_with(waiter)
            if not verified:
                connection.pragma("checksum_verification", "off")
            # before the first change: the file may be another application's
            version = own_version(connection, text)
            if not new:
                _refuse_empty(version, text)
            if version and verified:
                _refuse_hidden(connection, path)
            if cut_log.is_cut(path, connection):
                # closing it would remove the log
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                _refuse_cut(path, verified=verified)
                writable = False
            if writable:
                if version == 0:
                    _format(connection)
                # a file that was copied may have another mode
                connection.pragma("journal_mode", "wal")
                connection.pragma("synchronous", "full")
                connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
                connection.pragma("journal_size_limit", _WAL_LIMIT_BYTES)
            connection.pragma("foreign_keys", "on")
            connection.pragma("cache_size", -8192)
            migrate(connection, text)
        except BaseException:
            connection.close()
            raise
    return connection


def _refuse_empty(version: int, path: str) -> None:
    """Refuse to take a file for a new node that may be all that is left of an old one."""
    if version == 0:
        raise IncompatibleFileError(
            "the file is empty, not a node",
            object=path,
            hint="remove it, then restore a backup or begin a new node",
        )


def _make(path: Path) -> None:
    """Make an empty node under another name, then give it its own: it is never seen half made."""
    new = _unfinished(path)
    # not a lock on the file itself: closing it would end SQLite's locks on the node
    folder = lock_folder(path.parent)
    try:
        # of a process that was killed
        remove(new)
        _make_private(new)
        connection = apsw.Connection(str(new), vfs=pages.checking_vfs())
        try:
            _format(connection)
            migrate(connection, str(path))
        finally:
            connection.close()
        publish(new, path, replace=False)
    except FileExistsError:
        return
    except OSError as exc:
        if exc.errno not in _NO_LINKS or not os.access(path.parent, os.W_OK):
            raise
        # a file system without links: the file is made in place
        _make_private(path)
        sync(path.parent)
    finally:
        new.unlink(missing_ok=True)
        os.close(folder)


def _unfinished(path: Path) -> Path:
    """Return the name of a node file until it is whole; people give no such names themselves."""
    return path.with_name(f".{path.name}.new")


def _remove_unfinished(path: Path) -> None:
    """Remove what a process left behind that was killed while it made the node."""
    new = _unfinished(path)
    if os.path.lexists(new):
        with suppress(OSError):
            folder = lock_folder(path.parent)
            try:
                remove(new)
            finally:
                os.close(folder)


def _make_private(path: Path) -> None:
    """Make an empty file that only its owner can read; SQLite gives its log the same mode."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def close_to_others(path: Path) -> None:
    """Take the rights of all but owner and group from a node file and what SQLite keeps beside it.

    The file begins private; its owner may share it with a group, but never with all users.
    """
    for suffix in ("", "-wal", "-shm", "-lock"):
        file = Path(f"{path.resolve()}{suffix}")
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & 0o007:
                file.chmod(mode & ~0o007)


def _format(connection: apsw.Connection) -> None:
    """Set what is fixed for the life of a file; takes the write lock also without a change."""
    connection.reserve_bytes(reserve=pages.RESERVED)
    connection.pragma("auto_vacuum", "incremental")
    connection.pragma("journal_mode", "wal")


def _refuse_hidden(connection: apsw.Connection, path: Path) -> None:
    """Raise for a file that seems to be of a version without checksums, but is only damaged."""
    if not pages.are_checked(connection) and pages.hides_checksums(path):
        raise _damaged("the header of the file is damaged", path)


def _refuse_cut(path: Path, *, verified: bool) -> None:
    if verified:
        raise _damaged("the log of the file is damaged", path)


def _damaged(what: str, path: Path) -> CorruptChunkError:
    return CorruptChunkError(what, object=str(path), hint="see 'joule admin check'")


def _can_write(path: Path) -> bool:
    # a file is written through its log, which is made beside it
    folder = path.resolve().parent
    return os.access(path, os.W_OK) and (os.access(folder, os.W_OK) or _has_log(path))


def _has_one_name(path: Path) -> bool:
    """Tell whether a file has no hard links, having removed those that killed commands left."""
    try:
        if path.stat().st_nlink > 1:
            remove_left_over(path.resolve())
        return path.stat().st_nlink == 1
    except OSError:
        return True


class FixedConnection(NodeConnection):
    """Reads a file as it is at one moment; to be closed after it."""


class CrampedConnection(FixedConnection):
    """Reads a file on a full disk, with an index of the log in its own memory."""


def _connect(path: Path, flags: int, *, cramped: bool) -> NodeConnection:
    vfs = pages.checking_vfs()
    # so that other files can be attached by URIs; an absolute path is none
    flags |= apsw.SQLITE_OPEN_URI
    if cramped:
        fixed = CrampedConnection(_roomless_uri(path), flags=flags, vfs=vfs)
        distrust(fixed)
        return fixed
    name = str(path.absolute())
    connection = NodeConnection(name, flags=flags, vfs=vfs, statementcachesize=200)
    distrust(connection)
    if flags & apsw.SQLITE_OPEN_READONLY:
        try:
            connection.pragma("schema_version")
        except (apsw.ReadOnlyError, apsw.CantOpenError):
            connection.close()
            if _has_log(path):
                raise
            # without a log no program has the file open, and here none can be made
            connection = FixedConnection(_fixed_uri(path), flags=flags, vfs=vfs)
            distrust(connection)
    return connection


def _fixed_uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?immutable=1"


def _roomless_uri(path: Path) -> str:
    """Return the name by which SQLite makes the index of a log in its own memory.

    It does so where it must not write to a file for it, which has to be there though.
    """
    with suppress(FileExistsError):
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        os.close(os.open(f"{path}-shm", flags, stat.S_IMODE(path.stat().st_mode)))
    return f"{path.absolute().as_uri()}?readonly_shm=1"


def source_uri(path: Path) -> str:
    """Return the name by which a connection attaches a node file that it only reads."""
    real = path.resolve()
    if _is_cramped(real):
        return f"{_roomless_uri(real)}&mode=ro"
    if os.access(real.parent, os.W_OK) or _has_log(path):
        return f"{path.absolute().as_uri()}?mode=ro"
    return _fixed_uri(path)


def _is_cramped(path: Path) -> bool:
    """Tell whether SQLite has to do without a file for the index of the log."""
    return os.access(path.parent, os.W_OK) and room.lacks_index(path)


def _has_log(path: Path) -> bool:
    try:
        return Path(f"{path.resolve()}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def empty_connection() -> apsw.Connection:
    """Return a private node without content, for reading from a file that does not exist."""
    _require_sqlite()
    connection = apsw.Connection(":memory:")
    migrate(connection, ":memory:")
    return connection


def _require_sqlite() -> None:
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SQLITE_REQUIRED:
        raise IncompatibleFileError(
            f"SQLite {apsw.sqlite_lib_version()} can damage files that several processes write; "
            "3.51.3 or newer is needed",
            hint="update the package apsw",
        )


def _refuse_network(path: Path) -> None:
    """Tell early that a node cannot live on a network file system."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return
    target, best, kind = path.parent.resolve(), "", ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split()[4].replace("\\040", " ")
        if target.is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    if kind in _NETWORK_FILE_SYSTEMS:
        raise IncompatibleFileError(
            f"a node cannot be kept on a network file system ({kind})",
            object=str(path),
            hint="choose a local directory with JOULE_DATA_DIR or --url file:PATH",
        )


@contextmanager
def converted_errors(path: str) -> Iterator[None]:
    """Raise this project's errors in place of SQLite's and the system's."""
    try:
        yield
    except (apsw.CorruptError, apsw.SQLError, apsw.IOError, UnicodeDecodeError) as exc:
        what = _damage(exc)
        if what is None:
            if _is_cramped(Path(path)):
                raise disk_full(path) from exc
            raise StorageError(f"the file cannot be used ({exc})", object=path) from exc
        raise CorruptChunkError(
            f"the file is damaged{what}", object=path, hint="see 'joule admin check'"
        ) from exc
    except apsw.FullError as exc:
        raise disk_full(path) from exc
    except apsw.NotADBError as exc:
        raise IncompatibleFileError("the file is not a node", object=path) from exc
    except apsw.BusyError as exc:
        raise StorageError(
            f"another program has kept the file locked for {GIVE_UP_S:.0f} s", object=path
        ) from exc
    except apsw.ReadOnlyError as exc:
        if _is_cramped(Path(path)):
            raise disk_full(path) from exc
        raise StorageError("no permission to write the file", object=path) from exc
    except apsw.CantOpenError as exc:
        raise StorageError(_cannot_open(path), object=path) from exc
    except apsw.Error as exc:
        raise StorageError(f"the file cannot be used ({exc})", object=path) from exc
    except OSError as exc:
        if isinstance(exc, ApiError):
            raise
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_full(path) from exc
        if isinstance(exc, PermissionError):
            raise StorageError(_cannot_open(path), object=path) from exc
        raise StorageError(f"the file cannot be used ({exc.strerror})", object=path) from exc


def disk_full(path: str) -> DiskFullError:
    """Return the error for a file that cannot grow."""
    return DiskFullError(
        "no space left on the disk",
        object=path,
        hint="make room on the disk, then repeat the command",
    )


@contextmanager
def damage_named(path: str) -> Iterator[None]:
    """Raise CorruptChunkError for damage to a file that is read while another one is written."""
    try:
        yield
    except (apsw.CorruptError, apsw.SQLError, apsw.IOError, UnicodeDecodeError) as exc:
        if _damage(exc) is None:
            raise
        with converted_errors(path):
            raise


def _damage(exc: Exception) -> str | None:
    """Return what is damaged, `None` if an error of SQLite's has another reason."""
    match exc:
        case apsw.IOError():
            extended = getattr(exc, "extendedresult", 0)
            return ", a page fails its checksum" if extended == apsw.SQLITE_IOERR_DATA else None
        case apsw.CorruptError():
            return ""
        case _:
            # no statement is wrong by itself: what it finds is
            return f" ({exc})"


def _cannot_open(path: str) -> str:
    if not Path(path).exists() and not os.access(Path(path).parent, os.W_OK):
        return "the file does not exist and cannot be created here"
    return "no permission to open the file"
