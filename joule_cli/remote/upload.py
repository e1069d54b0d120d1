"""Rows on their way to a node."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from joule_cli.errors import NodeTimeoutError, ProtocolError
from joule_cli.wire import endpoints
from joule_cli.wire.frames import FrameEncoder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from joule_cli.model import DataStream
    from joule_cli.pipes.blocks import Item
    from joule_cli.remote.session import Session
    from joule_cli.wire.params import Params

#: Bytes that may wait to be sent.
_MOST_WAITING = 4 * 2**20


class Upload:
    """The sink of an output pipe: one request, whose body is written while rows arrive.

    The answer comes when the pipe is closed, or earlier with an error, which the next write
    raises.

    Parameters
    ----------
    end_interval
        Send a break at the end, so that the rows cannot run into what follows.
    """

    def __init__(
        self, session: Session, params: Params, stream: DataStream, *, end_interval: bool = True
    ) -> None:
        self.on_close: Callable[[], object] = lambda: None
        self._session = session
        self._end_interval = end_interval
        self._encoder = FrameEncoder(stream.layout)
        self._parts: list[bytes] = []
        self._waiting = 0
        self._ended = False
        self._told = False
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._request = asyncio.create_task(self._send(params, stream.name))
        self._request.add_done_callback(lambda _: self._room.set())

    async def write(self, items: Sequence[Item]) -> None:
        """Hand over rows to be sent; wait while too many are on their way."""
        self._put(items)
        while self._waiting > _MOST_WAITING and not self._request.done():
            self._room.clear()
            await self._in_time(self._room.wait())
        if self._request.done():
            self._told = True
            self._request.result()
            raise ProtocolError("Invalid node response: the upload was ended by the node")

    async def close(self) -> None:
        """End the body and wait for the answer."""
        try:
            if self._end_interval:
                self._put([None])
            self._ended = True
            self._arrived.set()
            if not self._told:
                await self._in_time(asyncio.shield(self._request))
        finally:
            if not self._request.done():
                self._request.cancel()
                with suppress(asyncio.CancelledError):
                    await self._request
            self.on_close()

    def _put(self, items: Sequence[Item]) -> None:
        # the arrays belong to the caller again, so that their bytes are copied
        parts = [bytes(part) for part in self._encoder.encode(items)]
        self._parts += parts
        self._waiting += sum(map(len, parts))
        self._arrived.set()

    async def _in_time(self, waiting: Awaitable[object]) -> None:
        limit = self._session.timeout_s
        try:
            async with asyncio.timeout(limit or None):
                await waiting
        except TimeoutError as exc:
            raise NodeTimeoutError(
                f"node [{self._session.address.url}] has taken nothing for {limit:g} s"
            ) from exc

    async def _send(self, params: Params, name: str) -> None:
        async with self._session.open(
            "POST",
            endpoints.DATA,
            params,
            self._body(),
            {"Content-Type": "application/octet-stream"},
            about=name,
            patience=0,
        ) as response:
            await response.read()

    async def _body(self) -> AsyncIterator[bytes]:
        while self._parts or not self._ended:
            parts, self._parts = self._parts, []
            for part in parts:
                yield part
                self._waiting -= len(part)
                self._room.set()
            if not self._parts and not self._ended:
                self._arrived.clear()
                await self._arrived.wait()
