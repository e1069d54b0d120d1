"""Follower actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.follower import FollowerActions, check_accept
from joule_cli.errors import ApiError, FollowerNotFound, NotFoundError
from joule_cli.model import Follower, Joining
from joule_cli.remote.answers import read_list, read_object, require_ok
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

    async def follower_accept(self, duration_us: int, *, private: bool = False) -> Joining:
        check_accept(duration_us)
        body = {"duration_us": duration_us, "private": private}
        try:
            answer = await self.session.post(endpoints.FOLLOWER_ACCEPT, body)
        except NotFoundError as exc:
            raise ApiError(
                "this version of the node lets others join at any time",
                object=self.session.address.url,
            ) from exc
        return read_object(answer, Joining.from_json, "until", "private")
