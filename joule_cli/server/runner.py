"""A server from its first connection to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from joule_cli.server.app import make_runner
from joule_cli.server.connections import Connections
from joule_cli.server.in_flight import REQUESTS
from joule_cli.server.listeners import (
    SocketAddress,
    TcpAddress,
    open_tcp,
    open_unix,
    remove_unix,
)
from joule_cli.server.state import SETTINGS

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterable
    from pathlib import Path

    from aiohttp import web

#: Seconds in which the last answers get to clients that are still sending.
_LINGER_S: Final = 1.0


class Server:
    """Serves an application at some addresses; `stop` it whether or not `start` worked.

    Each listener has connections of its own: when TCP has as many as there may be, the UNIX
    socket still takes some.
    """

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._runner = make_runner(app)
        self._connections: list[Connections] = []
        self._listening: list[tuple[socket.socket, ssl.SSLContext | None]] = []
        self._unix: list[Path] = []

    async def start(self, addresses: Iterable[TcpAddress | SocketAddress]) -> list[str]:
        """Listen, and return the URL of each listener.

        Raises
        ------
        ConfigurationError
            An address is in use, or is none of this machine.
        """
        urls: list[str] = []
        # all of them before anything else is done: an address in use is a common mistake
        for address in addresses:
            if isinstance(address, SocketAddress):
                opened = open_unix(address)
                self._unix.append(address.path)
                self._listening.append((opened, None))
                urls.append(f"unix:{address.path}")
            else:
                for opened in open_tcp(address):
                    self._listening.append((opened, address.tls))
                    urls.append(_url(opened, secure=address.tls is not None))
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        self._connections += [
            Connections(
                opened,
                server,
                self._app[REQUESTS],
                tls=tls,
                limit=self._app[SETTINGS].connection_limit,
            )
            for opened, tls in self._listening
        ]
        return urls

    async def stop(self) -> None:
        """Take no more connections, let requests finish, then cut off what is left."""
        for group in self._connections:
            await group.stop_accepting()
        for opened, _ in self._listening:
            opened.close()
        for path in self._unix:
            remove_unix(path)
        await self._app[REQUESTS].finish(self._app[SETTINGS].stop_timeout_s)
        if self._runner.server is not None:
            self._runner.server.pre_shutdown()
            await self._runner.server.shutdown(_LINGER_S)
        for group in self._connections:
            await group.abort()
        await self._runner.cleanup()


def _url(opened: socket.socket, *, secure: bool) -> str:
    host, port = opened.getsockname()[:2]
    place = f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{place}:{port}"
