"""Gaps between rows that are far above their usual step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows

#: A gap is as long as this many steps, or longer.
_STEPS: Final = 10
#: Fewer rows have no usual step.
_FEWEST: Final = 10


class GapWatch:
    """Counts gaps in rows as they pass.

    The usual step is the median of those between the rows of the first block.
    """

    def __init__(self) -> None:
        self.step_us: int | None = None
        self.gaps = 0
        self.longest_us = 0
        self._last: int | None = None

    def add(self, rows: Rows, *, fresh: bool) -> None:
        """Take rows; `fresh` ones begin an interval, and what is before them is no gap."""
        stamps = rows["timestamp"]
        steps = np.diff(stamps)
        if self.step_us is None and len(steps) + 1 >= _FEWEST:
            self.step_us = int(np.median(steps))
        if self._last is not None and not fresh:
            steps = np.concatenate([[stamps[0] - self._last], steps])
        self._last = int(stamps[-1])
        if self.step_us is None or not len(steps):
            return
        long = steps[steps >= self.limit_us]
        if len(long):
            self.gaps += len(long)
            self.longest_us = max(self.longest_us, int(long.max()))

    @property
    def limit_us(self) -> int:
        """From how long on a step is a gap."""
        return _STEPS * max(self.step_us or 1, 1)
