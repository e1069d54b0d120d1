"""Files that are written beside their place and get their name when they are whole."""

from __future__ import annotations

import fcntl
import itertools
import os
from contextlib import suppress
from pathlib import Path

#: Numbers without a file after which no more part files are looked for.
_GAP = 8
#: What SQLite keeps beside a file that it writes.
_COMPANIONS = ("", "-wal", "-shm", "-journal")


class PartFile:
    """A new, empty file beside `target`, which `commit` renames to it.

    Every owner has a part file of its own (``FILE.part``, ``FILE.1.part``, ...), so that of two
    programs that write one file each leaves a whole one. The owner holds a lock on it, which ends
    with the process: a part file without a lock was left by a process that was killed, and the
    next one to write `target` removes it.

    Parameters
    ----------
    target
        The file to make or to replace. Its folder exists; a symbolic link is not followed.
    mode
        Of the new file, less what the process masks.

    Attributes
    ----------
    path : Path
        The part file.
    descriptor : int
        It, open for reading and writing until `commit` or `discard`.

    Raises
    ------
    OSError
        The file system refuses.
    """

    def __init__(self, target: Path, *, mode: int = 0o666) -> None:
        self.target = target
        self._open = True
        remove_left_over(target)
        for number in itertools.count():
            self.path = _candidate(target, number)
            with suppress(FileExistsError):
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self.descriptor = os.open(self.path, flags, mode)
                # until it is locked, another process may take it for one left over
                if _lock(self.descriptor) is not False and _is_file(self.path, self.descriptor):
                    return
                os.close(self.descriptor)

    def commit(self, *, replace: bool = True, durable: bool = True) -> None:
        """Give the file its name; if that fails, it is removed.

        Parameters
        ----------
        replace
            Take the place of another file.
        durable
            Return when the file will be there after a power cut.

        Raises
        ------
        FileExistsError
            `replace` is false, and there is a file.
        """
        try:
            publish(self.path, self.target, replace=replace, durable=durable)
        except BaseException:
            self.discard()
            raise
        self._close()
        remove_left_over(self.target)

    def discard(self) -> None:
        """Remove the part file, unless it has its name; what was there before stays."""
        if self._open:
            with suppress(OSError):
                if _is_file(self.path, self.descriptor):
                    self.path.unlink()
            self._close()

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self.descriptor)


def write_whole(
    target: Path,
    data: bytes,
    *,
    mode: int = 0o666,
    owner: tuple[int, int] | None = None,
    durable: bool = True,
) -> None:
    """Make or replace a file in one step.

    Parameters
    ----------
    owner
        User and group that the file is handed to.
    mode, durable
        As for `PartFile`.

    Raises
    ------
    OSError
        The file system refuses; what was there before stays.
    """
    part = PartFile(target, mode=mode)
    try:
        if owner is not None:
            os.fchown(part.descriptor, *owner)
        part.path.write_bytes(data)
    except BaseException:
        part.discard()
        raise
    part.commit(durable=durable)


def remove_left_over(target: Path) -> None:
    """Remove the part files of `target` whose owners are gone."""
    missing = 0
    for number in itertools.count():
        path = _candidate(target, number)
        missing = 0 if os.path.lexists(path) else missing + 1
        if missing == _GAP:
            return
        if not missing:
            with suppress(OSError):
                _remove_left_over(path, target)


def publish(part: Path, target: Path, *, replace: bool = True, durable: bool = True) -> None:
    """Give a whole file its name; parameters and errors as for `PartFile.commit`."""
    if durable:
        sync(part)
    if replace:
        part.replace(target)
    else:
        # unlike a rename, a link fails when another process was faster
        target.hardlink_to(part)
        # another process may have taken it for one left over
        part.unlink(missing_ok=True)
    if durable:
        sync(target.parent)


def remove(part: Path) -> None:
    """Remove a part file, and what SQLite kept beside it."""
    for companion in _COMPANIONS:
        Path(f"{part}{companion}").unlink(missing_ok=True)


def make_folder(folder: Path, *, private: bool = False) -> None:
    """Make a folder, and those above it, as durably as the files in it; it may exist.

    Parameters
    ----------
    private
        Close what is made to others.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700 if private else 0o777, exist_ok=True)
    if not folder.is_dir():
        # says what stands in the way
        folder.mkdir()
    for each in missing:
        # a folder above may be closed to readers
        with suppress(PermissionError):
            sync(each.parent)


def lock_folder(folder: Path) -> int:
    """Wait for the lock on a folder; it ends when the returned descriptor is closed.

    Some network file systems cannot lock a folder. There it is not locked.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _candidate(target: Path, number: int) -> Path:
    return target.with_name(f"{target.name}{f'.{number}' if number else ''}.part")


def _remove_left_over(path: Path, target: Path) -> None:
    if not path.is_file() or path.is_symlink():
        return
    if target.exists() and path.samefile(target):
        # it has got its name; and to close it would end SQLite's locks on the target
        remove(path)
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if _lock(descriptor) and _is_file(path, descriptor):
            remove(path)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Take the lock of an owner; false if it is taken, `None` if locks tell nothing here."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
    except OSError:
        # NFS takes both kinds of locks for one, and ours would keep SQLite from its file
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return None
    return True


def _is_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
