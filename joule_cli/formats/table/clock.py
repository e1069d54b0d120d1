"""Times of a local clock to instants, also where the clocks are changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from joule_cli.formats.table.dates import DAY_US
from joule_cli.formats.table.problems import Reason
from joule_cli.series.zones import LOCAL_EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable

Stamps = npt.NDArray[np.int64]

_MICROSECOND: Final = timedelta(microseconds=1)
_MINUTE_US: Final = 60_000_000
#: Local times that have a date, whatever their zone.
_FIRST: Final = (datetime.min + timedelta(2) - LOCAL_EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max - timedelta(2) - LOCAL_EPOCH) // _MICROSECOND
_FAR: Final = Reason("the time is out of range")
#: Rows as close as this to the one before belong to the same recording.
_NEAR_US: Final = 3_600_000_000


@dataclass(slots=True)
class Conversion:
    """Instants, and the rows that have none."""

    stamps: Stamps
    problems: dict[int, Reason] = field(default_factory=dict)


class LocalClock:
    """Converts the local times of one file, block by block, in the order of the rows.

    A time that occurs twice is decided by the order: where times step back inside that hour, the
    rows before are the earlier pass and those behind the later one.
    """

    def __init__(
        self,
        tz: tzinfo,
        ambiguous: Literal["earlier", "later", "error"],
        nonexistent: Literal["forward", "error"],
    ) -> None:
        self._tz = tz
        self._ambiguous = ambiguous
        self._nonexistent = nonexistent
        #: Offset of each day, µs; `None` on days on which the clocks are changed.
        self._days: dict[int, int | None] = {}
        self._minutes: dict[int, tuple[int, int]] = {}
        #: The later pass of an hour that occurs twice has begun.
        self._later = False
        self._last: int | None = None

    def convert(self, local: Stamps, *, more: bool, live: bool) -> Conversion | None:
        """Convert local times, µs.

        Parameters
        ----------
        more
            Rows follow, which can still decide about the last of these.
        live
            Decide with what has come: times next to the row before belong to its pass.

        Returns
        -------
        Conversion or None
            `None` if rows that follow must decide.
        """
        if self._tz is UTC:
            return Conversion(local)
        far = np.flatnonzero((local < _FIRST) | (local > _LAST))
        if len(far):
            return self._without(far, local, more=more, live=live)
        first, second = self._offsets(local)
        if first is second:
            self._later = self._later and not len(local)
            return self._done(Conversion(local - first))
        twice = first > second
        found = self._first_pass(local, first, second)
        if not self._decide(local, first, second, twice, found, more, live):
            return None
        return self._done(found)

    def _without(
        self, far: npt.NDArray[np.intp], local: Stamps, *, more: bool, live: bool
    ) -> Conversion | None:
        """Convert all times but those that no calendar has."""
        near = np.delete(np.arange(len(local)), far)
        found = self.convert(local[near], more=more, live=live)
        if found is None:
            return None
        stamps = local.copy()
        stamps[near] = found.stamps
        problems = {int(near[row]): reason for row, reason in found.problems.items()}
        return Conversion(stamps, problems | dict.fromkeys(far.tolist(), _FAR))

    def convert_apart(self, local: Stamps, after: Stamps | None = None) -> Conversion:
        """Convert local times whose order tells nothing.

        Parameters
        ----------
        after
            Instants, each of which one of the times comes after: it may decide which is meant.
        """
        if self._tz is UTC:
            return Conversion(local)
        first, second = self._offsets(local)
        if first is second:
            return Conversion(local - first)
        found = self._first_pass(local, first, second)
        twice = first > second
        later = np.zeros(len(local), bool) if after is None else twice & (found.stamps <= after)
        if self._ambiguous == "later":
            later = twice
        elif self._ambiguous == "error":
            for row in np.flatnonzero(twice & ~later).tolist():
                found.problems[row] = self._twice(int(local[row]), first[row], second[row])
        found.stamps[later] = (local - second)[later]
        return found

    def _first_pass(self, local: Stamps, first: Stamps, second: Stamps) -> Conversion:
        """Return the earlier of the instants that each local time can mean."""
        found = Conversion(local - first)
        if self._nonexistent == "error":
            for row in np.flatnonzero(first < second).tolist():
                found.problems[row] = self._never(int(local[row]), first[row], second[row])
        return found

    def _done(self, found: Conversion) -> Conversion:
        if len(found.stamps):
            self._last = int(found.stamps[-1])
        return found

    def _decide(
        self,
        local: Stamps,
        first: Stamps,
        second: Stamps,
        twice: npt.NDArray[np.bool_],
        found: Conversion,
        more: bool,
        live: bool,
    ) -> bool:
        """Choose the pass of times that occur twice; false if later rows must decide."""
        edges = np.flatnonzero(np.diff(np.concatenate([[0], twice.view(np.int8), [0]])))
        later, last = self._later, self._last
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            before = last if not begin else int(found.stamps[begin - 1])
            continues = begin == 0 and later
            if not continues:
                later = False
            steps = np.flatnonzero(np.diff(local[begin:end]) < 0) + 1
            shift = second[begin:end]
            if continues:
                found.stamps[begin:end] = local[begin:end] - shift
            elif len(steps):
                cut = begin + int(steps[0])
                found.stamps[cut:end] = local[cut:end] - second[cut:end]
                later = end == len(local)
            elif end == len(local) and more and not live:
                return False
            elif live and before is not None and not self._is_near(found, begin, before):
                found.stamps[begin:end] = local[begin:end] - shift
                later = end == len(local)
            elif live and before is not None:
                pass
            elif self._ambiguous == "later":
                found.stamps[begin:end] = local[begin:end] - shift
            elif self._ambiguous == "error":
                for row in range(begin, end):
                    found.problems[row] = self._twice(int(local[row]), first[row], second[row])
        self._later = later
        return True

    def _is_near(self, found: Conversion, row: int, before: int) -> bool:
        """Tell whether a row of the earlier pass would follow the row before it."""
        return 0 < int(found.stamps[row]) - before <= _NEAR_US

    def _offsets(self, local: Stamps) -> tuple[Stamps, Stamps]:
        """Return the offsets of both passes; the same array where the clocks are not changed."""
        days, which = np.unique(local // DAY_US, return_inverse=True)
        plain = [self._of_day(day) for day in days.tolist()]
        if None not in plain:
            offsets = np.array(plain, np.int64)[which]
            return offsets, offsets
        minutes, which = np.unique(local // _MINUTE_US, return_inverse=True)
        pairs = np.array([self._of_minute(m) for m in minutes.tolist()], np.int64).reshape(-1, 2)
        return pairs[which, 0], pairs[which, 1]

    def _of_day(self, day: int) -> int | None:
        if day not in self._days:
            start, end = (_both(self._tz, (day + i) * DAY_US) for i in (0, 1))
            same = start[0] == start[1] == end[0] == end[1]
            self._days[day] = start[0] if same else None
        return self._days[day]

    def _of_minute(self, minute: int) -> tuple[int, int]:
        if minute not in self._minutes:
            self._minutes[minute] = _both(self._tz, minute * _MINUTE_US)
        return self._minutes[minute]

    def _twice(self, local: int, first: int, second: int) -> Reason:
        begin = self._change(local, lambda a, b: a > b)
        back = begin + int(first - second)
        return Reason(
            f"{_shown(local)} occurs twice in {self._zone_name}, where the clocks were put back "
            f"from {_hour(back)} to {_hour(begin)}, and the order of the rows does not tell which "
            "is meant",
            f"use --ambiguous earlier or later, or --tz={_offset_text(int(second))} for a logger "
            "that keeps winter time",
        )

    def _never(self, local: int, first: int, second: int) -> Reason:
        begin = self._change(local, lambda a, b: a < b)
        return Reason(
            f"{_shown(local)} does not exist in {self._zone_name}, where the clocks were put "
            f"forward from {_hour(begin)} to {_hour(begin + int(second - first))}",
            f"use --tz={_offset_text(int(first))} for a logger that keeps winter time all year, "
            "or --nonexistent forward",
        )

    def _change(self, local: int, holds: Callable[[int, int], bool]) -> int:
        """Return the first minute, as µs, of the time around `local` that is twice or never."""
        minute = local // _MINUTE_US
        while holds(*self._of_minute(minute - 1)):
            minute -= 1
        return minute * _MINUTE_US

    @property
    def _zone_name(self) -> str:
        name = str(self._tz)
        return "the local zone" if name.startswith("<") else name


def on_clock(instant: int, tz: tzinfo) -> int:
    """Return what a clock in a zone shows at an instant, both in µs."""
    if tz is UTC:
        return instant
    shown = instant + _both(tz, instant)[0]
    return instant + _both(tz, shown)[0]


def _both(tz: tzinfo, local: int) -> tuple[int, int]:
    """Return the offsets, µs, of a local time and of the same time after a change."""
    try:
        dt = (LOCAL_EPOCH + timedelta(microseconds=local)).replace(tzinfo=tz)
        offsets = dt.utcoffset(), dt.replace(fold=1).utcoffset()
    except (OverflowError, OSError, ValueError):
        return 0, 0
    first, second = ((offset or timedelta(0)) // _MICROSECOND for offset in offsets)
    return first, second


def _shown(local: int) -> str:
    return (LOCAL_EPOCH + timedelta(microseconds=local)).isoformat(" ").removesuffix(":00")


def _hour(local: int) -> str:
    return (LOCAL_EPOCH + timedelta(microseconds=local)).strftime("%H:%M")


def _offset_text(offset_us: int) -> str:
    sign = "-" if offset_us < 0 else "+"
    minutes = abs(offset_us) // _MINUTE_US
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"
