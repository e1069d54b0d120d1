"""Decimated rows: means, minima and maxima of runs of consecutive rows.

Levels are powers of four. A row of level L stands for up to L rows of one interval: its timestamp
is the mean of theirs, rounded down; its data are all means, then all minima, then all maxima.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from joule_cli.series.layout import Layout, Rows

Counts: TypeAlias = npt.NDArray[np.int64]

#: The factor between two levels.
FACTOR = 4
#: Sums of this many µs times rows still fit an int64.
_SAFE_SPAN = 2**62


def level_for(n_rows: int, max_rows: int) -> int:
    """Return the smallest power of four that brings `n_rows` down to `max_rows`.

    Parameters
    ----------
    n_rows
        Rows to be shown, at least 0.
    max_rows
        Rows allowed, at least 1.
    """
    level = 1
    while level * max_rows < n_rows:
        level *= FACTOR
    return level


def group_counts(n_rows: int, size: int) -> Counts:
    """Return how many of `n_rows` rows fall into each group of `size`; the last may be short."""
    full, rest = divmod(n_rows, size)
    counts = np.full(full + bool(rest), size, np.int64)
    if rest:
        counts[-1] = rest
    return counts


def decimate(rows: Rows, size: int, layout: Layout) -> Rows:
    """Reduce raw rows by groups of `size`, counted from the first row.

    Parameters
    ----------
    rows
        (n,) of ``layout.dtype``, in order of time, without an interval break.
    size
        Rows to a group, at least 1.

    Returns
    -------
    Rows
        (ceil(n / size),) of ``layout.decimated.dtype``. Means accumulate in float64; the mean of
        infinities of both signs is NaN.

    Notes
    -----
    Source: Joule's decimation by four, mean, minimum and maximum.
    """
    n = len(rows)
    full = n - n % size
    out = np.empty(-(-n // size), layout.decimated.dtype)
    # one contiguous plane for each element: strided reductions run several times slower
    planes = np.ascontiguousarray(rows["data"].T)
    data = out["data"].reshape(len(out), 3, layout.width)
    with np.errstate(over="ignore", invalid="ignore"):
        for part, group in ((slice(0, full), size), (slice(full, n), n - full)):
            if part.start < part.stop:
                cut = planes[:, part].reshape(layout.width, -1, group)
                target = data[part.start // size : part.start // size + cut.shape[1]]
                target[:, 0] = cut.mean(axis=2, dtype=np.float64).T
                target[:, 1] = cut.min(axis=2).T
                target[:, 2] = cut.max(axis=2).T
    starts = np.arange(0, n, size)
    out["timestamp"] = _mean_times(rows["timestamp"], None, starts)
    return out


def regroup(level_rows: Rows, counts: Counts, starts: npt.NDArray[np.intp]) -> Rows:
    """Join neighbouring decimated rows.

    Parameters
    ----------
    level_rows
        (n,) decimated rows in order of time.
    counts
        (n,) raw rows that each stands for; the weights of the means.
    starts
        Index of the first row of each group, ascending, the first one 0.

    Returns
    -------
    Rows
        (len(starts),) of the same dtype.
    """
    out = np.empty(len(starts), level_rows.dtype)
    width = level_rows.dtype["data"].shape[0] // 3
    means = level_rows["data"][:, :width].astype(np.float64)
    total = np.add.reduceat(counts, starts)
    with np.errstate(over="ignore", invalid="ignore"):
        weighted = np.add.reduceat(
            means * (counts / np.repeat(total, _lengths(starts, counts)))[:, None], starts
        )
        out["data"][:, :width] = weighted
        mins = level_rows["data"][:, width : 2 * width]
        out["data"][:, width : 2 * width] = np.minimum.reduceat(mins, starts)
        out["data"][:, 2 * width :] = np.maximum.reduceat(
            level_rows["data"][:, 2 * width :], starts
        )
    out["timestamp"] = _mean_times(level_rows["timestamp"], counts, starts)
    return out


def _lengths(starts: npt.NDArray[np.intp], rows: npt.NDArray[np.generic]) -> Counts:
    return np.diff(starts, append=len(rows)).astype(np.int64)


def _mean_times(
    ts: npt.NDArray[np.int64], counts: Counts | None, starts: npt.NDArray[np.intp]
) -> npt.NDArray[np.int64]:
    """Return the weighted mean of each group, rounded down, without overflow."""
    lengths = _lengths(starts, ts)
    first = ts[starts]
    # the difference of two int64 always fits a uint64, and wrapping arithmetic gives just that
    offset = (ts - np.repeat(first, lengths)).view(np.uint64)
    weights = None if counts is None else counts.astype(np.uint64)
    total = (lengths if counts is None else np.add.reduceat(counts, starts)).astype(np.uint64)
    if int(offset.max(initial=0)) * int(total.max(initial=0)) < _SAFE_SPAN:
        sums = np.add.reduceat(offset if weights is None else offset * weights, starts)
        mean = sums // total
    else:
        # sum of quotients plus quotient of the summed remainders: exact, only slower
        each = np.repeat(total, lengths)
        whole, rest = offset // each, offset % each
        if weights is not None:
            whole, rest = whole * weights, rest * weights
            whole, rest = whole + rest // each, rest % each
        mean = np.add.reduceat(whole, starts) + np.add.reduceat(rest, starts) // total
    return first + mean.view(np.int64)
