"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

from joule_cli.errors import FormatError
from joule_cli.formats.base import os_failure


class AtomicFile:
    """``FILE.part`` beside the target, renamed to it by `commit`.

    The old file stays until then, and `discard` leaves it as it was. A symbolic link keeps
    pointing at its file, whose mode is kept. What is not a regular file (``/dev/stdout``, a named
    pipe) is written directly.

    Parameters
    ----------
    append
        Begin with a copy of the old file, if there is one.

    Raises
    ------
    FormatError
        The file exists and `no_clobber` is set, or the operating system refuses.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, no_clobber: bool = False, append: bool = False
    ) -> None:
        self.name = os.fspath(path)
        self.target = Path(path).resolve()
        self._no_clobber = no_clobber
        self._file: IO[bytes] | None = None
        self._done = False
        try:
            old = self.target.stat() if self.target.exists() else None
            if old is not None and stat.S_ISDIR(old.st_mode):
                raise FormatError("is a directory, not a file", file=self.name)
            #: Whether the target is written in place because it is a device or a pipe.
            self.direct = old is not None and not stat.S_ISREG(old.st_mode)
            if no_clobber and old is not None and not self.direct:
                self._refuse()
            #: Whether rows stand in the file already.
            self.continues = append and old is not None and not self.direct and old.st_size > 0
            #: The file to write to.
            self.part = (
                self.target if self.direct else self.target.with_name(f"{self.target.name}.part")
            )
            self._prepare(old)
        except OSError as exc:
            raise os_failure(exc, self.name) from exc

    def _prepare(self, old: os.stat_result | None) -> None:
        if self.direct:
            return
        if old is not None and not os.access(self.target, os.W_OK):
            # a rename would replace it in spite of its mode
            raise PermissionError(13, os.strerror(13))
        try:
            if self.continues:
                shutil.copyfile(self.target, self.part)
            else:
                self.part.write_bytes(b"")
            if old is not None:
                self.part.chmod(stat.S_IMODE(old.st_mode))
        except BaseException:
            with suppress(OSError):
                self.part.unlink()
            raise

    def _refuse(self) -> None:
        raise FormatError("the file exists already", file=self.name)

    def open(self) -> IO[bytes]:
        """Open the part file for writing; it is closed by `commit` or `discard`."""
        try:
            self._file = self.part.open("ab" if self.continues else "wb")
        except OSError as exc:
            raise os_failure(exc, self.name) from exc
        return self._file

    def commit(self) -> None:
        """Make the file durable and give it its name."""
        if self._done:
            return
        try:
            self._close()
            if not self.direct:
                _sync(self.part)
                self._rename()
                _sync(self.target.parent)
            self._done = True
        except OSError as exc:
            self.discard()
            raise os_failure(exc, self.name) from exc
        except FormatError:
            self.discard()
            raise

    def _rename(self) -> None:
        if not self._no_clobber:
            self.part.replace(self.target)
            return
        try:
            # unlike a rename, a link fails when another process was faster
            self.target.hardlink_to(self.part)
        except FileExistsError:
            self._refuse()
        self.part.unlink()

    def discard(self) -> None:
        """Remove the part file; the old file stays."""
        if self._done:
            return
        self._done = True
        with suppress(OSError):
            # what could not be written is thrown away anyhow
            self._close()
        if not self.direct:
            with suppress(OSError):
                self.part.unlink()

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
