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
    from joule_cli.series.layout import Layout, Rows

_VERSION, _RAW, _SHUFFLED = 1, 0, 1
_HEADER = struct.Struct("<BBHI")
_LINE = struct.Struct("<qqdB")
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
    values = np.ascontiguousarray(rows["data"].T)
    planes = _split_bytes(values)
    return _seal(_SHUFFLED, line + _compress(residuals + planes, len(rows)))


def decode(
    blob: bytes, n_rows: int, layout: Layout, start: int | None = None, end: int | None = None
) -> Rows:
    """Turn a blob back into rows, or only into those in ``[start, end)``.

    Raises
    ------
    CorruptChunkError
        The checksum, the version or the size is wrong.
    """
    if len(blob) < _HEADER.size:
        raise CorruptChunkError("a stored chunk is cut short")
    version, coding, _, crc = _HEADER.unpack_from(blob)
    if version != _VERSION or coding not in (_RAW, _SHUFFLED):
        raise CorruptChunkError("a stored chunk has an unknown coding")
    body = memoryview(blob)[_HEADER.size :]
    if zlib.crc32(body) != crc:
        raise CorruptChunkError("a stored chunk fails its checksum")
    if coding == _RAW:
        if len(body) != n_rows * layout.dtype.itemsize:
            raise CorruptChunkError("a stored chunk has the wrong size")
        rows = np.frombuffer(body, layout.dtype)
        return rows[_clip(rows["timestamp"], start, end)]
    return _decode_shuffled(body, n_rows, layout, start, end)


def _clip(ts: npt.NDArray[np.int64], start: int | None, end: int | None) -> slice:
    low = 0 if start is None or ts[0] >= start else int(np.searchsorted(ts, start))
    high = len(ts) if end is None or ts[-1] < end else int(np.searchsorted(ts, end))
    return slice(low, high)


def _compress(planes: bytes, plane_bytes: int) -> bytes:
    """Compress into one zstd frame, with blocks that end where planes end."""
    if not hasattr(_contexts, "compressor"):
        _contexts.compressor = zstandard.ZstdCompressor(level=1)
    if plane_bytes < _BLOCK_FROM:
        return bytes(_contexts.compressor.compress(planes))
    # a block has one code table: planes that share a block would share a compromise
    stream = _contexts.compressor.compressobj(size=len(planes))
    view = memoryview(planes)
    parts = []
    for start in range(0, len(planes), plane_bytes):
        parts.append(stream.compress(view[start : start + plane_bytes]))
        parts.append(stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    return b"".join([*parts, stream.flush()])


def _seal(coding: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION, coding, 0, zlib.crc32(body)) + body


def _decode_shuffled(
    body: memoryview, n_rows: int, layout: Layout, start: int | None, end: int | None
) -> Rows:
    t0, base, step, size = _LINE.unpack_from(body)
    if not hasattr(_contexts, "decompressor"):
        _contexts.decompressor = zstandard.ZstdDecompressor()
    try:
        raw = _contexts.decompressor.decompress(body[_LINE.size :])
    except zstandard.ZstdError as exc:
        raise CorruptChunkError("a stored chunk cannot be decompressed") from exc
    split = n_rows * size
    if len(raw) != split + n_rows * layout.width * layout.element.itemsize:
        raise CorruptChunkError("a stored chunk has the wrong size")
    ts = _line(n_rows, step)
    ts += t0
    ts += base
    if size:
        residuals = _join_bytes(np.frombuffer(raw, np.uint8, split).reshape(1, size, n_rows))
        # wraps around exactly as it did when encoding
        ts += residuals[0].astype(np.uint64).view(np.int64)
    part = _clip(ts, start, end)
    planes = np.frombuffer(raw, np.uint8, offset=split)
    planes = planes.reshape(layout.width, layout.element.itemsize, n_rows)[:, :, part]
    rows = np.empty(planes.shape[2], layout.dtype)
    rows["timestamp"] = ts[part]
    rows["data"] = _join_bytes(planes).view(layout.element).T
    return rows


def _line(n_rows: int, step: float) -> npt.NDArray[np.int64]:
    # one IEEE multiplication and a truncation: the same on every machine
    return (np.arange(n_rows) * step).astype(np.int64)


def _split_times(ts: npt.NDArray[np.int64]) -> tuple[bytes, bytes]:
    n, t0 = len(ts), int(ts[0])
    span = int(ts[-1]) - t0
    if span >= _MAX_SPAN:
        whole = np.ascontiguousarray(ts).view(np.uint64)
        return _LINE.pack(0, 0, 0.0, 8), _split_bytes(whole[None, :])
    step = span / (n - 1)
    residual = ts - t0
    residual -= _line(n, step)
    base = int(residual.min())
    residual -= base
    size = _smallest_size(int(residual.max()))
    line = _LINE.pack(t0, base, step, size)
    if size == 0:
        return line, b""
    return line, _split_bytes(residual.astype(f"<u{size}")[None, :])


def _smallest_size(largest: int) -> int:
    return next(size for size in (0, 1, 2, 4, 8) if largest < 1 << 8 * size)


def _split_bytes(values: npt.NDArray[np.generic]) -> bytes:
    """(k, n) values of s bytes -> k * s planes of n bytes each."""
    size = values.dtype.itemsize
    if size == 1:
        return values.tobytes()
    words = values.view(f"<u{size}")
    planes = np.empty((values.shape[0], size, values.shape[1]), np.uint8)
    for byte in range(size):
        np.right_shift(words, 8 * byte, out=planes[:, byte], casting="unsafe")
    return planes.tobytes()


def _join_bytes(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.unsignedinteger]:
    """Reverse of `_split_bytes`: (k, s, n) planes -> (k, n) unsigned words of s bytes."""
    size = planes.shape[1]
    words = planes[:, 0].astype(f"<u{size}")
    for byte in range(1, size):
        part = planes[:, byte].astype(words.dtype)
        part <<= 8 * byte
        words |= part
    return words
