"""Times: µs since the epoch to text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from joule_cli.errors import TimeFormatError
from joule_cli.series.duration import decimal_text
from joule_cli.series.zones import local_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, tzinfo

# not from strftime, which follows the locale of the process
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_NUMBERS: Final[dict[str, Callable[[int], str]]] = {
    "us": str,
    "ns": lambda us: str(us * 1_000),
    "ms": lambda us: decimal_text(us, 3),
    "s": lambda us: decimal_text(us, 6),
}


def format_time(timestamp: int, form: str = "human", tz: tzinfo | None = None) -> str:
    """Return a time as text.

    Parameters
    ----------
    timestamp
        µs since the epoch.
    form
        ``human`` (``2023-11-14 22:13:20.123456+00:00``, the fraction only if not zero), ``iso``
        (the same with a ``T``), ``us``, ``ns``, ``ms``, ``s`` (exact numbers since the epoch), or
        a template for ``strftime`` with at least one ``%``.
    tz
        Zone of the clock shown; `None` for the system's.

    Returns
    -------
    str
        Beyond the years 1 to 9999 the integer, µs, whatever clock was asked for.

    Raises
    ------
    TimeFormatError
        No such form.
    """
    number = _NUMBERS.get(form)
    if number is not None:
        return number(timestamp)
    if form not in {"human", "iso"} and "%" not in form:
        raise TimeFormatError(
            f"unknown form of time [{form}]",
            hint="use us, ns, ms, s, iso or a template such as %H:%M",
        )
    dt = local_time(timestamp, tz)
    if dt is None:
        return str(timestamp)
    if form in {"human", "iso"}:
        return dt.isoformat(" " if form == "human" else "T")
    return _from_template(dt, form)


def _from_template(dt: datetime, template: str) -> str:
    try:
        return dt.strftime(template)
    except (ValueError, UnicodeError) as exc:
        raise TimeFormatError(f"bad template for times [{template}]: {exc}") from exc


def interval_time(timestamp: int, tz: tzinfo | None = None) -> str:
    """Return the form of interval lines: ``Tue, 14 Nov 2023 22:13:20 +0000``, whole seconds.

    Beyond the years 1 to 9999 it is the integer, µs.
    """
    dt = local_time(timestamp, tz)
    if dt is None:
        return str(timestamp)
    return (
        f"{_DAYS[dt.weekday()]}, {dt.day:02} {_MONTHS[dt.month - 1]} {dt.year:04} "
        f"{dt.hour:02}:{dt.minute:02}:{dt.second:02} {dt.strftime('%z')}"
    )
