"""Dates as people write them, read by python-dateutil and then doubted."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

from joule_cli.errors import TimeFormatError
from joule_cli.series.duration import HINT
from joule_cli.series.zones import ABBREVIATIONS, instant

if TYPE_CHECKING:
    from dateutil.parser import parser, parserinfo

#: Whatever the text leaves out comes from these, and shows when the two results differ.
_DEFAULTS: Final = (datetime(2001, 1, 1), datetime(2003, 3, 2))
#: Nobody puts the day between the year and the month.
_YEAR_FIRST: Final = re.compile(r"[0-9]{4}(?![0-9])")
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# GMT+3 is east of Greenwich for people and west of it for POSIX and dateutil
_NAME_AND_OFFSET: Final = re.compile(
    rf"\b({'|'.join(ABBREVIATIONS)})\s?([+-])([0-9]{{1,2}})(?![0-9/-])", re.IGNORECASE
)


def read_written_date(text: str, tz: tzinfo | None, warnings: list[str]) -> int:
    """Read a complete date, with or without a time of day and a zone.

    Returns
    -------
    int
        µs since the epoch.

    Raises
    ------
    TimeFormatError
        Not a date, incomplete, or day, month and year could be told in two ways.
    """
    named = _NAME_AND_OFFSET.search(text)
    if named is not None:
        raise TimeFormatError(
            f"the zone [{named[0]}] can be read in two ways",
            hint=f"write the offset alone: {named[2]}{named[3]:0>2}:00",
        )
    zones: set[str] = set()
    first = _read(text, _DEFAULTS[0], zones)
    unknown = sorted(zones - set(ABBREVIATIONS))
    if unknown:
        raise TimeFormatError(
            f"the zone abbreviation [{unknown[0]}] is unknown or means several zones",
            hint="write the offset instead, as in 2024-05-01T12:00+02:00",
        )
    if len(first) > 1:
        days = " or ".join(sorted(str(dt.date()) for dt in first))
        raise TimeFormatError(
            f"the date [{text}] could mean {days}", hint="write it as YEAR-MONTH-DAY"
        )
    if first != _read(text, _DEFAULTS[1], zones):
        raise TimeFormatError(
            f"the date [{text}] is incomplete", hint="give year, month and day: 2024-05-01 14:30"
        )
    (dt,) = first
    if not re.search(rf"(?<![0-9]){dt.year:04}", text):
        raise TimeFormatError(f"the year in [{text}] needs four digits", hint=HINT)
    _check_weekday(text, dt)
    zone = tz if dt.tzinfo is None else dt.tzinfo
    return instant(dt.replace(tzinfo=None), zone, text, warnings)


def _read(text: str, default: datetime, zones: set[str]) -> set[datetime]:
    """Return every reading of the text; names of zones go to `zones`."""

    def zone(name: str | None, offset: int | None) -> tzinfo | None:
        if offset is not None:
            return timezone(timedelta(seconds=offset))
        if name is None:
            return None
        zones.add(name.upper())
        return timezone(timedelta(hours=ABBREVIATIONS.get(name.upper(), 0)))

    reader, readings = _reader(), set()
    orders = [(False, True)] if _YEAR_FIRST.match(text) else product((False, True), repeat=2)
    for dayfirst, yearfirst in orders:
        try:
            dt = reader.parse(
                text, default=default, tzinfos=zone, dayfirst=dayfirst, yearfirst=yearfirst
            )
        except (ValueError, OverflowError, ArithmeticError) as exc:
            raise TimeFormatError(f"not a time: [{text}]", hint=HINT) from exc
        readings.add(dt)
    return readings


@cache
def _reader() -> parser:
    from dateutil.parser import parser, parserinfo

    class Words(parserinfo):
        """Fewer words may be skipped, so that nothing is read by half."""

        JUMP = [" ", ".", ",", "-", "/", "at", "on", "of", "st", "nd", "rd", "th"]  # noqa: RUF012
        # 5m is a duration everywhere else, not the fifth minute
        HMS = []  # noqa: RUF012

    words: parserinfo = Words()
    return parser(words)


def _check_weekday(text: str, dt: datetime) -> None:
    named = re.search(rf"\b({'|'.join(_WEEKDAYS)})[a-z]*", text, re.IGNORECASE)
    if named is not None and _WEEKDAYS.index(named[1].lower()) != dt.weekday():
        raise TimeFormatError(f"[{text}] is not a {named[0]} but a {dt:%A}")
