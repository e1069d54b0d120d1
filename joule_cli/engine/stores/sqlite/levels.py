"""Decimated rows of chunks to and from bytes.

Rows of `layout.decimated`, as blobs or packed. Where a chunk has missing values, each row also has
behind its maxima, for each element, the number of values that were not missing: means are joined
by it. Such a blob says so; such a packed row is longer.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from joule_cli.engine.stores.sqlite.blob import has_counts
from joule_cli.engine.stores.sqlite.codec import decode, encode
from joule_cli.pipes.blocks import join_rows
from joule_cli.series.decimation import Decimated, decimate, group_counts, regroup
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from joule_cli.series.decimation import Counts
    from joule_cli.series.layout import Rows

#: Levels that are stored besides the summary.
FINE, COARSE = 256, 4096


def encode_levels(rows: Rows, layout: Layout) -> tuple[bytes | None, bytes | None, bytes]:
    """Return `fine`, `coarse` and `summary` of a chunk's rows."""
    n = len(rows)
    if n <= FINE:
        return None, None, _packed(decimate(rows, n, layout), layout).tobytes()
    fine = coarse = decimate(rows, FINE, layout)
    counts = group_counts(n, FINE)
    if n > COARSE:
        step = COARSE // FINE
        starts = np.arange(0, len(fine.rows), step)
        coarse, counts = regroup(fine, counts, starts), group_counts(n, COARSE)
    summary = regroup(coarse, counts, np.zeros(1, np.intp))
    return (
        _encoded(fine, layout),
        _encoded(coarse, layout) if n > COARSE else None,
        _packed(summary, layout).tobytes(),
    )


def decode_level(blob: bytes, n_rows: int, layout: Layout) -> Decimated:
    """Return the decimated rows of a blob, of a stream of this layout.

    Raises
    ------
    CorruptChunkError
        The checksum, the version or the size is wrong.
    """
    if has_counts(blob):
        return Decimated(*_unpacked(decode(blob, n_rows, _counted(layout)), layout))
    return Decimated(decode(blob, n_rows, layout.decimated), None)


def read_summaries(summaries: Sequence[bytes], counts: Counts, layout: Layout) -> Decimated:
    """Return the summaries of chunks with `counts` rows."""
    plain, counted = layout.decimated.dtype, _counted(layout).dtype
    packed = b"".join(summaries)
    if len(packed) == len(summaries) * plain.itemsize:
        return Decimated(np.frombuffer(packed, plain), None)
    sizes = np.fromiter(map(len, summaries), np.int64, len(summaries))
    longer = sizes == counted.itemsize
    rows, present = np.empty(len(summaries), plain), _for_each(counts, layout.width)
    rows[~longer] = np.frombuffer(_joined(summaries, ~longer), plain)
    with_counts = np.frombuffer(_joined(summaries, longer), counted)
    rows[longer], present[longer] = _unpacked(with_counts, layout)
    return Decimated(rows, present)


def _joined(summaries: Sequence[bytes], chosen: npt.NDArray[np.bool_]) -> bytes:
    return b"".join(compress(summaries, chosen))


def _for_each(counts: Counts, width: int) -> Counts:
    """Return the same count for each of `width` elements."""
    return np.repeat(counts[:, None], width, axis=1)


def join_levels(parts: Sequence[Decimated], counts: Sequence[Counts]) -> Decimated:
    """Put decimated rows behind each other; `counts` has the raw rows that each stands for."""
    rows = join_rows([part.rows for part in parts])
    if all(part.present is None for part in parts):
        return Decimated(rows, None)
    width = rows.dtype["data"].shape[0] // 3
    present = [
        _for_each(number, width) if part.present is None else part.present
        for part, number in zip(parts, counts, strict=True)
    ]
    return Decimated(rows, np.concatenate(present))


def _counted(layout: Layout) -> Layout:
    # the largest chunk has 65,536 rows, which a float32 counts exactly
    return Layout(layout.decimated.datatype, 4 * layout.width)


def _encoded(level: Decimated, layout: Layout) -> bytes:
    return encode(_packed(level, layout), counts=level.present is not None)


def _packed(level: Decimated, layout: Layout) -> Rows:
    rows, present = level
    if present is None:
        return rows
    packed = np.empty(len(rows), _counted(layout).dtype)
    packed["timestamp"] = rows["timestamp"]
    packed["data"][:, : 3 * layout.width] = rows["data"]
    packed["data"][:, 3 * layout.width :] = present
    return packed


def _unpacked(packed: Rows, layout: Layout) -> tuple[Rows, Counts]:
    rows = np.empty(len(packed), layout.decimated.dtype)
    rows["timestamp"] = packed["timestamp"]
    rows["data"] = packed["data"][:, : 3 * layout.width]
    return rows, packed["data"][:, 3 * layout.width :].astype(np.int64)
