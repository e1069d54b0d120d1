"""Notes on a data stream at an instant or over a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Annotation:
    """A note on a data stream.

    Parameters
    ----------
    title
        Short text, not empty.
    start, end
        µs since the epoch, UTC; `end` is `None` for a single instant. Fixed once created.
    content
        Longer text, optional.

    Notes
    -----
    Source: Joule API reference, "Annotation Actions".
    """

    title: str
    start: int
    end: int | None = None
    content: str | None = ""
    id: int | None = None
    stream_id: int | None = None

    @property
    def name(self) -> str:
        """The title, under the name that the API reference also uses."""
        return self.title

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, with the keys in the order of the protocol."""
        return {
            "id": self.id,
            "title": self.title,
            "content": self.content,
            "start": self.start,
            "stream_id": self.stream_id,
            "end": self.end,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Annotation:
        """Build an annotation from its wire form."""
        return cls(
            title=data["title"],
            start=data["start"],
            end=data.get("end"),
            content=data.get("content"),
            id=data.get("id"),
            stream_id=data.get("stream_id"),
        )

    def __repr__(self) -> str:
        return (
            f"<joule.api.Annotation id={self.id} title={self.title!r} start={self.start} "
            f"end={self.end}>"
        )


@dataclass(slots=True, frozen=True)
class AnnotationInfo:
    """Number of annotations on a stream, and their smallest and largest start (µs)."""

    start: int | None
    end: int | None
    count: int

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {"start": self.start, "end": self.end, "count": self.count}
