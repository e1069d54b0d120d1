"""One line of blocks per element: the course of its values over the whole stream."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import DataStreamInfo

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-:=+*#"
_CELLS = 48
#: Enough decimated rows to fill the cells evenly.
_MAX_ROWS = 16 * _CELLS


async def sparklines(
    node: Node, path: str, info: DataStreamInfo, n_elements: int, *, ascii_only: bool
) -> list[str]:
    """Return a line per element; a blank cell is time without rows, values or a mean."""
    if info.start is None or info.end is None:
        return [""] * n_elements
    rows = await node.data_read_array(path, max_rows=_MAX_ROWS, flatten=True)
    span = max(info.end - info.start, 1)
    cells = [min((int(t) - info.start) * _CELLS // span, _CELLS - 1) for t in rows[:, 0].tolist()]
    levels = _ASCII if ascii_only else _BLOCKS
    # decimated rows have the means first, then minima and maxima
    return [_line(cells, rows[:, 1 + i].tolist(), levels) for i in range(n_elements)]


def _line(cells: list[int], values: list[float], levels: str) -> str:
    sums = [0.0] * _CELLS
    counts = [0] * _CELLS
    for cell, value in zip(cells, values, strict=True):
        if not math.isnan(value):
            sums[cell] += value
            counts[cell] += 1
    means = [s / c if c else math.nan for s, c in zip(sums, counts, strict=True)]
    known = [m for m in means if math.isfinite(m)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    # divided first, because the distance of two means can exceed what a float holds
    n = len(levels)
    span = high / n - low / n or 1.0

    def block(mean: float) -> str:
        if math.isnan(mean):
            return " "
        # infinities are beyond all others
        share = (mean / n - low / n) / span
        return levels[int(min(max(share * n, 0), n - 1))]

    return "".join(map(block, means))
