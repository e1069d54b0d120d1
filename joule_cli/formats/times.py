"""Times of a text file to integer µs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from joule_cli.formats.numbers import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: ns per unit of time.
UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}

_NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d*))?", re.ASCII)
_EXPONENT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT64 = np.iinfo(np.int64)
#: `auto` takes a unit only for times from here (1990) ...
_EARLIEST_NS = 631_152_000 * 1_000_000_000
#: ... to here (2100); the ranges of the four units do not meet.
_LATEST_NS = 4_102_444_800 * 1_000_000_000


class TimeParser:
    """Reads the time column of one file.

    Fractions below a microsecond are dropped (rounded down); digits are never lost to floating
    point.

    Parameters
    ----------
    form
        ``us``, ``ms``, ``s``, ``ns``, ``iso``, ``auto`` or a strptime template. ``auto`` settles
        on a form with the first time and refuses every later one that does not fit it.
    tz
        Zone of times that name none.
    """

    def __init__(self, form: str, tz: tzinfo = UTC) -> None:
        self._auto = form == "auto"
        self._form: str | None = None if self._auto else form
        self._tz = tz

    @property
    def is_integer(self) -> bool:
        """Whether times may be plain integers, so that `from_integers` can read them."""
        return self._form is None or self._form in UNITS

    def settles(self, text: str) -> bool:
        """Tell whether `text` is a time, without settling on a form."""
        form = self._form
        try:
            self(text)
        except ValueError:
            return False
        finally:
            self._form = form
        return True

    def __call__(self, text: str) -> int:
        """Read one time.

        Raises
        ------
        ValueError
            Not a time of the form; the text says why.
        """
        text = text.strip()
        if not text:
            raise ValueError("the time is missing")
        form = self._form
        if self._auto:
            form = self._settle(text)
        if form in UNITS:
            stamp = _from_number(text, form)
        elif form == "iso":
            stamp = self._from_datetime(text, datetime.fromisoformat, "an ISO 8601 time")
        else:
            assert form is not None
            template = form
            stamp = self._from_datetime(
                text, lambda t: datetime.strptime(t, template), f"a time like {template!r}"
            )
        if not _INT64.min <= stamp <= _INT64.max:
            raise ValueError(f"the time {shorten(text)} is out of range")
        return stamp

    def from_integers(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
        """Turn a column of integers into µs; `None` when one needs a closer look.

        Parameters
        ----------
        values
            (n,) in the unit of the form.
        """
        if not len(values):
            return values
        form = self._form
        if form is None:
            form = _unit_of(int(values[0]))
        if form not in UNITS:
            return None
        low, high = int(values.min()), int(values.max())
        if self._auto and not (_unit_of(low) == form == _unit_of(high)):
            return None
        self._form = form
        if form == "us":
            return values
        if form == "ns":
            return values // 1000
        factor = UNITS[form] // 1000
        if low * factor < _INT64.min or high * factor > _INT64.max:
            return None
        return values * factor

    def _settle(self, text: str) -> str:
        number = _NUMBER.fullmatch(text)
        found = _unit_of(int(number[1] + number[2])) if number and len(number[2]) < 40 else "iso"
        if found is None:
            raise ValueError(
                f"the unit of the time {shorten(text)} is not clear: it is between 1990 and 2100 "
                "neither in seconds nor in milliseconds, microseconds or nanoseconds"
            )
        if self._form is None:
            if found == "iso":
                self._from_datetime(text, datetime.fromisoformat, "an ISO 8601 time")
            self._form = found
        elif found != self._form:
            if found == "iso":
                raise ValueError(f"{shorten(text)} is not a time in {_UNIT_NAMES[self._form]}")
            before = _UNIT_NAMES.get(self._form, "ISO 8601")
            raise ValueError(
                f"the time {shorten(text)} is in {_UNIT_NAMES[found]}, those before in {before}"
            )
        return self._form

    def _from_datetime(self, text: str, read: Callable[[str], datetime], what: str) -> int:
        try:
            dt = read(text)
        except ValueError:
            raise ValueError(f"{shorten(text)} is not {what}") from None
        if dt.tzinfo is None:
            dt = dt.replace(tzinfo=self._tz)
        try:
            return (dt - _EPOCH) // _MICROSECOND
        except OverflowError:
            raise ValueError(f"the time {shorten(text)} is out of range") from None

    def column(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Read many times.

        Raises
        ------
        ValueError
            One of them is not a time.
        """
        return np.array([self(text) for text in texts], dtype=np.int64)


def _unit_of(value: int) -> str | None:
    for unit, ns in UNITS.items():
        if _EARLIEST_NS <= value * ns < _LATEST_NS:
            return unit
    return None


def _from_number(text: str, unit: str) -> int:
    found = _NUMBER.fullmatch(text)
    if found is None or len(found[2]) > 40:
        if not _EXPONENT.fullmatch(text):
            raise ValueError(f"{shorten(text)} is not a time in {_UNIT_NAMES[unit]}")
        exact = Decimal(text)
        if exact.adjusted() > 30:
            raise ValueError(f"the time {shorten(text)} is out of range")
        found = _NUMBER.fullmatch(f"{exact:f}")
        assert found is not None
    sign, whole, fraction = found.groups()
    fraction = fraction or ""
    if unit == "us" and fraction.strip("0"):
        raise ValueError(f"{shorten(text)} is not a whole number of microseconds")
    # ns of the fraction exact to its last digit that can matter; the rest only rounds down
    digits = len(str(UNITS[unit])) - 1
    below = int((fraction + "0" * digits)[:digits] or "0")
    ns = int(whole) * UNITS[unit] + below
    lost = bool(fraction[digits:].strip("0"))
    if sign == "-":
        return (-ns - lost) // 1000
    return ns // 1000
