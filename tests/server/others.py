"""The other nodes of recorded joins: they check what our node sends, and answer as they did."""

from __future__ import annotations

import json
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.server.replay import body_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

#: Headers of requests to other nodes that must be the recorded ones.
_HEADERS = ("X-API-KEY", "Content-Type", "Accept")
_GENERATED = re.compile(r"[A-Za-z0-9_-]{43}")


class OtherNodes:
    """Servers in place of the recorded ports.

    Parameters
    ----------
    lines
        The recorded requests of a node to others, in their order.
    """

    def __init__(self, lines: Iterable[dict[str, Any]]) -> None:
        self.expected = list(lines)
        self.differences: list[str] = []
        self._ports: dict[int, int] = {}

    @asynccontextmanager
    async def serve(self, ports: Iterable[int], nobody: int) -> AsyncIterator[None]:
        """Listen in place of some ports, and on none in place of `nobody`."""
        runners = []
        try:
            for port in ports:
                app = web.Application()
                app.router.add_route("*", "/{rest:.*}", self._answer)
                runner = web.AppRunner(app)
                await runner.setup()
                runners.append(runner)
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self._ports[port] = runner.addresses[0][1]
            with socket.socket() as unused:
                # bound, but nobody listens
                unused.bind(("127.0.0.1", 0))
                self._ports[nobody] = unused.getsockname()[1]
                yield
        finally:
            for runner in runners:
                await runner.cleanup()

    def moved(self, line: dict[str, Any]) -> dict[str, Any]:
        """Return a line with the ports as they are here."""
        text = json.dumps(line)
        for recorded, port in self._ports.items():
            text = re.sub(rf"(?<=[:\" ]){recorded}(?=[^\d])", str(port), text)
        moved: dict[str, Any] = json.loads(text)
        return moved

    async def _answer(self, request: web.Request) -> web.Response:
        sent = {
            "method": request.method,
            "path": request.path_qs,
            "to": f"http://{request.host}",
            "headers": {n: request.headers[n] for n in _HEADERS if n in request.headers},
            "body": await request.text(),
        }
        if not self.expected:
            self.differences.append(f"not recorded: {sent}")
            return web.Response(status=404)
        line = self.moved(self.expected.pop(0))
        recorded = line["request"]
        wanted = {
            "method": recorded["method"],
            "path": recorded["path"],
            "to": line["to"],
            "headers": {n: recorded["headers"][n] for n in _HEADERS if n in recorded["headers"]},
            "body": (body_bytes(recorded["body"]) or b"").decode(),
        }
        if json.loads(_GENERATED.sub("GENERATEDKEY", json.dumps(sent))) != wanted:
            self.differences.append(f"{line['name']}: {wanted} was recorded, {sent} was sent")
        answer = line["response"]
        media_type = answer["headers"]["content-type"].partition(";")[0]
        return web.Response(
            status=answer["status"],
            body=body_bytes(answer["body"]),
            content_type=media_type,
            charset="utf-8",
        )
