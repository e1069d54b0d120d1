"""Nodes that are served on loopback, for every test that speaks HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from joule_cli.server.app import make_app, make_runner
from joule_cli.server.auth import Keys
from joule_cli.server.settings import ServerSettings

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from joule_cli.api.node import Node
    from tests.certificates import Certificates

#: The key of the only master, unless a test gives others.
KEY = "k3y-of-the-only-master-in-this-test-01234567"


class FixedKeys(Keys):
    """Keys that never change: key to id of its master."""

    def __init__(self, keys: Mapping[str, int]) -> None:
        self._keys = dict(keys)

    async def find(self, key: str) -> int | None:
        return self._keys.get(key)


@dataclass(frozen=True)
class Served:
    """Where a served node is reached, and how."""

    url: str  # http://..., https://... or unix:PATH, without a slash at the end
    key: str  # one that opens it; empty for a UNIX socket
    ca_file: Path | None  # the authority that vouches for an https node
    app: web.Application


@asynccontextmanager
async def serve(
    node: Node,
    *,
    keys: Keys | Mapping[str, int] | None = None,
    settings: ServerSettings | None = None,
    certificates: Certificates | None = None,
    unix: Path | None = None,
) -> AsyncIterator[Served]:
    """Serve a node until the block ends; closing the node is left to the caller.

    Parameters
    ----------
    keys
        What opens it, or key to id of its master; `KEY` of the master 1 by default.
    certificates
        Speak TLS.
    unix
        Listen on this UNIX socket, and not on TCP.
    """
    if keys is None:
        keys = {KEY: 1}
    if isinstance(keys, Mapping):
        keys = FixedKeys(keys)
    if settings is None:
        settings = ServerSettings(name=node.name, stop_timeout_s=1)
    app = make_app(node, keys=keys, settings=settings)
    runner = make_runner(app)
    await runner.setup()
    try:
        if unix is not None:
            await web.UnixSite(runner, unix).start()
            yield Served(f"unix:{unix}", "", None, app)
        else:
            context = None if certificates is None else certificates.server_context()
            yield await _on_tcp(runner, context, certificates, app)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def listening(app: web.Application, **options: Any) -> AsyncIterator[str]:
    """Serve an application that plays a node or a peer, and give its address.

    Parameters
    ----------
    options
        Of the runner.
    """
    runner = web.AppRunner(app, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _on_tcp(
    runner: web.AppRunner,
    context: ssl.SSLContext | None,
    certificates: Certificates | None,
    app: web.Application,
) -> Served:
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    ((_, port, *_),) = runner.addresses
    if certificates is None:
        return Served(f"http://127.0.0.1:{port}", KEY, None, app)
    return Served(f"https://localhost:{port}", KEY, certificates.authority, app)
