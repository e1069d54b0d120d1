"""What happened meanwhile: annotations and events, as a picture shows them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.api.node import Node
    from joule_cli.model import Annotation, Event, EventBucket

#: More events than this are counted over time instead of being shown one by one.
MOST_EVENTS = 1_000
#: Bars of such a count.
_BUCKETS = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant, or a span of time with an end; what still goes on has the end `OPEN`."""

    start: int
    end: int | None
    label: str


#: End of what has none yet.
OPEN = 2**63 - 1


@dataclass(slots=True)
class Lane:
    """Marks of one kind.

    Parameters
    ----------
    count
        How many there are.
    buckets
        How many begin when; in place of `marks` where there are too many.
    """

    name: str
    count: int
    marks: list[Mark] = field(default_factory=list)
    buckets: list[EventBucket] = field(default_factory=list)


async def annotation_lane(
    node: Node, paths: Iterable[str], span: tuple[int, int], *, named: bool
) -> Lane | None:
    """Return the annotations of streams that reach into the span; `None` if there are none.

    Parameters
    ----------
    named
        Say to which stream each belongs.
    """
    marks: list[Mark] = []
    for path in paths:
        prefix = f"{path}: " if named else ""
        # one that began long before may reach into the span
        notes = await node.annotation_get(path, None, span[1])
        marks += (
            Mark(note.start, note.end, f"{prefix}{note.title}")
            for note in notes
            if _last(note) >= span[0]
        )
    marks.sort(key=lambda mark: mark.start)
    return Lane("annotations", len(marks), marks) if marks else None


def _last(note: Annotation) -> int:
    return note.start if note.end is None else note.end


async def event_lane(
    node: Node, path: str, span: tuple[int, int], filter: str | None, label: str | None
) -> Lane:
    """Return the events of a stream that reach into the span.

    Parameters
    ----------
    filter
        As the calls of a node take it.
    label
        Field of the content to show; `None` for the first text in it.
    """
    start, end = span[0], span[1] + 1
    count = await node.event_stream_count(path, start, end, filter)
    if count > MOST_EVENTS:
        width = max((end - start) // _BUCKETS, 1)
        buckets = await node.event_stream_histogram(path, start, span[1], filter, width)
        return Lane(path, count, buckets=buckets)
    events = await node.event_stream_read(path, start, end, MOST_EVENTS, filter)
    return Lane(path, len(events), [_mark(event, label) for event in events])


def _mark(event: Event, label: str | None) -> Mark:
    end = OPEN if event.end_time is None else event.end_time
    return Mark(event.start_time, end, _label(event.content, label))


def _label(content: Any, wanted: str | None) -> str:
    if not isinstance(content, dict):
        return "" if wanted is not None else _text(content)
    if wanted is not None:
        return _text(content.get(wanted))
    for value in content.values():
        if isinstance(value, str) and value:
            return value
    for name, value in content.items():
        if value is not None:
            return f"{name} {_text(value)}"
    return ""


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
