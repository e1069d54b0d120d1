"""Follower actions of the embedded node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli import model
from joule_cli.api.actions.follower import LONGEST_ACCEPT_US, FollowerActions, check_accept
from joule_cli.engine.base import EngineState
from joule_cli.engine.validation import check_text
from joule_cli.errors import FollowerNotFound

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import Follower, Joining


class EmbeddedFollowers(EngineState, FollowerActions):
    """The followers that a store knows."""

    async def follower_records(self) -> list[Follower]:
        return await self.storage.peers.followers()

    async def follower_delete(self, node: Node | str) -> None:
        name = node if isinstance(node, str) else node.name
        if not await self.storage.peers.delete_follower(name):
            raise FollowerNotFound("follower not found", object=name)

    async def store_follower(self, name: str, key: str, location: str) -> Follower:
        """Store a follower in place of one at the same location.

        Raises
        ------
        ConflictError
            A follower at another location has this name or key.
        """
        for value, attribute in ((name, "name"), (key, "key"), (location, "location")):
            check_text(value, attribute)
        return await self.storage.peers.store_follower(name, key, location)

    async def follower_accept(self, duration_us: int, *, private: bool = False) -> Joining:
        check_accept(duration_us)
        joining = model.Joining(self.storage.clock() + duration_us, private)
        await self.storage.peers.set_joining(joining)
        return joining

    async def joining(self) -> Joining | None:
        """Return until when nodes may join, `None` if that is over or was never said."""
        joining = await self.storage.peers.joining()
        # the clock may have been set back meanwhile
        if joining is None or not 0 < joining.until - self.storage.clock() <= LONGEST_ACCEPT_US:
            return None
        return joining
