"""Times: text to µs since the epoch.

Source: the time grammar of the command line, ``joule help times``. "Now" and the zone are
arguments; nothing here reads a clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final, Literal, TypeAlias

from joule_cli.errors import TimeFormatError
from joule_cli.series.duration import (
    HINT,
    MAX_US,
    SECOND_US,
    YEAR_US,
    format_duration,
    format_keep,
    parse_duration,
    parse_keep,
    read_amount,
)
from joule_cli.series.iso_time import read_iso
from joule_cli.series.spoken_time import read_spoken
from joule_cli.series.time_output import format_time, interval_time
from joule_cli.series.zones import find_zone

__all__ = [
    "ParsedTime",
    "find_zone",
    "format_duration",
    "format_keep",
    "format_time",
    "interval_time",
    "parse_duration",
    "parse_keep",
    "parse_time",
]

Anchor: TypeAlias = Literal["start", "end", "min", "max"]

_MIN_US: Final = -(2**63)
_AT_SECONDS: Final = re.compile(r"@([+-]?)(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?")
_MAX_DIGITS: Final = 60


@dataclass(frozen=True, slots=True)
class ParsedTime:
    """What a text says about a time.

    Parameters
    ----------
    timestamp
        µs since the epoch; `None` when `anchor` is set.
    anchor
        ``min`` and ``max`` are open bounds; ``start`` and ``end`` depend on the stream.
    offset_us
        Added to the instant of ``start`` or ``end``.
    warnings
        Sentences for the user: how a text with two readings was read.
    """

    timestamp: int | None
    anchor: Anchor | None = None
    offset_us: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def needs_stream(self) -> bool:
        """Whether `resolve` must be given the bounds of a stream."""
        return self.anchor in {"start", "end"}

    def resolve(self, start: int | None = None, end: int | None = None) -> int | None:
        """Return the timestamp, `None` for an open bound.

        Parameters
        ----------
        start, end
            What ``start`` and ``end`` stand for, `None` for a stream without rows.

        Raises
        ------
        TimeFormatError
            ``start`` or ``end`` of a stream without rows, or out of range.
        """
        if not self.needs_stream:
            return self.timestamp
        base = start if self.anchor == "start" else end
        if base is None:
            raise TimeFormatError(f"the stream has no rows, so [{self.anchor}] is no time")
        return _in_range(base + self.offset_us, self.anchor or "")


def parse_time(text: str, *, now: int, tz: tzinfo | None = None) -> ParsedTime:
    """Read a time in any form of the command line.

    Parameters
    ----------
    text
        An integer (µs since the epoch), ``@SECONDS``, ISO 8601, a relative time (``now-1h``,
        ``2 days ago``), a day in words (``yesterday 14:00``, ``monday``), ``min``, ``max``,
        ``start+1h``, ``end-1h``, or a written date (``14 Nov 2023 10:00 EST``).
    now
        µs since the epoch.
    tz
        Zone of times that name none; `None` for the system's.

    Raises
    ------
    TimeFormatError
        None of these, incomplete, ambiguous or beyond the range of int64.
    """
    text = text.strip()
    if not text:
        raise TimeFormatError("the time is empty", hint=HINT)
    warnings: list[str] = []
    anchored = _anchored(text)
    if anchored is not None:
        return anchored
    for reader in _READERS:
        timestamp = reader(text, now, tz, warnings)
        if timestamp is not None:
            return ParsedTime(_in_range(timestamp, text), warnings=warnings)
    # loaded only here: few texts come this far
    from joule_cli.series.written_dates import read_written_date

    timestamp = read_written_date(text, tz, warnings)
    return ParsedTime(_in_range(timestamp, text), warnings=warnings)


def _in_range(timestamp: int, text: str) -> int:
    if not _MIN_US <= timestamp <= MAX_US:
        raise TimeFormatError(f"the time [{text}] is out of range")
    return timestamp


def _integer(text: str, _now: int, tz: tzinfo | None, warnings: list[str]) -> int | None:
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        if re.fullmatch(r"[+-]?[0-9]*\.[0-9]*", text):
            raise TimeFormatError(
                f"[{text}] is no time: a plain number counts whole microseconds",
                hint=f"write @{text} for seconds",
            )
        return None
    if len(text) > _MAX_DIGITS:
        raise TimeFormatError(f"the time [{text}] is out of range")
    value = int(text)
    remedy = _other_reading(text, value)
    if remedy is not None:
        shown = format_time(value, "human", tz) if abs(value) > 10 * SECOND_US else f"{value} us"
        warnings.append(f"[{text}] was read as microseconds since 1970 ({shown}); {remedy}")
    return value


def _other_reading(text: str, value: int) -> str | None:
    """Return how to write what the integer more likely means, if it does."""
    if not text.isdigit():
        return None
    if len(text) == 4 and 1900 <= value <= 2199:
        return f"write {text}-01-01 for the year"
    if len(text) == 8 and re.fullmatch(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])[0-3][0-9]", text):
        return f"write {text[:4]}-{text[4:6]}-{text[6:]} for the day"
    match len(text):
        case 9 | 10:
            return f"write @{text} for seconds"
        case 12 | 13:
            return f"write @{text[:-3]}.{text[-3:]} for milliseconds"
        case 18 | 19:
            return f"write {text[:-3]} for nanoseconds"
        case _:
            return None


def _at_seconds(text: str, _now: int, _tz: tzinfo | None, _warnings: list[str]) -> int | None:
    if not text.startswith("@"):
        return None
    found = _AT_SECONDS.fullmatch(text)
    if found is None or len(text) > _MAX_DIGITS:
        raise TimeFormatError(f"not a number of seconds: [{text}]", hint=HINT)
    sign, whole, fraction = found.groups(default="")
    # what is finer than a microsecond is cut off, towards the past
    scale: int = 10 ** len(fraction)
    return int(f"{sign}{whole}{fraction}") * SECOND_US // scale


_FROM_BASE: Final = re.compile(r"(now|start|end)(?:\s*([+-])\s*(\S.*))?", re.IGNORECASE)


def _anchored(text: str) -> ParsedTime | None:
    lower = text.lower()
    if lower == "min":
        return ParsedTime(None, "min")
    if lower == "max":
        return ParsedTime(None, "max")
    found = _FROM_BASE.fullmatch(text)
    if found is None or lower.startswith("now"):
        return None
    anchor: Anchor = "start" if lower.startswith("start") else "end"
    return ParsedTime(None, anchor, _signed(found[2], found[3], text))


def _signed(sign: str | None, amount: str | None, text: str) -> int:
    if amount is None:
        return 0
    offset = read_amount(amount)
    if offset is None:
        raise TimeFormatError(f"not a duration: [{amount}] in [{text}]", hint=HINT)
    return -offset if sign == "-" else offset


def _relative(text: str, now: int, _tz: tzinfo | None, warnings: list[str]) -> int | None:
    found = _FROM_BASE.fullmatch(text)
    if found is not None:
        return now + _signed(found[2], found[3], text)
    lower = text.lower()
    if lower.endswith(" ago"):
        return _shifted(text[:-4].rstrip(), now, -1)
    if lower.startswith("in "):
        return _shifted(text[3:].lstrip(), now, 1)
    if text[0] in "+-":
        return _shifted(text[1:].lstrip(), now, -1 if text[0] == "-" else 1)
    timestamp = _shifted(text, now, -1)
    if timestamp is not None and now - timestamp > 20 * YEAR_US:
        warnings.append(f"[{text}] was read as that long before now")
    return timestamp


def _shifted(amount: str, now: int, direction: Literal[-1, 1]) -> int | None:
    offset = read_amount(amount)
    return None if offset is None else now + direction * offset


_Reader: TypeAlias = Callable[[str, int, tzinfo | None, list[str]], int | None]
_READERS: Final[tuple[_Reader, ...]] = (
    _integer,
    _at_seconds,
    read_iso,
    _relative,
    read_spoken,
)
