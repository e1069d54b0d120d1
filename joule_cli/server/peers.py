"""What a server that joins other nodes needs beyond the node: its masters with their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from aiohttp import web

from joule_cli.errors import ApiError
from joule_cli.server.auth import KEY_HEADER
from joule_cli.server.state import MASTER_ID

if TYPE_CHECKING:
    from joule_cli.model import Follower, Joining, Master


@runtime_checkable
class Peers(Protocol):
    """Keys, masters and followers of the served node."""

    async def find(self, key: str) -> int | None:
        """Return the id of the master that has a key."""

    def forget(self) -> None:
        """Look at every key anew: a master was deleted."""

    def new_key(self) -> str:
        """Return a key for a master to come."""

    async def add_master(
        self,
        master_type: str,
        name: str,
        key: str | None = None,
        *,
        grantor_id: int | None = None,
        replace: bool = False,
    ) -> Master:
        """Store a master, by default with a new key, and return it with the key."""

    async def add_follower(self, name: str, key: str, location: str) -> Follower:
        """Store a follower in place of one at the same location."""

    async def joining(self) -> Joining | None:
        """Return until when nodes may join, `None` if they may not."""


PEERS: Final[web.AppKey[Peers]] = web.AppKey("PEERS")


def peers_of(app: web.Application) -> Peers:
    """Return the masters of the served node.

    Raises
    ------
    ApiError
        The served node keeps none of its own.
    """
    found = app.get(PEERS)
    if found is None:
        raise ApiError("this node does not let others join it, or join others")
    return found


async def caller(request: web.Request) -> int | None:
    """Return the id of the master that sends a request, also through the UNIX socket."""
    known: int | None = request.get(MASTER_ID)
    if known is not None:
        return known
    key = request.headers.get(KEY_HEADER, "")
    return await peers_of(request.app).find(key) if key and key.isascii() else None
