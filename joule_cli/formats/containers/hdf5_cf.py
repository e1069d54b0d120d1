"""What attributes of netCDF say about the numbers of a dataset.

Source: the conventions CF, "Time coordinate" and "Packed data".
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.formats.containers.base import Cells
    from joule_cli.formats.containers.hdf5_table import Part

_SINCE: Final = re.compile(
    r"\s*(days?|d|hours?|hrs?|h|minutes?|mins?|seconds?|secs?|s|milliseconds?|msecs?|ms|"
    r"microseconds?|us|nanoseconds?|ns)\s+since\s+(.+)",
    re.IGNORECASE,
)
#: ns in a unit, by its beginning; the longer ones come first.
_UNITS_NS: Final = {
    "mil": 10**6, "mic": 10**3, "ms": 10**6, "us": 10**3, "n": 1,
    "d": 86_400 * 10**9, "h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9,
}  # fmt: skip
_DATE: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.0*)?)?)?"
    r"\s*(?:Z|UTC|GMT|\+?00?:?(?:00)?)?\s*",
    re.IGNORECASE,
)
_CALENDARS: Final = frozenset({"", "standard", "gregorian", "proleptic_gregorian"})


def apply_conventions(part: Part, text_of: Callable[[Any], str]) -> Part:
    """Take account of the attributes of a part that has one type of numbers."""
    attrs = part.dataset.attrs
    if part.dataset.dtype.kind not in "iuf":
        return part
    times = _times(text_of(attrs.get("units")), text_of(attrs.get("calendar")))
    if times is not None:
        part.headings = [
            replace(heading, units="", dtype=None, kind="time", aware=True)
            for heading in part.headings
        ]
        part.convert = times
        return part
    numbers = {key: _number(attrs.get(key)) for key in ("scale_factor", "add_offset", "_FillValue")}
    if any(number is not None for number in numbers.values()):
        part.convert = _unpacking(*numbers.values())
        if numbers["scale_factor"] is not None or numbers["add_offset"] is not None:
            part.headings = [replace(h, dtype=np.dtype("f8")) for h in part.headings]
    return part


def _number(value: Any) -> Any:
    array = np.asarray(value) if value is not None else np.empty(0)
    return array.reshape(-1)[0] if array.size == 1 and array.dtype.kind in "iuf" else None


def _times(units: str, calendar: str) -> Callable[[npt.NDArray[Any]], Cells] | None:
    """Return what turns counts of a unit since a date into times, if that is what they are."""
    found = _SINCE.fullmatch(units)
    date = _DATE.fullmatch(found[2].strip()) if found else None
    if found is None or date is None or calendar.lower() not in _CALENDARS:
        return None
    try:
        begin = datetime(*(int(part or 0) for part in date.groups()), tzinfo=UTC)  # type: ignore[arg-type, misc]  # no microseconds among them
    except ValueError:
        return None
    start = np.datetime64(begin.replace(tzinfo=None), "us")
    unit = next(ns for name, ns in _UNITS_NS.items() if found[1].lower().startswith(name))

    def convert(values: npt.NDArray[Any]) -> Cells:
        missing = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        most = 2.0**62 / (unit / 1000)
        # whatever is further away is beyond every calendar
        missing |= np.abs(np.where(missing, 0, values).astype(np.float64)) > most
        counts = np.where(missing, 0, values)
        if counts.dtype.kind == "f":
            us = np.rint(counts * (unit / 1000)).astype(np.int64)
        elif unit < 1000:
            us = counts.astype(np.int64) // 1000
        else:
            us = counts.astype(np.int64) * (unit // 1000)
        times = start + us.astype("m8[us]")
        return np.ma.MaskedArray(times, missing) if missing.any() else times

    return convert


def _unpacking(scale: Any, offset: Any, fill: Any) -> Callable[[npt.NDArray[Any]], Cells]:
    """Return what multiplies and shifts numbers, and masks the one that stands for none."""

    def convert(values: npt.NDArray[Any]) -> Cells:
        missing = None if fill is None or fill != fill else values == fill
        if scale is not None or offset is not None:
            factor, shift = (1.0 if scale is None else scale), (0.0 if offset is None else offset)
            values = values * np.float64(factor) + np.float64(shift)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        if missing is None or not missing.any():
            return values
        return np.ma.MaskedArray(values, missing)

    return convert
