"""Rows and events in memory, by the plain models that state machines compare nodes with."""

from __future__ import annotations

import json
from collections import defaultdict
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from joule_cli.engine.stores.base import (
    DataStore,
    EventStore,
    RowFollower,
    StoredEvent,
    WriteSession,
)
from joule_cli.errors import ApiError, InvalidValuesError, StreamNotFound
from joule_cli.model import DataStream, EventBucket, EventStream, EventStreamInfo
from joule_cli.model.data_stream import KEEP_NONE
from joule_cli.pipes.row_checks import refuse_nan, refuse_unordered
from joule_cli.series.buckets import Buckets, check_width
from joule_cli.series.decimation import decimate
from joule_cli.series.intervals import Interval
from tests.contracts.events_model import EventsModel
from tests.contracts.rows_model import RowsModel, SessionModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from joule_cli.api.event_reading import Window
    from joule_cli.engine.stores.base import Item, StoredStream
    from joule_cli.series.layout import Rows
    from tests.contracts.memory import MemoryStorage


class Table(RowsModel):
    """Rows with their values."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[int, bytes] = {}


class MemoryRows(DataStore):
    """Every row by its time."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage
        self.tables: defaultdict[int, Table] = defaultdict(Table)
        self.written: set[int] = set()

    def table(self, stream_id: int) -> Table:
        return self.tables[stream_id]

    def committed(self, stream: StoredStream) -> None:
        self.written.add(stream.id)
        self.storage.commits += 1

    def pieces(self, stream: StoredStream, start: int | None, end: int | None) -> list[Rows]:
        """Return the rows of each interval."""
        self.storage.metadata.find_stream(DataStream, stream.id)
        table = self.table(stream.id)
        return [
            np.frombuffer(b"".join(table.values[t] for t in piece), stream.layout.dtype)
            for piece in table.pieces(start, end)
        ]

    def session(
        self, stream: StoredStream, merge_gap: int, *, missing: bool = False
    ) -> MemorySession:
        return MemorySession(self, stream, merge_gap, missing=missing)

    async def given(
        self, stream: StoredStream, pieces: list[Rows], end: int | None
    ) -> AsyncGenerator[list[Item], None]:
        """Give pieces with breaks between them, and the one behind the last that rows follow."""
        for number, rows in enumerate(pieces):
            yield [None, rows] if number else [rows]
        table, shown = self.table(stream.id), self.table(stream.id).window(None, end)
        last = shown[-1] if shown else None
        if pieces and last in table.closed and last != table.times[-1] and last + 1 != end:
            yield [None]

    def read(
        self, stream: StoredStream, start: int | None, end: int | None
    ) -> AsyncGenerator[list[Item], None]:
        return self.given(stream, self.pieces(stream, start, end), end)

    async def read_at_most(
        self, stream: StoredStream, start: int | None, end: int | None, max_rows: int
    ) -> tuple[int, AsyncGenerator[list[Item], None]]:
        pieces, level = self.pieces(stream, start, end), 1
        if len(pieces) > max_rows:
            pieces = [np.concatenate(pieces)]
        while sum(-(-len(rows) // level) for rows in pieces) > max_rows:
            level *= 4
        if level > 1:
            pieces = [decimate(rows, level, stream.layout).rows for rows in pieces]
        return level, self.given(stream, pieces, end)

    def read_level(
        self, stream: StoredStream, start: int | None, end: int | None, level: int
    ) -> AsyncGenerator[list[Item], None]:
        pieces = self.pieces(stream, start, end)
        made = [decimate(rows, level, stream.layout).rows for rows in pieces]
        return self.given(stream, made, end)

    async def follow(self, stream: StoredStream) -> MemoryFollower:
        return MemoryFollower(self, stream)

    async def count(self, stream: StoredStream, start: int | None, end: int | None) -> int:
        return len(self.table(stream.id).window(start, end))

    async def intervals(
        self, stream: StoredStream, start: int | None, end: int | None
    ) -> list[Interval]:
        return [Interval(*pair) for pair in self.table(stream.id).intervals(start, end)]

    async def delete(self, stream: StoredStream, start: int | None, end: int | None) -> None:
        self.table(stream.id).delete(start, end)
        self.storage.commits += 1

    async def consolidate(
        self, stream: StoredStream, max_gap: int, start: int | None, end: int | None
    ) -> int:
        return self.table(stream.id).consolidate(max_gap, start, end)

    async def split(
        self,
        stream: StoredStream,
        max_gap: int,
        start: int | None,
        end: int | None,
        *,
        dry_run: bool,
    ) -> list[Interval]:
        table = self.table(stream.id)
        changed = deepcopy(table) if dry_run else table
        return [Interval(*gap) for gap in changed.split(max_gap, start, end)]

    async def decimate(self, stream: StoredStream) -> None:
        """Levels are made when they are read."""

    async def drop_levels(self, stream: StoredStream) -> None:
        """There are none."""


class MemorySession(WriteSession):
    """A `SessionModel` that brings the values along."""

    def __init__(
        self, rows: MemoryRows, stream: StoredStream, merge_gap: int, *, missing: bool
    ) -> None:
        self.rows = rows
        self.stream = stream
        self.missing = missing
        self.model = SessionModel(rows.table(stream.id), merge_gap)

    async def write(self, items: Sequence[Item]) -> None:
        blocks = [item for item in items if item is not None and len(item)]
        last = self.model.last
        for rows in blocks:
            refuse_unordered(rows, last)
            last = int(rows["timestamp"][-1])
            if last == 2**63 - 1:
                raise InvalidValuesError(f"the timestamp {last} is out of range")
            if not self.missing:
                refuse_nan(rows)
        found, _ = self.rows.storage.metadata.find_stream(DataStream, self.stream.id)
        table = self.rows.table(self.stream.id)
        before = deepcopy((table.__dict__, self.model.last, self.model.break_due))
        try:
            self.store(items, table)
        except BaseException:
            table.__dict__, self.model.last, self.model.break_due = before
            raise
        if found.keep_us == KEEP_NONE:
            table.__dict__ = before[0]
        elif found.keep_us > 0:
            newest = max(table.times, default=0)
            limit = min(self.rows.storage.clock(), newest) - found.keep_us
            table.times = [time for time in table.times if time >= limit]
        if blocks:
            self.rows.committed(self.stream)

    def store(self, items: Sequence[Item], table: Table) -> None:
        joined: list[Rows] = []
        for item in [*items, ...]:
            if isinstance(item, np.ndarray):
                joined += [item] if len(item) else []
                continue
            if joined:
                rows = np.concatenate(joined)
                times = rows["timestamp"].tolist()
                self.model.write(times)
                table.values |= {t: rows[i].tobytes() for i, t in enumerate(times)}
                joined = []
            if item is None:
                self.model.close_interval()
        self.model.settle()

    async def close(self, *, end_interval: bool = True) -> None:
        if end_interval or self.model.break_due:
            self.model.close()


class MemoryFollower(RowFollower):
    """Remembers the last row that was given."""

    def __init__(self, rows: MemoryRows, stream: StoredStream) -> None:
        self.rows = rows
        self.stream = stream
        times = rows.table(stream.id).times
        self.last = times[-1] if times else None
        self.given = False

    async def new_rows(self) -> AsyncGenerator[list[Item], None]:
        start = None if self.last is None else self.last + 1
        for rows in self.rows.pieces(self.stream, start, None):
            broken = self.given and self.last in self.rows.table(self.stream.id).closed
            self.last, self.given = int(rows["timestamp"][-1]), True
            yield [None, rows] if broken else [rows]


class MemoryEvents(EventStore):
    """An `EventsModel` for each stream."""

    def __init__(self, storage: MemoryStorage) -> None:
        self.storage = storage
        self.models: defaultdict[int, EventsModel] = defaultdict(EventsModel)

    def select(self, stream_id: int, window: Window) -> list[StoredEvent]:
        found = self.models[stream_id].select(
            (window.start, window.end), groups(window), ongoing=window.ongoing
        )
        return [StoredEvent(e.id, e.start, e.end, text(e.content)) for e in found]

    def stream(self, stream_id: int) -> EventStream:
        try:
            found, _ = self.storage.metadata.find_stream(EventStream, stream_id)
        except StreamNotFound as exc:
            raise StreamNotFound("the stream was deleted") from exc
        return found

    async def write(self, stream_id: int, events: Sequence[Any]) -> list[int]:
        model = self.models[stream_id]
        model.keep_us = self.stream(stream_id).keep_us
        new = [(e.id, e.start, e.end, json.loads(e.content)) for e in events]
        self.storage.commits += 1
        return model.write(new, self.storage.clock())

    async def read(
        self, stream_id: int, window: Window, limit: int | None, block_size: int
    ) -> AsyncGenerator[list[StoredEvent], None]:
        found = self.select(stream_id, window)
        if limit is not None:
            found = found[max(len(found) - limit, 0) :] if window.latest else found[:limit]
        for first in range(0, len(found), block_size):
            yield found[first : first + block_size]

    async def count(self, stream_id: int, window: Window) -> int:
        return len(self.select(stream_id, window))

    async def last_id(self, stream_id: int) -> int:
        self.stream(stream_id)
        return self.models[stream_id].last_id

    async def with_ids(
        self, stream_id: int, first: int, last: int, window: Window
    ) -> list[StoredEvent]:
        return sorted(e for e in self.select(stream_id, window) if first <= e.id <= last)

    async def remove(self, stream_id: int, window: Window) -> int:
        return self.models[stream_id].remove((window.start, window.end), groups(window))

    async def histogram(
        self, stream_id: int, window: Window, width: int | None
    ) -> list[EventBucket]:
        if width is not None:
            check_width(width)
        model = self.models[stream_id]
        bounds = window.start, window.end
        low, high = (b if b is not None else r for b, r in zip(bounds, model.range(), strict=True))
        if low is None or high is None or high < low:
            return []
        buckets = Buckets.over(low, high, width)
        if buckets.first < -(2**63) or high - buckets.first >= 2**63:
            raise ApiError("[start] and [end] are too far apart for a histogram")
        found = model.histogram(bounds, groups(window), buckets.width)
        return [EventBucket(*bucket) for bucket in found]

    async def info(self, stream_id: int) -> EventStreamInfo:
        model = self.models[stream_id]
        start, end = model.range()
        if start is None or end is None:
            return EventStreamInfo(start=None, end=None, event_count=0)
        size = sum(len(text(event.content).encode()) for event in model.events)
        return EventStreamInfo(start, end, len(model.events), end - start, size)


def groups(window: Window) -> list[list[list[Any]]]:
    """Return a filter in the form that the model takes."""
    return [[list(condition) for condition in group] for group in window.filter]


def text(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
