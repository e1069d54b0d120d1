"""Columns of Arrow tables to timestamps and values, with the rows that have none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from joule_cli.formats.numbers import Array, read_value, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

    from joule_cli.formats.times import TimeParser

#: Arrow's type of our timestamps.
TIME_TYPE = pa.timestamp("us", tz="UTC")

Positions: TypeAlias = npt.NDArray[np.intp]

_EPOCH = datetime(1970, 1, 1)
_MINUTE_US = 60_000_000
_DAY_US = 86_400_000_000
_INT64 = np.iinfo(np.int64)
#: µs in a unit of Arrow's times; ns are divided.
_UNITS_US = {"s": 1_000_000, "ms": 1000, "us": 1}


@dataclass(slots=True)
class Problems:
    """The rows of a block that cannot be taken, each with the first reason found.

    Without `every` only the first bad row of each column is kept.
    """

    every: bool
    found: dict[int, str] = field(default_factory=dict)

    def add(self, rows: Positions, reason: Callable[[int], str]) -> None:
        """Note bad rows; `reason` gets the position in `rows`."""
        for at, row in enumerate(rows[: None if self.every else 1].tolist()):
            self.found.setdefault(row, reason(at))


def element_type(kind: pa.DataType) -> np.dtype[Any] | None:
    """Return the NumPy type that holds the values of a column; `None` for what is no number."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return np.dtype("u1")
    if pa.types.is_decimal(kind):
        return np.dtype("f8")
    if pa.types.is_float16(kind):
        return np.dtype("f4")
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.dtype(str(kind.to_pandas_dtype().__name__))
    return None


def is_time(kind: pa.DataType) -> bool:
    """Tell whether a column of this type can be the times; integers need a unit."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_timestamp(kind)
        or pa.types.is_date(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or is_text(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column holds text."""
    is_view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or is_view(kind))


def read_values(column: pa.Array, element: np.dtype[Any], name: str, problems: Problems) -> Array:
    """Turn a column of numbers into `element`.

    Returns
    -------
    array
        (n,); what stands in bad rows means nothing.
    """
    n = len(column)
    column, present = _present(_plain(column), f"column {shorten(name)}: the value", problems)
    if pa.types.is_decimal(column.type):
        values, bad, reasons = _from_decimals(column, element)
    else:
        found = column.to_numpy(zero_copy_only=False)
        values, wrong = _cast(found, element)
        bad = np.flatnonzero(wrong) if wrong is not None else np.empty(0, np.intp)
        reasons = [f"{value} {_what(element)}" for value in found[bad[: _most(problems)]].tolist()]
    if len(bad):
        problems.add(
            bad if present is None else present[bad],
            lambda at: f"column {shorten(name)}: {reasons[at]}",
        )
    return _spread(values, present, n)


def read_times(
    column: pa.Array, parser: TimeParser, tz: tzinfo, problems: Problems
) -> npt.NDArray[np.int64]:
    """Turn a column of times into µs.

    Parameters
    ----------
    column
        (n,) timestamps of any unit and zone, dates, or what `parser` reads: numbers and text.
    tz
        Zone of timestamps that have none.
    """
    n = len(column)
    column, present = _present(_plain(column), "the time", problems)
    kind = column.type
    if pa.types.is_timestamp(kind):
        stamps, bad = _from_units(column.view(pa.int64()).to_numpy(), kind.unit)
        if kind.tz is None:
            stamps, beyond = _from_local(stamps, tz)
            bad = np.union1d(bad, beyond)
        reasons = ["the time is out of range"] * len(bad)
    elif pa.types.is_date(kind):
        days = column.cast(pa.date32()).view(pa.int32()).to_numpy().astype(np.int64)
        stamps, bad = _from_local(days * _DAY_US, tz)
        reasons = ["the time is out of range"] * len(bad)
    else:
        stamps, bad, reasons = _parsed(column, parser)
    if len(bad):
        problems.add(bad if present is None else present[bad], reasons.__getitem__)
    return _spread(stamps, present, n)


def read_numbers(column: pa.Array, name: str, problems: Problems) -> npt.NDArray[np.int64]:
    """Turn a column of integers that count something into int64."""
    return read_values(column, np.dtype("i8"), name, problems)


def _most(problems: Problems) -> int | None:
    return None if problems.every else 1


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _present(column: pa.Array, what: str, problems: Problems) -> tuple[pa.Array, Positions | None]:
    """Leave the nulls out; gives the positions of the rest, `None` for all."""
    if not column.null_count:
        return column, None
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    problems.add(np.flatnonzero(~valid), lambda _: f"{what} is missing")
    return column.drop_null(), np.flatnonzero(valid)


