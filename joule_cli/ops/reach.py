"""How far to read beyond a range to meet a number of rows there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import DataStream

#: Where the search begins: one second.
_FIRST_STEP = 1_000_000


async def reach_back(node: Node, stream: DataStream, time: int, rows: int, limit: int) -> int:
    """Return a time not before `limit` from which at least `rows` rows lie before `time`.

    It is `limit` when there are fewer.
    """
    step = _FIRST_STEP
    while rows > 0 and time - step > limit:
        if await node.data_count(stream, time - step, time) >= rows:
            return time - step
        step *= 4
    return time if rows <= 0 else min(limit, time)


async def reach_forward(node: Node, stream: DataStream, time: int, rows: int, limit: int) -> int:
    """Return a time not after `limit` before which at least `rows` rows lie from `time` on.

    It is `limit` when there are fewer.
    """
    step = _FIRST_STEP
    while rows > 0 and time + step < limit:
        if await node.data_count(stream, time, time + step) >= rows:
            return time + step
        step *= 4
    return time if rows <= 0 else max(limit, time)
