"""Output files that appear complete or not at all."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

from joule_cli.errors import FormatError
from joule_cli.formats.base import os_failure
from joule_cli.part_file import PartFile


class AtomicFile:
    """A part file beside the target, renamed to it by `commit`.

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
        self._part: PartFile | None = None
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
            if not self.direct:
                self._part = self._prepare(old)
        except OSError as exc:
            raise os_failure(exc, self.name) from exc

    @property
    def path(self) -> Path:
        """The file to write to."""
        return self.target if self._part is None else self._part.path

    def _prepare(self, old: os.stat_result | None) -> PartFile:
        if old is not None and not os.access(self.target, os.W_OK):
            # a rename would replace it in spite of its mode
            raise PermissionError(13, os.strerror(13))
        part = PartFile(self.target)
        try:
            if old is not None:
                os.fchmod(part.descriptor, stat.S_IMODE(old.st_mode))
            if self.continues:
                shutil.copyfile(self.target, part.path)
        except BaseException:
            part.discard()
            raise
        return part

    def _refuse(self) -> None:
        raise FormatError("the file exists already", file=self.name)

    def open(self) -> IO[bytes]:
        """Open the part file for writing; it is closed by `commit` or `discard`."""
        try:
            self._file = self.path.open("ab" if self.continues else "wb")
        except OSError as exc:
            raise os_failure(exc, self.name) from exc
        return self._file

    def commit(self) -> None:
        """Make the file durable and give it its name."""
        if self._done:
            return
        try:
            self._close()
            if self._part is not None:
                self._part.commit(replace=not self._no_clobber)
        except FileExistsError:
            self._refuse()
        except OSError as exc:
            raise os_failure(exc, self.name) from exc
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the part file; the old file stays."""
        if self._done:
            return
        self._done = True
        with suppress(OSError):
            # what could not be written is thrown away anyhow
            self._close()
        if self._part is not None:
            self._part.discard()

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
