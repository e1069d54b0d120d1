"""Arithmetic on sorted, disjoint, half-open intervals of integers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Interval(NamedTuple):
    """``start <= t < end``, µs since the epoch."""

    start: int
    end: int


def intersection(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> list[Interval]:
    """Return the parts that lie in both; touching input intervals stay separate.

    Parameters
    ----------
    a, b
        Ascending, disjoint ``[start, end]`` pairs.
    """
    out: list[Interval] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < end:
            out.append(Interval(start, end))
        if a[i][1] <= b[j][1]:
            i += 1
        else:
            j += 1
    return out


def difference(a: Sequence[Sequence[int]], b: Sequence[Sequence[int]]) -> list[Interval]:
    """Return the parts of `a` that do not lie in `b`."""
    out: list[Interval] = []
    j = 0
    for start, end in a:
        while j < len(b) and b[j][1] <= start:
            j += 1
        k = j
        while k < len(b) and b[k][0] < end:
            if b[k][0] > start:
                out.append(Interval(start, b[k][0]))
            start = max(start, b[k][1])
            k += 1
        if start < end:
            out.append(Interval(start, end))
    return out


def union(intervals: Iterable[Sequence[int]]) -> list[Interval]:
    """Join overlapping and touching intervals, given in any order."""
    out: list[Interval] = []
    for start, end in sorted((s, e) for s, e in intervals):
        if out and start <= out[-1].end:
            out[-1] = Interval(out[-1].start, max(out[-1].end, end))
        elif start < end:
            out.append(Interval(start, end))
    return out


def gaps(intervals: Sequence[Sequence[int]], min_gap: int = 0) -> list[Interval]:
    """Return the spans between neighbours that are longer than `min_gap` (µs)."""
    pairs = itertools.pairwise(intervals)
    return [Interval(a[1], b[0]) for a, b in pairs if b[0] - a[1] > min_gap]


def clip(intervals: Iterable[Sequence[int]], start: int | None, end: int | None) -> list[Interval]:
    """Return the parts inside ``[start, end)``; `None` leaves that side open."""
    out = []
    for low, high in intervals:
        low = low if start is None else max(low, start)
        high = high if end is None else min(high, end)
        if low < high:
            out.append(Interval(low, high))
    return out
