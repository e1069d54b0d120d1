"""The axis of time that all panels share."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import Formatter, MaxNLocator

from joule_cli.cli.data._picture.text import numbers, text_width
from joule_cli.series.time import format_time
from joule_cli.series.zones import local_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

POINTS = 9.5
_DAY_US, _SECOND_US = 86_400_000_000, 1_000_000
#: Width of the axis around a single instant.
_LEAST_US = 1_000_000
#: Further from 1970 than this, times that are shown are as far apart as that.
_NEAR_US, _FINE_US = 70 * 365 * _DAY_US, 100_000
#: Of more years than this the zone makes no difference.
_CENTURY_US = 36_525 * _DAY_US
#: Pixels between two labels.
_BETWEEN_PX = 25.0
#: One more than a year has months.
_MOST_TICKS = 13
#: As wide as any label of `ConciseDateFormatter`.
_DATE = "00:00:00"


class TimeAxis:
    """Places times on the axis and labels it.

    Parameters
    ----------
    span
        First and last time, µs.
    tz
        Zone of the clock shown; `None` for the system's.
    form
        Form of the labels as `format_time` takes it; `None` for the shortest.
    """

    def __init__(self, span: tuple[int, int], tz: tzinfo | None, form: str | None) -> None:
        first, last = span
        # closer places are the same to a float
        least = max(abs(first), abs(last)) >> 44
        if last <= first:
            least = max(least, _LEAST_US)
        if last - first < least:
            first, last = first - least // 2, first + least // 2
        self.span = first, last
        self.tz, self._form = tz, form
        self._ends = [local_time(time, tz) for time in self.span]
        # matplotlib has years of four digits, and microseconds around 1970 only
        fine = last - first >= _FINE_US or max(map(abs, self.span)) < _NEAR_US
        dated = all(end is not None and 1000 < end.year < 9000 for end in self._ends)
        #: Where there are no dates, the axis has seconds.
        self._dated = fine and dated
        self._unit = _DAY_US if self._dated else _SECOND_US

    @property
    def limits(self) -> tuple[float, float]:
        """Where the axis begins and ends."""
        return self.span[0] / self._unit, self.span[1] / self._unit

    def place(self, times: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return where times stand."""
        return times / self._unit

    def clipped(self, time: int) -> float:
        """Return where a time stands, or the end of the axis that it lies beyond."""
        return min(max(time, self.span[0]), self.span[1]) / self._unit

    def time(self, place: float) -> int:
        """Return the time of a place; places are floats, and so a little beside it."""
        return round(place * self._unit)

    def apply(self, axes: Axes, width_px: float) -> None:
        """Set limits, ticks and labels."""
        axes.set_xlim(*self.limits)
        written = self._form is not None or not self._dated
        widest = text_width(_Labels(self, self._form)(self.limits[0]) if written else _DATE, POINTS)
        many = min(max(int(width_px / (widest + _BETWEEN_PX)), 2), _MOST_TICKS)
        if not self._dated:
            axes.xaxis.set_major_locator(MaxNLocator(many))
            axes.xaxis.set_major_formatter(_Labels(self, None))
            return
        from dateutil.tz import gettz

        tz = UTC if self.span[1] - self.span[0] > _CENTURY_US else self.tz or gettz()
        locator = AutoDateLocator(tz, minticks=min(many // 2, 3), maxticks=many)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(
            ConciseDateFormatter(locator, tz)  # type: ignore[no-untyped-call]
            if self._form is None
            else _Labels(self, self._form)
        )

    @property
    def label(self) -> str:
        """What the labels are."""
        if not self._dated:
            return "seconds since 1970"
        if self._form in {"us", "ns", "ms", "s"}:
            return f"{self._form} since 1970"
        if self.tz is not None:
            return f"time, {getattr(self.tz, 'key', None) or self.tz}"
        names = dict.fromkeys(end.tzname() or "" for end in self._ends if end is not None)
        return f"time, {'/'.join(names)}"


class _Labels(Formatter):
    """Writes times in a form, or as seconds."""

    def __init__(self, axis: TimeAxis, form: str | None) -> None:
        self._at, self._form = axis, form

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:  # docstring inherited
        if self._form is None:
            return numbers(values)
        return [format_time(self._at.time(value), self._form, self._at.tz) for value in values]
