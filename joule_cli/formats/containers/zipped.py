"""Zip archives with one file, which is read in place of the archive."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any, Final

from joule_cli.errors import FormatError
from joule_cli.formats.base import os_failure, place_name
from joule_cli.formats.containers.base import Container
from joule_cli.formats.containers.foreign import foreign_zip
from joule_cli.formats.seekable import check_seekable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.containers.base import Batch
    from joule_cli.formats.registry import Opener
    from joule_cli.formats.table.options import ReadOptions

_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
#: Files of formats that go to and fro are unpacked to a temporary file, up to this size.
_MOST_BYTES: Final = 1 << 34
_BLOCK_BYTES: Final = 1 << 20


def open_zip(
    place: FileRef, options: ReadOptions, kinds: Mapping[str, Opener] | None = None
) -> Container:
    """Open the only file in an archive as a table.

    Parameters
    ----------
    kinds
        As in `joule_cli.formats.registry.open_container`.

    Raises
    ------
    FormatError
        The archive is damaged or encrypted, holds no file or several, or is a document of another
        kind.
    """
    name = place_name(place)
    check_seekable(place, name, "a zip archive")
    try:
        packed = zipfile.ZipFile(place)
    except OSError as exc:
        raise os_failure(exc, name) from exc
    except _ERRORS as exc:
        raise FormatError("the file is no zip archive, or cut", file=name) from exc
    try:
        return _open(packed, place, name, options, kinds)
    except BaseException:
        packed.close()
        raise


def _open(
    packed: zipfile.ZipFile,
    place: FileRef,
    name: str,
    options: ReadOptions,
    kinds: Mapping[str, Opener] | None,
) -> Container:
    from joule_cli.formats.registry import FORMATS, format_of, open_container

    members = [member for member in packed.infolist() if not _is_noise(member)]
    names = [member.filename for member in members]
    if "xl/workbook.xml" in names:
        packed.close()
        if not isinstance(place, str | os.PathLike):
            place.seek(0)
        return open_container(place, "excel", options)[0]
    document = foreign_zip(names, name)
    if document is not None:
        raise document
    if len(members) != 1:
        listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        raise FormatError(
            f"the archive holds {len(members)} files: {listed}"
            if names
            else "the archive is empty",
            file=name,
            hint="unpack it and name one of the files" if names else None,
        )
    (member,) = members
    if member.flag_bits & 1:
        raise FormatError("the archive is encrypted", file=name, hint="unpack it first")
    kind = format_of(member.filename)
    if member.filename.lower().endswith(".zip"):
        raise FormatError("the archive holds another archive", file=name, hint="unpack it first")
    stream: Any = _Member(packed, member, name)
    if kind is not None and FORMATS[kind].seeks:
        stream = _unpacked(stream, member.file_size, name)
    try:
        container, _ = open_container(stream, kind, options, kinds)
    except BaseException:
        stream.close()
        raise
    container.notes.append(f"{member.filename} in a zip archive")
    return ZippedContainer(container, stream)


class ZippedContainer(Container):
    """The table of a file in an archive."""

    def __init__(self, container: Container, stream: IO[bytes]) -> None:
        self._inner = container
        self._stream = stream
        self.kind = container.kind
        self.unit = container.unit
        self.name = container.name
        self.columns = container.columns
        self.told = container.told
        self.notes = container.notes
        self.warnings = container.warnings
        self.heading = container.heading
        self.delimiter = container.delimiter

    def sample(self) -> Batch:
        """Return the first rows; docstring of `Container.sample` applies."""
        return self._inner.sample()

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Take note of the columns; docstring of `Container.choose` applies."""
        self._inner.choose(columns, exact)

    def batches(self) -> Iterator[Batch | None]:
        """Give the rows; docstring of `Container.batches` applies."""
        return self._inner.batches()

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Container.share` applies."""
        return self._inner.share

    def last(self) -> Batch | None:
        """Return the last row; docstring of `Container.last` applies."""
        return self._inner.last()

    def close(self) -> None:
        """Close the archive; one that was handed in stays open."""
        self._inner.close()
        self._stream.close()


def _is_noise(member: zipfile.ZipInfo) -> bool:
    """Tell folders, and what macOS adds."""
    parts = member.filename.split("/")
    return member.is_dir() or parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db")


class _Member(io.RawIOBase):
    """The bytes of a file in an archive; what is wrong with them is an error of the archive."""

    def __init__(self, packed: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> None:
        self.name = name
        self._packed = packed
        try:
            self._file = packed.open(member)
        except (*_ERRORS, OSError) as exc:
            raise self._damaged(exc) from exc

    def _damaged(self, exc: BaseException) -> FormatError:
        # a place before the beginning of the file is an invalid argument
        if isinstance(exc, OSError) and exc.errno not in (None, errno.EINVAL):
            return os_failure(exc, self.name)
        return FormatError("the zip archive is cut or damaged", file=self.name)

    def readable(self) -> bool:
        """Tell that this is an input."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes."""
        try:
            data = self._file.read(len(buffer))
        except (*_ERRORS, OSError) as exc:
            raise self._damaged(exc) from exc
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the archive."""
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
            self._packed.close()
        super().close()


def _unpacked(stream: IO[bytes], size: int, name: str) -> IO[bytes]:
    """Copy a file to a temporary one, in which any place can be read."""
    copy = tempfile.NamedTemporaryFile()  # noqa: SIM115  # closed with the container
    try:
        with stream:
            while size <= _MOST_BYTES and (block := stream.read(_BLOCK_BYTES)):
                copy.write(block)
                size = max(size, copy.tell())
        copy.seek(0)
    except OSError as exc:
        copy.close()
        raise os_failure(exc, name) from exc
    except BaseException:
        copy.close()
        raise
    if size > _MOST_BYTES:
        copy.close()
        raise FormatError(
            f"the file in the archive is too large: more than {_MOST_BYTES >> 30} GB",
            file=name,
            hint="unpack it first",
        )
    return _Named(copy, name)


class _Named(io.BufferedRandom):
    """A temporary file that has the name of the archive in messages."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__(io.FileIO(os.dup(file.fileno()), "r+"))
        self._shown = name
        file.close()

    @property
    def name(self) -> str:
        """The name of the archive."""
        return self._shown
