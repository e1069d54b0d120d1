"""Rows to and from the bytes of a `blob`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import zstandard

from joule_cli.engine.stores.sqlite.blob import (
    LINE,
    RAW,
    SHUFFLED,
    check_raw,
    read_planes,
    seal,
    unseal,
)

if TYPE_CHECKING:
    from joule_cli.series.layout import Layout, Rows

_TIME_BYTES = 8
#: Fewer rows are kept as they are: the fixed cost of a zstd frame outweighs its gain.
_RAW_BELOW = 64
#: Planes from this size on get blocks of their own; smaller ones are not worth the headers.
_BLOCK_FROM = 4096
#: Spans beyond this have no useful line; the timestamps are then stored whole.
_MAX_SPAN = 2**62

# zstd contexts are large and must not be shared by two threads at a time
_contexts = threading.local()


def encode(rows: Rows, *, counts: bool = False) -> bytes:
    """Turn rows into a blob, marked if they end with counts; `decode` gives them back."""
    if len(rows) < _RAW_BELOW:
        return seal(RAW, rows.tobytes(), counts=counts)
    line, residuals = _split_times(rows["timestamp"])
    size, n_bytes = residuals.dtype.itemsize if residuals.size else 0, rows.dtype.itemsize
    planes = np.empty((size + n_bytes - _TIME_BYTES, len(rows)), np.uint8)
    _split_bytes(residuals, planes[:size], 0)
    _split_bytes(np.ascontiguousarray(rows), planes[size:], _TIME_BYTES)
    return seal(SHUFFLED, line + _compress(planes), counts=counts)


def decode(
    blob: bytes, n_rows: int, layout: Layout, start: int | None = None, end: int | None = None
) -> Rows:
    """Turn a blob back into rows, or only into those in ``[start, end)``.

    Raises
    ------
    CorruptChunkError
        The checksum, the version or the size is wrong.
    """
    coding, body = unseal(blob)
    if coding == RAW:
        rows = raw_rows(body, n_rows, layout)
        return rows[clip(rows["timestamp"], start, end)]
    return _decode_shuffled(body, n_rows, layout, start, end)


def clip(ts: npt.NDArray[np.int64], start: int | None, end: int | None) -> slice:
    """Return which rows lie in ``[start, end)``."""
    low = 0 if start is None or ts[0] >= start else int(np.searchsorted(ts, start))
    high = len(ts) if end is None or ts[-1] < end else int(np.searchsorted(ts, end))
    return slice(low, high)


def _compress(planes: npt.NDArray[np.uint8]) -> bytes:
    """Compress into one zstd frame, with blocks that end where planes end."""
    if not hasattr(_contexts, "compressor"):
        _contexts.compressor = zstandard.ZstdCompressor(level=1)
    if planes.shape[1] < _BLOCK_FROM:
        return bytes(_contexts.compressor.compress(planes))
    # a block has one code table: planes that share a block would share a compromise
    stream = _contexts.compressor.compressobj(size=planes.size)
    parts = []
    for plane in planes:
        parts.append(stream.compress(plane))
        parts.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    return b"".join([*parts, stream.flush()])


def raw_rows(body: memoryview, n_rows: int, layout: Layout) -> Rows:
    """Return the rows of a RAW body."""
    check_raw(body, n_rows, layout)
    return np.frombuffer(body, layout.dtype)


def _decode_shuffled(
    body: memoryview, n_rows: int, layout: Layout, start: int | None, end: int | None
) -> Rows:
    size = LINE.unpack_from(body)[3]
    planes = planes_of(body, n_rows, layout, size + layout.width * layout.element_bytes)
    ts = times_of(body, n_rows, planes)
    part = clip(ts, start, end)
    rows = np.empty(part.stop - part.start, layout.dtype)
    rows["timestamp"] = ts[part]
    join_bytes(planes[size:, part], rows, _TIME_BYTES)
    return rows


def planes_of(
    body: memoryview, n_rows: int, layout: Layout, n_planes: int
) -> npt.NDArray[np.uint8]:
    """Return at least the first `n_planes` planes, one a row."""
    return np.frombuffer(read_planes(body, n_rows, layout, n_planes), np.uint8).reshape(-1, n_rows)


def times_of(body: memoryview, n_rows: int, planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the timestamps of a SHUFFLED body."""
    t0, base, step, size = LINE.unpack_from(body)
    ts = _line(n_rows, step)
    ts += t0
    ts += base
    if size:
        residuals = np.empty(n_rows, f"<u{size}")
        join_bytes(planes[:size], residuals, 0)
        # wraps around exactly as it did when encoding
        ts += residuals.astype(np.uint64).view(np.int64)
    return ts


def _line(n_rows: int, step: float) -> npt.NDArray[np.int64]:
    # one IEEE multiplication and a truncation: the same on every machine
    return (np.arange(n_rows) * step).astype(np.int64)


def _split_times(ts: npt.NDArray[np.int64]) -> tuple[bytes, npt.NDArray[np.unsignedinteger]]:
    """Return the line, and the residuals: of the smallest type, or none if all are 0."""
    n, t0 = len(ts), int(ts[0])
    span = int(ts[-1]) - t0
    if span >= _MAX_SPAN:
        return LINE.pack(0, 0, 0.0, 8), np.ascontiguousarray(ts).view(np.uint64)
    step = span / (n - 1)
    residual = ts - t0
    residual -= _line(n, step)
    base = int(residual.min())
    residual -= base
    size = _smallest_size(int(residual.max()))
    line = LINE.pack(t0, base, step, size)
    return line, residual.astype(f"<u{size}") if size else np.empty(0, np.uint8)


def _smallest_size(largest: int) -> int:
    return next(size for size in (0, 1, 2, 4, 8) if largest < 1 << 8 * size)


def _split_bytes(
    records: npt.NDArray[np.generic], planes: npt.NDArray[np.uint8], first: int
) -> None:
    """Copy the bytes of each record, from byte `first` on, into one plane each."""
    packed = records.view(np.uint8).reshape(planes.shape[1], -1)
    for index, plane in enumerate(planes):
        plane[:] = packed[:, first + index]


def join_bytes(planes: npt.NDArray[np.uint8], records: npt.NDArray[np.generic], first: int) -> None:
    """Reverse of `_split_bytes`."""
    packed = records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
    for index, plane in enumerate(planes):
        packed[:, first + index] = plane
