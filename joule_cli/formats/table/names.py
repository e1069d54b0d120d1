"""Names that say what a column holds."""

from __future__ import annotations

import re
from typing import Final

#: Names of columns of times, from the surest to the weakest; compared without case and marks.
_TIME_NAMES: Final = (
    "timestamp",
    "datetime",
    "time",
    "dateandtime",
    "timedate",
    "zeitstempel",
    "horodate",
    "localminute",
    "lastchanged",
    "lastupdated",
    "utc",
    "timeutc",
    "utctime",
    "datetimeutc",
    "localtime",
    "timelocal",
    "measuredat",
    "recordedat",
    "createdat",
    "epoch",
    "unixtime",
    "unixtimestamp",
    "unix",
    "ts",
    "t",
    "zeit",
    "datum",
    "date",
    "datumzeit",
    "datumvon",
    "uhrzeit",
    "heure",
    "xaxis",
    "xvalue",
    "starttime",
    "start",
)
_TIME_WORD: Final = re.compile(
    r"\b(time|date|epoch|datum|zeit|uhrzeit|horodate|timestamp)\b|timestamp|datetime", re.IGNORECASE
)
#: Names of columns that tell series of a long table apart.
_LABEL: Final = re.compile(
    r"(entity_?id|sensor(_?id)?|device(_?id)?|meter(_?id)?|channel|series|signal|variable|metric"
    r"|measurement|field|_field|_measurement|tag|tags|name|host|id|node|location|room|address|mac"
    r"|phase|source|dataid|uuid|key|topic|friendly_name)",
    re.IGNORECASE,
)
_PARTS: Final = {
    "year": "year", "yr": "year", "yyyy": "year", "jahr": "year",
    "month": "month", "mon": "month", "mo": "month", "monat": "month",
    "day": "day", "dy": "day", "dd": "day", "tag": "day", "dayofmonth": "day",
    "hour": "hour", "hr": "hour", "hh": "hour", "stunde": "hour",
    "minute": "minute", "min": "minute", "mn": "minute",
    "second": "second", "sec": "second", "ss": "second", "sekunde": "second",
    "microsecond": "us",
}  # fmt: skip
_TOTALS: Final = re.compile(
    r"(grand\s+)?(totals?|sums?|summe|gesamt|gesamtsumme|somme|totale|suma|average|mean|mittelwert"
    r"|moyenne|min|max|minimum|maximum|end of (data|file))\b.*",
    re.IGNORECASE,
)
_UNIT_OF_TIME: Final = {
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "ms": "ms", "msec": "ms", "millisecond": "ms", "milliseconds": "ms",
    "us": "us", "µs": "us", "μs": "us", "usec": "us", "microsecond": "us", "microseconds": "us",
    "ns": "ns", "nsec": "ns", "nanosecond": "ns", "nanoseconds": "ns",
    "datenum": "matlab",
}  # fmt: skip
NAME_WITH_UNITS: Final = re.compile(r"(.*?)\s*\[([^\[\]]*)\]\s*", re.DOTALL)
_UNITS_BEHIND: Final = re.compile(r".*[\[(]\s*([^\[\]()]+?)\s*[\])]\s*", re.DOTALL)
_ZONE_BEHIND: Final = re.compile(
    r"\b(?:GMT|UTC)\s*([+-]\d{1,2}(?::?\d{2})?)?\s*\)?\s*$", re.IGNORECASE
)


def time_rank(name: str) -> int | None:
    """Tell how surely a name is that of a column of times: 0 is the surest, `None` for no."""
    bare = re.sub(r"[\[(].*", "", name)
    plain = re.sub(r"(gmt|utc)[+-].*|[^a-z]", "", bare.lower())
    if plain in _TIME_NAMES:
        return _TIME_NAMES.index(plain)
    return len(_TIME_NAMES) if _TIME_WORD.search(name.replace("_", " ")) else None


def without_units(name: str) -> str:
    """Return a name such as ``x [V]`` without the units."""
    found = NAME_WITH_UNITS.fullmatch(name)
    return found[1] if found and found[1] else name


def part_of_time(name: str) -> str | None:
    """Return which part of a time a column of this name holds."""
    return _PARTS.get(re.sub(r"[^a-z]", "", name.lower()))


def is_label(name: str) -> bool:
    """Tell whether a column of this name tells series apart."""
    return _LABEL.fullmatch(name.strip()) is not None


def is_total(cell: str) -> bool:
    """Tell whether a cell in the place of a time begins a row of totals."""
    return _TOTALS.fullmatch(cell.strip()) is not None


def unit_of_time(name: str, units: str) -> str | None:
    """Return the unit of times that the name or the units of their column tell."""
    found = _UNITS_BEHIND.fullmatch(name)
    for text in (units, found[1] if found else ""):
        unit = _UNIT_OF_TIME.get(text.strip().lower())
        if unit is not None:
            return unit
    suffix = re.search(r"_(s|ms|us|ns|sec|msec)$", name.lower())
    return _UNIT_OF_TIME.get(suffix[1]) if suffix else None


def zone_in_name(name: str) -> str | None:
    """Return the offset that the name of a column of times ends with, as ``+05:00``."""
    found = _ZONE_BEHIND.search(name)
    if found is None:
        return None
    if not found[1]:
        return "+00:00"
    sign, digits = found[1][0], found[1][1:].replace(":", "")
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "00")
    return f"{sign}{int(hours):02}:{minutes}"
