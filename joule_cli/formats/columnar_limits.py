"""How far Parquet and Arrow files may unpack.

Both tell how large each of their pieces becomes, and the library makes room for that at once, be it
of a few bytes. Here the sizes are looked at first, and nothing is unpacked. Sources: the Thrift
compact protocol and ``PageHeader`` of Apache Parquet; ``Message`` and ``RecordBatch`` of the Arrow
IPC format, with the flat buffers that they are written in.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING, Any, Final

from joule_cli.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: A piece may unpack to this many bytes, whatever its size, and to so many times its size; never
#: to more than the last.
_ANY_BYTES, _RATIO, _MOST_BYTES = 256 * 2**20, 100, 4 * 2**30
#: Largest head of a page, bytes; statistics are the largest part of it.
_LARGEST_HEAD: Final = 16 * 2**20
#: Structures within structures in the head of a page.
_DEEPEST: Final = 16
#: Kinds of values of the Thrift compact protocol.
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = (
    *(0, 1, 2, 3, 7, 8, 9, 10, 11, 12),
)
_INTEGERS: Final = frozenset({4, 5, 6})
#: What an Arrow message holds.
_DICTIONARY, _BATCH = 2, 3
_CONTINUATION: Final = b"\xff\xff\xff\xff"
#: The head of an Arrow file, before the messages.
_ARROW_MAGIC: Final = b"ARROW1\0\0"


def check_parquet(file: IO[bytes], metadata: Any, name: str) -> None:
    """Refuse a Parquet file with a page that unpacks to too much.

    Parameters
    ----------
    file
        The file, which is read at any place.
    metadata
        ``ParquetFile.metadata``.
    name
        Of the file, for errors.

    Raises
    ------
    FormatError
        A page is too large, or its head cannot be read.
    """
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for number in range(row_group.num_columns):
            column = row_group.column(number)
            if not column.num_values:
                continue
            begin = column.data_page_offset
            if column.has_dictionary_page and 0 < column.dictionary_page_offset < begin:
                begin = column.dictionary_page_offset
            what = f"the column {column.path_in_schema!r}"
            for packed, unpacked in _pages(file, begin, column.total_compressed_size, name):
                _check(what, packed, unpacked, name)


def check_arrow(file: IO[bytes], name: str) -> None:
    """Refuse an Arrow file, or stream in a file, with a batch that unpacks to too much.

    Raises
    ------
    FormatError
        A batch is too large, or the description of one cannot be read.
    """
    file.seek(0)
    place = len(_ARROW_MAGIC) if file.read(len(_ARROW_MAGIC)) == _ARROW_MAGIC else 0
    while True:
        file.seek(place)
        head = file.read(8)
        if head[:4] == _CONTINUATION:
            size, place = head[4:], place + 8
        else:
            # before version 0.15 there was no mark
            size, place = head[:4], place + 4
        n_bytes = int.from_bytes(size, "little", signed=True)
        if len(size) < 4 or n_bytes <= 0:
            return
        file.seek(place)
        metadata = _exactly(file, n_bytes, name)
        begin = place + n_bytes

        def read(offset: int, size: int, begin: int = begin) -> bytes:
            file.seek(begin + offset)
            return _exactly(file, size, name)

        place = begin + check_message(metadata, read, name)


def check_message(metadata: bytes, read: Callable[[int, int], bytes], name: str) -> int:
    """Refuse an Arrow message whose body unpacks to too much, and return the size of the body.

    Parameters
    ----------
    metadata
        ``Message.metadata``.
    read
        Gives bytes of the body: offset and size.

    Raises
    ------
    FormatError
        It is too large, or its description cannot be read.
    """
    try:
        message = _Table.root(metadata)
        kind, body = message.integer(1, "<B"), message.integer(3, "<q")
        batch = message.table(2)
        if batch is not None and kind == _DICTIONARY:
            batch = batch.table(1)
        if batch is not None and kind in {_DICTIONARY, _BATCH}:
            _check_batch(batch, body, read, name)
    except (struct.error, IndexError, ValueError) as exc:
        raise _damaged(name) from exc
    if body < 0:
        raise _damaged(name)
    return body


def _check_batch(batch: _Table, body: int, read: Callable[[int, int], bytes], name: str) -> None:
    rows = batch.integer(0, "<q")
    buffers = batch.pairs(2)
    unpacked = sum(size for _, size in buffers)
    if batch.table(3) is not None:
        # each buffer begins with its size when it is unpacked; -1 if it is not packed
        sizes = [
            (size, int.from_bytes(read(offset, 8), "little", signed=True))
            for offset, size in buffers
            if size
        ]
        unpacked = sum(size if told == -1 else told for size, told in sizes)
        if any(told < -1 for _, told in sizes):
            raise _damaged(name)
    if any(offset < 0 or size < 0 or offset + size > body for offset, size in buffers):
        raise _damaged(name)
    _check("a batch", body, unpacked, name)
    # every row has a time, of eight bytes, also one that is told once for all rows
    _check("a batch", body, 8 * rows, name)


def _check(what: str, packed: int, unpacked: int, name: str) -> None:
    most = min(max(_ANY_BYTES, _RATIO * packed), _MOST_BYTES)
    if not 0 <= unpacked <= most:
        raise FormatError(
            f"{what} unpacks from {packed:,} to {unpacked:,} bytes, at most {most:,} are taken",
            file=name,
        )


def _damaged(name: str) -> FormatError:
    return FormatError("the file is cut or damaged", file=name)


def _exactly(file: IO[bytes], size: int, name: str) -> bytes:
    if size > _MOST_BYTES:
        raise _damaged(name)
    found = file.read(size)
    if len(found) < size:
        raise _damaged(name)
    return found


# Arrow


class _Table:
    """A table of a flat buffer; what is out of bounds raises an error of `struct`."""

    def __init__(self, data: bytes, place: int) -> None:
        if place < 0:
            raise ValueError("before the beginning")
        self._data = data
        self._place = place
        (back,) = struct.unpack_from("<i", data, place)
        self._fields = place - back
        if self._fields < 0:
            raise ValueError("before the beginning")
        (self._size,) = struct.unpack_from("<H", data, self._fields)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def integer(self, number: int, form: str) -> int:
        place = self._at(number)
        return 0 if place is None else int(struct.unpack_from(form, self._data, place)[0])

    def table(self, number: int) -> _Table | None:
        place = self._at(number)
        return None if place is None else _Table(self._data, self._target(place))

    def pairs(self, number: int) -> list[tuple[int, int]]:
        """Return a vector of pairs of long integers."""
        place = self._at(number)
        if place is None:
            return []
        begin = self._target(place)
        (count,) = struct.unpack_from("<I", self._data, begin)
        if count > len(self._data) // 16:
            raise ValueError("too many")
        values = struct.unpack_from(f"<{2 * count}q", self._data, begin + 4)
        return list(zip(values[::2], values[1::2], strict=True))

    def _at(self, number: int) -> int | None:
        entry = 4 + 2 * number
        if entry + 2 > self._size:
            return None
        (offset,) = struct.unpack_from("<H", self._data, self._fields + entry)
        return self._place + offset if offset else None

    def _target(self, place: int) -> int:
        return place + int(struct.unpack_from("<I", self._data, place)[0])


# Parquet


def _pages(file: IO[bytes], begin: int, size: int, name: str) -> Iterator[tuple[int, int]]:
    """Give the sizes of pages, as they are and unpacked, of one column."""
    place, end = begin, begin + size
    while place < end:
        head = _PageHead(file, place, name)
        if head.packed < 0 or head.unpacked < 0 or head.end + head.packed > end:
            raise _damaged(name)
        yield head.packed, head.unpacked
        place = head.end + head.packed


class _PageHead:
    """The head of a page: the sizes in it, and where it ends."""

    def __init__(self, file: IO[bytes], place: int, name: str) -> None:
        size = 256
        numbers: dict[int, int] | None = None
        while numbers is None:
            file.seek(place)
            self._data = file.read(size)
            self._at = 0
            try:
                numbers = self._read_struct(0)
            except IndexError:
                if len(self._data) < size or size >= _LARGEST_HEAD:
                    raise _damaged(name) from None
                # most heads are short
                size *= 16
            except ValueError as exc:
                raise _damaged(name) from exc
        if not {2, 3} <= numbers.keys():
            raise _damaged(name)
        self.unpacked, self.packed = numbers[2], numbers[3]
        self.end = place + self._at

    def _read_struct(self, depth: int) -> dict[int, int]:
        """Pass over a structure, and return its integers by the number of their field."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        numbers: dict[int, int] = {}
        field = 0
        while kind := (first := self._byte()) & 0x0F:
            delta = first >> 4
            field = field + delta if delta else self._zigzag()
            if kind in _INTEGERS:
                numbers[field] = self._zigzag()
            elif kind not in {_TRUE, _FALSE}:
                self._pass(kind, depth)
        return numbers

    def _pass(self, kind: int, depth: int) -> None:
        if kind in {_TRUE, _FALSE, _BYTE}:
            self._skip(1)
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind == _STRUCT:
            self._read_struct(depth + 1)
        elif kind in {_LIST, _SET}:
            first = self._byte()
            count = first >> 4
            for _ in range(self._varint() if count == 15 else count):
                self._pass(first & 0x0F, depth + 1)
        else:
            # heads of pages have no maps
            raise ValueError(f"unknown kind {kind}")

    def _byte(self) -> int:
        found = self._data[self._at]
        self._at += 1
        return found

    def _skip(self, size: int) -> None:
        self._at += size
        if self._at > len(self._data):
            raise IndexError

    def _varint(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return found
            shift += 7
            if shift > 63:
                raise ValueError("too long a number")

    def _zigzag(self) -> int:
        found = self._varint()
        return (found >> 1) ^ -(found & 1)
