"""Reading rows and decimated rows, in short transactions and bounded memory.

A read is cut into batches. Each batch sees one consistent state of the file, and the next one
continues behind the last row given: whatever other processes rewrite in between, every row is
given once, and no old state keeps the write-ahead log from shrinking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from joule_cli.engine.stores.sqlite import chunks, directory
from joule_cli.errors import StreamNotFound
from joule_cli.pipes.blocks import join_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from joule_cli.engine.stores.base import Item, StoredStream
    from joule_cli.series.layout import Layout, Rows

#: Chunks from this size on are given as they are, smaller ones joined.
_LARGE = 8192
#: Rows and bytes of a batch: enough to make a thread change cheap, little enough for memory.
_BATCH_ROWS, _BATCH_BYTES = 131072, 3 * 1024 * 1024


@dataclass(slots=True)
class Cursor:
    """Where a read stands.

    Parameters
    ----------
    position, end
        What is still to be read: ``[position, end)``; `end` is fixed when the read begins.
    after_break
        Rows were given, and a break follows them.
    in_gap
        The same, and the break is inside the range.
    """

    position: int
    end: int
    after_break: bool = False
    in_gap: bool = False

    def pass_by(self, last: int, *, closed: bool) -> None:
        """Note that the rows up to `last` were given, and whether a break follows them."""
        self.after_break = closed
        self.in_gap = closed and last + 1 < self.end


def batch_rows(layout: Layout) -> int:
    """Return how many rows of a layout make a batch."""
    return max(min(_BATCH_ROWS, _BATCH_BYTES // layout.row_bytes), 1)


def begin(
    connection: apsw.Connection, stream: StoredStream, start: int | None, end: int | None
) -> Cursor:
    """Fix the bounds of a read, so that a busy producer cannot keep it going for ever."""
    last = connection.execute(
        "SELECT last FROM chunk WHERE stream_id = ? ORDER BY start DESC LIMIT 1", (stream.id,)
    ).get
    low = directory.EARLIEST if start is None else start
    if last is None:
        require_stream(connection, stream)
        return Cursor(low, low)
    return Cursor(low, last + 1 if end is None else min(end, last + 1))


def require_stream(connection: apsw.Connection, stream: StoredStream) -> None:
    """Raise `StreamNotFound` for a stream that was deleted: it has no rows to tell that."""
    if connection.execute("SELECT 1 FROM data_stream WHERE id = ?", (stream.id,)).get is None:
        raise StreamNotFound("the stream was deleted", object=stream.name)


def clipped(rows: Rows, start: int, end: int) -> Rows:
    """Return the rows in ``[start, end)``."""
    ts = rows["timestamp"]
    low = 0 if ts[0] >= start else int(np.searchsorted(ts, start))
    high = len(ts) if ts[-1] < end else int(np.searchsorted(ts, end))
    return rows[low:high]


class Fetched(NamedTuple):
    """A chunk as it was in the file, not decoded yet."""

    start: int
    n_rows: int
    blob: bytes | None
    bounds: tuple[int | None, int | None]  # what the read wants of it
    break_before: bool


@dataclass(frozen=True, slots=True)
class RowReader:
    """One read of rows: call `batch` in read transactions until it is `done`.

    `batch` is `fetch`, which must see the chunks in order, and `decode`, which takes most of the
    time and may run elsewhere meanwhile.
    """

    stream: StoredStream
    cursor: Cursor

    @property
    def done(self) -> bool:
        return self.cursor.position >= self.cursor.end

    def batch(self, connection: apsw.Connection) -> list[Item]:
        """Return the next rows and breaks."""
        return self.decode(self.fetch(connection))

    def fetch(self, connection: apsw.Connection) -> list[Fetched]:
        """Return the next chunks and move the cursor behind them."""
        cursor = self.cursor
        found: list[Fetched] = []
        taken, enough = 0, batch_rows(self.stream.layout)
        for start, last, n_rows, closed, blob in _bodies(connection, self.stream, cursor):
            bounds = (
                cursor.position if start < cursor.position else None,
                cursor.end if last >= cursor.end else None,
            )
            found.append(Fetched(start, n_rows, blob, bounds, cursor.after_break))
            cursor.pass_by(last, closed=bool(closed))
            cursor.position = last + 1
            taken += n_rows
            if taken >= enough:
                break
        else:
            require_stream(connection, self.stream)
            cursor.position = cursor.end
        return found

    def decode(self, fetched: list[Fetched]) -> list[Item]:
        """Return the rows of chunks, with the breaks before and between them."""
        items: list[Item] = []
        joint: list[Rows] = []
        for start, n_rows, blob, bounds, break_before in fetched:
            rows = chunks.decoded(blob, n_rows, self.stream, start, bounds)
            if break_before:
                _flush(items, joint)
                items.append(None)
            if len(rows) >= _LARGE:
                _flush(items, joint)
                items.append(rows)
            elif len(rows):
                joint.append(rows)
        _flush(items, joint)
        return items


def _bodies(
    connection: apsw.Connection, stream: StoredStream, cursor: Cursor
) -> Iterator[tuple[int, int, int, int, bytes | None]]:
    if cursor.position >= cursor.end:
        return iter(())
    return connection.execute(
        "SELECT c.start, c.last, c.n_rows, c.closed, b.rows FROM chunk c "
        "LEFT JOIN body b ON b.id = c.body_id "
        "WHERE c.stream_id = ? AND c.start BETWEEN ? AND ? AND c.last >= ? ORDER BY c.start",
        (
            stream.id,
            directory.first_start(connection, stream.id, cursor.position),
            cursor.end - 1,
            cursor.position,
        ),
    )


def _flush(items: list[Item], joint: list[Rows]) -> None:
    """Join neighbouring pieces of one interval, so that small chunks make large blocks."""
    if joint:
        items.append(join_rows(joint))
        joint.clear()


def count(
    connection: apsw.Connection, stream: StoredStream, start: int | None, end: int | None
) -> int:
    """Return the exact number of rows; only chunks cut by a bound are decoded."""
    low = directory.EARLIEST if start is None else start
    high = directory.LATEST + 1 if end is None else end
    total = connection.execute(
        "SELECT coalesce(sum(n_rows), 0) FROM chunk WHERE stream_id = ? AND start BETWEEN ? AND ? "
        "AND last >= ?",
        (stream.id, directory.first_start(connection, stream.id, low), high - 1, low),
    ).get
    result = int(total)
    for chunk in _cut_chunks(connection, stream, low, high):
        rows = chunks.load_rows(connection, chunk, stream)
        result -= len(rows) - len(clipped(rows, low, high))
    return result


def intervals(
    connection: apsw.Connection, stream: StoredStream, start: int | None, end: int | None
) -> list[tuple[int, int]]:
    """Return ``(first row, last row + 1)`` of each interval in ``[start, end)``."""
    low = directory.EARLIEST if start is None else start
    high = directory.LATEST + 1 if end is None else end
    found: list[tuple[int, int]] = []
    first: int | None = None
    reach = 0
    for chunk in directory.entries(connection, stream.id, start, end):
        chunk_start, last = chunk.start, chunk.last
        if chunk_start < low or last >= high:
            rows = clipped(chunks.load_rows(connection, chunk, stream), low, high)
            if len(rows) == 0:
                continue
            chunk_start, last = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
        if first is None:
            first = chunk_start
        if chunk.closed and last == chunk.last:
            found.append((first, last + 1))
            first = None
        else:
            reach = last + 1
    if first is not None:
        found.append((first, reach))
    return found


def _cut_chunks(
    connection: apsw.Connection, stream: StoredStream, low: int, high: int
) -> set[directory.Chunk]:
    """Return the at most two chunks that a bound cuts."""
    cut = set()
    for time in (low, high):
        if directory.EARLIEST < time <= directory.LATEST:
            for chunk in directory.entries(connection, stream.id, time - 1, time + 1):
                if chunk.start < time <= chunk.last and chunk.start < high and chunk.last >= low:
                    cut.add(chunk)
    return cut
