"""Follower actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.follower import FollowerActions
from joule_cli.errors import FollowerNotFound, NotFoundError
from joule_cli.model import Follower
from joule_cli.remote.answers import read_list, require_ok
from joule_cli.remote.base import RemoteState
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from joule_cli.api.node import Node


class RemoteFollowers(RemoteState, FollowerActions):
    """The followers of a remote node."""

    async def follower_records(self) -> list[Follower]:
        answer = await self.session.get(endpoints.FOLLOWERS)
        return read_list(answer, Follower.from_json, "name", "location", "key")

    async def follower_delete(self, node: Node | str) -> None:
        name = node if isinstance(node, str) else node.name
        try:
            require_ok(await self.session.delete(endpoints.FOLLOWER, {"name": name}, about=name))
        except NotFoundError as exc:
            raise FollowerNotFound("follower not found", object=name) from exc
