"""Bytes of a text file, decompressed, and cut into blocks of whole lines."""

from __future__ import annotations

import codecs
import io
import os
import stat
import zlib
from pathlib import Path
from typing import IO, Protocol

import zstandard

from joule_cli.errors import FormatError
from joule_cli.formats.base import FileRef, os_failure, place_name

#: Enough rows for a block of 50,000 to 100,000 of four values; small enough for any memory.
BLOCK_BYTES = 1 << 22
#: A line longer than this is no row; the limit keeps a file without line ends out of memory.
LONGEST_LINE = 1 << 24
#: Compressed bytes at a time: what they can grow to, 1032-fold and 32768-fold, stays small.
_GZIP_BYTES = 1 << 14
_ZSTD_BYTES = 1 << 9

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BOM = codecs.BOM_UTF8


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class ByteSource:
    """The bytes of a file or of an open binary file, decompressed, in UTF-8.

    Compression is recognised by the first bytes, whatever the name. From a pipe, `read` gives
    what has arrived instead of waiting for more.

    Raises
    ------
    FormatError
        The file cannot be opened or read, is a directory, is empty (unless it may be), or its
        compressed data is cut or damaged.
    """

    def __init__(
        self, place: FileRef, encoding: str | None = None, *, may_be_empty: bool = False
    ) -> None:
        self.name = place_name(place)
        #: What was recognised of the text, for a person.
        self.notes: list[str] = []
        self._encoding = encoding
        self._file, self._own = _open(place, self.name)
        self._whole_blocks = _is_regular(self._file)
        self._size = _size(self._file)
        self._taken = 0
        # of the bytes that came last: where they begin and end in the file, and their number
        self._latest = (0, 0, 0)
        self._decompressor: _Decompressor | None = None
        self._kind = ""
        self._compressed = b""
        self._unread = b""
        self._decoder = _decoder(encoding or "utf-8", self.name)
        try:
            self._pending = self._begin(may_be_empty=may_be_empty)
        except BaseException:
            self.close()
            raise

    def _begin(self, *, may_be_empty: bool) -> bytes:
        first = self._raw(BLOCK_BYTES)
        # the first row of a slow pipe may be shorter than what marks compressed data
        while first and _may_begin_a_mark(first) and (more := self._raw(BLOCK_BYTES)):
            first += more
        self._unread = first
        if first.startswith(_GZIP_MAGIC):
            self._kind = "gzip"
        elif first.startswith(_ZSTD_MAGIC):
            self._kind = "zstd"
        if self._kind:
            self._decompressor = self._new_decompressor()
        start = self._next()
        if self._encoding is None and start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self.notes.append("UTF-16")
            self._decoder = _decoder("utf-16", self.name)
            start = self._as_utf8(start)
        if not start and not may_be_empty:
            raise FormatError("the file is empty", file=self.name)
        return start.removeprefix(_BOM) if self._decoder is None else start

    @property
    def is_regular(self) -> bool:
        """Whether this is a file on disk, not a pipe that may be slow."""
        return self._size > 0

    @property
    def compressed(self) -> bool:
        """Whether the bytes of the file are not those that `read` gives."""
        return self._decompressor is not None

    def share(self, held: int = 0) -> float | None:
        """Return the share of the file, as it is on disk, that `read` has given so far.

        `None` for what is no file on disk, such as a pipe. The share never falls as long as those
        who hold bytes back give on older bytes before they read more.

        Parameters
        ----------
        held
            How many of the last bytes do not count, because they are yet to be used.
        """
        if not self._size:
            return None
        begin, end, size = self._latest
        held = min(held + len(self._pending), size)
        done = end - (end - begin) * held / size if held else end
        # a file may grow while it is read
        return min(done / self._size, 1.0)

    def _new_decompressor(self) -> _Decompressor:
        if self._kind == "gzip":
            return zlib.decompressobj(wbits=31)
        return zstandard.ZstdDecompressor().decompressobj()

    def peek(self) -> bytes:
        """Return bytes that the next `read` will give again; empty at the end."""
        if not self._pending:
            self._pending = self._next()
        return self._pending

    def peek_more(self) -> bool:
        """Make `peek` give more bytes; false at the end."""
        more = self._next()
        self._pending += more
        return bool(more)

    def read(self) -> bytes:
        """Return some bytes, at most a few MB; empty at the end."""
        if self._pending:
            pending, self._pending = self._pending, b""
            return pending
        return self._next()

    def _next(self) -> bytes:
        begin = self._latest[1]
        data = self._decoded()
        end = self._taken - len(self._compressed) - len(self._unread)
        self._latest = (begin, end, len(data))
        return data

    def _decoded(self) -> bytes:
        while True:
            data = self._inflate() if self._decompressor is not None else self._raw(BLOCK_BYTES)
            if self._decoder is None:
                return data
            text = self._as_utf8(data)
            if text or not data:
                return text

    def _as_utf8(self, data: bytes) -> bytes:
        assert self._decoder is not None
        try:
            text = self._decoder.decode(data, final=not data)
        except UnicodeError as exc:
            raise FormatError(f"cannot decode the text: {exc}", file=self.name) from exc
        return text.encode("utf-8", "surrogateescape")

    def _inflate(self) -> bytes:
        out: list[bytes] = []
        size = 0
        step = _GZIP_BYTES if self._kind == "gzip" else _ZSTD_BYTES
        while size < BLOCK_BYTES:
            if not self._compressed:
                if out and not self._whole_blocks:
                    break
                self._compressed = self._raw(1 << 18)
                if not self._compressed:
                    self._check_end()
                    break
            piece, self._compressed = self._compressed[:step], self._compressed[step:]
            data = self._inflate_piece(piece)
            if data:
                out.append(data)
                size += len(data)
        return b"".join(out)

    def _inflate_piece(self, piece: bytes) -> bytes:
        assert self._decompressor is not None
        if self._decompressor.eof:
            # members may follow each other, and padding of zeros may follow the last
            piece = piece.lstrip(b"\0")
            if not piece:
                return b""
            self._decompressor = self._new_decompressor()
        try:
            data = self._decompressor.decompress(piece)
        except (zlib.error, zstandard.ZstdError) as exc:
            raise FormatError(f"the {self._kind} data is damaged", file=self.name) from exc
        if self._decompressor.eof and self._decompressor.unused_data:
            self._compressed = self._decompressor.unused_data + self._compressed
        return data

    def _check_end(self) -> None:
        assert self._decompressor is not None
        if not self._decompressor.eof:
            raise FormatError(f"the file is cut: its {self._kind} data has no end", file=self.name)

    def _raw(self, size: int) -> bytes:
        if self._unread:
            unread, self._unread = self._unread, b""
            return unread
        try:
            read = getattr(self._file, "read1", None) or self._file.read
            data = bytes(read(size) or b"")
        except OSError as exc:
            raise os_failure(exc, self.name) from exc
        self._taken += len(data)
        return data

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._own:
            self._file.close()


