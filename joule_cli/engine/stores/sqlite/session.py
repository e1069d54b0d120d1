"""Writing rows: appends at the end of a stream, and insertions into its past.

Small blocks become small chunks. When the trailing chunks of the open interval that are smaller
than a threshold (64 rows, 4,096 rows, a full chunk) reach it together, they are rewritten as one;
so each row is rewritten at most three times, and reads meet few chunks.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

from joule_cli.engine.stores.base import Item, StoredStream, WriteSession
from joule_cli.engine.stores.sqlite import chunks, directory
from joule_cli.engine.stores.sqlite.editing import break_after
from joule_cli.engine.stores.sqlite.insertion import insert_into_past, join_before
from joule_cli.engine.stores.sqlite.transactions import transaction
from joule_cli.errors import InvalidValuesError, StreamNotFound
from joule_cli.model.data_stream import KEEP_NONE
from joule_cli.pipes.blocks import join_rows
from joule_cli.pipes.row_checks import refuse_nan, refuse_unordered

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from joule_cli.engine.stores.sqlite.database import Database
    from joule_cli.engine.stores.sqlite.retention import Expiry
    from joule_cli.series.layout import Rows

_SMALL, _MEDIUM = 64, 4096
#: Blocks below this are encoded in the writing thread: another hop would take longer.
_HOP_ROWS = 4096


class _Tail(NamedTuple):
    """The end of a stream as a session knows it; true while `revision` is unchanged.

    `run` has the last chunks of the last interval, back to the first full one.
    """

    revision: int
    decimate: bool
    keep_us: int
    end: directory.Chunk | None
    run: tuple[directory.Chunk, ...]

    @property
    def state(self) -> tuple[int, bool, int]:
        return self.revision, self.decimate, self.keep_us


class _Plan(NamedTuple):
    """What one append changes, made before the write lock is taken."""

    close: int | None  # start of the chunk after which a break is set
    join_before: int | None  # breaks within the merge gap before this time are removed
    kept: tuple[directory.Chunk, ...]  # chunks of the run that stay in front of the new ones
    replaced_from: int | None  # chunks from this start on are rewritten
    parts: list[tuple[Rows, bool]]  # rows of the new chunks, and whether a break follows them


class _StaleTailError(Exception):
    """Another session or process changed the stream since the tail was read."""


class SqliteSession(WriteSession):
    """Rows of one producer on their way into the node file."""

    def __init__(
        self,
        database: Database,
        stream: StoredStream,
        merge_gap: int,
        expiry: Expiry,
        *,
        missing: bool,
    ) -> None:
        self._database = database
        self._stream = stream
        self._merge_gap = merge_gap
        self._expiry = expiry
        self._expired = 0  # rows, in the present transaction
        self._missing = missing
        self._capacity = chunks.capacity(stream.layout)
        self._last: int | None = None  # of the rows stored so far
        self._break_due = False  # a break follows them that is not in the file yet
        self._tail: _Tail | None = None

    async def write(self, items: Sequence[Item]) -> None:
        pieces, leading, trailing = _pieces(items)
        check_rows(pieces, self._last, missing=self._missing)
        if self._last is not None and leading:
            self._break_due = True
        if not pieces:
            # at the end of the stream the next rows of any producer set the break anyway
            if self._break_due and not self._at_end():
                await self._database.write(self._end_interval)
        elif sum(map(len, pieces)) < _HOP_ROWS:
            await self._database.maintain(lambda c: self._store(c, pieces, trailing))
        else:
            await self._store_large(pieces, trailing)

    async def close(self, *, end_interval: bool = True) -> None:
        if self._last is not None and (end_interval or self._break_due):
            await self._database.write(self._end_interval)

    # -- storing

    def _store(self, connection: apsw.Connection, pieces: list[Rows], trailing: bool) -> None:
        """Plan and commit in the writing thread."""
        while True:
            tail = self._tail or self._load_tail(connection)
            try:
                if _is_past(tail, pieces):
                    with transaction(connection, write=True):
                        self._insert(connection, pieces, trailing)
                    self._stored(pieces, None)
                else:
                    plan = self._plan(connection, tail, pieces, trailing)
                    self._carry_out(connection, tail, plan, self._encode(plan.parts, tail), pieces)
            except _StaleTailError:
                self._tail = None
            else:
                return

    async def _store_large(self, pieces: list[Rows], trailing: bool) -> None:
        """Plan and encode in the reading threads: it takes most of the time and needs no lock."""
        while True:
            tail = self._tail
            if tail is None:
                tail = await self._database.read(self._load_tail)
            if _is_past(tail, pieces):
                await self._database.maintain(lambda c: self._store(c, pieces, trailing))
                return
            try:
                plan = await self._database.read(
                    lambda c, t=tail: self._plan(c, t, pieces, trailing)  # type: ignore[misc]  # the default binds the loop variable
                )
                encoded = await self._encode_in_parallel(plan.parts, tail)
                await self._database.maintain(
                    lambda c, t=tail, p=plan, e=encoded: self._carry_out(c, t, p, e, pieces)  # type: ignore[misc]  # as above
                )
            except _StaleTailError:
                self._tail = None
            else:
                return

    async def _encode_in_parallel(
        self, parts: list[tuple[Rows, bool]], tail: _Tail
    ) -> list[chunks.Encoded]:
        middle, n_rows = 0, sum(len(rows) for rows, _ in parts)
        rest = n_rows
        while 2 * rest > n_rows:
            rest -= len(parts[middle][0])
            middle += 1
        halves = await asyncio.gather(
            self._database.compute(lambda: self._encode(parts[:middle], tail)),
            self._database.compute(lambda: self._encode(parts[middle:], tail)),
        )
        return halves[0] + halves[1]

    def _carry_out(
        self,
        connection: apsw.Connection,
        tail: _Tail,
        plan: _Plan,
        encoded: list[chunks.Encoded],
        pieces: list[Rows],
    ) -> None:
        with transaction(connection, write=True):
            after = self._append(connection, tail, plan, encoded)
        self._stored(pieces, after)

    def _stored(self, pieces: list[Rows], tail: _Tail | None) -> None:
        """Remember what is in the file now; in the thread that put it there."""
        self._last = int(pieces[-1]["timestamp"][-1])
        self._break_due = False
        self._tail = tail
        if self._expired:
            self._expiry.tell(self._stream.name, "rows", self._expired)

    # -- appending

    def _load_tail(self, connection: apsw.Connection) -> _Tail:
        state = self._state(connection)
        end: directory.Chunk | None = None
        run: list[directory.Chunk] = []
        for row in connection.execute(
            "SELECT start, last, n_rows, closed, body_id FROM chunk "
            "WHERE stream_id = ? ORDER BY start DESC",
            (self._stream.id,),
        ):
            chunk = directory.Chunk(*row)
            if end is None:
                end = chunk
            elif chunk.closed:
                break
            if chunk.n_rows >= self._capacity:
                break
            run.append(chunk)
        return _Tail(*state, end, tuple(reversed(run)))

    def _state(self, connection: apsw.Connection) -> tuple[int, bool, int]:
        row = connection.execute(
            "SELECT revision, decimate, keep_us FROM data_stream WHERE id = ?", (self._stream.id,)
        ).fetchone()
        if row is None:
            raise StreamNotFound("the stream was deleted", object=self._stream.name)
        return row[0], bool(row[1]), row[2]

    def _at_end(self) -> bool:
        end = None if self._tail is None else self._tail.end
        return end is not None and end.last == self._last

    def _joins(self, end: directory.Chunk, first: int) -> bool:
        """Whether rows from `first` on continue the interval that `end` belongs to."""
        if self._last is not None:
            return not self._break_due and not end.closed
        return self._merge_gap > 0 and first - end.last - 1 <= self._merge_gap

    def _plan(
        self, connection: apsw.Connection, tail: _Tail, pieces: list[Rows], trailing: bool
    ) -> _Plan:
        end, first = tail.end, int(pieces[0]["timestamp"][0])
        close = joined_at = replaced_from = None
        kept: tuple[directory.Chunk, ...] = ()
        rows = pieces[0]
        if end is not None and self._joins(end, first):
            joined_at = first if self._last is None else None
            run = tail.run
            if end.closed and run:
                run = (*run[:-1], run[-1]._replace(closed=False))
            kept, merged = self._split_run(run, len(rows))
            if merged:
                rows = join_rows([*self._load(connection, tail, merged), rows])
                replaced_from = merged[0].start
        elif end is not None and not end.closed:
            close = end.start
        parts: list[tuple[Rows, bool]] = []
        for index, piece in enumerate([rows, *pieces[1:]]):
            closed = trailing or index < len(pieces) - 1
            parts += chunks.cut(piece, self._stream.layout, closed=closed)
        return _Plan(close, joined_at, kept, replaced_from, parts)

    def _encode(self, parts: list[tuple[Rows, bool]], tail: _Tail) -> list[chunks.Encoded]:
        return [
            chunks.encode_chunk(rows, self._stream.layout, closed=closed, levels=tail.decimate)
            for rows, closed in parts
        ]

    def _load(
        self, connection: apsw.Connection, tail: _Tail, merged: tuple[directory.Chunk, ...]
    ) -> list[Rows]:
        """Load chunks of a tail; others may have rewritten or deleted them since it was read."""
        in_snapshot = connection.in_transaction
        with nullcontext() if in_snapshot else transaction(connection, write=False):
            if self._state(connection) != tail.state:
                raise _StaleTailError
            return [chunks.load_rows(connection, chunk, self._stream) for chunk in merged]

    def _split_run(
        self, run: tuple[directory.Chunk, ...], n_new: int
    ) -> tuple[tuple[directory.Chunk, ...], tuple[directory.Chunk, ...]]:
        """Split the trailing chunks into those that stay and those to rewrite with new rows."""
        for threshold in (self._capacity, _MEDIUM, _SMALL):
            total, first = n_new, len(run)
            while first and run[first - 1].n_rows < threshold:
                first -= 1
                total += run[first].n_rows
            if total >= threshold:
                return run[:first], run[first:]
        return run, ()

    def _append(
        self,
        connection: apsw.Connection,
        tail: _Tail,
        plan: _Plan,
        encoded: list[chunks.Encoded],
    ) -> _Tail:
        """Carry out a plan; return the stream's end as it will be after the commit."""
        stream_id = self._stream.id
        self._expired = 0
        if tail.keep_us == KEEP_NONE:
            if self._state(connection) != tail.state:
                raise _StaleTailError
            self._expiry.note(connection)
            return tail
        if not chunks.bump_from(connection, stream_id, tail.state):
            self._state(connection)  # raises if the stream is gone
            raise _StaleTailError
        self._expiry.note(connection)
        if plan.close is not None:
            chunks.set_closed(connection, stream_id, plan.close, closed=True)
        if plan.join_before is not None:
            join_before(connection, self._stream, plan.join_before, self._merge_gap)
        if plan.replaced_from is not None:
            chunks.remove(connection, stream_id, plan.replaced_from, directory.LATEST)
        end, run = tail.end, list(plan.kept)
        for chunk in encoded:
            end = chunks.store(connection, stream_id, chunk)
            if end.n_rows >= self._capacity or (run and run[-1].closed):
                run = []
            if end.n_rows < self._capacity:
                run.append(end)
        self._expired = self._expiry.expire(connection, stream_id, tail.keep_us)
        revision = -1 if self._expired else tail.revision + 1
        return _Tail(revision, tail.decimate, tail.keep_us, end, tuple(run))

    # -- inserting into the past, ending an interval

    def _insert(self, connection: apsw.Connection, pieces: list[Rows], trailing: bool) -> None:
        _, levels, keep_us = self._state(connection)
        self._expired = 0
        self._expiry.note(connection)
        if keep_us == KEEP_NONE:
            return
        merge_gap = self._merge_gap if self._last is None else None
        if self._break_due:
            self._end_interval(connection)
        for index, rows in enumerate(pieces):
            insert_into_past(
                connection,
                self._stream,
                rows,
                merge_gap=merge_gap,
                closed=trailing or index < len(pieces) - 1,
                levels=levels,
            )
            merge_gap = None
        self._expired = self._expiry.expire(connection, self._stream.id, keep_us)
        chunks.bump(connection, self._stream.id)

    def _end_interval(self, connection: apsw.Connection) -> None:
        """Set a break after the last row stored here, if it still exists."""
        assert self._last is not None
        break_after(connection, self._stream, self._last)
        self._break_due = False


def _is_past(tail: _Tail, pieces: list[Rows]) -> bool:
    return tail.end is not None and int(pieces[0]["timestamp"][0]) <= tail.end.last


def _pieces(items: Sequence[Item]) -> tuple[list[Rows], bool, bool]:
    """Join rows between breaks; also tell whether a break leads and whether one trails."""
    pieces: list[Rows] = []
    part: list[Rows] = []
    for item in [*items, None]:
        if item is not None:
            if len(item):
                part.append(item)
        elif part:
            pieces.append(join_rows(part))
            part = []
    return pieces, bool(items) and items[0] is None, bool(items) and items[-1] is None


def check_rows(pieces: Sequence[Rows], last: int | None, *, missing: bool) -> None:
    """Refuse rows that the stream may not hold, before anything is changed.

    Raises
    ------
    NonMonotonicError
        Timestamps do not increase strictly from `last` on, across breaks too.
    InvalidValuesError
        NaN, unless values may be `missing`, or the one timestamp after which no instant follows.
    """
    for rows in pieces:
        refuse_unordered(rows, last)
        last = int(rows["timestamp"][-1])
        if last == directory.LATEST:
            raise InvalidValuesError(f"the timestamp {last} is out of range")
        if not missing:
            refuse_nan(rows)
