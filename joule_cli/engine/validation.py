"""What a node accepts as names, texts and attributes."""

from __future__ import annotations

import math
from typing import Any

from joule_cli.errors import ApiError, InvalidDataStreamParameter
from joule_cli.model.data_stream import DATATYPES, DISPLAY_TYPES, KEEP_ALL, DataStream, Element

#: Largest integer that the node's file holds.
INT64_MAX = 2**63 - 1
#: Folders below one another; a tree is read and sent as nested objects.
DEEPEST = 100


def path_segments(path: str) -> list[str] | None:
    """Split an absolute path into names; `None` if it is not well formed."""
    if path == "/":
        return []
    first, *names = path.split("/")
    if first or not names or not all(names) or not is_unicode(path):
        return None
    return names


def is_unicode(text: str) -> bool:
    """Tell whether a text has no lone surrogates, as from an undecodable argument."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """Return a text that can be printed whatever it came from."""
    return text if is_unicode(text) else text.encode(errors="backslashreplace").decode()


def check_name(name: Any) -> str:
    """Return the name of a folder or stream."""
    if name is None or name == "":
        raise ApiError("missing name")
    text = check_text(name, "name")
    if "/" in text:
        raise ApiError("invalid name, '\\' not allowed", object=text)
    return text


def check_text(value: Any, attribute: str) -> str:
    """Return a text that can be stored."""
    if not isinstance(value, str):
        raise ApiError(f"[{attribute}] must be a text")
    if not is_unicode(value):
        raise ApiError(f"[{attribute}] is not valid Unicode text")
    return value


def check_optional_text(value: Any, attribute: str) -> str | None:
    """Return a text that can be stored, or `None`."""
    return None if value is None else check_text(value, attribute)


def check_timestamp(value: Any, attribute: str) -> int:
    """Return µs as an integer; fractions are rounded."""
    if isinstance(value, bool):
        raise ApiError(f"[{attribute}] must be a microsecond utc timestamp")
    try:
        number = int(round(value))  # noqa: RUF046  (round() of a foreign number gives any type)
    except (TypeError, ValueError, OverflowError):
        raise ApiError(f"[{attribute}] must be a microsecond utc timestamp") from None
    if not -INT64_MAX - 1 <= number <= INT64_MAX:
        raise ApiError(f"[{attribute}] must be a microsecond utc timestamp")
    return number


def check_datatype(datatype: Any) -> str:
    """Return the datatype in lower case."""
    text = str(datatype).lower()
    if text not in DATATYPES:
        raise ApiError(f"invalid datatype [{text.upper()}], choose from [{', '.join(DATATYPES)}]")
    return text


def check_keep(keep_us: Any) -> int:
    """Return how long rows are kept."""
    if not isinstance(keep_us, int) or not KEEP_ALL <= keep_us <= INT64_MAX:
        raise ApiError("[keep_us] must be -1, 0 or a number of microseconds")
    return int(keep_us)


def checked_new_stream(stream: DataStream) -> DataStream:
    """Return a stream as it is stored, if it may be created."""
    if not isinstance(stream, DataStream):
        raise InvalidDataStreamParameter("Invalid stream datatype. Must be DataStream")
    name, datatype = check_name(stream.name), check_datatype(stream.datatype)
    elements = [checked_element(element) for element in stream.elements]
    if not elements:
        raise ApiError("stream must have at least one element")
    if len({e.name for e in elements}) < len(elements):
        raise ApiError("element names must be unique")
    keep_us = check_keep(stream.keep_us)
    description = check_optional_text(stream.description, "description")
    return DataStream(name, description, datatype, keep_us, elements, bool(stream.decimate))


def checked_stream(stream: DataStream) -> DataStream:
    """Return a stream as it is stored, if an existing one may become so."""
    if not isinstance(stream, DataStream):
        raise InvalidDataStreamParameter("Invalid stream datatype. Must be DataStream")
    name = check_name(stream.name)
    description = check_optional_text(stream.description, "description")
    keep_us = check_keep(stream.keep_us)
    elements = [checked_element(element) for element in stream.elements]
    for element in elements:
        low, high = element.default_min, element.default_max
        if low is not None and high is not None and not low < high:
            raise ApiError("[default_max] must be > [default_min]", object=element.name)
    return DataStream(name, description, stream.datatype, keep_us, elements, bool(stream.decimate))


def checked_element(element: Element) -> Element:
    """Return an element as it is stored; its limits may be in any order."""
    display_type = check_display_type(element.display_type)
    if not element.name:
        raise ApiError("missing name")
    low, high = (
        None if value is None else check_number(value, name)
        for name, value in (
            ("default_min", element.default_min),
            ("default_max", element.default_max),
        )
    )
    return Element(
        name=check_text(element.name, "name"),
        units=check_optional_text(element.units, "units"),
        plottable=None if element.plottable is None else bool(element.plottable),
        display_type=display_type,
        offset=check_number(element.offset, "offset"),
        scale_factor=check_number(element.scale_factor, "scale_factor"),
        default_max=high,
        default_min=low,
    )


def check_display_type(display_type: Any) -> str:
    """Return the display type in upper case."""
    text = str(display_type).upper()
    if text not in DISPLAY_TYPES:
        choices = "discrete, continuous, event"
        raise ApiError(f"invalid display_type [{text}], choose from [{choices}]")
    return text


def check_number(value: Any, attribute: str) -> float:
    """Return a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ApiError(f"invalid element configuration: [{attribute}] must be a number")
    return number
