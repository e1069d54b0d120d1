"""Days and times of day in words: ``yesterday 14:00``, ``last monday``, ``5 pm``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

from joule_cli.errors import TimeFormatError
from joule_cli.series.duration import DAY_US
from joule_cli.series.iso_time import ZONE, clock_time, readable
from joule_cli.series.zones import instant, local_time, read_suffix

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT_WEEKDAYS: Final = {name[:3]: index for index, name in enumerate(_WEEKDAYS)} | {
    name: index for index, name in enumerate(_WEEKDAYS)
}
_DAY_SHIFT: Final = {"today": 0, "yesterday": -1, "tomorrow": 1}
_DAY: Final = (
    r"(?P<day>today|yesterday|tomorrow|(?:last\s+|next\s+|this\s+)?(?:"
    + "|".join(sorted(_SHORT_WEEKDAYS, key=len, reverse=True))
    + r"))"
)
_CLOCK: Final = (
    r"(?P<clock>noon|midnight|(?P<hour>[0-9]{1,2})"
    r"(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?"
    r"(?:\s*(?P<half>am|pm|a\.m\.|p\.m\.))?)"
)
_IN_WORDS: Final = tuple(
    re.compile(rf"{body}(?:\s*{ZONE})?", re.IGNORECASE)
    for body in (rf"(?:{_DAY}\s*,?\s+(?:at\s+)?)?{_CLOCK}", rf"{_CLOCK}\s+{_DAY}", _DAY)
)


def read_spoken(text: str, now: int, tz: tzinfo | None, warnings: list[str]) -> int | None:
    """Return µs since the epoch, `None` if the text has another form.

    Raises
    ------
    TimeFormatError
        The form is right, but there is no such time of day or zone.
    """
    found = next((f for f in (p.fullmatch(text) for p in _IN_WORDS) if f is not None), None)
    if found is None:
        return None
    part: dict[str, str | None] = {"day": None, "clock": None, **found.groupdict()}
    if part["clock"] is not None and part["clock"].isdigit():
        # "monday 5" and "5" name no time of day
        return None
    word = " ".join((part["day"] or "today").lower().split())
    if part["clock"] is None and word in _DAY_SHIFT:
        return now + _DAY_SHIFT[word] * DAY_US if part["zone"] is None else None
    zone = tz if part["zone"] is None else read_suffix(part["zone"])
    today = local_time(now, zone)
    if today is None:
        raise TimeFormatError(f"the time [{text}] is out of range")
    with readable(text):
        local, extra_us = _spoken_clock(part)
        day = today.date() + timedelta(days=_day_shift(word, today.weekday()))
    return instant(datetime.combine(day, local.time()), zone, text, warnings) + extra_us


def _day_shift(word: str, weekday: int) -> int:
    """Return how many days after today; a bare weekday is its latest day, today included."""
    if word in _DAY_SHIFT:
        return _DAY_SHIFT[word]
    which, _, name = word.rpartition(" ")
    back = (weekday - _SHORT_WEEKDAYS[name]) % 7
    match which:
        case "last":
            return -back or -7
        case "next":
            return 7 - back
        case _:
            return -back


def _spoken_clock(part: dict[str, str | None]) -> tuple[datetime, int]:
    word = (part["clock"] or "midnight").lower()
    if word in {"noon", "midnight"}:
        return clock_time(12 if word == "noon" else 0, 0, 0)
    hour = int(part["hour"] or 0)
    if part["half"] is not None:
        if not 1 <= hour <= 12:
            raise ValueError("a 12-hour clock runs from 1 to 12")
        hour = hour % 12 + (12 if part["half"][0] in "pP" else 0)
    local, extra_us = clock_time(hour, int(part["minute"] or 0), int(part["second"] or 0))
    return local, extra_us + int((part["fraction"] or "")[:6].ljust(6, "0"))
