"""Follower actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from joule_cli.errors import ApiError

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import Follower, Joining

#: Longest time for which nodes may join, µs: one day. A door that stays open is forgotten.
LONGEST_ACCEPT_US: Final = 86_400_000_000


class FollowerActions(ABC):
    """What a node can control. Source: Joule API reference, "Follower Actions"."""

    @abstractmethod
    async def follower_records(self) -> list[Follower]:
        """List what the node knows of each follower: name, location and key.

        Notes
        -----
        Wire: ``GET /followers.json``.
        """

    async def follower_list(self) -> list[Node]:
        """Return the followers as nodes that are ready for use; close each after use."""
        from joule_cli.api.connect import create_tcp_node

        return [
            create_tcp_node(found.location, found.key, found.name)
            for found in await self.follower_records()
            # a node that says otherwise must not make this one open files
            if found.location.startswith(("http://", "https://"))
        ]

    @abstractmethod
    async def follower_delete(self, node: Node | str) -> None:
        """Forget one follower, given as a node or by name; its key stays valid over there.

        Raises
        ------
        FollowerNotFound
            There is no such follower.

        Notes
        -----
        A Joule 1.0.1 node then forgets *all* followers. Wire: ``DELETE /follower.json``.
        """

    async def follower_remove(self, follower: Node | str) -> None:
        """Do what `follower_delete` does, under the name in the API reference."""
        await self.follower_delete(follower)

    @abstractmethod
    async def follower_accept(self, duration_us: int, *, private: bool = False) -> Joining:
        """Let other nodes make themselves followers, for a while from now on.

        Parameters
        ----------
        duration_us
            µs, at most one day; 0 to take no more of them at once.
        private
            Take them from addresses that are not public, too.

        Raises
        ------
        ApiError
            The time is too long, or the node is a Joule 1.0.1 node, which always takes them.

        Notes
        -----
        An extension. Wire: ``POST /follower/accept.json``.
        """


def check_accept(duration_us: int) -> None:
    """Refuse a time for which no node may be open to others.

    Raises
    ------
    ApiError
        It is negative, or longer than a day.
    """
    if type(duration_us) is not int or not 0 <= duration_us <= LONGEST_ACCEPT_US:
        raise ApiError("nodes may join for a day at most")
