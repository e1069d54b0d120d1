"""ISO 8601 and RFC 3339 times, to the microsecond."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from joule_cli.errors import TimeFormatError
from joule_cli.series.duration import DAY_US, HINT
from joule_cli.series.zones import instant, read_suffix

if TYPE_CHECKING:
    from collections.abc import Iterator

#: An offset or an abbreviation after a time.
ZONE: Final = r"(?P<zone>[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?|(?![AaPp][Mm])[A-Za-z]{1,4})"
#: Year first; ``2024/05/01`` and ``2024.05.01`` are common too, and have no other meaning.
_ISO: Final = re.compile(
    r"""(?P<year>[0-9]{4})
        (?: (?P<sep>[-/.])(?P<month>[0-9]{2})(?:(?P=sep)(?P<day>[0-9]{2}))?
          | (?P<month8>[0-9]{2})(?P<day8>[0-9]{2})
          | -?W(?P<week>[0-9]{2})(?:-?(?P<weekday>[1-7]))?
          | -(?P<yearday>[0-9]{3}) )
        (?: (?:[Tt]|\s+) (?P<hour>[0-9]{2})
            (?: :(?P<minute>[0-9]{2})(?: :(?P<second>[0-9]{2}))?
              | (?P<minute4>[0-9]{2})(?P<second6>[0-9]{2})? )?
            (?: [.,](?P<fraction>[0-9]+) )?
        )?
        (?: \s*"""
    + ZONE
    + r" )?",
    re.VERBOSE,
)


def read_iso(text: str, _now: int, tz: tzinfo | None, warnings: list[str]) -> int | None:
    """Return µs since the epoch, `None` if the text has another form.

    Raises
    ------
    TimeFormatError
        The form is right, but there is no such date, time of day or zone.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    part = found.groupdict()
    if part["zone"] is not None and part["hour"] is None and part["zone"][0] in "+-":
        # 2024-05-01-05: nothing tells an offset from a mistake
        raise TimeFormatError(
            f"an offset needs a time of day: [{text}]", hint="write it as 2024-05-01T00:00-05:00"
        )
    with readable(text):
        day = _iso_day(part)
        local, carry = clock_time(
            int(part["hour"] or 0),
            int(part["minute"] or part["minute4"] or 0),
            int(part["second"] or part["second6"] or 0),
        )
    extra_us = carry
    if part["fraction"] is not None:
        extra_us += _fraction_us(part, text)
    zone = tz if part["zone"] is None else read_suffix(part["zone"])
    return instant(datetime.combine(day, local.time()), zone, text, warnings) + extra_us


def _iso_day(part: dict[str, str | None]) -> date:
    year = int(part["year"] or 0)
    if part["week"] is not None:
        return date.fromisocalendar(year, int(part["week"]), int(part["weekday"] or 1))
    if part["yearday"] is not None:
        day = date(year, 1, 1) + timedelta(days=int(part["yearday"]) - 1)
        if day.year != year:
            raise ValueError("day of the year out of range")
        return day
    return date(
        year, int(part["month"] or part["month8"] or 1), int(part["day"] or part["day8"] or 1)
    )


def _fraction_us(part: dict[str, str | None], text: str) -> int:
    if part["second"] is None and part["second6"] is None:
        raise TimeFormatError(f"only seconds can have a fraction: [{text}]", hint=HINT)
    return int((part["fraction"] or "")[:6].ljust(6, "0"))


def clock_time(hour: int, minute: int, second: int) -> tuple[datetime, int]:
    """Return the time of day on any date, and the µs to add: a day for 24:00."""
    if (hour, minute, second) == (24, 0, 0):
        return datetime(2000, 1, 1), DAY_US
    return datetime(2000, 1, 1, hour, minute, second), 0


@contextmanager
def readable(text: str) -> Iterator[None]:
    """Turn what `datetime` raises for impossible dates into the error of this package."""
    try:
        yield
    except TimeFormatError:
        raise
    except (ValueError, OverflowError) as exc:
        raise TimeFormatError(f"there is no such time: [{text}] ({exc})", hint=HINT) from exc
