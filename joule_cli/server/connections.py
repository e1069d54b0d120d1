"""Accepting connections, so many at the same time."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from joule_cli.server.in_flight import Requests

log = logging.getLogger(__name__)

#: Seconds that a client has for agreeing on keys.
_HANDSHAKE_S: Final = 10.0
#: Seconds until the next try when the system has no room for another connection.
_PAUSE_S: Final = 0.5


class Connections:
    """The connections of one listener.

    When there are as many as there may be, the next one takes the place of one that waits for a
    request: first of those that never sent one that was answered, then of those that are kept
    alive, each time the one that has waited longest. Clients that open connections and say
    nothing thus keep no other out. If all are in use, the next one waits.

    Parameters
    ----------
    make
        Makes what speaks HTTP on a new connection.
    limit
        Connections at the same time.
    """

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.Protocol],
        requests: Requests,
        *,
        tls: ssl.SSLContext | None,
        limit: int,
    ) -> None:
        self.listener = listener
        self._make = make
        self._requests = requests
        self._tls = tls
        self._limit = limit
        self._all: dict[_Connection, asyncio.Task[None] | None] = {}
        self._left = asyncio.Event()
        self._accepting = asyncio.create_task(self._accept())

    def __len__(self) -> int:
        return len(self._all)

    async def stop_accepting(self) -> None:
        """Take no more connections; those that are open go on, and the socket is left open."""
        self._accepting.cancel()
        await asyncio.wait({self._accepting})

    async def abort(self) -> None:
        """End every connection at once."""
        opening = [task for task in self._all.values() if task is not None]
        for connection in list(self._all):
            self._drop(connection)
        if opening:
            await asyncio.wait(opening)

    def forget(self, connection: _Connection) -> None:
        """Note that a connection has ended."""
        self._all.pop(connection, None)
        self._left.set()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self.listener)
            except ConnectionError:
                continue  # it was gone before it was accepted
            except OSError as exc:
                log.warning("cannot accept a connection: %s", exc.strerror)
                await self._wait_for_room(_PAUSE_S)
                continue
            try:
                while len(self._all) >= self._limit and not self._make_room():
                    await self._wait_for_room(None)
            except asyncio.CancelledError:
                accepted.close()
                raise
            connection = _Connection(self, self._make(), loop.time())
            task = loop.create_task(self._connect(connection, accepted))
            self._all[connection] = task

    async def _connect(self, connection: _Connection, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        limit: dict[str, Any] = {} if self._tls is None else {"ssl_handshake_timeout": _HANDSHAKE_S}
        try:
            await loop.connect_accepted_socket(lambda: connection, accepted, ssl=self._tls, **limit)
        except (OSError, TimeoutError) as exc:
            # the client spoke no TLS, or went away: there is no one to answer
            log.debug("a connection failed: %s", exc)
            accepted.close()
            self.forget(connection)
        except asyncio.CancelledError:
            accepted.close()
            self.forget(connection)
            raise
        else:
            if connection in self._all:
                self._all[connection] = None

    def _make_room(self) -> bool:
        busy = self._requests.busy()
        idle = [each for each in self._all if each.transport is None or each.transport not in busy]
        if not idle:
            return False
        self._drop(min(idle, key=self._worth))
        return True

    def _worth(self, connection: _Connection) -> tuple[bool, float]:
        transport = connection.transport
        answered = None if transport is None else self._requests.idle_since(transport)
        return answered is not None, connection.accepted if answered is None else answered

    def _drop(self, connection: _Connection) -> None:
        task = self._all.get(connection)
        if connection.transport is not None:
            connection.transport.abort()
        elif task is not None:
            task.cancel()
        self.forget(connection)

    async def _wait_for_room(self, timeout_s: float | None) -> None:
        self._left.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._left.wait()
        except TimeoutError:
            return


class _Connection(asyncio.Protocol):
    """Passes on what happens on a connection, and notes its end."""

    def __init__(self, group: Connections, handler: asyncio.Protocol, accepted: float) -> None:
        self._group = group
        self._handler = handler
        self.accepted = accepted
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            self._handler.connection_lost(exc)
        finally:
            self._group.forget(self)
