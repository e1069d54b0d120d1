"""The forms in which a column can hold times."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.dates import (
    DAY_US,
    LocalTime,
    Order,
    read_date,
    read_template,
)
from joule_cli.formats.table.iso_block import read_block
from joule_cli.formats.table.problems import BadCell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.formats.containers.base import Cells
    from joule_cli.formats.table.problems import Problems

Stamps = npt.NDArray[np.int64]

#: ns per unit.
UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
UNIT_NAMES: Final = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "excel": "days since 1899-12-30",
    "matlab": "days since the year 0",
}
#: Day 0 of the counts of days, in days since 1970.
_DAY_ZERO: Final = {"excel": -25_569, "matlab": -719_529}
_INT64: Final = np.iinfo(np.int64)
_NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d*))?|([+-]?)\.(\d+)", re.ASCII)
_EXPONENT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}", re.ASCII)
#: Months after which a step back is the next year, and hours after which it is the next day.
_ROLLS_YEAR, _ROLLS_DAY = 180 * DAY_US, DAY_US // 2


class Form(ABC):
    """One form of times."""

    #: The value of ``--time-format`` that means this form; empty where the column's type does.
    option: str = ""
    #: For sentences: ``seconds since 1970``.
    label: str
    #: The digits of the text are needed.
    exact = False
    #: The times are those of a local clock unless they name their offset.
    local = False

    @abstractmethod
    def read(self, cells: Cells, problems: Problems) -> tuple[Stamps, npt.NDArray[np.bool_] | None]:
        """Read (n,) times.

        Returns
        -------
        stamps
            (n,) µs; what stands in bad rows means nothing.
        instants
            Of a local form: which of them named their offset and are UTC; `None` for none.
        """

    def read_after(
        self, cells: Cells, after: Stamps, problems: Problems
    ) -> tuple[Stamps, npt.NDArray[np.bool_] | None]:
        """Read (n,) times each of which comes next after another, µs on the same clock.

        Those without a date or a year take it from the other.
        """
        return self.read(cells, problems)


class NumberForm(Form):
    """Numbers of a unit since 1970, or since `base`; parts of a microsecond are dropped."""

    def __init__(self, unit: str, base: int = 0, *, exact: bool = False) -> None:
        self.option = unit
        self.unit = unit
        self.exact = exact
        self._base = base
        self.local = unit in _DAY_ZERO
        since = "" if self.local else " since 1970" if not base else " since the start time"
        self.label = UNIT_NAMES[unit] + since

    def read(self, cells: Cells, problems: Problems) -> tuple[Stamps, None]:
        """Read numbers; docstring of `Form.read` applies."""
        if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
            return self._from_array(cells, problems), None
        stamps = self._from_integers(cells)
        if stamps is None:
            stamps = np.zeros(len(cells), np.int64)
            for row, cell in enumerate(cells):
                try:
                    stamps[row] = self._one(cell)
                except BadCell as bad:
                    problems.add(row, bad.text, bad.hint)
        return stamps, None

    def _from_integers(self, cells: Cells) -> Stamps | None:
        """Read whole numbers or their digits, or return `None`."""
        if self.local or not len(cells):
            return None
        try:
            if type(cells[0]) is str:
                joined = "".join(cells)
                if "_" in joined or not joined.isascii():
                    return None
                values = np.array(list(map(int, cells)))
            elif bool in set(map(type, cells)):
                return None
            else:
                values = np.array(cells)
        except (ValueError, TypeError, OverflowError):
            return None
        if values.dtype != np.int64:
            return None
        return self._scaled(values)

    def _scaled(self, values: Stamps) -> Stamps | None:
        if self.unit == "ns":
            return values // 1000 + self._base
        factor = UNITS[self.unit] // 1000
        low, high = int(values.min()) * factor, int(values.max()) * factor
        if min(low, low + self._base) < _INT64.min or max(high, high + self._base) > _INT64.max:
            return None
        return values * factor + self._base

    def _from_array(self, cells: npt.NDArray[Any], problems: Problems) -> Stamps:
        values, absent = np.ma.getdata(cells), np.ma.getmaskarray(cells)
        if values.dtype.kind == "f":
            absent = absent | ~np.isfinite(values)
        if absent.any():
            problems.add_all(np.flatnonzero(absent).tolist(), "the time is missing")
            values = np.where(absent, values.dtype.type(0), values)
        if not len(values):
            return np.zeros(0, np.int64)
        if values.dtype.kind in "iu" and not self.local:
            if int(values.max()) <= _INT64.max:
                stamps = self._scaled(values.astype(np.int64))
                if stamps is not None:
                    return stamps
            values = values.astype(np.float64)
        return self._from_floats(values.astype(np.float64), problems)

    def _from_floats(self, values: npt.NDArray[np.float64], problems: Problems) -> Stamps:
        if self.local:
            days = np.floor(values)
            us = (days + _DAY_ZERO[self.unit]) * DAY_US + np.rint((values - days) * DAY_US)
        else:
            # whole and fraction apart: a double holds no more digits than it shows
            whole = np.floor(values)
            factor = UNITS[self.unit] / 1000
            us = whole * factor + np.rint((values - whole) * factor)
        us = us + self._base
        beyond = ~(np.abs(us) < 2.0**63)
        if beyond.any():
            for row in np.flatnonzero(beyond).tolist():
                problems.add(row, f"the time {values[row]} is out of range")
            us[beyond] = 0
        return us.astype(np.int64)

    def _one(self, cell: Any) -> int:
        if cell is None or cell is np.ma.masked or cell == "":
            raise BadCell("the time is missing")
        if isinstance(cell, bool) or not isinstance(cell, str | int | float | Decimal):
            raise BadCell(f"{shorten(str(cell))} is not a time in {self.label}")
        text = cell.strip() if isinstance(cell, str) else str(cell)
        if not text:
            raise BadCell("the time is missing")
        if self.local:
            return self._days(text)
        stamp = _from_number(text, self.unit, self.label) + self._base
        if not _INT64.min <= stamp <= _INT64.max:
            raise BadCell(f"the time {shorten(text)} is out of range")
        return stamp

    def _days(self, text: str) -> int:
        try:
            days = Decimal(text)
            stamp = int((days * DAY_US).to_integral_value()) + _DAY_ZERO[self.unit] * DAY_US
        except (ArithmeticError, ValueError):
            raise BadCell(f"{shorten(text)} is not a time in {self.label}") from None
        if not _INT64.min <= stamp <= _INT64.max:
            raise BadCell(f"the time {shorten(text)} is out of range")
        return stamp


def _from_number(text: str, unit: str, label: str) -> int:
    found = _NUMBER.fullmatch(text)
    if found is None or len(text) > 60:
        if not _EXPONENT.fullmatch(text):
            raise BadCell(f"{shorten(text)} is not a time in {label}")
        exact = Decimal(text)
        if exact.adjusted() > 30:
            raise BadCell(f"the time {shorten(text)} is out of range")
        step = exact.as_tuple().exponent
        if isinstance(step, int) and step > 0 and exact:
            raise BadCell(
                f"the time {shorten(text)} has lost its last digits, as spreadsheets do",
                "export the file again with a format that shows all digits of the time",
            )
        found = _NUMBER.fullmatch(f"{exact:f}")
        assert found is not None
    sign, whole, fraction = (
        (found[1], found[2], found[3]) if found[2] is not None else (found[4], "0", found[5])
    )
    fraction = fraction or ""
    # ns of the fraction exact to the last digit that can matter; the rest only rounds down
    digits = len(str(UNITS[unit])) - 1
    ns = int(whole) * UNITS[unit] + int((fraction + "0" * digits)[:digits] or "0")
    lost = bool(fraction[digits:].strip("0"))
    return (-ns - lost) // 1000 if sign == "-" else ns // 1000


class TextForm(Form):
    """Texts that are read one by one."""

    local = True
    #: Of forms without a year or a date.
    _rolling: _Rolling | None = None

    def read(self, cells: Cells, problems: Problems) -> tuple[Stamps, npt.NDArray[np.bool_] | None]:
        """Read texts; docstring of `Form.read` applies."""
        return self._read_all(cells, problems, None)

    def read_after(
        self, cells: Cells, after: Stamps, problems: Problems
    ) -> tuple[Stamps, npt.NDArray[np.bool_] | None]:
        """Read texts; docstring of `Form.read_after` applies."""
        if self._rolling is None:
            return self.read(cells, problems)
        return self._read_all(cells, problems, after.tolist())

    def _read_all(
        self, cells: Cells, problems: Problems, after: Sequence[int] | None
    ) -> tuple[Stamps, npt.NDArray[np.bool_] | None]:
        stamps = [0] * len(cells)
        told: list[int] = []
        for row, cell in enumerate(cells):
            try:
                if not isinstance(cell, str) or not cell or cell.isspace():
                    cell = _as_text(cell)
                us, offset = self._read(cell) if after is None else self._next(cell, after[row])
            except BadCell as bad:
                problems.add(row, bad.text, bad.hint)
                continue
            if offset is not None:
                us -= offset
                told.append(row)
            stamps[row] = us
        instants = None
        if told:
            instants = np.zeros(len(stamps), bool)
            instants[told] = True
        return np.array(stamps, np.int64), instants

    def _read(self, text: str) -> LocalTime:
        """Read one time; one without a date goes on from those before."""
        if self._rolling is None:
            return self._read_from(text, 0)
        found = self._read_from(text, self._rolling.base)
        return found._replace(us=self._rolling(found.us))

    def _next(self, text: str, after: int) -> LocalTime:
        """Read the next time of the day, or the year, after another."""
        assert self._rolling is not None
        found = self._read_from(text, after)
        return found if found.us > after else self._read_from(text, self._rolling.later(after))

    @abstractmethod
    def _read_from(self, text: str, base: int) -> LocalTime:
        """Read one time; `base`, µs, gives the year, or the date, if it has none."""


def _as_text(cell: Any) -> str:
    match cell:
        case None | np.ma.masked:
            raise BadCell("the time is missing")
        case str() if not cell.strip():
            raise BadCell("the time is missing")
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return str(cell)


class DateForm(TextForm):
    """Dates without a template; those without a year or a date go on from `base`."""

    def __init__(self, order: Order, base: int | None = None, template: str = "") -> None:
        self.order = order
        self.option = "iso" if order == "iso" else template
        self.label = {
            "iso": "dates, year first",
            "dmy": "dates, day first",
            "mdy": "dates, month first",
            "named": "dates with the name of the month",
            "md": "dates without a year, month first",
            "dm": "dates without a year, day first",
            "tod": "times of day",
        }[order]
        self._rolling = _Rolling(base, order) if base is not None else None

    def read(self, cells: Cells, problems: Problems) -> tuple[Stamps, npt.NDArray[np.bool_] | None]:
        """Read texts; docstring of `Form.read` applies."""
        if self.order == "iso" and isinstance(cells, list) and cells:
            found = read_block(cells) if set(map(type, cells)) == {str} else None
            if found is not None:
                return found
        return super().read(cells, problems)

    def _read_from(self, text: str, base: int) -> LocalTime:
        return read_date(text, self.order, LocalTime(base))


class TemplateForm(TextForm):
    """Texts of a strptime template."""

    def __init__(self, template: str, parts: set[str], base: int | None = None) -> None:
        self.option = template
        self.label = f"times like {template!r}"
        self._template = template
        if base is not None and not {"year", "date"} <= parts:
            self._rolling = _Rolling(base, "md" if "date" in parts else "tod")

    def _read_from(self, text: str, base: int) -> LocalTime:
        if self._rolling is None:
            return read_template(text, self._template)
        if self._rolling.by_year:
            return read_template(f"{_year_of(base)} {text.strip()}", f"%Y {self._template}")
        found = read_template(text, self._template)
        return found._replace(us=base // DAY_US * DAY_US + found.us - _DAY_1900)


#: strptime's date of times that have none.
_DAY_1900 = (date(1900, 1, 1).toordinal() - date(1970, 1, 1).toordinal()) * DAY_US


def _year_of(us: int) -> int:
    return 1970 + int(np.datetime64(us, "us").astype("datetime64[Y]").astype(int))


class _Rolling:
    """Goes on to the next day or year where times without one step back far."""

    def __init__(self, base: int, order: Order) -> None:
        self.base = base
        self.by_year = order != "tod"
        self._added = 0
        self._last: int | None = None

    def later(self, us: int) -> int:
        """Return a time of the next day or year."""
        if not self.by_year:
            return us + DAY_US
        return int(np.datetime64(f"{_year_of(us) + 1}").astype("datetime64[us]").astype(int))

    def __call__(self, us: int) -> int:
        """Return a time of the first day or year where it belongs."""
        us = self._moved(us)
        limit = _ROLLS_YEAR if self.by_year else _ROLLS_DAY
        if self._last is not None and self._last - us > limit:
            before = us
            self._added += 1
            us = self._moved(before, 1)
        self._last = us
        return us

    def _moved(self, us: int, count: int | None = None) -> int:
        count = self._added if count is None else count
        if not count:
            return us
        if not self.by_year:
            return us + count * DAY_US
        day = np.datetime64(us, "us")
        month = day.astype("datetime64[M]")
        return int((day - month + (month + 12 * count)).astype("datetime64[us]").astype(int))


class TypedForm(Form):
    """A column whose type says that it holds times."""

    label = "times"

    def __init__(self, *, aware: bool) -> None:
        self.local = not aware

    def read(self, cells: Cells, problems: Problems) -> tuple[Stamps, npt.NDArray[np.bool_] | None]:
        """Read times; docstring of `Form.read` applies."""
        if not isinstance(cells, np.ndarray):
            return _Objects().read(cells, problems)
        values, absent = np.ma.getdata(cells), np.ma.getmaskarray(cells)
        problems.add_all(np.flatnonzero(absent).tolist(), "the time is missing")
        unit, count = np.datetime_data(values.dtype)
        counts = np.where(absent, 0, values.astype(np.int64))
        if unit == "ns" and count == 1:
            return counts // 1000, None
        factor = {"s": 1_000_000, "ms": 1000, "us": 1, "D": DAY_US}.get(unit, 0) * count
        if factor:
            far = np.abs(counts) > _INT64.max // factor
            problems.add_all(np.flatnonzero(far).tolist(), "the time is out of range")
            return np.where(far, 0, counts) * factor, None
        return values.astype("datetime64[us]").astype(np.int64), None


class _Objects(TextForm):
    """`datetime` objects, and texts among them."""

    label = "times"

    def _read_from(self, text: str, base: int) -> LocalTime:
        return read_date(text, "iso")


class PartsForm(Form):
    """Several columns that each hold a part of the time, as numbers."""

    local = True
    label = "year, month, day and parts of the day in columns of their own"

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = list(parts)

    def read(self, cells: Cells, problems: Problems) -> tuple[Stamps, None]:
        """Read rows of numbers: a list of (n,) columns; docstring of `Form.read` applies."""
        columns = [_whole(column, problems) for column in cells]
        n = len(columns[0])
        found = dict(zip(self._parts, columns, strict=True))
        one, zero = np.ones(n, np.int64), np.zeros(n, np.int64)
        month, day = found.get("month", one), found.get("day", one)
        hour, minute = found.get("hour", zero), found.get("minute", zero)
        second, us = found.get("second", zero), found.get("us", zero)
        wrong = (month < 1) | (month > 12) | (day < 1) | (hour < 0) | (hour > 24)
        wrong |= (minute < 0) | (minute > 59) | (second < 0) | (second > 59)
        wrong |= (found["year"] < 1) | (found["year"] > 9999)
        wrong |= (hour == 24) & ((minute > 0) | (second > 0))
        safe = np.where(wrong, 1970, found["year"])
        months = (safe - 1970) * 12 + np.where(wrong, 1, month) - 1
        first = months.astype("datetime64[M]").astype("datetime64[D]")
        after = (months + 1).astype("datetime64[M]").astype("datetime64[D]")
        wrong |= day > (after - first).astype(np.int64)
        problems.add_all(np.flatnonzero(wrong).tolist(), "the columns name no day or time")
        days = first.astype(np.int64) + day - 1
        seconds = (hour * 60 + minute) * 60 + second
        return days * DAY_US + seconds * 1_000_000 + us, None


def _whole(column: Cells, problems: Problems) -> Stamps:
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu" and not np.ma.is_masked(column):
        return np.ma.getdata(column).astype(np.int64)
    out = np.zeros(len(column), np.int64)
    for row, cell in enumerate(column):
        try:
            value = float(cell)
        except (ValueError, TypeError):
            value = 0.5
        if value.is_integer() and abs(value) < 1e9:
            out[row] = int(value)
        else:
            problems.add(row, f"{shorten(str(cell))} is no part of a time")
    return out
