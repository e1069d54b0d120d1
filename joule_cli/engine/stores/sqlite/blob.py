"""The bytes of a blob: what stands where, and what of it is intact.

::

    version   u8    1
    coding    u8    RAW or SHUFFLED
    counts    u16   1 if each row ends with counts, see levels.py, else 0
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

import zstandard

from joule_cli.errors import CorruptChunkError

if TYPE_CHECKING:
    from joule_cli.series.layout import Layout

RAW, SHUFFLED = 0, 1
#: Of SHUFFLED: t0, base, step and the size of the residuals.
LINE = struct.Struct("<qqdB")
_VERSION = 1
_HEADER = struct.Struct("<BBHI")

# zstd contexts are large and must not be shared by two threads at a time
_contexts = threading.local()


def seal(coding: int, body: bytes, *, counts: bool) -> bytes:
    """Make a blob."""
    return _HEADER.pack(_VERSION, coding, counts, zlib.crc32(body)) + body


def has_counts(blob: bytes) -> bool:
    """Tell whether the rows of a blob end with counts."""
    return len(blob) >= _HEADER.size and _HEADER.unpack_from(blob)[2] == 1


def unseal(blob: bytes) -> tuple[int, memoryview]:
    """Return the coding and the body of a blob whose checksum is right."""
    if len(blob) < _HEADER.size:
        raise CorruptChunkError("a stored chunk is cut short")
    version, coding, _, crc = _HEADER.unpack_from(blob)
    if version != _VERSION or coding not in (RAW, SHUFFLED):
        raise CorruptChunkError("a stored chunk has an unknown coding")
    body = memoryview(blob)[_HEADER.size :]
    if zlib.crc32(body) != crc:
        raise CorruptChunkError("a stored chunk fails its checksum")
    return coding, body


def check_raw(body: memoryview, n_rows: int, layout: Layout) -> None:
    """Refuse a body of another size than RAW rows have."""
    if len(body) != n_rows * layout.row_bytes:
        raise CorruptChunkError("a stored chunk has the wrong size")


def read_planes(body: memoryview, n_rows: int, layout: Layout, n_planes: int) -> bytes:
    """Decompress at least the first `n_planes` planes of a SHUFFLED body.

    Raises
    ------
    CorruptChunkError
        They do not have the right size, or cannot be decompressed.
    """
    size = LINE.unpack_from(body)[3]
    whole = n_rows * (size + layout.width * layout.element_bytes)
    frame = body[LINE.size :]
    if not hasattr(_contexts, "decompressor"):
        _contexts.decompressor = zstandard.ZstdDecompressor()
    try:
        if zstandard.frame_content_size(frame) != whole:
            raise CorruptChunkError("a stored chunk has the wrong size")
        if n_rows * n_planes >= whole // 4 * 3:
            raw: bytes = _contexts.decompressor.decompress(frame)
        elif n_planes == 0:
            raw = b""
        else:
            with _contexts.decompressor.stream_reader(frame) as reader:
                raw = reader.read(n_rows * n_planes)
    except zstandard.ZstdError as exc:
        raise CorruptChunkError("a stored chunk cannot be decompressed") from exc
    if len(raw) < n_rows * n_planes:
        raise CorruptChunkError("a stored chunk has the wrong size")
    return raw
