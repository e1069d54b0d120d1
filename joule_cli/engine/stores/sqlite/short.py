"""A few rows of a blob, by column, without NumPy: it takes longer to load than they to decode."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

from joule_cli.engine.stores.sqlite.blob import LINE, RAW, check_raw, read_planes, unseal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.series.layout import Layout

_TYPECODES = {
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
_TIME_BYTES = 8


class _Opened(NamedTuple):
    """The parts of a body that rows are put together from."""

    time_at: Callable[[int], int]
    times_in: Callable[[int, int], array[int]]
    #: One byte of every row: that at a place in its values.
    plane: Callable[[int], bytes]


def decode_short(
    blob: bytes,
    n_rows: int,
    layout: Layout,
    elements: Sequence[int],
    start: int | None = None,
    end: int | None = None,
    *,
    with_times: bool = True,
) -> tuple[array[int] | None, list[array[Any]]]:
    """Do what `columns.decode_columns` does, into arrays of the standard library.

    The work grows with the rows that are given, as to Python, and hardly with those of the chunk.

    Raises
    ------
    CorruptChunkError
        The checksum, the version or the size is wrong.
    """
    coding, body = unseal(blob)
    width = layout.element_bytes
    if coding == RAW:
        opened = _raw(body, n_rows, layout)
    else:
        opened = _shuffled(body, n_rows, layout, width * (1 + max(elements, default=-1)))
    low = 0 if start is None else bisect_left(range(n_rows), start, key=opened.time_at)
    high = n_rows if end is None else bisect_left(range(n_rows), end, key=opened.time_at)
    columns = []
    for i in elements:
        column: array[Any] = array(_TYPECODES[layout.datatype])
        planes = [opened.plane(i * width + k)[low:high] for k in range(width)]
        column.frombytes(_joined(planes, high - low, width))
        columns.append(column)
    return opened.times_in(low, high) if with_times else None, columns


def _raw(body: memoryview, n_rows: int, layout: Layout) -> _Opened:
    check_raw(body, n_rows, layout)
    data, stride = bytes(body), layout.row_bytes
    times = array("q")
    times.frombytes(_joined([data[k::stride] for k in range(_TIME_BYTES)], n_rows, _TIME_BYTES))
    return _Opened(
        times.__getitem__,
        lambda low, high: times[low:high],
        lambda k: data[_TIME_BYTES + k :: stride],
    )


def _shuffled(body: memoryview, n_rows: int, layout: Layout, n_planes: int) -> _Opened:
    t0, base, step, size = LINE.unpack_from(body)
    first = t0 + base
    data = read_planes(body, n_rows, layout, size + n_planes)

    def plane(k: int) -> bytes:
        return data[k * n_rows : (k + 1) * n_rows]

    def time_at(i: int) -> int:
        residual = int.from_bytes(data[i : size * n_rows : n_rows], "little", signed=size == 8)
        return int(first + int(i * step) + residual)

    def times_in(low: int, high: int) -> array[int]:
        lines = array("q", map(int, map(step.__mul__, range(low, high))))
        residuals = [plane(k)[low:high] for k in range(size)]
        return _sums(first, lines, residuals)

    return _Opened(time_at, times_in, lambda k: plane(size + k))


def _sums(first: int, lines: array[int], planes: Sequence[bytes]) -> array[int]:
    """Return ``first + lines[i] + residual[i]``, the residuals being given in planes."""
    n_rows = len(lines)
    if first < 0:
        residuals = struct.unpack(f"<{n_rows}q", _joined(planes, n_rows, _TIME_BYTES))
        return array("q", [first + sum(pair) for pair in zip(lines, residuals, strict=True)])
    # added as digits of two long numbers: no sum is as large as to carry into the next digit
    numbers = (lines, _joined(planes, n_rows, _TIME_BYTES), struct.pack("<q", first) * n_rows)
    total = sum(int.from_bytes(memoryview(number).cast("B"), "little") for number in numbers)
    times = array("q")
    times.frombytes(total.to_bytes(_TIME_BYTES * n_rows, "little"))
    return times


def _joined(planes: Sequence[bytes], n_rows: int, width: int) -> bytearray:
    """Put the bytes of values together again, those that are missing of `width` being 0."""
    records = bytearray(n_rows * width)
    for index, plane in enumerate(planes):
        records[index::width] = plane
    return records
