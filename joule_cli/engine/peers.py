"""What a server needs to know about those who may call a node: keys, masters, followers."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Final

from joule_cli.engine.master import (
    check_key,
    check_master_name,
    find_master,
    insert_master,
    key_hash,
    new_key,
)
from joule_cli.errors import NameTakenError

if TYPE_CHECKING:
    import apsw

    from joule_cli.engine.node import EmbeddedNode
    from joule_cli.model import Follower, Joining, Master

#: Seconds for which a key is believed without looking into the file, where other processes may
#: have deleted it. What this object deletes or replaces is forgotten at once.
_TRUST_S: Final = 1.0


class FilePeers:
    """The keys of a node file, for one server; belongs to the event loop of its node."""

    def __init__(self, node: EmbeddedNode) -> None:
        self._node = node
        self._known: dict[bytes, tuple[int, float]] = {}

    async def find(self, key: str) -> int | None:
        """Return the id of the master that has this key, `None` if nobody has it.

        How long it takes tells nothing about keys that exist: they are looked up by their hash,
        and the hashes are compared in constant time.
        """
        digest = key_hash(key)
        now = asyncio.get_running_loop().time()
        known = self._known.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        found = await self._node.database.read(lambda connection: _holder(connection, digest))
        self._known = {d: entry for d, entry in self._known.items() if now < entry[1]}
        if found is not None:
            self._known[digest] = (found, now + _TRUST_S)
        return found

    def forget(self) -> None:
        """Look at the file again for every key: a master was deleted."""
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
        key = self.new_key() if key is None else check_key(key)
        name = check_master_name(name)

        def add(connection: apsw.Connection) -> Master:
            old = find_master(connection, master_type, name)
            if old is not None and not replace:
                raise NameTakenError("User already exists", object=name)
            connection.execute("DELETE FROM master WHERE id = ?", (old,))
            return insert_master(connection, master_type, name, key, grantor_id)

        stored = await self._node.database.write(add)
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


def _holder(connection: apsw.Connection, digest: bytes) -> int | None:
    row = connection.execute(
        "SELECT id, key_hash FROM master WHERE key_hash = ?", (digest,)
    ).fetchone()
    if row is None or not hmac.compare_digest(row[1], digest):
        return None
    return int(row[0])
