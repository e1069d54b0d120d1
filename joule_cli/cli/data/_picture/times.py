"""The axis of time that all panels share."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from matplotlib import dates
from matplotlib.ticker import Formatter, MaxNLocator

from joule_cli.cli.data._picture.text import numbers, text_width
from joule_cli.series.time import format_time
from joule_cli.series.zones import local_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

POINTS = 9.5
_DAY_US, _SECOND_US = 86_400_000_000, 1_000_000
#: Width of the axis around a single instant.
_LEAST_US = 1_000_000
#: Pixels between two labels.
_BETWEEN_PX = 45.0
_MOST_TICKS = 12

#: How a time is written, and the date below it, by the least distance of two in seconds. Hours are
#: one less than a day has, because clocks are put forward.
_FORMS = (
    (360 * 86_400, "%Y", ""),
    (27 * 86_400, "%b", "%Y"),
    (23 * 3_600, "%d %b", "%Y"),
    (60, "%H:%M", "%d %b %Y"),
    (1, "%H:%M:%S", "%d %b %Y"),
    (0, "%H:%M:%S.%f", "%d %b %Y"),
)


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
        if last <= first:
            first, last = first - _LEAST_US // 2, first + _LEAST_US // 2
        self.span = first, last
        self.tz, self._form = tz, form
        self._ends = [local_time(time, tz) for time in self.span]
        #: Beyond the years 1 to 9999 there are no dates, but seconds.
        self._dated = None not in self._ends
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
        labels = _Labels(self, self._form, dated=self._dated)
        first, last = self.limits
        samples = [first + (last - first) * i / 8 for i in range(9)]
        widest = max(text_width(text, POINTS) for text in labels.format_ticks(samples))
        many = min(max(int(width_px / (widest + _BETWEEN_PX)), 2), _MOST_TICKS)
        if self._dated:
            zone: Any = self.tz if self.tz is not None else _system_zone()
            # it has no annotations
            ticks: Any = dates.AutoDateLocator
            locator = ticks(tz=zone, minticks=min(many, 4), maxticks=many + 1)
            for unit in (dates.MINUTELY, dates.SECONDLY):
                locator.intervald[unit] = [1, 2, 5, 10, 15, 30]
            axes.xaxis.set_major_locator(locator)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(many))
        axes.xaxis.set_major_formatter(labels)

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
    """Writes each time as short as tells it apart, and the date below where it changes."""

    def __init__(self, axis: TimeAxis, form: str | None, *, dated: bool) -> None:
        self._at, self._form, self._dated = axis, form, dated

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:  # docstring inherited
        if not self._dated:
            return numbers(values)
        times = [self._at.time(value) for value in values]
        if self._form is not None:
            return [format_time(time, self._form, self._at.tz) for time in times]
        step = min((b - a for a, b in pairwise(times)), default=_SECOND_US) / _SECOND_US
        upper, lower = next((u, lo) for least, u, lo in _FORMS if step >= least * 0.999)
        moments = [local_time(time, self._at.tz) for time in times]
        texts = [_written(moment, upper) for moment in moments]
        if upper.endswith("%f"):
            spare = min(len(text) - len(text.rstrip("0")) for text in texts)
            texts = [text[: len(text) - min(spare, 5)] for text in texts]
        shown = ""
        for number, (time, moment) in enumerate(zip(times, moments, strict=True)):
            below = _written(moment, lower)
            # ticks are asked for beyond the axis too
            if below != shown and self._at.span[0] <= time <= self._at.span[1]:
                texts[number] += f"\n{below}"
                shown = below
        return texts


def _written(moment: datetime | None, form: str) -> str:
    return "" if moment is None else moment.strftime(form)


def _system_zone() -> Any:
    from dateutil.tz import gettz

    # with its history, which datetime's own zone of the system lacks
    return gettz() or dates.UTC
