"""Where the bytes of a text format go: compressed, to a part file or to an open file."""

from __future__ import annotations

import os
import zlib
from typing import IO, Protocol

import zstandard

from joule_cli.errors import FormatError
from joule_cli.formats.atomic import AtomicFile
from joule_cli.formats.base import FileRef, WriteOptions, os_failure, place_name
from joule_cli.formats.continued import tail

#: Text is collected up to here before it is compressed and handed to the operating system.
_BUFFER_BYTES = 1 << 18
#: Half the time of level 6 for a few percent more bytes.
_GZIP_LEVEL = 3


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Sink:
    """A buffered, optionally compressed output file.

    Raises
    ------
    FormatError
        The file cannot be written. A broken pipe is raised as `BrokenPipeError`.
    """

    def __init__(self, place: FileRef, options: WriteOptions) -> None:
        self.name = place_name(place)
        self._atomic: AtomicFile | None = None
        self._compressor = _compressor(compression_of(place, options), self.name)
        self._parts: list[bytes] = []
        self._size = 0
        self._file: IO[bytes]
        if isinstance(place, str | os.PathLike):
            self._atomic = AtomicFile(place, no_clobber=options.no_clobber, append=options.append)
            self._file = self._atomic.open()
            #: Whether rows stand in the file already.
            self.continues = self._atomic.continues
            if self.continues:
                self._drop_cut_line()
        else:
            self._file = place
            self.continues = options.append

    def _drop_cut_line(self) -> None:
        """Remove a last line without an end: what is written now would become a part of it."""
        assert self._atomic is not None
        try:
            length = tail(self._atomic.path, self.name).length
            if length is not None:
                self._file.truncate(length)
        except BaseException as exc:
            self._discard()
            if isinstance(exc, OSError):
                raise os_failure(exc, self.name) from exc
            raise

    def write(self, data: bytes) -> None:
        """Take bytes; they may stay in memory until `flush`."""
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _BUFFER_BYTES:
            self._drain()

    def _drain(self) -> None:
        data = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if self._compressor is not None:
            data = self._compressor.compress(data)
        self._put(data)

    def _put(self, data: bytes) -> None:
        if not data:
            return
        try:
            self._file.write(data)
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise os_failure(exc, self.name) from exc

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._drain()
        try:
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise os_failure(exc, self.name) from exc

    def close(self, *, complete: bool) -> None:
        """Finish the file; one that is not complete gets no end of compressed data."""
        try:
            if complete:
                self._drain()
                if self._compressor is not None:
                    self._put(self._compressor.flush())
                self.flush_file()
        except BaseException:
            self._discard()
            raise
        if self._atomic is None:
            return
        if complete:
            self._atomic.commit()
        else:
            self._atomic.discard()

    def flush_file(self) -> None:
        """Flush the open file below."""
        try:
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise os_failure(exc, self.name) from exc

    def _discard(self) -> None:
        if self._atomic is not None:
            self._atomic.discard()


def compression_of(place: FileRef, options: WriteOptions) -> str:
    """Return ``gzip[:1-9]``, ``zstd`` or ``none``: as asked for, else as the suffix says."""
    if options.compression is not None:
        return options.compression
    if isinstance(place, str | os.PathLike):
        name = os.fspath(place).lower()
        if name.endswith(".gz"):
            return "gzip"
        if name.endswith(".zst"):
            return "zstd"
    return "none"


def split_compression(text: str, name: str, kinds: tuple[str, ...]) -> tuple[str, int | None]:
    """Read ``gzip[:1-9]`` and its likes.

    Raises
    ------
    FormatError
        Not one of `kinds`, or a level that is not 1 to 9.
    """
    kind, _, level = text.partition(":")
    if kind not in kinds:
        raise FormatError(
            f"there is no compression {text!r} here, only {', '.join(kinds)}", file=name
        )
    if not level:
        return kind, None
    if kind != "gzip" or level not in "123456789" or len(level) != 1:
        raise FormatError(f"the compression {text!r} has no such level", file=name)
    return kind, int(level)


def _compressor(text: str, name: str) -> _Compressor | None:
    kind, level = split_compression(text, name, ("gzip", "zstd", "none"))
    if kind == "gzip":
        return zlib.compressobj(level or _GZIP_LEVEL, wbits=31)
    if kind == "zstd":
        return zstandard.ZstdCompressor().compressobj()
    return None
