"""The recent past of a stream that goes on: a bounded number of means, minima and maxima."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.float64]

#: Spans of time that are told apart.
_BUCKETS = 2048


class Stretch(NamedTuple):
    """Rows without a gap: their times, and for each element mean, minimum and maximum."""

    times: npt.NDArray[np.int64]
    means: Values
    lows: Values
    highs: Values


class Recent:
    """Rows of the last `span_us`, or all rows since the first, as means of short spans of time.

    Memory is bounded: what lies closer together than a bucket becomes one row, and the buckets
    grow with the time from the first row to the last. A gap that is longer than a bucket stays.

    Parameters
    ----------
    width
        Number of elements.
    span_us
        How far to look back from the last row; `None` for ever.
    """

    def __init__(self, width: int, span_us: int | None) -> None:
        self._span = span_us
        self._bucket_us = 1 if span_us is None else max(span_us // _BUCKETS, 1)
        #: What buckets are counted from: the first row.
        self._origin: int | None = None
        self._stretch = 0
        times = np.empty(0, np.int64)
        values = np.empty((0, width))
        self._kept = _Kept(times, times, times, values, values, values, values)
        self.rows = 0

    @property
    def ends(self) -> tuple[int, int] | None:
        """Times of the first and the last row that are kept."""
        if not len(self._kept.first):
            return None
        return int(self._kept.first[0]), int(self._kept.last[-1])

    def end_stretch(self) -> None:
        """Leave a gap before the next rows."""
        self._stretch += 1

    def add(
        self,
        times: npt.NDArray[np.int64],
        means: npt.NDArray[Any],
        lows: npt.NDArray[Any],
        highs: npt.NDArray[Any],
        weight: int = 1,
    ) -> None:
        """Take rows behind those there are, each of which stands for `weight` rows.

        A value without a minimum is missing.
        """
        count = len(times)
        if not count:
            return
        self.rows += count * weight
        if self._origin is None:
            self._origin = int(times[0])
        missing = np.isnan(lows)
        new = _Kept(
            np.full(count, self._stretch, np.int64),
            times,
            times,
            np.where(missing, 0.0, weight),
            np.where(missing, 0.0, means * float(weight)),
            lows.astype(np.float64),
            highs.astype(np.float64),
        )
        joined: list[Any] = [np.concatenate(pair) for pair in zip(self._kept, new, strict=True)]
        newest = int(times[-1])
        if self._span is None:
            while newest - self._origin >= self._bucket_us * _BUCKETS:
                self._bucket_us *= 2
        else:
            old = int(_Kept(*joined).last.searchsorted(newest - self._span))
            joined = [part[old:] for part in joined]
        self._kept = self._merged(_Kept(*joined), self._origin)

    def _merged(self, kept: _Kept, origin: int) -> _Kept:
        """Join what lies in the same bucket; it counts to the later stretch, behind the gap."""
        buckets = (kept.first - origin) // self._bucket_us
        starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
        if len(starts) == len(buckets):
            return kept
        ends = np.append(starts[1:], len(buckets)) - 1
        with np.errstate(invalid="ignore"):
            # infinities of both signs have no mean
            sums = np.add.reduceat(kept.sums, starts)
        return _Kept(
            kept.stretch[ends],
            kept.first[starts],
            kept.last[ends],
            np.add.reduceat(kept.weights, starts),
            sums,
            np.fmin.reduceat(kept.lows, starts),
            np.fmax.reduceat(kept.highs, starts),
        )

    def stretches(self) -> list[Stretch]:
        """Return what is kept."""
        kept = self._kept
        cuts = np.flatnonzero(np.diff(kept.stretch)) + 1
        times = kept.first + (kept.last - kept.first) // 2
        means = np.full(kept.sums.shape, np.nan)
        np.divide(kept.sums, kept.weights, out=means, where=kept.weights > 0)
        parts = [np.split(part, cuts) for part in (times, means, kept.lows, kept.highs)]
        return [Stretch(*one) for one in zip(*parts, strict=True) if len(one[0])]


class _Kept(NamedTuple):
    """What is kept of each bucket: stretch, first and last time, values and their weights."""

    stretch: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    weights: Values
    sums: Values
    lows: Values
    highs: Values
