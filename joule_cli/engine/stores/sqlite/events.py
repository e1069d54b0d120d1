"""The store of events in the node file.

An event that overlaps a time `t` began before it, but at most as long before it as the event is
long. Events are therefore sorted by `reach`, the power of 16 that bounds their length: the events
of one reach that overlap `t` lie in one short range of starts, whatever else the stream holds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from joule_cli.engine.event_metadata import KEY_SHIFT, LAST_EVENT_ID, key_range
from joule_cli.engine.stores.base import EventStore, StoredEvent
from joule_cli.engine.stores.sqlite import event_tally
from joule_cli.engine.stores.sqlite.event_filter import condition_sql, register_functions
from joule_cli.engine.validation import INT64_MAX
from joule_cli.errors import ApiError, StreamNotFound
from joule_cli.model import EventBucket, EventStreamInfo
from joule_cli.series.buckets import Buckets, check_width

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    import apsw

    from joule_cli.api.event_reading import Window
    from joule_cli.engine.database import Database
    from joule_cli.engine.event_validation import CheckedEvent
    from joule_cli.engine.stores.sqlite.event_filter import Binding

#: A table with a condition, and the bindings of that. The index is named in it: there are no
#: statistics that SQLite could choose by.
_Part: TypeAlias = "tuple[str, dict[str, Binding]]"
#: Start and key of an event.
_Place: TypeAlias = tuple[int, int]

EARLIEST, LATEST = -INT64_MAX - 1, INT64_MAX
#: Reach of events without an end, and of those that are longer than 16**15 µs (36 millennia).
ENDLESS = 16
#: Fewer events than this are not worth a query of their own.
_FETCH = 500
#: Contents of a block weigh no more than this, whatever its number of events.
_BLOCK_BYTES = 16 * 1024 * 1024


def reach(start: int, end: int | None) -> int:
    """Return the smallest k with ``end - start <= 16**k``."""
    if end is None:
        return ENDLESS
    return ((end - start - 1).bit_length() + 3) // 4


class SqliteEventStore(EventStore):
    """Events in the same SQLite file as the metadata.

    Parameters
    ----------
    clock
        The present, µs; events that ended longer than a stream's `keep_us` before it are dropped
        when others are written.
    """

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    async def write(self, stream_id: int, events: Sequence[CheckedEvent]) -> list[int]:
        now = self._clock()
        return await self._database.write(lambda c: _write(c, stream_id, events, now))

    async def read(
        self, stream_id: int, window: Window, limit: int | None, block_size: int
    ) -> AsyncGenerator[list[StoredEvent], None]:
        left = sys.maxsize if limit is None else min(limit, sys.maxsize)
        reader = _Reader(stream_id, window, left)
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
            matches, values = _filtered(connection, window)
            parts = list(_ongoing(connection, stream_id, window))
            total = 0
            if window.filter:
                parts += _inside(stream_id, window)
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
            matches, values = _filtered(connection, window)
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
            matches, values = _filtered(connection, window)
            removed = 0
            for part, bindings in list(_parts(connection, stream_id, window)):
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


@dataclass(slots=True)
class _Reader:
    """One read: call `fetch` in read transactions until it is `done`.

    First come the events that began before the window, then those that begin in it; both in the
    order of (start, key). `after` is the last event given; a read of the latest begins behind the
    event before them.
    """

    stream_id: int
    window: Window
    limit: int
    after: _Place | None = None
    begun: bool = False
    inside: bool = False
    done: bool = False

    def fetch(self, n_events: int, connection: apsw.Connection) -> list[StoredEvent]:
        """Return at most `n_events` more; fewer do not mean that there are no more."""
        if not self.begun:
            self._begin(connection)
        found: list[StoredEvent] = []
        size = 0
        for key, start, end, content in self._rows(connection, n_events):
            found.append(StoredEvent(key & LAST_EVENT_ID, start, end, content))
            self.after = (start, key)
            size += len(content)
            if size > _BLOCK_BYTES:
                return found
        if len(found) < n_events:
            self.done, self.inside = self.inside, True
        return found

    def _begin(self, connection: apsw.Connection) -> None:
        """Fix the end of the read, so that a busy producer cannot keep it going for ever."""
        last = _first(connection, "max(start)", self.stream_id)
        end = self.window.end
        if last is None:
            self.done = True
        elif last < LATEST:
            self.window = self.window._replace(end=last + 1 if end is None else min(end, last + 1))
        if self.window.latest:
            self.after = _place_before_last(connection, self.stream_id, self.window, self.limit)
        begin = self.window.start
        self.inside = (
            begin is None
            or not self.window.ongoing
            or (self.after is not None and self.after[0] >= begin)
        )
        self.begun = True

    def _rows(
        self, connection: apsw.Connection, n_events: int
    ) -> Iterator[tuple[int, int, int | None, str]]:
        if self.done:
            return iter(())
        if self.inside:
            parts = list(_inside(self.stream_id, self.window, self.after))
        else:
            parts = list(_ongoing(connection, self.stream_id, self.window, self.after))
        if not parts:
            return iter(())
        matches, bindings = _filtered(connection, self.window)
        return connection.execute(
            f"SELECT * FROM ({_merged(parts, bindings)}) "  # noqa: S608
            f"WHERE {matches} ORDER BY start, key LIMIT :n",
            bindings | {"n": n_events},
        )


def _place_before_last(
    connection: apsw.Connection, stream_id: int, window: Window, n_last: int
) -> _Place | None:
    """Return the event with just `n_last` events of the window behind it, `None` without one."""
    parts = list(_parts(connection, stream_id, window))
    matches, bindings = _filtered(connection, window)
    found: _Place | None = connection.execute(
        f"SELECT start, key FROM ({_merged(parts, bindings)}) "  # noqa: S608
        f"WHERE {matches} ORDER BY start DESC, key DESC LIMIT 1 OFFSET :n",
        bindings | {"n": n_last},
    ).fetchone()
    return found


def _merged(parts: Sequence[_Part], bindings: dict[str, Binding]) -> str:
    """Return a query of all events in parts, and add their bindings.

    Each part is sorted by its index, so that they are merged and not sorted again.
    """
    for _, values in parts:
        bindings |= values
    return " UNION ALL ".join(
        f'SELECT key, start, "end", content FROM {part}'  # noqa: S608
        for part, _ in parts
    )


def _parts(connection: apsw.Connection, stream_id: int, window: Window) -> Iterator[_Part]:
    """Yield parts that share no event; together they are the window without its filter."""
    yield from _ongoing(connection, stream_id, window)
    yield from _inside(stream_id, window)


def _ongoing(
    connection: apsw.Connection, stream_id: int, window: Window, after: _Place | None = None
) -> Iterator[_Part]:
    """Yield what began before the window, as far as it lies behind `after`."""
    if window.start is None or not window.ongoing:
        return
    for k in _reaches(connection, stream_id):
        low = max(window.start - 16**k, EARLIEST)
        bound = f"start >= :low{k}"
        # one bound only: SQLite would search the index by the other
        if after is not None and after[0] >= low:
            bound = "(start, key) > (:after_start, :after_key)"
        yield (
            f"event INDEXED BY event_reach WHERE stream_id = :stream AND reach = {k} "
            f'AND {bound} AND start < :start AND ("end" >= :start OR "end" IS NULL)',
            {"stream": stream_id, f"low{k}": low, "start": window.start} | _bindings(after),
        )


def _inside(stream_id: int, window: Window, after: _Place | None = None) -> Iterator[_Part]:
    """Yield what begins inside the window, as far as it lies behind `after`."""
    lower = ["1"]
    if after is not None and (window.start is None or after[0] >= window.start):
        # in two parts, so that many events with one start are not searched again and again
        lower = ["start = :after_start AND key > :after_key", "start > :after_start"]
    elif window.start is not None:
        lower = ["start >= :start"]
    upper = "1" if window.end is None else "start < :end"
    values: dict[str, Binding] = {"stream": stream_id, "start": window.start, "end": window.end}
    for bound in lower:
        yield (
            f"event INDEXED BY event_start WHERE stream_id = :stream AND {bound} AND {upper}",
            values | _bindings(after),
        )


def _bindings(after: _Place | None) -> dict[str, Binding]:
    return {} if after is None else {"after_start": after[0], "after_key": after[1]}


def _filtered(connection: apsw.Connection, window: Window) -> tuple[str, dict[str, Binding]]:
    """Return the filter as a condition with bindings, and make the connection ready for it."""
    matches, bindings = condition_sql(window.filter)
    if bindings:
        register_functions(connection)
    return matches, bindings


def _reaches(connection: apsw.Connection, stream_id: int) -> list[int]:
    """Return which reaches a stream has, one look into the index for each."""
    rows = connection.execute(
        """
        WITH RECURSIVE known (k) AS (
          SELECT min(reach) FROM event WHERE stream_id = ?1
          UNION ALL
          SELECT (SELECT min(reach) FROM event WHERE stream_id = ?1 AND reach > k) FROM known
          WHERE k NOT NULL
        )
        SELECT k FROM known WHERE k NOT NULL
        """,
        (stream_id,),
    )
    return [k for (k,) in rows]


def _first(connection: apsw.Connection, expression: str, stream_id: int) -> int | None:
    query = f"SELECT {expression} FROM event WHERE stream_id = ?"  # noqa: S608
    found: int | None = connection.execute(query, (stream_id,)).get
    return found


def _write(
    connection: apsw.Connection, stream_id: int, events: Sequence[CheckedEvent], now: int
) -> list[int]:
    stored = connection.execute(
        "SELECT last_event_id, keep_us FROM event_stream WHERE id = ?", (stream_id,)
    ).fetchone()
    if stored is None:
        raise StreamNotFound("stream does not exist", object=str(stream_id))
    last_id, keep_us = stored
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
    if keep_us >= 0:
        _drop_ended(connection, stream_id, now - keep_us)
    return ids


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


def _drop_ended(connection: apsw.Connection, stream_id: int, limit: int) -> None:
    """Remove the events that ended before a time."""
    rows = connection.execute(
        'DELETE FROM event WHERE stream_id = ?1 AND start < ?2 AND "end" < ?2 RETURNING start',
        (stream_id, limit),
    )
    event_tally.subtract(connection, stream_id, (start for (start,) in rows))


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
    matches, bindings = _filtered(connection, window)
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
    if not number:
        return EventStreamInfo(start=None, end=None, event_count=0)
    start = _first(connection, "min(start)", stream_id)
    ends = [_last_end(connection, stream_id, k) for k in _reaches(connection, stream_id)]
    end = max(ends)
    total = 0 if start is None else end - start
    return EventStreamInfo(start=start, end=end, event_count=number, total_time=total, bytes=size)


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
