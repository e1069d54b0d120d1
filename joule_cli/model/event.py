"""Events: labelled spans of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Event:
    """A span of time with content.

    Parameters
    ----------
    start_time, end_time
        µs since the epoch, UTC; ``start_time < end_time``. An `end_time` of `None` means that the
        event is still going on; a Joule 1.0.1 node takes only events with an end.
    content
        Any JSON value, in practice an object.
    id, event_stream_id, node_uuid
        Where the event was read from. Writing an event back to that stream of that node updates
        it; to any other stream it is a new event.

    Notes
    -----
    Events are equal when times and content are. Source: Joule API reference, "Event Stream
    Actions".
    """

    start_time: int
    end_time: int | None = None
    content: Any = field(default_factory=dict)
    id: int | None = None
    event_stream_id: int | None = None
    node_uuid: str | None = None

    def __post_init__(self) -> None:
        # Joule 1.0.1 takes content=None for "none yet"
        if self.content is None:
            self.content = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return (self.start_time, self.end_time, self.content) == (
            other.start_time,
            other.end_time,
            other.content,
        )

    __hash__ = None  # type: ignore[assignment]  # equal by values that change

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, with the keys in the order of the protocol."""
        return {
            "id": self.id,
            "event_stream_id": self.event_stream_id,
            "start_time": self.start_time,
            "end_time": self.end_time,
            "content": self.content,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], node_uuid: str | None = None) -> Event:
        """Build an event from its wire form."""
        return cls(
            start_time=data["start_time"],
            end_time=data.get("end_time"),
            content=data.get("content"),
            id=data.get("id"),
            event_stream_id=data.get("event_stream_id"),
            node_uuid=node_uuid,
        )

    def __repr__(self) -> str:
        return (
            f"<joule.api.Event id={self.id} start_time={self.start_time} "
            f"end_time={self.end_time} content={self.content}>"
        )


@dataclass(slots=True, frozen=True)
class EventBucket:
    """How many events start in the half-open span from `start` to `end` (µs)."""

    start: int
    end: int
    count: int

    def to_json(self) -> dict[str, int]:
        """Return the bucket as an object."""
        return {"start": self.start, "end": self.end, "count": self.count}
