"""Keys of events in a node file."""

from __future__ import annotations

#: An event's key is the id of its stream, shifted, plus its own number within the stream: events
#: of one stream lie together, in the order of their ids.
KEY_SHIFT = 40
LAST_EVENT_ID = (1 << KEY_SHIFT) - 1


def key_range(stream_id: int) -> tuple[int, int]:
    """Return the first and the last key that an event of a stream can have."""
    return stream_id << KEY_SHIFT, (stream_id << KEY_SHIFT) | LAST_EVENT_ID
