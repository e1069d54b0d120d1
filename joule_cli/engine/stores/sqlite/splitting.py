"""Breaking intervals at long gaps between their rows.

The functions expect to run inside a transaction of the caller; `split` in a write transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from joule_cli.engine.stores.sqlite import chunks, directory
from joule_cli.engine.stores.sqlite.codec import clip
from joule_cli.engine.stores.sqlite.editing import rewrite
from joule_cli.series.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from joule_cli.engine.stores.base import StoredStream
    from joule_cli.series.layout import Rows


class Found(NamedTuple):
    """Gaps of some chunks, each from 1 µs past a row to the next one.

    Parameters
    ----------
    before
        The last row that was looked at, if no break follows it.
    following
        The chunk to go on with; `None` when that was the last.
    """

    gaps: list[Interval]
    before: int | None
    following: int | None


def find_gaps(
    connection: apsw.Connection,
    stream: StoredStream,
    max_gap: int,
    bounds: tuple[int | None, int | None],
    before: int | None,
    budget: int,
) -> Found:
    """Look for gaps of more than `max_gap` µs inside the intervals of a range.

    Parameters
    ----------
    bounds
        Start and end of the range, µs, half-open.
    before
        The last row before the range, if its interval goes on.
    budget
        Stop after this many rows, to keep the transaction short.
    """
    gaps: list[Interval] = []
    rows_seen = 0
    for chunk in directory.entries(connection, stream.id, *bounds):
        if rows_seen >= budget:
            return Found(gaps, before, chunk.start)
        first, last = chunk.start, chunk.last
        times = None
        if last - first > max_gap or not _covers(bounds, chunk):
            ts = chunks.load_rows(connection, chunk, stream)["timestamp"]
            times = ts[clip(ts, *bounds)]
            rows_seen += chunk.n_rows
            if not len(times):
                continue
            first, last = int(times[0]), int(times[-1])
        if before is not None and first - before - 1 > max_gap:
            gaps.append(Interval(before + 1, first))
        if times is not None:
            at = np.flatnonzero(np.diff(times) - 1 > max_gap)
            pairs = zip((times[at] + 1).tolist(), times[at + 1].tolist(), strict=True)
            gaps += [Interval(*pair) for pair in pairs]
        before = None if chunk.closed and last == chunk.last else last
    return Found(gaps, before, None)


def split(
    connection: apsw.Connection,
    stream: StoredStream,
    max_gap: int,
    gaps: Sequence[Interval],
    budget: int,
) -> tuple[list[Interval], int]:
    """Set a break in each gap that is still there.

    Parameters
    ----------
    gaps
        At least one, as `find_gaps` found them: ascending.
    budget
        Stop after this many rows were rewritten, to keep the transaction short.

    Returns
    -------
    made, done
        The gaps that have a break now, and how many of `gaps` were looked at.
    """
    starts = [gap.start for gap in gaps]
    made: list[Interval] = []
    rewritten = done = 0
    found = list(directory.entries(connection, stream.id, starts[0] - 1, gaps[-1].end + 1))
    for chunk, following in pairwise([*found, None]):
        assert chunk is not None
        first, last = (bisect_right(starts, time) for time in (chunk.start, chunk.last))
        parts = _parts(connection, stream, chunk, max_gap, starts[first:last])
        ends = [int(part["timestamp"][-1]) + 1 for part in parts]
        made += map(Interval, ends, [int(part["timestamp"][0]) for part in parts[1:]])
        done = last
        closes = False
        if done < len(starts) and starts[done] == chunk.last + 1:
            done += 1
            closes = (
                following is not None
                and not chunk.closed
                and following.start - chunk.last - 1 > max_gap
            )
            if closes and following is not None:
                made.append(Interval(chunk.last + 1, following.start))
        if len(parts) > 1:
            rewrite(connection, stream, chunk._replace(closed=chunk.closed or closes), parts)
            rewritten += chunk.n_rows
        elif closes:
            chunks.set_closed(connection, stream.id, chunk.start, closed=True)
        if rewritten >= budget and done:
            return made, done
    return made, len(gaps)


def _covers(bounds: tuple[int | None, int | None], chunk: directory.Chunk) -> bool:
    start, end = bounds
    return (start is None or start <= chunk.start) and (end is None or chunk.last < end)


def _parts(
    connection: apsw.Connection,
    stream: StoredStream,
    chunk: directory.Chunk,
    max_gap: int,
    starts: Sequence[int],
) -> list[Rows]:
    """Cut the rows of a chunk where gaps begin that are long enough."""
    if not starts:
        return []
    rows = chunks.load_rows(connection, chunk, stream)
    ts = rows["timestamp"]
    cuts = np.searchsorted(ts, starts)
    # rows may have been written into a gap since it was found
    cuts = cuts[ts[cuts] - ts[cuts - 1] - 1 > max_gap]
    return np.split(rows, np.unique(cuts))
