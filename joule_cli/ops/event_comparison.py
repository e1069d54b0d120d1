"""Telling which events two streams share, by times and content."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from joule_cli.model import Event


class Comparison:
    """Two sequences of events in order of their start, compared in one go.

    Events may be added to either stream meanwhile, at starts that `missing` has passed.
    """

    def __init__(
        self, events: AsyncIterator[list[Event]], others: AsyncIterator[list[Event]]
    ) -> None:
        self._events = events
        self._others = others
        self._block: list[Event] = []
        self._at = 0
        self._start: int | None = None
        #: the others that begin at `_start`, without those that are matched
        self._group: Counter[str] = Counter()
        self._alone = 0
        #: how many events have an equal one among the others
        self.matched = 0

    async def missing(self) -> AsyncGenerator[list[Event], None]:
        """Yield for every block of events those that have no equal one among the others."""
        async for block in self._events:
            missing = []
            for event in block:
                if event.start_time != self._start:
                    await self._go_to(event.start_time)
                if self._group and self._group[key := event_key(event)]:
                    self._group[key] -= 1
                    self.matched += 1
                else:
                    missing.append(event)
            yield missing

    async def surplus(self) -> int:
        """Return how many of the others have no equal event, once `missing` is at its end."""
        self._alone += self._group.total()
        self._group.clear()
        while await self._fill():
            self._alone += len(self._block) - self._at
            self._at = len(self._block)
        return self._alone

    async def _go_to(self, start: int) -> None:
        self._alone += self._group.total()
        self._group.clear()
        self._start = start
        while await self._fill():
            event = self._block[self._at]
            if event.start_time > start:
                return
            self._at += 1
            if event.start_time == start:
                self._group[event_key(event)] += 1
            else:
                self._alone += 1

    async def _fill(self) -> bool:
        """Have an event at `_at`; false at the end."""
        if self._at == len(self._block):
            self._block, self._at = await anext(self._others, []), 0
        return bool(self._block)


def event_key(event: Event) -> str:
    """Return a text that equal events of one start share, and no others."""
    value = [event.end_time, _canonical(event.content)]
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:  # integers beyond 64 bits
        return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _canonical(value: Any) -> Any:
    # a node may give back 1e16 as 10000000000000000
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
