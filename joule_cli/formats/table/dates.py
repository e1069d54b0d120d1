"""Dates and times of day as people and loggers write them, without a template."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.problems import BadCell
from joule_cli.series.zones import LOCAL_EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Which number of a date is what. ``named`` has the month as a word; ``md`` and ``dm`` have no
#: year, ``tod`` has no date.
Order: TypeAlias = Literal["iso", "dmy", "mdy", "named", "md", "dm", "tod"]

DAY_US: Final = 86_400_000_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,:](?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_ZONE = r"(?:\s*(?P<utc>Z|z|UTC|GMT))?(?:\s*(?P<offset>[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?))?"
_TAIL = rf"(?:(?:[T_]|,\s*|\s+){_CLOCK}{_ZONE})?"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\.?,?\s+)?"
_FORMS: Final = {
    "iso": rf"(?P<year>\d{{4}})([-/.])(?P<a>\d{{1,2}})\2(?P<b>\d{{1,2}}){_TAIL}",
    "xy": rf"(?P<a>\d{{1,2}})([-/.])(?P<b>\d{{1,2}})\2(?P<year>\d{{4}}|\d{{2}}){_TAIL}",
    "named": (
        r"(?:(?P<b>\d{1,2})[-\s./]+(?P<month>[A-Za-z]{3,9})\.?[-\s./,]+(?P<year>\d{4}|\d{2})"
        r"|(?P<month2>[A-Za-z]{3,9})\.?\s+(?P<b2>\d{1,2}),?\s+(?P<year2>\d{4}))"
        + _TAIL.replace("[T_]", "[T_:]")
    ),
    "short": rf"(?P<a>\d{{1,2}})([-/.])(?P<b>\d{{1,2}})\.?{_TAIL}",
    "tod": rf"{_CLOCK}{_ZONE}",
}
_PATTERNS: Final = {
    name: re.compile((_WEEKDAY if name != "tod" else "") + form, re.ASCII)
    for name, form in _FORMS.items()
}
_FAMILY: Final = {"dmy": "xy", "mdy": "xy", "md": "short", "dm": "short"}
_MIDNIGHT = re.compile(r"\b24:00(?::00(?:[.,]0+)?)?(?!\d)")


class LocalTime(NamedTuple):
    """A time as a clock showed it: µs since 1970 of that clock, and its offset if it is told."""

    us: int
    offset_us: int | None = None


def family_of(text: str) -> str | None:
    """Return the kind of form that a text has: ``iso``, ``xy``, ``named``, ``short``, ``tod``."""
    text = text.strip()
    if _is_iso(text):
        return "iso"
    return next((name for name, form in _PATTERNS.items() if form.fullmatch(text)), None)


def is_date_only(text: str) -> bool:
    """Tell whether a text is a date without a time of day."""
    return family_of(text) in {"iso", "xy", "named"} and ":" not in text


def possible_orders(texts: Iterable[str], family: str) -> set[Order]:
    """Return the orders of day and month that fit all texts of the family ``xy`` or ``short``.

    Texts in which both orders mean the same, and texts of another form, do not count; without
    any that counts both fit, and it does not matter.
    """
    both: tuple[Order, Order] = ("dmy", "mdy") if family == "xy" else ("dm", "md")
    orders: set[Order] = set(both)
    pattern = _PATTERNS[family]
    differ = False
    for text in texts:
        found = pattern.fullmatch(text.strip())
        if found is None:
            continue
        a, b = int(found["a"]), int(found["b"])
        if a > 12 or found[2] == ".":
            orders.discard(both[1])
        if b > 12:
            orders.discard(both[0])
        differ = differ or a != b
    return orders if differ or len(orders) < 2 else {both[0]}


def read_date(text: str, order: Order, base: LocalTime | None = None) -> LocalTime:
    """Read one date and time.

    Parameters
    ----------
    base
        Gives the year, or the date, of forms that have none.

    Raises
    ------
    BadCell
        The text has another form, or names no day of the calendar.
    """
    text = text.strip()
    if order == "iso":
        try:
            dt = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            if dt.tzinfo is None:
                return LocalTime((dt - LOCAL_EPOCH) // _MICROSECOND)
            offset = dt.utcoffset() or timedelta(0)
            return LocalTime(
                (dt.replace(tzinfo=None) - LOCAL_EPOCH) // _MICROSECOND, offset // _MICROSECOND
            )
    found = _PATTERNS[_FAMILY.get(order, order)].fullmatch(text)
    if found is None:
        form = "an ISO 8601 time" if order == "iso" else "a time of the same form as the others"
        raise BadCell(f"{shorten(text)} is not {form}")
    day = _day(found, order, base, text)
    return LocalTime(day * DAY_US + _time_of_day(found, text), _offset_us(found))


def _is_iso(text: str) -> bool:
    if not re.match(r"\d{4}", text) or text.isdecimal():
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _day(found: re.Match[str], order: Order, base: LocalTime | None, text: str) -> int:
    if order == "tod":
        assert base is not None
        return base.us // DAY_US
    if order == "named":
        name = found["month"] or found["month2"]
        month, day = _MONTHS.get(name[:3].lower(), 0), int(found["b"] or found["b2"])
        year = found["year"] or found["year2"]
    else:
        first, second = int(found["a"]), int(found["b"])
        month, day = (second, first) if order in {"dmy", "dm"} else (first, second)
        if order in {"md", "dm"}:
            assert base is not None
            year = str((LOCAL_EPOCH + timedelta(microseconds=base.us)).year)
        else:
            year = found["year"]
    number = int(year)
    if len(year) == 2:
        number += 1900 if number >= 69 else 2000
    try:
        return date(number, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise BadCell(f"{shorten(text)} is no day of the calendar") from None


def _time_of_day(found: re.Match[str], text: str) -> int:
    if found["hour"] is None:
        return 0
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    us = int(((found["fraction"] or "") + "000000")[:6])
    if found["half"]:
        if not 1 <= hour <= 12:
            raise BadCell(f"{shorten(text)} has AM or PM behind an hour that is not 1 to 12")
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    rest = (minute * 60 + second) * 1_000_000 + us
    if minute > 59 or second > 59 or hour > 24 or (hour == 24 and rest):
        raise BadCell(f"{shorten(text)} is no time of day")
    return hour * 3_600_000_000 + rest


def _offset_us(found: re.Match[str]) -> int | None:
    if found["hour"] is None:
        return None
    offset = found["offset"]
    if offset is None:
        return 0 if found["utc"] else None
    digits = offset[1:].replace(":", "")
    seconds = (
        int(digits[:2]) * 3600 + int(digits[2:4] or 0) * 60 + int(digits[4:6] or 0)
    ) * 1_000_000
    return -seconds if offset[0] == "-" else seconds


def read_template(text: str, template: str) -> LocalTime:
    """Read one time by a strptime template; ``24:00`` is the next midnight.

    Raises
    ------
    BadCell
        The text does not fit.
    """
    text = text.strip()
    # the hour 24 is none for strptime
    plain = _MIDNIGHT.sub(lambda found: found[0].replace("24", "00", 1), text)
    for each in (text, plain):
        try:
            dt = datetime.strptime(each, template)
        except ValueError:
            continue
        break
    else:
        raise BadCell(f"{shorten(text)} is not a time like {template!r}")
    offset = dt.utcoffset()
    days = each != text
    local = (dt.replace(tzinfo=None) - LOCAL_EPOCH) // _MICROSECOND + days * DAY_US
    return LocalTime(local, None if offset is None else offset // _MICROSECOND)


def template_parts(template: str) -> set[str]:
    """Return what a template holds: ``year``, ``date``, ``time``.

    Raises
    ------
    BadCell
        It contradicts itself, such as ``%H`` with ``%p``.
    """
    letters = set(re.findall(r"%-?([A-Za-z])", template.replace("%%", "")))
    if "p" in letters and "H" in letters:
        raise BadCell("%p needs %I, the hour from 1 to 12, in place of %H")
    parts = set()
    if letters & set("YyGcx"):
        parts.add("year")
    if letters & set("djUWVcx"):
        parts.add("date")
    if letters & set("HIcX"):
        parts.add("time")
    return parts
