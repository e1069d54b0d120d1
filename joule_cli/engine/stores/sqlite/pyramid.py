"""Decimated reads from the levels that chunks carry.

A chunk with more rows than the level gives several decimated rows, grouped from its first row on.
Smaller chunks are joined: those of one interval form a new group after every `level` rows.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from joule_cli.engine.stores.base import Decimation
from joule_cli.engine.stores.sqlite import chunks, directory
from joule_cli.engine.stores.sqlite.levels import COARSE, FINE, join_levels, read_summaries
from joule_cli.engine.stores.sqlite.reading import Cursor, batch_rows, clipped
from joule_cli.series.decimation import (
    FACTOR,
    Counts,
    Decimated,
    decimate,
    group_counts,
    level_for,
    regroup,
)

if TYPE_CHECKING:
    import apsw

    from joule_cli.engine.stores.base import Item, StoredStream
    from joule_cli.series.layout import Rows

Flags: TypeAlias = npt.NDArray[np.bool_]

#: Chunks whose directory entries are looked at together.
_BATCH_CHUNKS = 16384


def choose(
    connection: apsw.Connection, stream: StoredStream, cursor: Cursor, max_rows: int
) -> Decimation:
    """Choose the finest level that gives at most `max_rows` rows for a range."""
    n_rows, n_chunks, n_closed = connection.execute(
        "SELECT coalesce(sum(n_rows), 0), count(*), coalesce(sum(closed), 0) FROM chunk "
        "WHERE stream_id = ? AND start BETWEEN ? AND ? AND last >= ?",
        _bounds(connection, stream, cursor),
    ).get
    level = level_for(n_rows, max_rows)
    groups_beyond = n_closed + 1 if level >= chunks.capacity(stream.layout) else n_chunks
    if (
        level > 1
        and n_rows // level + groups_beyond <= max_rows
        and _uncut(connection, stream, cursor)
    ):
        return Decimation(level, across_breaks=False)
    return _choose_exactly(*_sizes(connection, stream, cursor), max_rows)


def _choose_exactly(counts: Counts, closed: Flags, max_rows: int) -> Decimation:
    level = level_for(int(counts.sum()), max_rows)
    across = level > 1 and int(closed[:-1].sum()) + 1 > max_rows
    if across:
        closed = np.zeros_like(closed)
    while level > 1 and _n_groups(counts, closed, level) > max_rows:
        level *= FACTOR
    return Decimation(level, across_breaks=across)


def _bounds(
    connection: apsw.Connection, stream: StoredStream, cursor: Cursor
) -> tuple[int, int, int, int]:
    first = directory.first_start(connection, stream.id, cursor.position)
    return stream.id, first, cursor.end - 1, cursor.position


def _uncut(connection: apsw.Connection, stream: StoredStream, cursor: Cursor) -> bool:
    """Whether no chunk lies partly outside of the range."""
    return not any(
        chunk.start < time <= chunk.last
        for time in (cursor.position, cursor.end)
        for chunk in directory.entries(connection, stream.id, time, time + 1)
    )


def _sizes(
    connection: apsw.Connection, stream: StoredStream, cursor: Cursor
) -> tuple[Counts, Flags]:
    """Return the rows inside the range, and the break behind, of each chunk with any."""
    counts, closed = [], []
    for chunk in directory.entries(connection, stream.id, cursor.position, cursor.end):
        n_rows = chunk.n_rows
        if chunk.start < cursor.position or chunk.last >= cursor.end:
            rows = chunks.load_rows(connection, chunk, stream)
            n_rows = len(clipped(rows, cursor.position, cursor.end))
        if n_rows:
            counts.append(n_rows)
            closed.append(chunk.closed)
    return np.array(counts, np.int64), np.array(closed, np.bool_)


def _n_groups(counts: Counts, closed: Flags, level: int) -> int:
    large = counts > level
    firsts, _ = _group_firsts(counts, closed, level, 0)
    return int(firsts[~large].sum()) + int((-(-counts[large] // level)).sum())


def _group_firsts(counts: Counts, closed: Flags, level: int, within: int) -> tuple[Flags, Counts]:
    """Tell which chunks begin a group, and how many rows of their interval were joined before.

    Parameters
    ----------
    counts, closed
        Rows of each chunk, at least one chunk; whether a break follows it.
    within
        Rows of the first chunk's interval that were joined before it.
    """
    large = counts > level
    heads = np.ones(len(counts), np.bool_)
    heads[1:] = closed[:-1] | large[1:] | large[:-1]
    before = np.cumsum(counts) - counts + within
    start_of_run = np.where(heads, before, 0)
    start_of_run[0] = 0
    offset = before - np.maximum.accumulate(start_of_run)
    group = offset // level
    firsts = heads.copy()
    firsts[1:] |= group[1:] != group[:-1]
    return firsts, offset


class _Groups(NamedTuple):
    """Decimated rows of one chunk, at the level asked for or a finer one."""

    level: Decimated
    counts: Counts
    step: int  # that many form a group


class LevelReader:
    """One decimated read: call `batch` in read transactions until it is `done`."""

    def __init__(self, stream: StoredStream, cursor: Cursor, decimation: Decimation) -> None:
        self.stream = stream
        self._layout = stream.layout
        self.cursor = cursor
        self._level = decimation.level
        self._across = decimation.across_breaks
        self._within = 0  # rows of the open interval that earlier batches have joined
        self._n_chunks, self._most_rows = _BATCH_CHUNKS, batch_rows(stream.layout)

    @property
    def done(self) -> bool:
        return self.cursor.position >= self.cursor.end

    def batch(self, connection: apsw.Connection) -> list[Item]:
        """Return the next decimated rows and breaks."""
        entries, sources, last = self._load(connection)
        if not entries:
            self.cursor.position = self.cursor.end
            return []
        counts = np.array([e[2] for e in entries], np.int64)
        closed = np.array([e[3] and not self._across for e in entries], np.bool_)
        firsts, offset = _group_firsts(counts, closed, self._level, self._within)
        size = len(entries)
        if not last and counts[-1] <= self._level and not closed[-1]:
            # the last group may go on: leave it to the next batch
            size = int(np.flatnonzero(firsts)[-1])
            if size == 0:
                # all of it is one group; look further, whichever limit it met
                self._n_chunks *= 2
                self._most_rows *= 2
                return []
        items = self._items(entries[:size], sources, counts[:size], closed[:size], firsts[:size])
        if last:
            self.cursor.position = self.cursor.end
        elif size < len(entries):
            self.cursor.position, self._within = entries[size][0], int(offset[size])
        else:
            self.cursor.position, self._within = entries[-1][1] + 1, 0
        self.cursor.pass_by(entries[size - 1][1], closed=bool(closed[size - 1]))
        return items

    def _load(
        self, connection: apsw.Connection
    ) -> tuple[list[tuple[Any, ...]], dict[int, _Groups], bool]:
        """Return directory entries for one batch, what is not in them, and if they are the last.

        An entry is ``(start, last, n_rows, closed, body_id, summary)``. Sources are given for
        the chunks with more rows than the level, and for those whose summary does not fit.
        """
        position, end, level = self.cursor.position, self.cursor.end, self._level
        entries = list(
            islice(
                connection.execute(
                    "SELECT start, last, n_rows, closed, body_id, summary FROM chunk "
                    "WHERE stream_id = ? AND start BETWEEN ? AND ? AND last >= ? ORDER BY start",
                    _bounds(connection, self.stream, self.cursor),
                ),
                self._n_chunks,
            )
        )
        last = len(entries) < self._n_chunks
        sources: dict[int, _Groups] = {}
        cost = 0
        for index in [
            i
            for i, e in enumerate(entries)
            if e[2] > level or e[5] is None or e[0] < position or e[1] >= end
        ]:
            entry = entries[index]
            source = self._source(connection, entry)
            sources[index] = source
            entries[index] = (*entry[:2], int(source.counts.sum()), *entry[3:])
            cost += len(source.counts) if source.step > 1 else entry[2]
            if cost > self._most_rows and index + 1 < len(entries):
                del entries[index + 1 :]
                last = False
                break
        return self._without_empty(entries, sources, last)

    def _without_empty(
        self, entries: list[tuple[Any, ...]], sources: dict[int, _Groups], last: bool
    ) -> tuple[list[tuple[Any, ...]], dict[int, _Groups], bool]:
        """Leave out chunks without rows inside the bounds: only the outermost can be such."""
        if entries and entries[-1][2] == 0:
            sources.pop(len(entries) - 1)
            entries.pop()
        if entries and entries[0][2] == 0:
            entries.pop(0)
            sources = {index - 1: source for index, source in sources.items() if index}
        return entries, sources, last

    def _source(self, connection: apsw.Connection, entry: tuple[Any, ...]) -> _Groups:
        start, last, n_rows, _, body_id, summary = entry
        if (
            summary is not None
            and self._level >= FINE
            and start >= self.cursor.position
            and last < self.cursor.end
        ):
            coarse = self._level >= COARSE and n_rows > COARSE
            size = COARSE if coarse else FINE
            blob = connection.execute(
                "SELECT iif(?, coarse, fine) FROM body WHERE id = ?", (coarse, body_id)
            ).get
            counts = group_counts(n_rows, size)
            level = chunks.decoded_level(blob, len(counts), self.stream, start)
            return _Groups(level, counts, self._level // size)
        blob = connection.execute("SELECT rows FROM body WHERE id = ?", (body_id,)).get
        rows = chunks.decoded(blob, n_rows, self.stream, start)
        rows = clipped(rows, self.cursor.position, self.cursor.end)
        return _Groups(
            decimate(rows, self._level, self._layout), group_counts(len(rows), self._level), 1
        )

    def _items(
        self,
        entries: list[tuple[Any, ...]],
        sources: dict[int, _Groups],
        counts: Counts,
        closed: Flags,
        firsts: Flags,
    ) -> list[Item]:
        """Put the sources of a batch in a row, join each group, and cut at the breaks."""
        parts, weights, heads, breaks = [], [], [], []
        before = np.concatenate([[self.cursor.after_break], closed[:-1]])
        position = 0
        for index in [*sorted(i for i in sources if i < len(entries)), len(entries)]:
            if position < index:
                part = slice(position, index)
                summaries = [e[5] for e in entries[part]]
                parts.append(read_summaries(summaries, counts[part], self._layout))
                weights.append(counts[part])
                heads.append(firsts[part])
                breaks.append(before[part])
            if index < len(entries):
                source = sources[index]
                head = np.arange(len(source.counts)) % source.step == 0
                head[0] = firsts[index]
                parts.append(source.level)
                weights.append(source.counts)
                heads.append(head)
                breaks.append(np.zeros(len(head), np.bool_))
                breaks[-1][0] = before[index]
            position = index + 1
        starts = np.flatnonzero(np.concatenate(heads))
        joined = join_levels(parts, weights)
        if len(starts) < len(joined.rows):
            joined = regroup(joined, np.concatenate(weights), starts)
        cuts = np.flatnonzero(np.concatenate(breaks)[starts])
        return _cut(joined.rows, cuts)


def _cut(rows: Rows, cuts: npt.NDArray[np.intp]) -> list[Item]:
    """Put a break before each row of `cuts`."""
    items: list[Item] = []
    position = 0
    for cut in [*cuts.tolist(), len(rows)]:
        if position < cut:
            items.append(rows[position:cut])
        if cut < len(rows):
            items.append(None)
        position = cut
    return items
