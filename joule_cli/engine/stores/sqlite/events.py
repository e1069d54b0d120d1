"""The store of events in the node file.

An event that overlaps a time `t` began before it, but at most as long before it as the event is
long. Events are therefore sorted by `reach`, the power of 16 that bounds their length: the events
of one reach that overlap `t` lie in one short range of starts, whatever else the stream holds.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from joule_cli.engine.stores.base import EventStore, StoredEvent
from joule_cli.engine.stores.sqlite import event_tally, expired
from joule_cli.engine.stores.sqlite.event_keys import KEY_SHIFT, LAST_EVENT_ID, key_range
from joule_cli.engine.stores.sqlite.event_reading import (
    EARLIEST,
    LATEST,
    Reader,
    extreme_start,
    filtered,
    inside_parts,
    ongoing_parts,
    reaches,
    window_parts,
)
from joule_cli.errors import ApiError, StreamNotFound
from joule_cli.model import EventBucket, EventStreamInfo
from joule_cli.model.data_stream import KEEP_ALL
from joule_cli.series.buckets import Buckets, check_width

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    import apsw

    from joule_cli.api.event_reading import Window
    from joule_cli.engine.event_validation import CheckedEvent
    from joule_cli.engine.stores.sqlite.database import Database
    from joule_cli.engine.stores.sqlite.retention import Expiry

#: Reach of events without an end, and of those that are longer than 16**15 µs (36 millennia).
ENDLESS = 16
#: Fewer events than this are not worth a query of their own.
_FETCH = 500


def reach(start: int, end: int | None) -> int:
    """Return the smallest k with ``end - start <= 16**k``."""
    if end is None:
        return ENDLESS
    return ((end - start - 1).bit_length() + 3) // 4


class SqliteEventStore(EventStore):
    """Events in the same SQLite file as the metadata.

    Parameters
    ----------
    expiry
        Tells what a stream no longer keeps; that is dropped when events are written.
    """

    def __init__(self, database: Database, expiry: Expiry) -> None:
        self._database = database
        self._expiry = expiry

    async def write(self, stream_id: int, events: Sequence[CheckedEvent]) -> list[int]:
        def run(connection: apsw.Connection) -> tuple[list[int], str, int]:
            self._expiry.note(connection)
            ids, name = _write(connection, stream_id, events)
            return ids, name, self._expire(connection, stream_id)

        ids, name, n_expired = await self._database.write(run)
        if n_expired:
            self._expiry.tell(name, "events", n_expired)
        return ids

    def _expire(self, connection: apsw.Connection, stream_id: int) -> int:
        keep_us = connection.execute(
            "SELECT keep_us FROM event_stream WHERE id = ?", (stream_id,)
        ).get
        if keep_us == KEEP_ALL:
            return 0
        newest = extreme_start(connection, "max", stream_id)
        limit = self._expiry.limit(connection, keep_us, newest)
        dropped = 0 if limit is None else _drop_ended(connection, stream_id, limit)
        if dropped:
            expired.add(connection, "events", stream_id, dropped)
        return dropped

    async def read(
        self, stream_id: int, window: Window, limit: int | None, block_size: int
    ) -> AsyncGenerator[list[StoredEvent], None]:
        left = sys.maxsize if limit is None else min(limit, sys.maxsize)
        reader = Reader(stream_id, window, left)
        ahead: list[StoredEvent] = []
        while left and (ahead or not reader.done):
            wanted = min(block_size, left)
            while len(ahead) < wanted and not reader.done:
                n_events = min(max(block_size, _FETCH), left) - len(ahead)
                ahead += await self._database.read(partial(reader.fetch, n_events))
            block, ahead = ahead[:wanted], ahead[wanted:]
            left -= len(block)
            if block:
                yield block

    async def count(self, stream_id: int, window: Window) -> int:
        def run(connection: apsw.Connection) -> int:
            matches, values = filtered(connection, window)
            parts = list(ongoing_parts(connection, stream_id, window))
            total = 0
            if window.filter:
                parts += inside_parts(stream_id, window)
            else:
                total = event_tally.count(connection, stream_id, window.start, window.end)
            for part, bindings in parts:
                query = f"SELECT count(*) FROM {part} AND {matches}"  # noqa: S608
                total += connection.execute(query, bindings | values).get
            return total

        return await self._database.read(run)

    async def last_id(self, stream_id: int) -> int:
        def run(connection: apsw.Connection) -> int:
            found = connection.execute(
                "SELECT last_event_id FROM event_stream WHERE id = ?", (stream_id,)
            ).get
            if found is None:
                raise StreamNotFound("the stream was deleted")
            return int(found)

        return await self._database.read(run)

    async def with_ids(
        self, stream_id: int, first: int, last: int, window: Window
    ) -> list[StoredEvent]:
        def run(connection: apsw.Connection) -> list[StoredEvent]:
            matches, values = filtered(connection, window)
            bound = "1"
            if window.start is not None:
                bound = "start >= :start"
                if window.ongoing:
                    bound = f'({bound} OR "end" >= :start OR "end" IS NULL)'
            low, _ = key_range(stream_id)
            values |= {"first": low + first, "last": low + last, "start": window.start}
            query = (
                'SELECT key, start, "end", content FROM event '  # noqa: S608
                f"WHERE key BETWEEN :first AND :last AND {bound} AND {matches} ORDER BY key"
            )
            found = connection.execute(query, values)
            return [StoredEvent(key & LAST_EVENT_ID, *rest) for key, *rest in found]

        return await self._database.read(run)

    async def remove(self, stream_id: int, window: Window) -> int:
        def run(connection: apsw.Connection) -> int:
            matches, values = filtered(connection, window)
            removed = 0
            for part, bindings in list(window_parts(connection, stream_id, window)):
                query = f"DELETE FROM {part} AND {matches} RETURNING start"  # noqa: S608
                starts = (start for (start,) in connection.execute(query, bindings | values))
                removed += event_tally.subtract(connection, stream_id, starts)
            return removed

        return await self._database.write(run)

    async def histogram(
        self, stream_id: int, window: Window, width: int | None
    ) -> list[EventBucket]:
        return await self._database.read(lambda c: _histogram(c, stream_id, window, width))

    async def info(self, stream_id: int) -> EventStreamInfo:
        return await self._database.read(lambda c: _info(c, stream_id))


def _write(
    connection: apsw.Connection, stream_id: int, events: Sequence[CheckedEvent]
) -> tuple[list[int], str]:
    """Store events; return their ids, and the name of the stream."""
    stored = connection.execute(
        "SELECT last_event_id, name FROM event_stream WHERE id = ?", (stream_id,)
    ).fetchone()
    if stored is None:
        raise StreamNotFound("stream does not exist", object=str(stream_id))
    last_id, name = stored
    known = _known_starts(connection, stream_id, {e.id for e in events if e.id is not None})
    # events without an id come first, then those with an id that the stream does not have
    new = [i for i, e in enumerate(events) if e.id is None]
    if len(new) < len(events):
        new += [i for i, e in enumerate(events) if e.id is not None and e.id not in known]
    if last_id + len(new) > LAST_EVENT_ID:
        raise ApiError("the stream can take no more events")
    ids = [event.id or 0 for event in events]
    for number, i in enumerate(new, last_id + 1):
        ids[i] = number
    base = stream_id << KEY_SHIFT
    connection.executemany(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)",
        (
            (base | ids[i], stream_id, reach(e.start, e.end), e.start, e.end, e.content)
            for i, e in ((i, events[i]) for i in new)
        ),
    )
    # of several with one id, the last one stays
    updates = {e.id: e for e in events if e.id is not None and e.id in known}
    connection.executemany(
        'UPDATE event SET reach = ?, start = ?, "end" = ?, content = ? WHERE key = ?',
        (
            (reach(e.start, e.end), e.start, e.end, e.content, base | number)
            for number, e in updates.items()
        ),
    )
    event_tally.subtract(connection, stream_id, known.values())
    event_tally.add(connection, stream_id, (e.start for e in updates.values()))
    event_tally.add(connection, stream_id, (events[i].start for i in new))
    last_id += len(new)
    connection.execute(
        "UPDATE event_stream SET last_event_id = ? WHERE id = ?", (last_id, stream_id)
    )
    return ids, name


def _known_starts(
    connection: apsw.Connection, stream_id: int, ids: set[int]
) -> dict[int | None, int]:
    """Return those of the ids that the stream has, with the start that each event has now."""
    base = stream_id << KEY_SHIFT
    query = "SELECT start FROM event WHERE key = ?"
    found = {
        number: connection.execute(query, (base | number,)).fetchone()
        for number in ids
        if 0 < number <= LAST_EVENT_ID
    }
    return {number: row[0] for number, row in found.items() if row is not None}


def _drop_ended(connection: apsw.Connection, stream_id: int, limit: int) -> int:
    """Remove the events that ended before a time; return how many."""
    rows = connection.execute(
        'DELETE FROM event WHERE stream_id = ?1 AND start < ?2 AND "end" < ?2 RETURNING start',
        (stream_id, limit),
    )
    return event_tally.subtract(connection, stream_id, (start for (start,) in rows))


def _histogram(
    connection: apsw.Connection, stream_id: int, window: Window, width: int | None
) -> list[EventBucket]:
    if width is not None:
        check_width(width)
    known = _info(connection, stream_id)
    low = window.start if window.start is not None else known.start
    high = window.end if window.end is not None else known.end
    if low is None or high is None or high < low:
        return []
    buckets = Buckets.over(low, high, width)
    if buckets.first < EARLIEST or high - buckets.first > LATEST:
        raise ApiError("[start] and [end] are too far apart for a histogram")
    matches, bindings = filtered(connection, window)
    bindings |= {"stream": stream_id, "low": low, "high": high}
    bindings |= {"first": buckets.first, "width": buckets.width}
    counts = dict(
        connection.execute(
            "SELECT (start - :first) / :width, count(*) FROM event INDEXED BY event_start "  # noqa: S608
            f"WHERE stream_id = :stream AND start BETWEEN :low AND :high AND {matches} "
            "GROUP BY 1",
            bindings,
        )
    )
    return [
        EventBucket(start, start + buckets.width, counts.get(i, 0))
        for i, start in enumerate(buckets.starts())
    ]


def _info(connection: apsw.Connection, stream_id: int) -> EventStreamInfo:
    number, size = connection.execute(
        "SELECT count(*), sum(octet_length(content)) FROM event WHERE key BETWEEN ? AND ?",
        key_range(stream_id),
    ).get
    gone = expired.count(connection, "events", stream_id)
    if not number:
        return EventStreamInfo(start=None, end=None, event_count=0, expired=gone)
    start = extreme_start(connection, "min", stream_id)
    ends = [_last_end(connection, stream_id, k) for k in reaches(connection, stream_id)]
    end = max(ends)
    total = 0 if start is None else end - start
    return EventStreamInfo(start, end, number, total, size, gone)


def _last_end(connection: apsw.Connection, stream_id: int, k: int) -> int:
    """Return the largest end in one reach: it belongs to one of the last starts."""
    last = connection.execute(
        "SELECT max(start) FROM event WHERE stream_id = ? AND reach = ?", (stream_id, k)
    ).get
    return int(
        connection.execute(
            'SELECT max(ifnull("end", start)) FROM event '
            "WHERE stream_id = ? AND reach = ? AND start >= ?",
            (stream_id, k, max(last - 16**k, EARLIEST)),
        ).get
    )
