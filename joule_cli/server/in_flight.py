"""Requests that are being answered, and how they end when the server stops."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web

from joule_cli.errors import StorageError
from joule_cli.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler

#: Seconds in which a request that is cut off stores what it has, and says so.
_LAST_WORDS_S: Final = 5.0
#: Seconds in which subscribers notice that nothing follows.
_FAREWELL_S: Final = 0.5


class Requests:
    """The requests that one application is answering; belongs to its event loop."""

    def __init__(self) -> None:
        self.stopping = False
        #: Tasks with the transport of their request, and whether it ends by itself.
        self._open: dict[asyncio.Task[Any], tuple[asyncio.Transport | None, bool]] = {}
        self._cut_off: set[asyncio.Task[Any]] = set()
        self._readers: dict[asyncio.Task[Any], asyncio.Task[None]] = {}
        self._answered: WeakKeyDictionary[asyncio.Transport, float] = WeakKeyDictionary()
        self._ended = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    async def follow(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, unless the server stops."""
        if self.stopping:
            # nothing was done, so that the original client may well repeat it if it can
            raise Refusal(503, "503: the node is stopping", code=StorageError.code)
        task = asyncio.current_task()
        assert task is not None
        transport = request.transport
        self._open[task] = (transport, _ends(request))
        try:
            response = await handler(request)
        except asyncio.CancelledError:
            if task not in self._cut_off:
                raise
            task.uncancel()
            # not 503: the original client would send again what is stored in part
            text = "500: the node was stopped before the request was finished"
            raise Refusal(500, text, code=StorageError.code) from None
        finally:
            del self._open[task]
            self._cut_off.discard(task)
            self._readers.pop(task, None)
            self._ended.set()
        if transport is not None:
            self._answered[transport] = asyncio.get_running_loop().time()
        return response

    def read_by(self, reader: asyncio.Task[None]) -> None:
        """Note which task reads the body of the present request.

        To cut the request off, it alone is cancelled, so that what has arrived is dealt with.
        """
        task = asyncio.current_task()
        if task in self._open:
            self._readers[task] = reader

    def idle_since(self, transport: asyncio.Transport) -> float | None:
        """Return when a connection got its last answer; `None` if it never had one.

        What was refused does not count, a wrong key above all.
        """
        return self._answered.get(transport)

    def busy(self) -> set[asyncio.Transport | None]:
        """Return the connections with a request that is being answered."""
        return {transport for transport, _ in self._open.values()}

    async def finish(self, timeout_s: float) -> None:
        """Take no more requests; wait for those that are open, and cut off what takes longer.

        An upload that is cut off keeps the rows that it has stored and is told that it failed; a
        download breaks off so that the client notices. Subscriptions end with their producers,
        or are cut off after them.
        """
        self.stopping = True
        await self._until(lambda: not self._ending(), timeout_s)
        self._cut(self._ending())
        await self._until(lambda: not self._ending(), _LAST_WORDS_S)
        await self._until(lambda: not self._open, _FAREWELL_S)
        self._cut(list(self._open))
        await self._until(lambda: not self._open, _LAST_WORDS_S)

    def _ending(self) -> list[asyncio.Task[Any]]:
        return [task for task, (_, ends) in self._open.items() if ends]

    def _cut(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            self._cut_off.add(task)
            # the second time, nothing is left to be polite about
            self._readers.pop(task, task).cancel()

    async def _until(self, done: Callable[[], bool], timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not done():
                    self._ended.clear()
                    await self._ended.wait()


def _ends(request: web.Request) -> bool:
    """Whether a request comes to an end by itself, as subscriptions and WebSockets do not."""
    return request.query.get("subscribe") != "1" and hdrs.UPGRADE not in request.headers


REQUESTS: Final = web.AppKey("REQUESTS", Requests)


@web.middleware
async def follow(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep account of a request while it is being answered."""
    return await request.app[REQUESTS].follow(request, handler)
