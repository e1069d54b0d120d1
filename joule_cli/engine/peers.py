"""What a server needs to know about those who may call a node: keys, masters, followers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from joule_cli.engine.keys import check_key, check_master_name, key_hash, new_key

if TYPE_CHECKING:
    from joule_cli.engine.node import EmbeddedNode
    from joule_cli.model import Follower, Joining, Master

#: Seconds for which a key is believed without looking into the store, where other processes may
#: have deleted it. What this object deletes or replaces is forgotten at once.
_TRUST_S: Final = 1.0


class NodePeers:
    """The keys of a node, for one server; belongs to the event loop of its node."""

    def __init__(self, node: EmbeddedNode) -> None:
        self._node = node
        self._known: dict[bytes, tuple[int, float]] = {}

    async def find(self, key: str) -> int | None:
        """Return the id of the master that has this key, `None` if none has it."""
        digest = key_hash(key)
        now = asyncio.get_running_loop().time()
        known = self._known.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        found = await self._node.storage.peers.holder(key)
        self._known = {d: entry for d, entry in self._known.items() if now < entry[1]}
        if found is not None:
            self._known[digest] = (found, now + _TRUST_S)
        return found

    def forget(self) -> None:
        """Look into the store again for every key: a master was deleted."""
        self._known.clear()

    def new_key(self) -> str:
        """Return a key for a master to come."""
        return new_key()

    async def add_master(
        self,
        master_type: str,
        name: str,
        key: str | None = None,
        *,
        grantor_id: int | None = None,
        replace: bool = False,
    ) -> Master:
        """Store a master with its key and return it with the key.

        Parameters
        ----------
        master_type
            As it is listed: ``USER``, ``JOULE_NODE`` or ``LUMEN_NODE``.
        key
            By default a new one.
        replace
            Take the place of a master with this type and name, whose key is no longer valid.

        Raises
        ------
        NameTakenError
            There is such a master.
        ConflictError
            Another master has this key.
        """
        stored = await self._node.storage.peers.add_master(
            master_type,
            check_master_name(name),
            self.new_key() if key is None else check_key(key),
            grantor_id=grantor_id,
            replace=replace,
        )
        self.forget()
        return stored

    async def add_follower(self, name: str, key: str, location: str) -> Follower:
        """Store a follower in place of one at the same location.

        Raises
        ------
        ConflictError
            A follower at another location has this name or key.
        """
        return await self._node.store_follower(name, key, location)

    async def joining(self) -> Joining | None:
        """Return until when nodes may join, `None` if they may not."""
        return await self._node.joining()
