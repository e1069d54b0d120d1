"""Values of one stream at the times of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from joule_cli.ops.rows import even_blocks
from joule_cli.series.intervals import Interval, union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.pipes import Pipe
    from joule_cli.series.layout import Rows

Method: TypeAlias = Literal["linear", "previous", "none"]
_Stamps: TypeAlias = npt.NDArray[np.int64]

_LATEST: Final = np.iinfo(np.int64).max


def cover(intervals: Sequence[Interval], method: Method, tolerance: int | None) -> list[Interval]:
    """Return the spans in which a stream with these intervals can give values.

    With ``linear`` these are the intervals; ``previous`` holds the last value of an interval for
    `tolerance` µs, and ``none`` takes samples up to `tolerance` µs away.
    """
    if method == "linear" or not tolerance:
        return list(intervals)
    before = tolerance if method == "none" else 0
    return union((start - before, end + tolerance) for start, end in intervals)


def sample(
    rows: Rows, times: _Stamps, method: Method, tolerance: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the values of `rows` at `times`, and for which of these there is one.

    Between infinities of opposite signs there is none. Where a sample is missing, so is what is
    made from it: at its own time, and with ``linear`` between it and its neighbours.

    Parameters
    ----------
    rows
        With every sample that matters for `times`; times outside of them have no value.
    method
        ``linear`` between neighbours, ``previous`` the last sample not after the time, ``none``
        the nearest sample.
    tolerance
        Longest distance in µs to a sample: the nearest one, or with ``previous`` that one. `None`
        is no limit; for ``none`` it is 0.
    """
    stamps: _Stamps = rows["timestamp"]
    values = rows["data"]
    if not len(rows):
        return np.zeros((len(times), values.shape[1])), np.zeros(len(times), np.bool_)
    left = np.searchsorted(stamps, times, "right") - 1
    right = np.minimum(left + (stamps[np.maximum(left, 0)] != times), len(rows) - 1)
    before, after = np.maximum(left, 0), np.maximum(right, 0)
    to_left = np.where(left >= 0, times - stamps[before], _LATEST)
    to_right = np.where(stamps[after] >= times, stamps[after] - times, _LATEST)
    if method == "previous":
        found, distance = values[before].astype(np.float64), to_left
    elif method == "none":
        nearer = to_left <= to_right
        found = values[np.where(nearer, before, after)].astype(np.float64)
        distance = np.minimum(to_left, to_right)
        tolerance = tolerance or 0
    else:
        low, high = values[before].astype(np.float64), values[after].astype(np.float64)
        found = _between(low, high, to_left, to_right)
        # both neighbours are needed, the nearer one within the tolerance
        outside = (to_left == _LATEST) | (to_right == _LATEST)
        undefined = np.isnan(found)
        if undefined.any():
            outside |= (undefined & ~np.isnan(low) & ~np.isnan(high)).any(axis=1)
        distance = np.where(outside, _LATEST, np.minimum(to_left, to_right))
    limit = _LATEST - 1 if tolerance is None else tolerance
    return found, distance <= limit


def _between(
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    to_left: _Stamps,
    to_right: _Stamps,
) -> npt.NDArray[np.float64]:
    span = to_left.astype(np.float64) + to_right
    share = np.divide(to_left, span, out=np.zeros(len(span)), where=span > 0)[:, None]
    # exact at the samples themselves, and no overflow between values of opposite sign
    # zero times an infinity is only computed where it is not taken
    with np.errstate(invalid="ignore"):
        mixed: npt.NDArray[np.float64] = np.where(
            share == 0, low, np.where(share == 1, high, low * (1 - share) + high * share)
        )
    return mixed


class Cursor:
    """A window that moves over the rows of a pipe, in bounded memory."""

    def __init__(self, pipe: Pipe) -> None:
        self._blocks = even_blocks(pipe)
        self.rows: Rows = np.empty(0, pipe.dtype)
        self._ended = False

    async def aclose(self) -> None:
        """Stop reading; the pipe stays open."""
        await self._blocks.aclose()

    @property
    def known_until(self) -> int:
        """Times up to this one can be sampled now."""
        return _LATEST if self._ended else int(self.rows["timestamp"][-1])

    async def reach(self, time: int) -> None:
        """Read on until there is a row at or after `time`, or no more rows."""
        while not self._ended and not (len(self.rows) and self.rows["timestamp"][-1] >= time):
            block = await anext(self._blocks, None)
            if block is None:
                self._ended = True
            elif len(block[0]):
                # of the older rows only the last can still be a neighbour
                keep = max(int(np.searchsorted(self.rows["timestamp"], time, "right")) - 1, 0)
                self.rows = np.concatenate([self.rows[keep:], block[0]])
