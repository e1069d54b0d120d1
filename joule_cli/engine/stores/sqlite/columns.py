"""Columns of a blob, without the rest of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joule_cli.engine.stores.sqlite.blob import LINE, RAW, unseal
from joule_cli.engine.stores.sqlite.codec import clip, join_bytes, planes_of, raw_rows, times_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from joule_cli.series.layout import Layout


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
    coding, body = unseal(blob)
    bounded = start is not None or end is not None
    if coding == RAW:
        rows = raw_rows(body, n_rows, layout)
        ts = np.ascontiguousarray(rows["timestamp"])
        part = clip(ts, start, end)
        values = [np.ascontiguousarray(rows["data"][part, i]) for i in elements]
        return ts[part] if with_times else None, values
    size = LINE.unpack_from(body)[3]
    timed = with_times or bounded
    width = layout.element_bytes
    n_planes = max([size if timed else 0, *(size + width * (i + 1) for i in elements)])
    planes = planes_of(body, n_rows, layout, n_planes)
    times = times_of(body, n_rows, planes) if timed else None
    part = slice(0, n_rows) if times is None else clip(times, start, end)
    columns: list[npt.NDArray[np.generic]] = []
    for i in elements:
        column = np.empty(part.stop - part.start, layout.element)
        first = size + width * i
        join_bytes(planes[first : first + width, part], column, 0)
        columns.append(column)
    return times[part] if with_times and times is not None else None, columns
