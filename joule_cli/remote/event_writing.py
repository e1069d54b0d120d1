"""Events as requests carry them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from joule_cli.errors import ApiError, InvalidEventError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joule_cli.model import Event

_INT64_MAX: Final = 2**63 - 1
#: A node takes at most 1 MiB in one body; some is left for what is around the events.
_MOST_BYTES: Final = 2**20 - 4096
#: Events in one request, as the original client sends them.
_MOST_EVENTS: Final = 500


class Sending(NamedTuple):
    """Events that one request carries, as the texts of their JSON."""

    events: Sequence[Event]
    texts: Sequence[str]

    def body(self, key: str | int) -> bytes:
        """Return the body of the request."""
        name = "path" if isinstance(key, str) else "id"
        return f'{{"{name}": {json.dumps(key)}, "events": [{", ".join(self.texts)}]}}'.encode()


def batches(events: Sequence[Event], uuid: str) -> list[Sending]:
    """Return events in batches that a node takes; all are checked before the first is sent.

    Parameters
    ----------
    uuid
        Of the node they go to: the id of an event from elsewhere means nothing there.

    Raises
    ------
    InvalidEventError
        One of them cannot be stored; the message tells which.
    """
    return list(_batches(events, [_text(index, e, uuid) for index, e in enumerate(events)]))


def _batches(events: Sequence[Event], texts: Sequence[str]) -> Iterator[Sending]:
    begin = size = 0
    for index, text in enumerate(texts):
        if index > begin and (size + len(text) > _MOST_BYTES or index - begin == _MOST_EVENTS):
            yield Sending(events[begin:index], texts[begin:index])
            begin, size = index, 0
        size += len(text) + 2
    if begin < len(texts):
        yield Sending(events[begin:], texts[begin:])


def _text(index: int, event: Event, uuid: str) -> str:
    known = bool(uuid) and event.node_uuid == uuid and _is_id(event.id)
    try:
        start = check_timestamp(event.start_time, "start_time")
        end = None if event.end_time is None else check_timestamp(event.end_time, "end_time")
        if end is not None and end <= start:
            raise InvalidEventError(f"end [{end}] must be after start [{start}]")
        content = _encoded(event.content)
    except ApiError as exc:
        raise InvalidEventError(f"event {index}: {exc.message}") from exc
    head = json.dumps(
        {
            "id": event.id if known else None,
            "event_stream_id": event.event_stream_id if known else None,
            "start_time": start,
            "end_time": end,
        }
    )
    return f'{head[:-1]}, "content": {content}}}'


def _is_id(number: Any) -> bool:
    return isinstance(number, int) and 0 < number <= _INT64_MAX


def check_timestamp(value: Any, name: str) -> int:
    """Return µs as an integer; fractions are rounded.

    Raises
    ------
    ApiError
        Not a number, or beyond what nodes store.
    """
    try:
        number = int(round(value))  # noqa: RUF046  (round() of a foreign number gives any type)
    except (TypeError, ValueError, OverflowError):
        number = _INT64_MAX + 1
    if isinstance(value, bool):
        number = _INT64_MAX + 1
    if not -_INT64_MAX - 1 <= number <= _INT64_MAX:
        raise ApiError(f"[{name}] must be a microsecond utc timestamp")
    return number


def _encoded(content: Any) -> str:
    try:
        text = json.dumps(content, allow_nan=False)
        if "\\ud" in text:
            # perhaps half of a character, which is no text
            json.dumps(content, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidEventError(f"the content is not JSON: {exc}") from exc
    return text