def _spread(values: Array, present: Positions | None, n: int) -> Array:
    """Put the values back where they stood; there are zeros in place of nulls."""
    if present is None:
        return values
    out = np.zeros(n, values.dtype)
    out[present] = values
    return out


def _cast(values: Array, element: np.dtype[Any]) -> tuple[Array, npt.NDArray[np.bool_] | None]:
    """Convert numbers; the mask tells which are not in `element`, `None` for none."""
    if values.dtype.kind == "b":
        return values.astype(element), None
    if element.kind == "f":
        if values.dtype.kind != "f":
            return values.astype(element), None
        with np.errstate(over="ignore", invalid="ignore"):
            cast = values.astype(element, copy=False)
        wrong = np.isnan(values)
        if cast.dtype.itemsize < values.dtype.itemsize:
            wrong |= np.isinf(cast) & ~np.isinf(values)
        return cast, wrong if wrong.any() else None
    if np.can_cast(values.dtype, element):
        return values.astype(element, copy=False), None
    limits = np.iinfo(element)
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)
        # written so that NaN is wrong too
        wrong = ~(
            (values == np.rint(values))
            & (values >= float(limits.min))
            & (values < float(limits.max) + 1)
        )
    else:
        low, high = np.iinfo(values.dtype).min, np.iinfo(values.dtype).max
        wrong = np.zeros(len(values), bool)
        if limits.min > low:
            wrong |= values < limits.min
        if limits.max < high:
            wrong |= values > limits.max
    if not wrong.any():
        return values.astype(element), None
    return np.where(wrong, 0, values).astype(element), wrong


def _what(element: np.dtype[Any]) -> str:
    if element.kind == "f":
        return f"is not a number or out of the range of {element.name}"
    return f"is not a value of {element.name}"


def _from_decimals(column: pa.Array, element: np.dtype[Any]) -> tuple[Array, Positions, list[str]]:
    values = np.zeros(len(column), element)
    bad, reasons = [], []
    for at, value in enumerate(column.to_pylist()):
        try:
            values[at] = read_value(value, element)
        except ValueError as exc:
            bad.append(at)
            reasons.append(str(exc))
    return values, np.array(bad, np.intp), reasons


def _from_units(
    values: npt.NDArray[np.int64], unit: str
) -> tuple[npt.NDArray[np.int64], Positions]:
    """Turn a count of units into µs, rounded down."""
    if unit == "ns":
        return values // 1000, np.empty(0, np.intp)
    factor = _UNITS_US[unit]
    if factor == 1:
        return values, np.empty(0, np.intp)
    wrong = (values > _INT64.max // factor) | (values < -(_INT64.max // factor))
    return np.where(wrong, 0, values) * factor, np.flatnonzero(wrong)


def _from_local(
    stamps: npt.NDArray[np.int64], tz: tzinfo
) -> tuple[npt.NDArray[np.int64], Positions]:
    """Turn µs of a local clock into µs since 1970 UTC."""
    if tz is UTC:
        return stamps, np.empty(0, np.intp)
    # clocks are changed at full minutes
    minutes, which = np.unique(stamps // _MINUTE_US, return_inverse=True)
    offsets = [_offset_us(minute, tz) for minute in minutes.tolist()]
    beyond = np.array([offset is None for offset in offsets], bool)[which]
    shift = np.array([offset or 0 for offset in offsets], np.int64)[which]
    return stamps - shift, np.flatnonzero(beyond)


def _offset_us(minute: int, tz: tzinfo) -> int | None:
    """Return how far a local clock is ahead of UTC; `None` outside of the calendar."""
    try:
        local = _EPOCH + timedelta(minutes=minute)
        offset = local.replace(tzinfo=tz).utcoffset()
    except (OverflowError, OSError, ValueError):
        return None
    return (offset or timedelta(0)) // timedelta(microseconds=1)


def _parsed(
    column: pa.Array, parser: TimeParser
) -> tuple[npt.NDArray[np.int64], Positions, list[str]]:
    """Read numbers and texts as the file's form of times says."""
    none = np.empty(0, np.intp)
    if not is_text(column.type):
        numbers = column.to_numpy(zero_copy_only=False)
        whole, wrong = _cast(numbers, np.dtype("i8"))
        if wrong is None and parser.is_integer:
            stamps = parser.from_integers(whole)
            if stamps is not None:
                return stamps, none, []
        # fractions with all of their digits
        texts = [repr(number) for number in numbers.tolist()]
    else:
        texts = column.to_pylist()
    stamps = np.zeros(len(texts), np.int64)
    bad, reasons = [], []
    for at, text in enumerate(texts):
        try:
            stamps[at] = parser(text)
        except ValueError as exc:
            bad.append(at)
            reasons.append(str(exc))
    return stamps, np.array(bad, np.intp), reasons
