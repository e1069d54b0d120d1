"""The body of an answer, which must arrive with some speed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from joule_cli.errors import NodeTimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from joule_cli.remote.plain import Answer

#: Bytes in a second, on average over the time limit; less counts as nothing. The slowest lines
#: that people use carry several times as much.
SLOWEST: Final = 256


class Arrival:
    """Reads the body of one answer.

    Only the time spent waiting for the node counts: the consumer of the bytes may be slow.

    Parameters
    ----------
    limit_s
        Seconds in which next to nothing may come; `None` for ever.
    url
        Of the node, for errors.
    """

    def __init__(self, response: Answer, limit_s: float | None, url: str) -> None:
        self._content = response.content
        self._limit_s = limit_s
        self._url = url
        self._left_s = limit_s or 0.0
        self._n_bytes = 0

    async def part(self) -> bytes:
        """Return what has arrived; empty at the end.

        Raises
        ------
        NodeTimeoutError
            It is next to nothing.
        """
        if self._limit_s is None:
            return await self._content.readany()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            async with asyncio.timeout(self._left_s):
                part = await self._content.readany()
        except TimeoutError as exc:
            little = f"no more than {self._n_bytes:,} bytes in" if self._n_bytes else "nothing for"
            raise NodeTimeoutError(
                f"node [{self._url}] has sent {little} {self._limit_s:g} s"
            ) from exc
        self._left_s -= loop.time() - begin
        self._n_bytes += len(part)
        if self._n_bytes >= self._limit_s * SLOWEST:
            self._left_s, self._n_bytes = self._limit_s, 0
        return part


async def sent_on(
    data: AsyncIterable[bytes | memoryview], limit: asyncio.Timeout, limit_s: float
) -> AsyncIterator[bytes | memoryview]:
    """Give the blocks of a body, each of which the node must take within a time limit."""
    loop = asyncio.get_running_loop()
    async for block in data:
        limit.reschedule(loop.time() + limit_s)
        yield block
    limit.reschedule(loop.time() + limit_s)
