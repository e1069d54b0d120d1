"""Streams with known rows for the tests of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from joule_cli.errors import StreamNotFound
from joule_cli.model import DataStream, Element
from joule_cli.series.layout import Layout, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node

#: 2023-11-14T22:13:20Z
T0 = 1_700_000_000_000_000


def model(name: str, datatype: str = "float32", names: Sequence[str] = ("x", "y")) -> DataStream:
    return DataStream(name, "d", datatype, elements=[Element(n, units="V") for n in names])


def rows_at(times: Sequence[int], layout: str = "float32_2", seed: int = 0) -> Rows:
    """Rows at T0 + times, with values that depend on the time alone."""
    kind = Layout.parse(layout)
    rows = np.empty(len(times), kind.dtype)
    stamps = np.asarray(times, np.int64)
    rows["timestamp"] = T0 + stamps
    base = (stamps * 7919 + seed) % 1013
    for column in range(kind.width):
        rows["data"][:, column] = (base * (column + 3)) % 101
    return rows


async def fill(
    node: Node, path: str, pieces: Sequence[Sequence[int]], datatype: str = "float32", **kw: Any
) -> DataStream:
    """Create a stream if it is new and write one interval for each piece."""
    folder, _, name = path.rpartition("/")
    try:
        stream = await node.data_stream_get(path)
    except StreamNotFound:
        stream = await node.data_stream_create(model(name, datatype, **kw), folder or "/")
    for piece in pieces:
        if len(piece):
            async with await node.data_write(stream) as pipe:
                await pipe.write(rows_at(piece, stream.layout))
    return stream


async def read(node: Node, path: str, start: int | None = None, end: int | None = None) -> Rows:
    """All rows, breaks ignored."""
    async with await node.data_read(path, start, end) as pipe:
        blocks = [rows async for rows, _ in pipe.blocks()]
        return np.concatenate(blocks) if blocks else np.empty(0, pipe.dtype)


async def same(a: tuple[Node, str], b: tuple[Node, str]) -> bool:
    """Whether two streams have the same rows and intervals."""
    rows = [await read(*place) for place in (a, b)]
    intervals = [await place[0].data_intervals(place[1]) for place in (a, b)]
    return rows[0].tobytes() == rows[1].tobytes() and intervals[0] == intervals[1]
