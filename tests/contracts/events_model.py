"""The events of one stream as a plain list: what the node is compared with.

Filters and windows are worked out here anew, event by event.
"""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

#: Start (included) and end (excluded).
Bounds: TypeAlias = tuple[int | None, int | None]
#: Groups of (key, operator, value).
Groups: TypeAlias = list[list[list[Any]]]

NUMBER = re.compile(r" *[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[-+]?[0-9]+)? *", re.IGNORECASE)
COMPARISONS = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "eq": operator.eq,
    "neq": operator.ne,
}
#: Monday 2000-01-03 UTC.
BUCKET_ORIGIN = 946_857_600_000_000


@dataclass
class Kept:
    """One event."""

    id: int
    start: int
    end: int | None
    content: Any


@dataclass
class EventsModel:
    """The events of a stream in no order."""

    events: list[Kept] = field(default_factory=list)
    last_id: int = 0
    keep_us: int = -1

    def write(self, new: list[tuple[int | None, int, int | None, Any]], now: int) -> list[int]:
        """Store (id of an event of this stream, start, end, content); return the ids."""
        kept = {event.id: event for event in self.events}
        known = set(kept)
        ids = [number if number in known else 0 for number, *_ in new]
        without = [i for i, (number, *_) in enumerate(new) if number is None]
        unknown = [i for i, (number, *_) in enumerate(new) if number is not None and not ids[i]]
        for i in without + unknown:
            self.last_id += 1
            ids[i] = self.last_id
        for number, (_, *values) in zip(ids, new, strict=True):
            kept[number] = Kept(number, *values)
        self.events = list(kept.values())
        if self.keep_us >= 0:
            newest = max((event.start for event in self.events), default=now)
            limit = min(now, newest) - self.keep_us if self.keep_us else now
            self.events = [e for e in self.events if e.end is None or e.end >= limit]
        return ids

    def select(self, bounds: Bounds, groups: Groups, *, ongoing: bool) -> list[Kept]:
        start, end = bounds
        return sorted(
            (
                event
                for event in self.events
                if matches(event.content, groups)
                and (end is None or event.start < end)
                and (
                    start is None
                    or event.start >= start
                    or (ongoing and (event.end is None or event.end >= start))
                )
            ),
            key=lambda event: (event.start, event.id),
        )

    def remove(self, bounds: Bounds, groups: Groups) -> int:
        gone = {event.id for event in self.select(bounds, groups, ongoing=True)}
        self.events = [event for event in self.events if event.id not in gone]
        return len(gone)

    def range(self) -> Bounds:
        """Return the smallest start and the largest end."""
        if not self.events:
            return None, None
        ends = [event.start if event.end is None else event.end for event in self.events]
        return min(event.start for event in self.events), max(ends)

    def histogram(self, bounds: Bounds, groups: Groups, width: int) -> list[tuple[int, int, int]]:
        """Return start, end and count of each bucket."""
        low, high = (b if b is not None else r for b, r in zip(bounds, self.range(), strict=True))
        if low is None or high is None or high < low:
            return []
        starts = [
            e.start for e in self.events if low <= e.start <= high and matches(e.content, groups)
        ]
        bucket = BUCKET_ORIGIN + (low - BUCKET_ORIGIN) // width * width
        found = []
        while bucket <= high:
            n_events = sum(bucket <= start < bucket + width for start in starts)
            found.append((bucket, bucket + width, n_events))
            bucket += width
        return found


def matches(content: Any, groups: Groups) -> bool:
    """Whether an event with this content is selected; no groups select every one."""
    return not groups or any(all(_holds(content, *c) for c in group) for group in groups)


def _holds(content: Any, key: str, name: str, value: Any) -> bool:
    if not isinstance(content, dict) or content.get(key) is None:
        return False
    stored = content[key]
    if name in COMPARISONS:
        number = _as_number(stored)
        return number is not None and COMPARISONS[name](number, float(value))
    text = _as_text(stored)
    match name:
        case "is":
            return text == value
        case "not":
            return text != value
        case "like":
            return _like(text, value)
    return not _like(text, value)


def _as_number(stored: Any) -> float | None:
    if isinstance(stored, bool):
        return None
    if isinstance(stored, int | float):
        return float(stored)
    return float(stored) if isinstance(stored, str) and NUMBER.fullmatch(stored) else None


def _as_text(stored: Any) -> str:
    return stored if isinstance(stored, str) else json.dumps(stored, ensure_ascii=False)


def _like(text: str, pattern: str) -> bool:
    """Match character by character."""
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first == "%":
        return any(_like(text[i:], rest) for i in range(len(text) + 1))
    if first == "\\":
        first, rest = pattern[1], pattern[2:]
    elif first == "_":
        return bool(text) and _like(text[1:], rest)
    return text[:1] == first and _like(text[1:], rest)
