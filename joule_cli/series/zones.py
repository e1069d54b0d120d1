"""Time zones: names to zones, local time to instants."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from joule_cli.errors import ConfigurationError, TimeFormatError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Of times that have no zone yet.
LOCAL_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)

#: Hours from UTC. Abbreviations that several countries use differently (IST, BST, AST, ...) are
#: missing on purpose; CST, EST, MST and PST are the North American ones.
ABBREVIATIONS: Final = {
    "Z": 0,
    "UTC": 0,
    "GMT": 0,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "WET": 0,
    "WEST": 1,
    "CET": 1,
    "CEST": 2,
    "EET": 2,
    "EEST": 3,
}

_OFFSET: Final = re.compile(r"([+-])([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2}))?)?")


def find_zone(name: str) -> tzinfo | None:
    """Find a time zone.

    Parameters
    ----------
    name
        An IANA name (``Europe/Berlin``), ``UTC``, an offset (``+01:00``), or ``local``.

    Returns
    -------
    tzinfo or None
        `None` for ``local``: the zone of the system or of ``TZ``.

    Raises
    ------
    TimeFormatError
        No such zone.
    ConfigurationError
        The system has no time zone database.
    """
    name = name.strip()
    if name.lower() == "local":
        return None
    if name.upper() in {"UTC", "Z"}:
        return UTC
    if name[:1] in {"+", "-"}:
        return read_offset(name)
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        # a system without the database fails for every name: say so, it is no typing error
        if not _database_exists():
            raise ConfigurationError(
                f"this system has no time zone database, so [{name}] cannot be looked up",
                hint="install the tzdata package, or give an offset such as +01:00",
            ) from exc
        raise TimeFormatError(f"unknown time zone [{name}]", hint=_zone_hint(name)) from exc


def _zone_hint(name: str) -> str:
    from zoneinfo import available_timezones

    from joule_cli.series.nearest import did_you_mean

    forms = "write Area/City, UTC, local or +01:00"
    near = did_you_mean(name, available_timezones())
    return f"{near} Or {forms}" if near else forms


def _database_exists() -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo("Europe/London")
    except (KeyError, ValueError, OSError):
        return False
    return True


def read_offset(text: str) -> timezone:
    """Read ``+01:00``, ``+0100`` or ``+01``.

    Raises
    ------
    TimeFormatError
        Another form, or not within a day.
    """
    found = _OFFSET.fullmatch(text)
    if found is not None:
        sign, hours, minutes, seconds = found.groups(default="0")
        if int(hours) < 24 and int(minutes) < 60 and int(seconds) < 60:
            span = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
            return timezone(-span if sign == "-" else span)
    raise TimeFormatError(f"not an offset from UTC: [{text}]", hint="write it as +01:00")


def read_suffix(text: str) -> timezone:
    """Read what follows a time: an offset or an abbreviation that means one zone only.

    Raises
    ------
    TimeFormatError
        Neither.
    """
    if text[:1] in {"+", "-"}:
        return read_offset(text)
    hours = ABBREVIATIONS.get(text.upper())
    if hours is None:
        raise TimeFormatError(
            f"the zone abbreviation [{text}] is unknown or means several zones",
            hint="write the offset instead, as in 2024-05-01T12:00+02:00",
        )
    return timezone(timedelta(hours=hours))


def instant(local: datetime, tz: tzinfo | None, text: str, warnings: list[str]) -> int:
    """Convert a local time to µs since the epoch.

    A time that the zone's clocks skip or repeat is taken as read on the clock before the change;
    `warnings` gets a sentence then.

    Parameters
    ----------
    local
        Without a zone.
    tz
        `None` for the system's zone.
    text
        What the user wrote, for the sentences.

    Raises
    ------
    TimeFormatError
        Outside the years 1 to 9999.
    """
    try:
        if isinstance(tz, timezone):
            return _to_us(local, tz)
        first, second = (_to_us(local.replace(fold=fold), tz) for fold in (0, 1))
    except (OverflowError, ValueError, OSError) as exc:
        raise TimeFormatError(f"the time [{text}] is out of range") from exc
    if first != second:
        taken = local_time(first, tz)
        skipped = taken is None or taken.replace(tzinfo=None) != local
        what = "is skipped by the clocks of" if skipped else "occurs twice in"
        warnings.append(f"the local time [{text}] {what} this zone, it is read as {taken}")
    return first


def _to_us(local: datetime, tz: tzinfo | None) -> int:
    if tz is not None:
        return (local.replace(tzinfo=tz) - EPOCH) // _MICROSECOND
    # not astimezone: in a skipped hour it takes the offset after the change
    whole = local.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + local.microsecond


def local_time(timestamp: int, tz: tzinfo | None) -> datetime | None:
    """Return the clock of a zone at an instant; `None` outside the years 1 to 9999."""
    try:
        return (EPOCH + timedelta(microseconds=timestamp)).astimezone(tz)
    except (OverflowError, ValueError, OSError):
        return None
