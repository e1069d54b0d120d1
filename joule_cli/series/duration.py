"""Durations: text to µs and back."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from joule_cli.errors import TimeFormatError
from joule_cli.model.data_stream import KEEP_ALL, KEEP_NONE

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
WEEK_US: Final = 7 * DAY_US
#: Months and years have one fixed length, so that a duration is a number and not a date.
MONTH_US: Final = 30 * DAY_US
YEAR_US: Final = 365 * DAY_US

#: Timestamps and durations are int64.
MAX_US: Final = 2**63 - 1

HINT: Final = "see [joule help times] for the forms of times and durations"

_WORDS: Final = {
    1: "us µs μs usec usecs microsecond microseconds",
    1_000: "ms msec msecs millisecond milliseconds",
    SECOND_US: "s sec secs second seconds",
    MINUTE_US: "m min mins minute minutes",
    HOUR_US: "h hr hrs hour hours",
    DAY_US: "d day days",
    WEEK_US: "w wk wks week weeks",
    MONTH_US: "mo month months",
    YEAR_US: "y yr yrs year years",
}
_UNITS: Final = {word: unit_us for unit_us, words in _WORDS.items() for word in words.split()}

_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_PLAIN: Final = re.compile(rf"\+?{_NUMBER}(?:[eE][+-]?[0-9]{{1,2}})?")
_PART: Final = re.compile(rf"({_NUMBER})\s*([A-Za-zµμ]+)(?:\s*,\s*|\s+and\s+|\s*)")
_ISO: Final = re.compile(
    r"P(?=[0-9T])(?:({n})Y)?(?:({n})M)?(?:({n})W)?(?:({n})D)?"
    r"(?:T(?=[0-9])(?:({n})H)?(?:({n})M)?(?:({n})S)?)?".replace("{n}", r"[0-9]+(?:[.,][0-9]+)?")
)
_ISO_UNITS: Final = (YEAR_US, MONTH_US, WEEK_US, DAY_US, HOUR_US, MINUTE_US, SECOND_US)

#: Units of `format_duration`. Months and years are left out: a reader would take them for dates.
_PRINTED: Final = ((DAY_US, "d"), (HOUR_US, "h"), (MINUTE_US, "m"))


def parse_duration(text: str, *, unit_us: int | None = None) -> int:
    """Read a duration.

    Parameters
    ----------
    text
        Numbers with units (``250us``, ``1.5s``, ``1h30m``, ``2 days``), ISO 8601 (``PT1H``), or a
        plain number. ``m`` is minutes, ``mo`` is 30 days, ``y`` is 365 days.
    unit_us
        What a plain number counts, in µs; `None` refuses plain numbers.

    Returns
    -------
    int
        µs, not negative, rounded to the nearest.

    Raises
    ------
    TimeFormatError
        Not a duration, negative, or beyond the range of int64.
    """
    text = text.strip()
    if text.startswith("-"):
        raise TimeFormatError(f"a duration cannot be negative: [{text}]", hint=HINT)
    if _PLAIN.fullmatch(text):
        if unit_us is None:
            raise TimeFormatError(
                f"the duration [{text}] has no unit",
                hint=f"write it as {text}s, {text}m or {text}h",
            )
        return _to_us(Decimal(text) * unit_us, text)
    amount = read_amount(text)
    if amount is None:
        raise TimeFormatError(f"not a duration: [{text}]", hint=HINT)
    return amount


def read_amount(text: str) -> int | None:
    """Read an unsigned duration with units; `None` if `text` has another form.

    Raises
    ------
    TimeFormatError
        A duration, but with a unit that means two things or beyond the range of int64.
    """
    iso = _ISO.fullmatch(text)
    if iso is not None:
        parts = zip(iso.groups(), _ISO_UNITS, strict=True)
        total = sum(Decimal(n.replace(",", ".")) * unit for n, unit in parts if n is not None)
        return _to_us(Decimal(total), text)
    position, total = 0, Decimal(0)
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            return None
        number, word = part.groups()
        if word == "M":
            raise TimeFormatError(
                f"[{number}M] could mean minutes or months", hint=f"write {number}m or {number}mo"
            )
        unit_us = _UNITS.get(word.lower())
        if unit_us is None:
            return None
        total += Decimal(number) * unit_us
        position = part.end()
    if not text or text[-1] == "," or text.lower().endswith(" and"):
        return None
    return _to_us(total, text)


def _to_us(value: Decimal, text: str) -> int:
    if value > MAX_US:
        raise TimeFormatError(f"the duration [{text}] is too long", hint=HINT)
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def parse_keep(text: str) -> int:
    """Read how long a stream keeps its rows: ``all``, ``none`` or a duration.

    Returns
    -------
    int
        µs, `KEEP_ALL` or `KEEP_NONE`.

    Raises
    ------
    TimeFormatError
        None of these, or a duration of zero.
    """
    word = text.strip().lower()
    if word == "all":
        return KEEP_ALL
    if word == "none":
        return KEEP_NONE
    keep_us = parse_duration(text)
    if keep_us == 0:
        raise TimeFormatError(f"a keep of [{text.strip()}] is no time", hint="write none or all")
    return keep_us


def format_keep(keep_us: int) -> str:
    """Return ``all``, ``none`` or the duration; `parse_keep` reads it back."""
    if keep_us == KEEP_NONE:
        return "none"
    return "all" if keep_us < 0 else format_duration(keep_us)


def format_duration(duration_us: int) -> str:
    """Return an exact and short text, as in ``2d 3h``, ``1.5s``, ``250us``.

    `parse_duration` reads it back, a negative one excepted.
    """
    if duration_us < 0:
        return f"-{format_duration(-duration_us)}"
    parts, rest = [], duration_us
    for unit_us, name in _PRINTED:
        count, rest = divmod(rest, unit_us)
        if count:
            parts.append(f"{count}{name}")
    if rest and not parts and rest < 1_000:
        return f"{rest}us"
    if rest and not parts and rest < SECOND_US:
        return f"{decimal_text(rest, 3)}ms"
    if rest or not parts:
        parts.append(f"{decimal_text(rest, 6)}s")
    return " ".join(parts)


def decimal_text(value: int, places: int) -> str:
    """Return ``value / 10**places`` as an exact decimal, without trailing zeros."""
    sign, digits = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(digits, 10**places)
    tail = f".{fraction:0{places}}".rstrip("0").rstrip(".")
    return f"{sign}{whole}{tail}"
