"""Removing the breaks that writing in several runs leaves behind."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from typing import TYPE_CHECKING

from joule_cli.ops.streams import stored_intervals
from joule_cli.series.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import DataStream


def enclosing(intervals: Sequence[Interval], time: int) -> Interval | None:
    """Return the one of ascending, disjoint `intervals` that holds `time`."""
    at = bisect_right(intervals, time, key=lambda interval: interval.start) - 1
    return intervals[at] if at >= 0 and time < intervals[at].end else None


def joints(pieces: Sequence[Interval], wholes: Sequence[Interval]) -> list[Interval]:
    """Return the spans between neighbouring `pieces` that lie inside one of `wholes`.

    The span reaches from the end of one piece to the start of the next and may be empty.
    """
    found = []
    for before, after in itertools.pairwise(pieces):
        whole = enclosing(wholes, before.end - 1)
        if whole is not None and after.start < whole.end:
            found.append(Interval(before.end, after.start))
    return found


async def join(node: Node, stream: DataStream, spans: Sequence[Interval]) -> int:
    """Remove the break in each span and return how many there were."""
    made = 0
    for before_end, after_start in spans:
        # the window holds just the rows on both sides, so that no other break can go
        made += await node.data_consolidate(
            stream, max(after_start - before_end, 1), before_end - 1, after_start + 1
        )
    return made


async def gap_before(
    node: Node,
    stream: DataStream,
    first: int,
    longest: int,
    cleared: tuple[int | None, int | None] = (None, None),
) -> int:
    """Return the `merge_gap` with which rows from `first` on join the interval before them alone.

    `longest` itself would join all intervals that it reaches.

    Parameters
    ----------
    longest
        Longest gap to join, µs.
    cleared
        The range of which the rows are deleted before; not when both sides are `None`.

    Returns
    -------
    int
        The gap, µs; 0, which joins nothing, if it is longer.
    """
    if longest <= 0:
        return 0
    low, high = first - longest - 1, first
    start, end = cleared
    if start is None and end is None:
        ranges = [(low, high)]
    else:
        ranges = [] if start is None else [(low, min(start, high))]
        ranges += [] if end is None else [(max(low, end), high)]
    last = None
    for a, b in ranges:
        if a < b and (found := await stored_intervals(node, stream, a, b)):
            last = found[-1].end
    # 0 would not join rows 1 µs apart
    return 0 if last is None else max(first - last, 1)
