"""Helpers for programs: times as text and numbers, interval arithmetic, yes and no.

Source: Joule API reference, "Utilities".
"""

from __future__ import annotations

import time
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from joule_cli.errors import TimeFormatError
from joule_cli.model.connection_info import ConnectionInfo
from joule_cli.series import intervals
from joule_cli.series.time import interval_time, parse_time
from joule_cli.series.zones import EPOCH

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ConnectionInfo",
    "datetime_to_timestamp",
    "human_to_timestamp",
    "interval_difference",
    "interval_intersection",
    "seconds_to_timestamp",
    "time_now",
    "timestamp_to_datetime",
    "timestamp_to_human",
    "timestamp_to_seconds",
    "yesno",
]

_MICROSECOND: Final = timedelta(microseconds=1)


def time_now() -> int:
    """Return the present time, µs since the epoch."""
    return time.time_ns() // 1_000


def timestamp_to_human(timestamp: int) -> str:
    """Return a timestamp as local time, ``Tue, 14 Nov 2023 22:13:20 +0000``.

    The ends of the int64 range are ``(minimum)`` and ``(maximum)``.
    """
    if timestamp == -(2**63):
        return "(minimum)"
    if timestamp == 2**63 - 1:
        return "(maximum)"
    return interval_time(timestamp)


def human_to_timestamp(time: str) -> int:
    """Read a time as the command line does.

    Parameters
    ----------
    time
        An integer, which is the timestamp itself, or a text such as ``now``, ``1 hour ago``,
        ``1 Sep 2020 00:00:00`` or ``2020-09-01T00:00:00Z``. A time without a zone is local.

    Returns
    -------
    int
        µs since the epoch.

    Raises
    ------
    ValueError
        Not an instant, or more than one: a `TimeFormatError` that says why.

    Warns
    -----
    UserWarning
        The text has a second reading, such as a number that looks like seconds.

    Examples
    --------
    >>> human_to_timestamp("2023-11-14T22:13:20Z")
    1700000000000000
    """
    parsed = parse_time(time, now=time_now())
    if parsed.timestamp is None:
        raise TimeFormatError(f"[{time.strip()}] is a bound of a stream and no instant")
    for warning in parsed.warnings:
        warnings.warn(warning, stacklevel=2)
    return parsed.timestamp


def timestamp_to_datetime(timestamp: int) -> datetime:
    """Return a timestamp as a datetime in UTC.

    Raises
    ------
    OverflowError
        Outside the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=timestamp)


def datetime_to_timestamp(date: datetime) -> int:
    """Return a datetime as µs since the epoch; one without a zone is taken for UTC."""
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return (date - EPOCH) // _MICROSECOND


def seconds_to_timestamp(unix: float) -> int:
    """Return seconds since the epoch as µs, rounded."""
    return round(unix * 1_000_000)


def timestamp_to_seconds(timestamp: int) -> float:
    """Return µs since the epoch as seconds."""
    return timestamp / 1_000_000


def interval_difference(
    src: Sequence[Sequence[int]], dest: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Return the parts of `src` that do not lie in `dest`.

    Parameters
    ----------
    src, dest
        Ascending, disjoint ``[start, end]`` pairs, half-open.

    Examples
    --------
    >>> interval_difference([[0, 10], [20, 30]], [[5, 25]])
    [[0, 5], [25, 30]]
    """
    return [list(piece) for piece in intervals.difference(src, dest)]


def interval_intersection(
    src: Sequence[Sequence[int]], dest: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Return the parts that lie in both; touching input intervals stay separate.

    Examples
    --------
    >>> interval_intersection([[0, 10], [20, 30]], [[5, 25]])
    [[5, 10], [20, 25]]
    """
    return [list(piece) for piece in intervals.intersection(src, dest)]


def yesno(val: str) -> bool:
    """Return whether `val` is "yes" or "no", in any case.

    Raises
    ------
    ValueError
        Neither.
    """
    match val.strip().lower():
        case "yes":
            return True
        case "no":
            return False
        case _:
            raise ValueError("must be 'yes' or 'no'")
