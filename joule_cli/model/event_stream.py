"""Event streams: named collections of events."""

from __future__ import annotations

import re
from dataclasses import InitVar, dataclass, field
from typing import Any

from joule_cli.errors import ApiError
from joule_cli.model.data_stream import KEEP_ALL

_HOUR_US = 3_600_000_000
#: Units of `EventStream.chunk_duration`; a month is four weeks here, as in Joule 1.0.1.
_CHUNK_UNITS_US = {
    "h": _HOUR_US,
    "d": 24 * _HOUR_US,
    "w": 7 * 24 * _HOUR_US,
    "m": 28 * 24 * _HOUR_US,
    "y": 365 * 24 * _HOUR_US,
}


@dataclass(slots=True, eq=False)
class EventStream:
    """A named collection of events.

    Parameters
    ----------
    name
        Any text without ``/``.
    chunk_duration
        Another way to give `chunk_duration_us`: a number with ``h``, ``d``, ``w``, ``m`` (four
        weeks) or ``y``, or plain µs.
    chunk_duration_us
        How much time one storage partition spans on a Joule 1.0.1 node, µs; 0 for no partitions.
        Our own node keeps the number and needs no partitions.
    keep_us
        How long events are kept after they end, µs; -1 for ever.
    event_fields
        What the content has: field name to ``string``, ``numeric`` or ``category:["a","b"]``.

    Notes
    -----
    `id` and `updated_at` are set by the node, and so is `info` if it was asked for. Source: Joule
    API reference, "Event Stream Actions".
    """

    name: str = ""
    description: str | None = ""
    chunk_duration: InitVar[str] = ""
    chunk_duration_us: int | None = None
    keep_us: int = KEEP_ALL
    event_fields: dict[str, str] = field(default_factory=dict)
    id: int | None = None
    updated_at: str | None = None
    info: EventStreamInfo | None = None

    def __post_init__(self, chunk_duration: str) -> None:
        if chunk_duration and self.chunk_duration_us is not None:
            raise ApiError("specify either chunk_duration or chunk_duration_us, not both")
        if self.chunk_duration_us is None:
            self.chunk_duration_us = read_chunk_duration(chunk_duration)
        # Joule 1.0.1 takes event_fields=None for "none"
        self.event_fields = dict(self.event_fields or {})

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, with the keys in the order of the protocol."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "event_fields": self.event_fields,
            "chunk_duration_us": self.chunk_duration_us,
            "keep_us": self.keep_us,
            "updated_at": self.updated_at,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EventStream:
        """Build a stream from its wire form; only `name` is required."""
        info = data.get("data_info")
        return cls(
            name=data["name"],
            description=data.get("description"),
            chunk_duration_us=data.get("chunk_duration_us", 0),
            keep_us=data.get("keep_us", KEEP_ALL),
            event_fields=data.get("event_fields") or {},
            id=data.get("id"),
            updated_at=data.get("updated_at"),
            info=None if info is None else EventStreamInfo.from_json(info),
        )

    def __repr__(self) -> str:
        return (
            f"<joule.api.EventStream id={self.id} name={self.name!r} "
            f"description={self.description!r}>"
        )


@dataclass(slots=True, frozen=True)
class EventStreamInfo:
    """What an event stream holds.

    Parameters
    ----------
    start, end
        Smallest start and largest end, µs; `None` without events. An event that has not ended
        counts with its start.
    event_count
        Number of events.
    total_time
        ``end - start``, µs.
    bytes
        Size of all contents; 0 on a Joule 1.0.1 node, which does not tell.
    expired
        Events that are gone because of `EventStream.keep_us`; 0 on a Joule 1.0.1 node, which keeps
        all.
    """

    start: int | None
    end: int | None
    event_count: int
    total_time: int = 0
    bytes: int = 0
    expired: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, with the keys in the order of the protocol."""
        return {
            "start": self.start,
            "end": self.end,
            "event_count": self.event_count,
            "bytes": self.bytes,
            "total_time": self.total_time,
            # no node of Joule 1.0.1 has it
            **({"expired": self.expired} if self.expired else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> EventStreamInfo:
        """Build it from its wire form."""
        told = {key: data[key] for key in ("start", "end", "event_count", "total_time", "bytes")}
        return cls(**told, expired=data.get("expired", 0))

    def __repr__(self) -> str:
        return (
            f"<joule.api.EventStreamInfo start={self.start} end={self.end} "
            f"events={self.event_count}, total_time={self.total_time}>"
        )


def read_chunk_duration(text: str) -> int:
    """Return a chunk duration in µs.

    Raises
    ------
    ApiError
        Not an integer and not a number with a unit.
    """
    if text == "":
        return 0
    if match := re.fullmatch(r"\s*([0-9]+)\s*([hdwmy])?\s*", str(text)):
        number, unit = match.groups()
        return int(number) * (_CHUNK_UNITS_US[unit] if unit else 1)
    raise ApiError("invalid duration use format #unit (eg 1w)", object=str(text))
