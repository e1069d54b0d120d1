"""The rows of one stream as plain Python: what the node is compared with.

A break belongs to the row before it and goes when that row is deleted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from itertools import pairwise

from joule_cli.errors import DuplicateTimestampError, NonMonotonicError


class RowsModel:
    """Sorted timestamps, each a row, and those that a break follows."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.closed: set[int] = set()

    def newest_before(self, time: int) -> int | None:
        place = bisect_left(self.times, time)
        return self.times[place - 1] if place else None

    def window(self, start: int | None, end: int | None) -> list[int]:
        low = 0 if start is None else bisect_left(self.times, start)
        high = len(self.times) if end is None else bisect_left(self.times, end)
        return self.times[low:high]

    def break_after(self, time: int) -> None:
        row = self.newest_before(time + 1)
        if row is not None:
            self.closed.add(row)

    def delete(self, start: int | None, end: int | None) -> None:
        if start is not None:
            self.break_after(start - 1)
        gone = set(self.window(start, end))
        self.times = [time for time in self.times if time not in gone]
        self.closed -= gone

    def consolidate(self, max_gap: int, start: int | None, end: int | None) -> int:
        times = self.window(start, end)
        joined = {a for a, b in pairwise(times) if a in self.closed and b - a - 1 <= max_gap}
        self.closed -= joined
        return len(joined)

    def split(self, max_gap: int, start: int | None, end: int | None) -> list[list[int]]:
        times = self.window(start, end)
        gaps = [
            [a + 1, b] for a, b in pairwise(times) if a not in self.closed and b - a - 1 > max_gap
        ]
        self.closed |= {gap[0] - 1 for gap in gaps}
        return gaps

    def pieces(self, start: int | None, end: int | None) -> list[list[int]]:
        """Return the rows of each interval."""
        pieces: list[list[int]] = []
        previous: int | None = None
        for time in self.window(start, end):
            if previous is None or previous in self.closed:
                pieces.append([])
            pieces[-1].append(time)
            previous = time
        return pieces

    def intervals(self, start: int | None, end: int | None) -> list[list[int]]:
        return [[piece[0], piece[-1] + 1] for piece in self.pieces(start, end)]


class SessionModel:
    """One producer writing into a `RowsModel`."""

    def __init__(self, rows: RowsModel, merge_gap: int) -> None:
        self.rows = rows
        self.merge_gap = merge_gap
        self.last: int | None = None
        self.break_due = False

    def write(self, times: list[int]) -> None:
        if self.last is not None and times[0] <= self.last:
            raise NonMonotonicError
        place = bisect_left(self.rows.times, times[0])
        stop = bisect_right(self.rows.times, times[-1])
        if set(self.rows.times[place:stop]) & set(times):
            raise DuplicateTimestampError
        first = times[0]
        if self.last is None:
            self.rows.break_after(first - 1)
            if self.merge_gap:
                self.rows.closed -= {
                    row for row in self.rows.closed if first - self.merge_gap <= row + 1 <= first
                }
        elif self.break_due:
            self.rows.break_after(self.last)
        self.break_due = False
        if place == stop:
            self.rows.times[place:place] = times
        else:
            for time in times:
                insort(self.rows.times, time)
        self.last = times[-1]

    def close_interval(self) -> None:
        self.break_due = self.last is not None

    def settle(self) -> None:
        """Make a break visible that rows already follow."""
        if self.break_due and self.last is not None and self.rows.times[-1:] > [self.last]:
            self.rows.break_after(self.last)
            self.break_due = False

    def close(self) -> None:
        if self.last is not None:
            self.rows.break_after(self.last)
