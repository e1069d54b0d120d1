"""Query parameters, in both directions.

Writers return what a request carries; readers take the query of a request, any mapping of texts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from joule_cli.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTEGER = re.compile(r"\s*[+-]?[0-9]+(_[0-9]+)*\s*")
#: No parameter needs more; longer texts would take long to convert.
_MOST_DIGITS = 40

Params = dict[str, str]

#: Sent with a read of events by clients that know events without an end (``end_time`` null). A
#: Joule 1.0.1 node has none and ignores it.
OPEN_ENDED: Final = "open-ended"

#: Sent with rows that may have missing values, to nodes that tell the capability to hold them.
MISSING: Final = "missing"

#: Sent with a subscription that waits for producers. A Joule 1.0.1 node ignores it.
FOLLOW: Final = "follow"


def key_params(key: str | int, prefix: str = "") -> Params:
    """Return what names a stream or folder: its path or its id.

    Parameters
    ----------
    prefix
        Of the parameter's name, as in ``stream_path``.
    """
    return {f"{prefix}path": key} if isinstance(key, str) else {f"{prefix}id": str(key)}


def bounds_params(start: int | None, end: int | None) -> Params:
    """Return the bounds that are given; fractions of a µs are cut off, as the original does."""
    bounds = {"start": start, "end": end}
    return {name: str(int(value)) for name, value in bounds.items() if value is not None}


def read_key(
    query: Mapping[str, str],
    prefix: str = "",
    missing: str = "specify an id or a path",
) -> str | int:
    """Return the path or the id that a request names; the path wins.

    Raises
    ------
    ApiError
        `missing`, or the id is not an integer.
    """
    path = query.get(f"{prefix}path")
    if path is not None:
        return path
    number = read_int(query, f"{prefix}id")
    if number is None:
        raise ApiError(missing)
    return number


def read_int(query: Mapping[str, str], name: str) -> int | None:
    """Return an integer parameter, or `None` if it is absent.

    Raises
    ------
    ApiError
        Its text is not an integer.
    """
    text = query.get(name)
    if text is None:
        return None
    if len(text) > _MOST_DIGITS or not _INTEGER.fullmatch(text):
        raise ApiError(f"parameter {name} must be an int")
    return int(text)


def read_bounds(query: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return ``start`` and ``end`` of a half-open range.

    Raises
    ------
    ApiError
        One is not an integer, or the range is empty.
    """
    start, end = read_int(query, "start"), read_int(query, "end")
    if start is not None and end is not None and start >= end:
        raise ApiError("[start] must be before [end]")
    return start, end


def name_params(key: str | int) -> Params:
    """Return what names a module or a proxy: its name or its id."""
    return {"name": key} if isinstance(key, str) else {"id": str(key)}
