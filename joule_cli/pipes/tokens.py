"""Interval breaks on byte transports: a row whose every byte is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from joule_cli.series.layout import Layout, Rows

if TYPE_CHECKING:
    from joule_cli.pipes.blocks import Item


def compute_dtype(layout: str) -> np.dtype[np.void]:
    """Return the NumPy type of one row of `layout`.

    Raises
    ------
    ValueError
        ``bad layout: [<text>]``.
    """
    return Layout.parse(layout).dtype


def interval_token(layout: str) -> Rows:
    """Return the row that marks a break, as an array of length 1."""
    return np.zeros(1, compute_dtype(layout))


def find_interval_token(raw: bytes, layout: str) -> tuple[int, int] | None:
    """Return where in whole packed rows the first break is.

    Returns
    -------
    (start, end) or None
        Byte offsets of the token; zeros that are not aligned to a row are data.
    """
    size = compute_dtype(layout).itemsize
    rows = np.frombuffer(raw, compute_dtype(layout), count=len(raw) // size)
    found = token_indices(rows)
    return (int(found[0]) * size, (int(found[0]) + 1) * size) if len(found) else None


def token_indices(rows: Rows) -> npt.NDArray[np.intp]:
    """Return the indices of the rows that read as a break."""
    candidates = np.flatnonzero(rows["timestamp"] == 0)
    if not len(candidates):
        return candidates
    # bytes, not values: negative zero is data
    raw = np.ascontiguousarray(rows[candidates]).view(np.uint8)
    return candidates[~raw.reshape(len(candidates), -1).any(axis=1)]


def split_at_tokens(rows: Rows) -> list[Item]:
    """Return the blocks of rows between the tokens, with `None` for each token."""
    items: list[Item] = []
    start = 0
    for index in token_indices(rows).tolist():
        if start < index:
            items.append(rows[start:index])
        items.append(None)
        start = index + 1
    if start < len(rows):
        items.append(rows[start:])
    return items
