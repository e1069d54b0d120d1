"""What a node accepts as event streams and events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from joule_cli.engine.validation import (
    INT64_MAX,
    check_name,
    check_optional_text,
    check_text,
    check_timestamp,
)
from joule_cli.errors import ApiError, InvalidEventError, InvalidEventStreamParameter
from joule_cli.model import EventStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from joule_cli.model import Event

_FIELD_TYPES = "numeric|string|category:cat1,cat2,..."
#: Objects that orjson would turn into something that comes back as another type stay errors.
_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

_EARLIEST = -INT64_MAX - 1


class CheckedEvent(NamedTuple):
    """An event that can be stored: times in µs, content as JSON text."""

    start: int
    end: int | None
    content: str
    id: int | None  # of the event to update


def check_event_stream(stream: EventStream) -> None:
    """Check the attributes of an event stream, apart from its place."""
    if not isinstance(stream, EventStream):
        raise InvalidEventStreamParameter("Invalid stream datatype. Must be EventStream")
    check_name(stream.name)
    check_optional_text(stream.description, "description")
    check_event_fields(stream.event_fields)
    duration = stream.chunk_duration_us
    if isinstance(duration, bool) or not isinstance(duration, int):
        raise ApiError("invalid chunk_duration_us, must be an integer")
    if not 0 <= duration <= INT64_MAX:
        raise ApiError("invalid chunk_duration_us, must be > 0")
    if isinstance(stream.keep_us, bool) or not isinstance(stream.keep_us, int):
        raise ApiError("invalid keep_us, must be an integer")
    if not -1 <= stream.keep_us <= INT64_MAX:
        raise ApiError("invalid keep_us, must be -1 (KEEP_ALL) or >= 0")


def check_event_fields(fields: Any) -> dict[str, str]:
    """Return the declared fields of an event stream."""
    if not isinstance(fields, dict):
        kind = type(fields).__name__
        raise ApiError(f"event_fields must be a dictionary, not a {kind}")
    for name, kind in fields.items():
        check_text(name, "event_fields")
        _check_field_type(name, kind)
    return fields


def _check_field_type(name: str, kind: Any) -> None:
    base, _, choices = kind.partition(":") if isinstance(kind, str) else ("", "", "")
    if base in {"string", "numeric"}:
        return
    if base != "category":
        raise ApiError(f"invalid value in event_fields, must be [{_FIELD_TYPES}]", object=name)
    try:
        values = json.loads(choices)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
        raise ApiError(
            "invalid value in event_fields, category type must a have JSON list of categories "
            "after a ':'",
            object=name,
        )


def check_events(events: Iterable[Event], stream_id: int, uuid: str) -> list[CheckedEvent]:
    """Return events as they are stored.

    Parameters
    ----------
    stream_id, uuid
        The stream and the node they are for: the id of an event from elsewhere means nothing.

    Raises
    ------
    InvalidEventError
        One of them cannot be stored; the message tells which.
    """
    return list(_checked(events, stream_id, uuid))


def _checked(events: Iterable[Event], stream_id: int, uuid: str) -> Iterator[CheckedEvent]:
    known = (stream_id, uuid)
    for index, event in enumerate(events):
        start, end, number = event.start_time, event.end_time, None
        try:
            # nearly every event; the rest is looked at more closely
            if not (type(start) is type(end) is int and _EARLIEST <= start < end <= INT64_MAX):
                start, end = _check_times(start, end)
            content = encode_content(event.content)
            if event.id is not None and (event.event_stream_id, event.node_uuid) == known:
                number = _check_id(event.id)
        except ApiError as exc:
            raise InvalidEventError(f"event {index}: {exc.message}") from exc
        yield CheckedEvent(start, end, content, number)


def _check_times(start: Any, end: Any) -> tuple[int, int | None]:
    start = check_timestamp(start, "start_time")
    if end is None:
        return start, None
    end = check_timestamp(end, "end_time")
    if end <= start:
        raise InvalidEventError(f"end [{end}] must be after start [{start}]")
    return start, end


def _check_id(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidEventError("[id] must be an integer")
    return number


def encode_content(content: Any) -> str:
    """Return a content as JSON text that reads back to equal values.

    Raises
    ------
    InvalidEventError
        It is not JSON: another type of object, NaN, an infinity, a text that is not Unicode.
    """
    try:
        text = orjson.dumps(content, option=_STRICT).decode()
    except orjson.JSONEncodeError:
        # integers beyond 64 bits, keys that are not text
        return _encode_slowly(content)
    # orjson writes NaN and infinities as null
    return _encode_slowly(content) if "null" in text else text


def _encode_slowly(content: Any) -> str:
    try:
        text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidEventError(f"the content is not JSON: {exc}") from exc
    return text
