"""Changes to stored chunks: breaks, deletion, consolidation, levels.

All functions expect to run inside a write transaction of the caller, and to be followed by
`chunks.bump`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joule_cli.engine.stores.sqlite import chunks, directory
from joule_cli.engine.stores.sqlite.levels import encode_levels
from joule_cli.pipes.blocks import join_rows

if TYPE_CHECKING:
    import apsw

    from joule_cli.engine.stores.base import StoredStream
    from joule_cli.series.layout import Rows


def levels_kept(connection: apsw.Connection, chunk: directory.Chunk, stream_id: int) -> bool:
    """Whether a chunk has its levels, so that rewriting it must make them again."""
    return bool(
        connection.execute(
            "SELECT summary IS NOT NULL FROM chunk WHERE stream_id = ? AND start = ?",
            (stream_id, chunk.start),
        ).get
    )


def rewrite(
    connection: apsw.Connection, stream: StoredStream, chunk: directory.Chunk, parts: list[Rows]
) -> None:
    """Replace a chunk by parts of its rows, with a break between every two of them."""
    levels = levels_kept(connection, chunk, stream.id)
    chunks.remove(connection, stream.id, chunk.start, chunk.start)
    parts = [part for part in parts if len(part)]
    for index, part in enumerate(parts):
        closed = chunk.closed or index < len(parts) - 1
        for encoded in chunks.encode_pieces(part, stream.layout, closed=closed, levels=levels):
            chunks.store(connection, stream.id, encoded)


def break_after(connection: apsw.Connection, stream: StoredStream, time: int) -> None:
    """Set a break after the newest row at or before `time`."""
    chunk = next(directory.entries(connection, stream.id, time, None), None)
    if chunk is not None and chunk.start <= time < chunk.last:
        rows = chunks.load_rows(connection, chunk, stream)
        cut = int(np.searchsorted(rows["timestamp"], time, side="right"))
        rewrite(connection, stream, chunk, [rows[:cut], rows[cut:]])
    else:
        before = directory.last_before(connection, stream.id, time + 1)
        if before is not None and not before.closed:
            chunks.set_closed(connection, stream.id, before.start, closed=True)


def delete(
    connection: apsw.Connection, stream: StoredStream, start: int | None, end: int | None
) -> None:
    """Delete the rows in ``[start, end)``; with `start`, leave a break after the row before."""
    if start is not None:
        break_after(connection, stream, start - 1)
    if end is not None:
        # a break at `end` makes whole chunks of what is to go; it goes with them
        found = next(directory.entries(connection, stream.id, end - 1, end), None)
        if found is not None and found.start < end <= found.last:
            rows = chunks.load_rows(connection, found, stream)
            cut = int(np.searchsorted(rows["timestamp"], end))
            rewrite(connection, stream, found, [rows[:cut], rows[cut:]])
    low = directory.EARLIEST if start is None else start
    high = directory.LATEST if end is None else end - 1
    chunks.remove(connection, stream.id, low, high)


def consolidate(
    connection: apsw.Connection,
    stream: StoredStream,
    max_gap: int,
    start: int | None,
    end: int | None,
) -> int:
    """Remove the breaks of short gaps between rows of ``[start, end)``; return how many."""
    joined: list[int] = []
    previous: directory.Chunk | None = None
    for chunk in directory.entries(connection, stream.id, start, end):
        if previous is not None and previous.closed and chunk.start - previous.last - 1 <= max_gap:
            joined.append(previous.start)
        previous = chunk
    connection.executemany(
        "UPDATE chunk SET closed = 0 WHERE stream_id = ? AND start = ?",
        [(stream.id, chunk_start) for chunk_start in joined],
    )
    return len(joined)


def merge_small(
    connection: apsw.Connection, stream: StoredStream, after: int | None, budget: int
) -> int | None:
    """Rewrite neighbouring small chunks of one interval as full ones.

    Parameters
    ----------
    after
        Begin behind the chunk that starts here; `None` begins with the first one.
    budget
        Stop after this many rows were rewritten, to keep the transaction short.

    Returns
    -------
    int or None
        Where to go on, `None` when the end of the stream was reached.
    """
    size = chunks.capacity(stream.layout)
    run: list[directory.Chunk] = []
    rewritten, position = 0, after
    for chunk in list(
        directory.entries(connection, stream.id, None if after is None else after + 1, None)
    ):
        if after is not None and chunk.start <= after:
            continue
        fits = run and not run[-1].closed and sum(c.n_rows for c in run) + chunk.n_rows <= size
        if not fits:
            rewritten += _join(connection, stream, run)
            run = []
            if rewritten >= budget:
                return position
        run.append(chunk)
        position = chunk.start
    _join(connection, stream, run)
    return None


def _join(connection: apsw.Connection, stream: StoredStream, run: list[directory.Chunk]) -> int:
    if len(run) < 2:
        return 0
    rows = join_rows([chunks.load_rows(connection, c, stream) for c in run])
    levels = levels_kept(connection, run[0], stream.id)
    chunks.remove(connection, stream.id, run[0].start, run[-1].start)
    chunks.store(
        connection,
        stream.id,
        chunks.encode_chunk(rows, stream.layout, closed=run[-1].closed, levels=levels),
    )
    return len(rows)


def make_levels(connection: apsw.Connection, stream: StoredStream, chunk: directory.Chunk) -> None:
    """Compute a chunk's levels anew from its rows."""
    rows = chunks.load_rows(connection, chunk, stream)
    fine, coarse, summary = encode_levels(rows, stream.layout)
    _set_levels(connection, stream.id, chunk, fine, coarse, summary)


def drop_levels(connection: apsw.Connection, stream: StoredStream) -> None:
    """Delete all stored levels of a stream."""
    connection.execute(
        "UPDATE body SET fine = NULL, coarse = NULL "
        "WHERE id IN (SELECT body_id FROM chunk WHERE stream_id = ?)",
        (stream.id,),
    )
    connection.execute("UPDATE chunk SET summary = NULL WHERE stream_id = ?", (stream.id,))


def _set_levels(
    connection: apsw.Connection,
    stream_id: int,
    chunk: directory.Chunk,
    fine: bytes | None,
    coarse: bytes | None,
    summary: bytes | None,
) -> None:
    connection.execute(
        "UPDATE body SET fine = ?, coarse = ? WHERE id = ?", (fine, coarse, chunk.body_id)
    )
    connection.execute(
        "UPDATE chunk SET summary = ? WHERE stream_id = ? AND start = ?",
        (summary, stream_id, chunk.start),
    )
