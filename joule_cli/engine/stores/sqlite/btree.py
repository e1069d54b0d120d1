"""Rows of the tables of a node file, read from its pages without SQLite.

SQLite gives up at a page that is damaged, and with it all that lies behind. Here each page that is
whole gives what it has, and the others are told. The form of a page is that of the `file format
<https://sqlite.org/fileformat2.html>`_ of SQLite, chapters 1.6 and 2.1.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.engine.stores.sqlite.page_file import PageFile

_INDEX_BRANCH, _TABLE_BRANCH, _INDEX_LEAF, _TABLE_LEAF = 2, 5, 10, 13
_BRANCHES = frozenset({_INDEX_BRANCH, _TABLE_BRANCH})
_INDEXES = frozenset({_INDEX_BRANCH, _INDEX_LEAF})
#: Bytes of integers, by their type in a record.
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_FLOAT, _FIRST_BLOB = 7, 12
_CONSTANTS = {0: None, 8: 0, 9: 1}


class Row(NamedTuple):
    """One row of a table, or one entry of an index."""

    rowid: int | None  # None in an index, and in a table without them
    values: tuple[Any, ...]


class Gap(NamedTuple):
    """Rows that are lost with a page: those behind one key, up to the other.

    Keys are row ids in a table, and rows in an index; `None` stands for the end of the tree.
    """

    after: Any
    last: Any


class _CutError(Exception):
    """Something on a page leads to where nothing is."""


class Tree:
    """The tree of one table or index.

    Parameters
    ----------
    file
        What it is read from.
    root
        The number of its first page.
    """

    def __init__(self, file: PageFile, root: int) -> None:
        self._file = file
        self._root = root
        self._seen: set[int] = set()

    def read(self) -> Iterator[Row | Gap]:
        """Yield all rows that are whole, nearly in order, and what is missing between them."""
        self._seen.clear()
        yield from self._read(self._root, None, None)

    def _read(self, number: int, after: Any, last: Any) -> Iterator[Row | Gap]:
        if number in self._seen:
            return
        self._seen.add(number)
        page = self._file.page(number)
        start = 100 if number == 1 else 0
        kind = None if page is None else page[start]
        if page is None or kind not in (*_BRANCHES, _INDEX_LEAF, _TABLE_LEAF):
            yield from self._around(number, after, last)
            return
        branch = kind in _BRANCHES
        (n_cells,) = struct.unpack_from(">H", page, start + 3)
        at = start + (12 if branch else 8)
        for i in range(n_cells):
            try:
                (cell,) = struct.unpack_from(">H", page, at + 2 * i)
                child, row = self._cell(page, cell, kind)
            except (struct.error, IndexError, ValueError, _CutError):
                yield Gap(after, last)
                continue
            key = row.values if kind in _INDEXES else row.rowid
            if branch:
                yield from self._read(child, after, key)
            if kind != _TABLE_BRANCH:
                yield row
            after = key
        if branch:
            yield from self._read(struct.unpack_from(">I", page, start + 8)[0], after, last)

    def _around(self, number: int, after: Any, last: Any) -> Iterator[Row | Gap]:
        """Read the pages below one that is lost, which the map of the file still knows."""
        yield Gap(after, last)
        for child in self._file.below.get(number, ()):
            yield from self._read(child, after, last)

    def _cell(self, page: bytes, at: int, kind: int) -> tuple[int, Row]:
        child, rowid = 0, None
        if kind in _BRANCHES:
            (child,) = struct.unpack_from(">I", page, at)
            at += 4
        if kind == _TABLE_BRANCH:
            rowid, _ = _varint(page, at)
            return child, Row(_signed(rowid), ())
        size, at = _varint(page, at)
        if kind == _TABLE_LEAF:
            rowid, at = _varint(page, at)
            rowid = _signed(rowid)
        return child, Row(rowid, _values(self._payload(page, at, size, kind)))

    def _payload(self, page: bytes, at: int, size: int, kind: int) -> bytes:
        usable = self._file.usable_bytes
        most = usable - 35 if kind == _TABLE_LEAF else (usable - 12) * 64 // 255 - 23
        if size <= most:
            return page[at : at + size]
        least = (usable - 12) * 32 // 255 - 23
        here = least + (size - least) % (usable - 4)
        if here > most:
            here = least
        parts = [page[at : at + here]]
        (following,) = struct.unpack_from(">I", page, at + here)
        left = size - here
        while left > 0:
            more = self._file.page(following)
            if more is None:
                raise _CutError
            parts.append(more[4 : 4 + min(left, usable - 4)])
            left -= len(parts[-1])
            (following,) = struct.unpack_from(">I", more)
        return b"".join(parts)


def _values(payload: bytes) -> tuple[Any, ...]:
    end, at = _varint(payload, 0)
    position = end
    values: list[Any] = []
    while at < end:
        code, at = _varint(payload, at)
        size = _INTEGERS.get(code, 8 if code == _FLOAT else max(code - _FIRST_BLOB, 0) // 2)
        part = payload[position : position + size]
        if len(part) < size:
            raise _CutError
        position += size
        values.append(_value(code, part))
    return tuple(values)


def _value(code: int, part: bytes) -> Any:
    if code in _INTEGERS:
        return int.from_bytes(part, "big", signed=True)
    if code == _FLOAT:
        return struct.unpack(">d", part)[0]
    if code >= _FIRST_BLOB:
        return part.decode() if code % 2 else part
    if code not in _CONSTANTS:
        raise _CutError
    return _CONSTANTS[code]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of one to nine bytes, and where it ends."""
    value = 0
    for i in range(at, at + 8):
        value = value << 7 | data[i] & 0x7F
        if data[i] < 0x80:
            return value, i + 1
    return value << 8 | data[at + 8], at + 9


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
