"""Which events a window holds, as parts of a query, and reading them in blocks.

What is still going on when a window begins is looked for reach by reach; see `events`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from joule_cli.engine.stores.base import StoredEvent
from joule_cli.engine.stores.sqlite.event_filter import condition_sql, register_functions
from joule_cli.engine.stores.sqlite.event_keys import LAST_EVENT_ID
from joule_cli.engine.validation import INT64_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import apsw

    from joule_cli.api.event_reading import Window
    from joule_cli.engine.stores.sqlite.event_filter import Binding

#: A table with a condition, and the bindings of that. The index is named in it: there are no
#: statistics that SQLite could choose by.
_Part: TypeAlias = "tuple[str, dict[str, Binding]]"
#: Start and key of an event.
_Position: TypeAlias = tuple[int, int]

EARLIEST, LATEST = -INT64_MAX - 1, INT64_MAX
#: Contents of a block weigh no more than this, whatever its number of events.
_BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Reader:
    """One read: call `fetch` in read transactions until it is `done`.

    First come the events that began before the window, then those that begin in it; both in the
    order of (start, key). `after` is the last event given; a read of the latest begins behind the
    event before them.
    """

    stream_id: int
    window: Window
    limit: int
    after: _Position | None = None
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
        last = extreme_start(connection, "max", self.stream_id)
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
            parts = list(inside_parts(self.stream_id, self.window, self.after))
        else:
            parts = list(ongoing_parts(connection, self.stream_id, self.window, self.after))
        if not parts:
            return iter(())
        matches, bindings = filtered(connection, self.window)
        return connection.execute(
            f"SELECT * FROM ({_merged(parts, bindings)}) "  # noqa: S608
            f"WHERE {matches} ORDER BY start, key LIMIT :n",
            bindings | {"n": n_events},
        )


def _place_before_last(
    connection: apsw.Connection, stream_id: int, window: Window, n_last: int
) -> _Position | None:
    """Return the event with just `n_last` events of the window behind it, `None` without one."""
    parts = list(window_parts(connection, stream_id, window))
    matches, bindings = filtered(connection, window)
    found: _Position | None = connection.execute(
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


def window_parts(connection: apsw.Connection, stream_id: int, window: Window) -> Iterator[_Part]:
    """Yield parts that share no event; together they are the window without its filter."""
    yield from ongoing_parts(connection, stream_id, window)
    yield from inside_parts(stream_id, window)


def ongoing_parts(
    connection: apsw.Connection, stream_id: int, window: Window, after: _Position | None = None
) -> Iterator[_Part]:
    """Yield what began before the window, as far as it lies behind `after`."""
    if window.start is None or not window.ongoing:
        return
    for k in reaches(connection, stream_id):
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


def inside_parts(stream_id: int, window: Window, after: _Position | None = None) -> Iterator[_Part]:
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


def _bindings(after: _Position | None) -> dict[str, Binding]:
    return {} if after is None else {"after_start": after[0], "after_key": after[1]}


def filtered(connection: apsw.Connection, window: Window) -> tuple[str, dict[str, Binding]]:
    """Return the filter as a condition with bindings, and make the connection ready for it."""
    matches, bindings = condition_sql(window.filter)
    if bindings:
        register_functions(connection)
    return matches, bindings


def reaches(connection: apsw.Connection, stream_id: int) -> list[int]:
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


def extreme_start(
    connection: apsw.Connection, which: Literal["min", "max"], stream_id: int
) -> int | None:
    """Return the first or the last start of a stream's events."""
    query = f"SELECT {which}(start) FROM event WHERE stream_id = ?"  # noqa: S608
    found: int | None = connection.execute(query, (stream_id,)).get
    return found