def _may_begin_a_mark(first: bytes) -> bool:
    return any(
        len(first) < len(magic) and magic.startswith(first) for magic in (_GZIP_MAGIC, _ZSTD_MAGIC)
    )


def _open(place: FileRef, name: str) -> tuple[IO[bytes], bool]:
    if not isinstance(place, str | os.PathLike):
        return place, False
    try:
        if Path(place).is_dir():
            raise FormatError("is a directory, not a file", file=name)
        return Path(place).open("rb", buffering=0), True
    except OSError as exc:
        raise os_failure(exc, name) from exc


def _is_regular(file: IO[bytes]) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, io.UnsupportedOperation, AttributeError):
        return True


def _size(file: IO[bytes]) -> int:
    """Return how many bytes of a file on disk are to come, 0 for anything else."""
    if not isinstance(getattr(file, "raw", file), io.FileIO):
        # what unpacks a file has its number, but not its size
        return 0
    try:
        found = os.fstat(file.fileno())
        return max(found.st_size - file.tell(), 0) if stat.S_ISREG(found.st_mode) else 0
    except (OSError, ValueError):
        return 0


def _decoder(encoding: str, name: str) -> codecs.IncrementalDecoder | None:
    try:
        info = codecs.lookup(encoding)
        if info.name in ("utf-8", "ascii", "utf-8-sig"):
            return None
        return codecs.getincrementaldecoder(encoding)("surrogateescape")
    except LookupError as exc:
        raise FormatError(f"there is no encoding {encoding!r}", file=name) from exc


def open_source(place: FileRef | ByteSource, encoding: str | None) -> ByteSource:
    """Open a file, or take one that was opened to look at its first line."""
    return place if isinstance(place, ByteSource) else ByteSource(place, encoding)


class LineBlocks:
    """Blocks of whole lines, with the number of the next line.

    `line` counts from 1 and is the number of the first line of what comes next. Every line ends
    with a line feed; `unterminated` tells that the last one of the file had none.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._rest = b""
        self.line = 1
        self.unterminated = False
        #: Lines end with a carriage return alone; `None` before the first of them.
        self._returns: bool | None = None

    @property
    def share(self) -> float | None:
        """The share of the file that the lines given so far make up, `None` if unknown."""
        return self._source.share(len(self._rest))

    def block(self) -> bytes:
        """Return the next lines, some MB at most; empty at the end."""
        block = self._whole_lines()
        self.line += block.count(b"\n")
        return block

    def put_back(self, block: bytes) -> None:
        """Give back lines that were just read."""
        self._rest = block + self._rest
        self.line -= block.count(b"\n")

    def readline(self) -> bytes:
        """Return the next line with its line feed; empty at the end."""
        block = self.block()
        cut = block.find(b"\n") + 1
        self.put_back(block[cut:])
        return block[:cut]

    def _whole_lines(self) -> bytes:
        parts = [self._rest]
        if b"\n" not in self._rest:
            size = len(self._rest)
            while data := self._source.read():
                if self._returns is None:
                    self._returns = b"\r" in data and b"\n" not in data
                if self._returns:
                    data = data.replace(b"\r", b"\n")
                parts.append(data)
                size += len(data)
                if b"\n" in data:
                    break
                if size > LONGEST_LINE:
                    raise FormatError(
                        f"the line is longer than {LONGEST_LINE >> 20} MB, this is not a text file",
                        file=self._source.name,
                        line=self.line,
                    )
        block = b"".join(parts)
        cut = block.rfind(b"\n") + 1
        if cut:
            self._rest = block[cut:]
            return block[:cut]
        self._rest = b""
        if not block:
            return b""
        self.unterminated = True
        return block + b"\n"
