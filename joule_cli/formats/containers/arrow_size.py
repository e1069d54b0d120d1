"""How large the batches of an Arrow file become once they are unpacked.

pyarrow allocates what a file claims. Notes on the format: a message is a prefix of 8 bytes, its
metadata and a body; a compressed buffer of the body begins with its unpacked size (8 bytes).
Source: the Arrow columnar format, "Encapsulated message format" and ``Message.fbs``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

from joule_cli.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A batch that unpacks to more bytes, and to more than so many times its size, is not unpacked.
BOUNDS: Final = ((1 << 26, 1000), (1 << 30, 100))
_CONTINUATION: Final = b"\xff\xff\xff\xff"
_PREFIX: Final = 8
#: Metadata of a batch of 100,000 columns takes less.
_MOST_METADATA: Final = 1 << 26
_DICTIONARY, _RECORDS = 2, 3


def check_ratio(size: int, packed: int, what: str, name: str) -> None:
    """Refuse what unpacks to far more than its size.

    Raises
    ------
    FormatError
        It does.
    """
    if any(size > most and size > ratio * packed for most, ratio in BOUNDS):
        raise FormatError(
            f"{what} would unpack from {packed >> 10:,} KB to {size >> 20:,} MB, which is refused",
            file=name,
        )


def check_file(file: IO[bytes], begin: int, name: str) -> None:
    """Look at the batches of an Arrow file, whose first message stands at `begin`.

    Raises
    ------
    FormatError
        One unpacks to far more than its size.
    """
    at = begin
    while True:
        file.seek(at)
        prefix = file.read(_PREFIX)
        size = _metadata_size(prefix)
        if not size:
            return
        message = _read_message(file.read(size))
        if message is None:
            return
        body = at + _PREFIX + size
        unpacked = 0
        for offset, length in message.buffers:
            if length >= _PREFIX:
                file.seek(body + offset)
                unpacked += _claimed(file.read(_PREFIX))
        check_ratio(unpacked, message.size, "a batch of the file", name)
        at = body + message.size


def _metadata_size(prefix: bytes) -> int:
    """Return the size of the metadata of a message, 0 at the end."""
    if len(prefix) < _PREFIX or not prefix.startswith(_CONTINUATION):
        return 0
    size = int.from_bytes(prefix[4:], "little", signed=True)
    return size if 0 < size <= _MOST_METADATA else 0


def _claimed(head: bytes) -> int:
    size = int.from_bytes(head, "little", signed=True)
    return max(size, 0)


@dataclass(slots=True)
class _Message:
    """The body of a message: its size, and its compressed buffers as offset and length."""

    size: int
    buffers: list[tuple[int, int]] = field(default_factory=list)


def _read_message(metadata: bytes) -> _Message | None:
    try:
        return _Flat(metadata).message()
    except (struct.error, IndexError):
        # pyarrow says what is wrong with it
        return None


class _Flat:
    """The few fields of a flatbuffer that are needed."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def _at(self, form: str, at: int) -> int:
        if at < 0:
            raise IndexError
        value: int = struct.unpack_from(form, self._data, at)[0]
        return value

    def _field(self, table: int, index: int) -> int:
        """Return where a field of a table stands, 0 if it is left out."""
        vtable = table - self._at("<i", table)
        place = 4 + 2 * index
        if place >= self._at("<H", vtable):
            return 0
        offset = self._at("<H", vtable + place)
        return table + offset if offset else 0

    def _table(self, place: int) -> int:
        return place + self._at("<I", place)

    def message(self) -> _Message:
        """Read a ``Message``."""
        root = self._table(0)
        size = self._field(root, 3)
        found = _Message(max(self._at("<q", size), 0) if size else 0)
        kind, header = self._field(root, 1), self._field(root, 2)
        if not kind or not header:
            return found
        batch = self._table(header)
        kind = self._at("<B", kind)
        if kind == _DICTIONARY:
            batch = self._table(self._field(batch, 1))
        elif kind != _RECORDS:
            return found
        buffers = self._field(batch, 2)
        if buffers and self._field(batch, 3):
            found.buffers = list(self._pairs(self._table(buffers)))
        return found

    def _pairs(self, vector: int) -> Iterator[tuple[int, int]]:
        for at in range(self._at("<I", vector)):
            place = vector + 4 + 16 * at
            yield self._at("<q", place), self._at("<q", place + 8)


class StreamWatch:
    """Looks at the bytes of an Arrow stream before pyarrow gets them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = b""
        self._size = 0
        self._message: _Message | None = None
        self._body_at = 0
        self._done = False

    def __call__(self, data: bytes) -> None:
        """Take what comes next in the stream.

        Raises
        ------
        FormatError
            It is a batch that unpacks to far more than its size.
        """
        view = memoryview(data)
        while view and not self._done:
            if self._message is not None:
                view = self._body(view)
                continue
            wanted = self._size or _PREFIX
            part = view[: wanted - len(self._held)]
            self._held += part
            view = view[len(part) :]
            if len(self._held) < wanted:
                return
            if self._size:
                self._message = _read_message(self._held)
                self._done = self._message is None
                self._body_at = self._size = 0
            else:
                self._size = _metadata_size(self._held)
                self._done = not self._size
            self._held = b""

    def _body(self, view: memoryview) -> memoryview:
        """Look at a part of the body, which pyarrow reads at once."""
        message = self._message
        assert message is not None
        part = view[: message.size - self._body_at]
        unpacked = 0
        for offset, length in message.buffers:
            at = offset - self._body_at
            if length >= _PREFIX and 0 <= at <= len(part) - _PREFIX:
                unpacked += _claimed(bytes(part[at : at + _PREFIX]))
        check_ratio(unpacked, message.size, "a batch of the stream", self._name)
        self._body_at += len(part)
        if self._body_at >= message.size:
            self._message = None
        return view[len(part) :]
