"""Rows that lie between stored ones."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from joule_cli.formats.table.order import Spool
from joule_cli.model.node_info import MISSING_VALUES
from joule_cli.ops.rows import RowWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from joule_cli.api.node import Node
    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.model import DataStream
    from joule_cli.ops.ingest_source import Source
    from joule_cli.ops.progress import Meter
    from joule_cli.pipes import Pipe
    from joule_cli.series.intervals import Interval
    from joule_cli.series.layout import Rows


async def open_pipe(node: Node, stream: DataStream, read: ReadOptions, merge_gap: int = 0) -> Pipe:
    """Open a pipe for rows of a file, which may have missing values where the node takes them."""
    is_float = stream.datatype.startswith("float")
    missing = read.missing == "store" and is_float and await holds_missing(node)
    return await node.data_write(stream, merge_gap=merge_gap, missing=missing)


async def holds_missing(node: Node) -> bool:
    """Tell whether streams of float types of a node can hold missing values."""
    return MISSING_VALUES in (await node.info()).capabilities


class Backfill:
    """Rows that fall into existing intervals, written after all others.

    Those whose time is stored are left out; the intervals stay as they are.
    """

    def __init__(self, dtype: np.dtype[Any], present: Sequence[Interval]) -> None:
        self._spool = Spool(dtype)
        self._present = present
        self._edges: npt.NDArray[np.int64] = np.array(present, np.int64).reshape(-1)

    def add(self, rows: Rows) -> None:
        """Keep rows for later."""
        self._spool.add(rows)

    async def write(self, source: Source, meter: Meter) -> int:
        """Write the rows whose time is not stored, and return how many were left out."""
        node, stream = source.place.node, source.stream
        assert stream is not None
        left_out = 0
        touched: dict[int, Interval] = {}
        try:
            for rows, _ in self._spool.blocks(sort=False):
                new = rows[~np.isin(rows["timestamp"], await _stored(node, stream, rows))]
                left_out += len(rows) - len(new)
                slots = np.searchsorted(self._edges, new["timestamp"], "right")
                cuts = (np.flatnonzero(np.diff(slots)) + 1).tolist()
                for begin, end in itertools.pairwise([0, *cuts, len(new)]):
                    if begin == end:
                        continue
                    interval = self._present[(int(slots[begin]) - 1) // 2]
                    touched[interval.start] = interval
                    pipe = await open_pipe(node, stream, source.options.read)
                    async with RowWriter(pipe, meter) as writer:
                        await writer.write(new[begin:end])
        finally:
            self._spool.close()
        for interval in touched.values():
            # each piece that was written has set breaks around it
            span = interval.end - interval.start
            await node.data_consolidate(stream, span, interval.start, interval.end)
        return left_out


async def _stored(node: Node, stream: DataStream, rows: Rows) -> npt.NDArray[np.int64]:
    """Return the times that are stored in the range of some rows."""
    first, last = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
    pipe = await node.data_read(stream, first, last + 1)
    found = []
    async with pipe:
        async for stored, _ in pipe.blocks():
            found.append(stored["timestamp"])
    return np.concatenate(found) if found else np.empty(0, np.int64)
