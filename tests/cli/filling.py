"""Rows for the tests of commands, written without the program."""

from __future__ import annotations

import asyncio

from joule_cli.api.connect import get_node
from tests.ops import helpers

T0 = helpers.T0
#: µs
SECOND = 1_000_000


def with_node(joule, body, file="joule.db"):
    """Run the coroutine `body(node)` on a node file of the program."""

    async def session():
        async with get_node("test", url=f"file:{joule.folder / file}") as node:
            return await body(node)

    return asyncio.run(session())


def fill(joule, path, *pieces, file="joule.db", **kw):
    """Write an interval per ``(first, last)`` second, one row a second."""
    seconds = [[s * SECOND for s in range(a, b)] for a, b in pieces]
    with_node(joule, lambda node: helpers.fill(node, path, seconds, **kw), file)


def intervals(joule, path, file="joule.db"):
    """Intervals in seconds from T0, without the last microsecond."""
    found = with_node(joule, lambda node: node.data_intervals(path), file)
    return [((a - T0) / SECOND, (b - 1 - T0) / SECOND) for a, b in found]


def rows(joule, path, file="joule.db"):
    """All rows, as a list."""
    found = with_node(joule, lambda node: helpers.read(node, path), file)
    return list(zip(found["timestamp"].tolist(), found["data"].tolist(), strict=True))


def at(seconds):
    """A time for an option."""
    return str(T0 + seconds * SECOND)
