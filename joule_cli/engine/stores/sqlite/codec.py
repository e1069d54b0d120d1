"""Rows to and from the bytes of a blob.

::

    version   u8    1
    coding    u8    RAW or SHUFFLED
    reserved  u16
    crc32     u32   of all that follows

    RAW       packed rows
    SHUFFLED  t0 i64, base i64, step f64, residual size u8 (0 1 2 4 8), then one zstd frame:
              the residuals of the timestamps, then the values of each element,
              both split into planes of their 1st, 2nd, ... bytes

A timestamp is ``t0 + base + floor(i * step) + residual[i]``; regular sampling leaves small
residuals. Byte planes put the slowly changing high bytes side by side, where zstd finds them.
"""

from __future__ import annotations

import struct
import threading
import zlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import zstandard

from joule_cli.errors import CorruptChunkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.series.layout import Layout, Rows

_VERSION, _RAW, _SHUFFLED = 1, 0, 1
_HEADER = struct.Struct("<BBHI")
_LINE = struct.Struct("<qqdB")
_TIME_BYTES = 8
#: Fewer rows are kept as they are: the fixed cost of a zstd frame outweighs its gain.
_RAW_BELOW = 64
#: Planes from this size on get blocks of their own; smaller ones are not worth the headers.
_BLOCK_FROM = 4096
#: Spans beyond this have no useful line; the timestamps are then stored whole.
_MAX_SPAN = 2**62

# zstd contexts are large and must not be shared by two threads at a time
_contexts = threading.local()


def encode(rows: Rows) -> bytes:
    """Turn rows into a blob; `decode` gives them back bit for bit."""
    if len(rows) < _RAW_BELOW:
        return _seal(_RAW, rows.tobytes())
    line, residuals = _split_times(rows["timestamp"])
    size, n_bytes = residuals.dtype.itemsize if residuals.size else 0, rows.dtype.itemsize
    planes = np.empty((size + n_bytes - _TIME_BYTES, len(rows)), np.uint8)
    _split_bytes(residuals, planes[:size], 0)
    _split_bytes(np.ascontiguousarray(rows), planes[size:], _TIME_BYTES)
    return _seal(_SHUFFLED, line + _compress(planes))


def decode(
    blob: bytes, n_rows: int, layout: Layout, start: int | None = None, end: int | None = None
) -> Rows:
    """Turn a blob back into rows, or only into those in ``[start, end)``.

    Raises
    ------
    CorruptChunkError
        The checksum, the version or the size is wrong.
    """
    coding, body = _open(blob)
    if coding == _RAW:
        rows = _raw_rows(body, n_rows, layout)
        return rows[_clip(rows["timestamp"], start, end)]
    return _decode_shuffled(body, n_rows, layout, start, end)


def _open(blob: bytes) -> tuple[int, memoryview]:
    """Return the coding and the body of a blob whose checksum is right."""
    if len(blob) < _HEADER.size:
        raise CorruptChunkError("a stored chunk is cut short")
    version, coding, _, crc = _HEADER.unpack_from(blob)
    if version != _VERSION or coding not in (_RAW, _SHUFFLED):
        raise CorruptChunkError("a stored chunk has an unknown coding")
    body = memoryview(blob)[_HEADER.size :]
    if zlib.crc32(body) != crc:
        raise CorruptChunkError("a stored chunk fails its checksum")
    return coding, body


