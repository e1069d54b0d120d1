"""The axis of time that all panels share."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.ticker import FixedLocator, Formatter, MaxNLocator

from joule_cli.cli.data._picture.text import numbers, text_width
from joule_cli.errors import TimeFormatError
from joule_cli.series.time import format_time
from joule_cli.series.zones import instant, local_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, tzinfo

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

POINTS = 9.5
_DAY_US, _SECOND_US = 86_400_000_000, 1_000_000
#: Width of the axis around a single instant.
_LEAST_US = 1_000_000
#: Pixels between two labels.
_BETWEEN_PX = 25.0
#: One more than a year has months.
_MOST_TICKS = 13

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


#: Distances of ticks on the clock, up to an hour, which divides what clocks are put forward by.
_STEPS_US = (
    *(digit * 10**power for power in range(6) for digit in (1, 2, 5)),
    *(s * _SECOND_US for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)),
)
#: Distances in the calendar: about how long, unit and number.
_CALENDAR = (
    *((n * _DAY_US // 24, "hour", n) for n in (2, 3, 6, 12)),
    *((n * _DAY_US, "day", n) for n in (1, 2, 4, 7, 14)),
    *((n * 30 * _DAY_US, "month", n) for n in (1, 2, 3, 6)),
    *((n * 365 * _DAY_US, "year", n) for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)),
)
_LONGEST = ("year", 5000)


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
        first, last = self.span
        samples = [(first + (last - first) * i // 8) / self._unit for i in range(9)]
        widest = max(text_width(text, POINTS) for text in labels.format_ticks(samples))
        many = min(max(int(width_px / (widest + _BETWEEN_PX)), 2), _MOST_TICKS)
        if self._dated:
            found = ticks(self.span, self.tz, many)
            axes.xaxis.set_major_locator(FixedLocator([time / self._unit for time in found]))
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


def ticks(span: tuple[int, int], tz: tzinfo | None, most: int) -> list[int]:
    """Return times at which the clock of a zone shows round numbers, about `most` at most."""
    first, last = span
    length = last - first
    for step in _STEPS_US:
        if length <= step * most:
            moment = local_time(first, tz)
            offset = moment.utcoffset() if moment is not None else None
            ahead = 0 if offset is None else offset // timedelta(microseconds=1)
            return list(range(first + -(first + ahead) % step, last + 1, step))
    steps = ((unit, count) for about_us, unit, count in _CALENDAR if length <= about_us * most)
    found = _round_dates(span, tz, *next(steps, _LONGEST))
    return [time for time in found if first <= time <= last]


def _round_dates(span: tuple[int, int], tz: tzinfo | None, unit: str, count: int) -> Iterator[int]:
    """Yield instants of round local times around a span, each later than the one before."""
    first, last = span
    moment, end = local_time(first, tz), local_time(last, tz)
    if moment is None or end is None:
        return
    at: datetime | None = _floor(moment.replace(tzinfo=None), unit, count)
    stop = end.replace(tzinfo=None)
    before: int | None = None
    while at is not None and at <= stop:
        # the system does not know when the first year began
        with suppress(TimeFormatError):
            time = instant(at, tz, "", [])
            # the clocks skip some local times
            if before is None or time > before:
                yield time
            before = time
        at = _later(at, unit, count)


def _floor(at: datetime, unit: str, count: int) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "hour":
            return day.replace(hour=at.hour - at.hour % count)
        case "day":
            return day - timedelta(days=min(day.toordinal() % count, day.toordinal() - 1))
        case "month":
            return day.replace(day=1, month=at.month - (at.month - 1) % count)
        case _:
            return day.replace(day=1, month=1, year=max(at.year - at.year % count, 1))


def _later(at: datetime, unit: str, count: int) -> datetime | None:
    """Return the next round time, `None` behind the last year."""
    try:
        match unit:
            case "hour":
                return at + timedelta(hours=count)
            case "day":
                return at + timedelta(days=count)
            case "month":
                years, month = divmod(at.month - 1 + count, 12)
                return at.replace(year=at.year + years, month=month + 1)
            case _:
                return at.replace(year=at.year - at.year % count + count)
    except (OverflowError, ValueError):
        return None
