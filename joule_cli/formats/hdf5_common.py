"""What reading and writing HDF5 share."""

from __future__ import annotations

_CHUNK_ROWS = 1 << 16
#: Wide rows get chunks with fewer of them, so that a chunk always fits into memory and its cache.
_CHUNK_BYTES = 1 << 22
CACHE_BYTES = 1 << 24
#: h5py raises these for whatever is wrong with a file.
H5_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError)


def chunk_rows(row_bytes: int) -> int:
    """Return how many rows of this size a chunk takes."""
    rows = _CHUNK_ROWS
    while rows > 1 and rows * row_bytes > _CHUNK_BYTES:
        rows //= 2
    return rows