def decode_columns(
    blob: bytes,
    n_rows: int,
    layout: Layout,
    elements: Sequence[int],
    start: int | None = None,
    end: int | None = None,
    *,
    with_times: bool = True,
) -> tuple[npt.NDArray[np.int64] | None, list[npt.NDArray[np.generic]]]:
    """Turn a blob into the timestamps and the values of some elements, one array each.

    Parameters
    ----------
    elements
        Positions of the elements; the planes behind the last of them are not decompressed.
    start, end
        Give only the rows in ``[start, end)``.
    with_times
        Give `None` for the timestamps if they are not wanted.

    Raises
    ------
    CorruptChunkError
        The checksum, the version or the size is wrong.
    """
    coding, body = _open(blob)
    bounded = start is not None or end is not None
    if coding == _RAW:
        rows = _raw_rows(body, n_rows, layout)
        ts = np.ascontiguousarray(rows["timestamp"])
        part = _clip(ts, start, end)
        values = [np.ascontiguousarray(rows["data"][part, i]) for i in elements]
        return ts[part] if with_times else None, values
    size = _LINE.unpack_from(body)[3]
    timed = with_times or bounded
    width = layout.element.itemsize
    n_planes = max([size if timed else 0, *(size + width * (i + 1) for i in elements)])
    planes = _planes(body, n_rows, layout, n_planes)
    times = _times(body, n_rows, planes) if timed else None
    part = slice(0, n_rows) if times is None else _clip(times, start, end)
    columns: list[npt.NDArray[np.generic]] = []
    for i in elements:
        column = np.empty(part.stop - part.start, layout.element)
        first = size + width * i
        _join_bytes(planes[first : first + width, part], column, 0)
        columns.append(column)
    return times[part] if with_times and times is not None else None, columns


def _clip(ts: npt.NDArray[np.int64], start: int | None, end: int | None) -> slice:
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


def _seal(coding: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION, coding, 0, zlib.crc32(body)) + body


def _raw_rows(body: memoryview, n_rows: int, layout: Layout) -> Rows:
    if len(body) != n_rows * layout.dtype.itemsize:
        raise CorruptChunkError("a stored chunk has the wrong size")
    return np.frombuffer(body, layout.dtype)


def _decode_shuffled(
    body: memoryview, n_rows: int, layout: Layout, start: int | None, end: int | None
) -> Rows:
    size = _LINE.unpack_from(body)[3]
    planes = _planes(body, n_rows, layout, size + layout.width * layout.element.itemsize)
    ts = _times(body, n_rows, planes)
    part = _clip(ts, start, end)
    rows = np.empty(part.stop - part.start, layout.dtype)
    rows["timestamp"] = ts[part]
    _join_bytes(planes[size:, part], rows, _TIME_BYTES)
    return rows


def _planes(body: memoryview, n_rows: int, layout: Layout, n_planes: int) -> npt.NDArray[np.uint8]:
    """Decompress at least the first `n_planes` planes."""
    size = _LINE.unpack_from(body)[3]
    whole = n_rows * (size + layout.width * layout.element.itemsize)
    frame = body[_LINE.size :]
    if not hasattr(_contexts, "decompressor"):
        _contexts.decompressor = zstandard.ZstdDecompressor()
    try:
        if zstandard.frame_content_size(frame) != whole:
            raise CorruptChunkError("a stored chunk has the wrong size")
        if n_rows * n_planes >= whole // 4 * 3:
            raw = _contexts.decompressor.decompress(frame)
        elif n_planes == 0:
            raw = b""
        else:
            with _contexts.decompressor.stream_reader(frame) as reader:
                raw = reader.read(n_rows * n_planes)
    except zstandard.ZstdError as exc:
        raise CorruptChunkError("a stored chunk cannot be decompressed") from exc
    if len(raw) < n_rows * n_planes:
        raise CorruptChunkError("a stored chunk has the wrong size")
    return np.frombuffer(raw, np.uint8).reshape(-1, n_rows)


def _times(body: memoryview, n_rows: int, planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    t0, base, step, size = _LINE.unpack_from(body)
    ts = _line(n_rows, step)
    ts += t0
    ts += base
    if size:
        residuals = np.empty(n_rows, f"<u{size}")
        _join_bytes(planes[:size], residuals, 0)
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
        return _LINE.pack(0, 0, 0.0, 8), np.ascontiguousarray(ts).view(np.uint64)
    step = span / (n - 1)
    residual = ts - t0
    residual -= _line(n, step)
    base = int(residual.min())
    residual -= base
    size = _smallest_size(int(residual.max()))
    line = _LINE.pack(t0, base, step, size)
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


def _join_bytes(
    planes: npt.NDArray[np.uint8], records: npt.NDArray[np.generic], first: int
) -> None:
    """Reverse of `_split_bytes`."""
    packed = records.view(np.uint8).reshape(len(records), -1)
    for index, plane in enumerate(planes):
        packed[:, first + index] = plane
