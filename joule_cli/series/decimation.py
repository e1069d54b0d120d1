"""Decimated rows: means, minima and maxima of runs of consecutive rows.

Levels are powers of four. A row of level L stands for up to L rows of one interval: its timestamp
is the mean of theirs, rounded down; its data are all means, then all minima, then all maxima.
Missing values (NaN) are left out of all three, which are missing themselves only where every value
is. Means of means are weighted by the values that each is made from, so that a level is the same
whether it is made from the rows or from a finer level.
"""

from __future__ import annotations

import math
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from joule_cli.series.layout import Layout, Rows

Counts: TypeAlias = npt.NDArray[np.int64]

#: The factor between two levels.
FACTOR = 4
#: Sums of this many µs times rows still fit an int64.
_SAFE_SPAN = 2**62
#: So many values take less time than the calls of NumPy that reduce them.
_FEW_VALUES = 256


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


class Decimated(NamedTuple):
    """Decimated rows, and what each of their values is made from.

    Parameters
    ----------
    rows
        (n,) of a decimated layout of 3 k values.
    present
        (n, k) values that were not missing in the rows that each stands for; `None` if none was
        missing, so that the number of rows tells it.
    """

    rows: Rows
    present: Counts | None


def decimate(rows: Rows, size: int, layout: Layout) -> Decimated:
    """Reduce raw rows by groups of `size`, counted from the first row.

    Parameters
    ----------
    rows
        (n,) of ``layout.dtype``, in order of time, without an interval break.
    size
        Rows to a group, at least 1.

    Returns
    -------
    Decimated
        (ceil(n / size),) of ``layout.decimated.dtype``. Means accumulate in float64; the mean of
        infinities of both signs is NaN.

    Notes
    -----
    Source: Joule's decimation by four, mean, minimum and maximum.
    """
    n = len(rows)
    if 0 < n <= size and n * layout.width <= _FEW_VALUES:
        found = _one_group(rows, layout)
        if found is not None:
            return Decimated(found, None)
    full = n - n % size
    out = np.empty(-(-n // size), layout.decimated.dtype)
    # one contiguous plane for each element: strided reductions run several times slower
    planes = np.ascontiguousarray(rows["data"].T)
    data = out["data"].reshape(len(out), 3, layout.width)
    present: Counts | None = None
    with np.errstate(over="ignore", invalid="ignore"):
        for part, group in ((slice(0, full), size), (slice(full, n), n - full)):
            if part.start < part.stop:
                cut = planes[:, part].reshape(layout.width, -1, group)
                first = part.start // size
                target = data[first : first + cut.shape[1]]
                target[:, 0] = cut.mean(axis=2, dtype=np.float64).T
                target[:, 1] = cut.min(axis=2).T
                target[:, 2] = cut.max(axis=2).T
                # a missing value shows in the minimum, which infinities leave a number
                spoilt = np.isnan(target[:, 1])
                if spoilt.any():
                    if present is None:
                        present = np.repeat(group_counts(n, size)[:, None], layout.width, axis=1)
                    _leave_out_missing(cut, spoilt, target, present[first:])
    starts = np.arange(0, n, size)
    out["timestamp"] = _mean_times(rows["timestamp"], None, starts)
    return Decimated(out, present)


def _one_group(rows: Rows, layout: Layout) -> Rows | None:
    """Reduce a few rows to one without NumPy, whose calls cost more than their work here.

    Returns
    -------
    Rows or None
        (1,) of ``layout.decimated.dtype``; `None` if a value is missing or infinite, or the sum
        of the means is.
    """
    columns = rows["data"].T.tolist()
    times = rows["timestamp"].tolist()
    n = len(times)
    try:
        means = [math.fsum(column) / n for column in columns]
    except (OverflowError, ValueError):
        return None
    if not math.isfinite(sum(means)):
        return None
    decimated = layout.decimated
    values = (*means, *map(min, columns), *map(max, columns))
    packed = bytearray(_packer(decimated).pack(sum(times) // n, *values))
    return np.frombuffer(packed, decimated.dtype)


@lru_cache(maxsize=128)
def _packer(layout: Layout) -> Struct:
    return Struct(f"<q{layout.width}{layout.element.char}")


def _leave_out_missing(
    cut: npt.NDArray[np.floating],
    spoilt: npt.NDArray[np.bool_],
    target: npt.NDArray[np.floating],
    present: Counts,
) -> None:
    """Compute anew the groups that have missing values, and count the others of each.

    Parameters
    ----------
    cut
        (k, groups, size) raw values.
    spoilt
        (groups, k) whether a value is missing.
    target, present
        (groups, 3, k) results and (groups, k) counts; both are changed.
    """
    group, element = np.nonzero(spoilt)
    values = cut[element, group]
    missing = np.isnan(values)
    left = values.shape[1] - missing.sum(axis=1)
    sums = np.where(missing, 0, values).sum(axis=1, dtype=np.float64)
    means = np.full(len(left), np.nan)
    np.divide(sums, left, out=means, where=left > 0)
    target[group, 0, element] = means
    target[group, 1, element] = np.fmin.reduce(values, axis=1)
    target[group, 2, element] = np.fmax.reduce(values, axis=1)
    present[group, element] = left


def regroup(level: Decimated, counts: Counts, starts: npt.NDArray[np.intp]) -> Decimated:
    """Join neighbouring decimated rows.

    Parameters
    ----------
    level
        (n,) decimated rows in order of time.
    counts
        (n,) raw rows that each stands for.
    starts
        Index of the first row of each group, ascending, the first one 0.

    Returns
    -------
    Decimated
        (len(starts),) of the same dtype. A mean of means is weighted by the values that each is
        made from.
    """
    rows, present = level
    out = np.empty(len(starts), rows.dtype)
    width = rows.dtype["data"].shape[0] // 3
    means = rows["data"][:, :width].astype(np.float64)
    weights = counts[:, None]
    if present is not None:
        weights = present
        means[present == 0] = 0
    totals = np.add.reduceat(weights, starts)
    lengths = _lengths(starts, counts)
    with np.errstate(over="ignore", invalid="ignore"):
        shares = weights / np.repeat(np.maximum(totals, 1), lengths, axis=0)
        out["data"][:, :width] = np.add.reduceat(means * shares, starts)
        mins, maxs = rows["data"][:, width : 2 * width], rows["data"][:, 2 * width :]
        out["data"][:, width : 2 * width] = np.fmin.reduceat(mins, starts)
        out["data"][:, 2 * width :] = np.fmax.reduceat(maxs, starts)
    out["timestamp"] = _mean_times(rows["timestamp"], counts, starts)
    if present is None:
        return Decimated(out, None)
    out["data"][:, :width][totals == 0] = np.nan
    return Decimated(out, totals)


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
