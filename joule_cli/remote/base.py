"""What the action groups of a remote node share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.errors import ProtocolError
from joule_cli.wire import endpoints
from joule_cli.wire.codec import require_keys

if TYPE_CHECKING:
    from joule_cli.remote.session import Session


class RemoteState:
    """The connections, which `RemoteNode` provides."""

    session: Session
    _told_capabilities: frozenset[str] = frozenset()

    async def _version(self) -> dict[str, Any]:
        """Ask which node this is."""
        return require_keys(await self.session.get(endpoints.VERSION_JSON))

    async def capabilities(self) -> frozenset[str]:
        # one that tells none is asked again: it may have got a new version
        if not self._told_capabilities:
            self._told_capabilities = read_capabilities(await self._version())
        return self._told_capabilities


def read_capabilities(version: dict[str, Any]) -> frozenset[str]:
    """Return what a node says that it can do; a Joule 1.0.1 node says nothing."""
    told = version.get("capabilities", [])
    if not isinstance(told, list) or not all(isinstance(name, str) for name in told):
        raise ProtocolError("Invalid node response: the capabilities are not a list of names")
    return frozenset(told)
