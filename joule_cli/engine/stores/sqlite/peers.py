"""Masters and followers in the node file.

Of a master's key only its hash is stored. The keys of followers are stored as they are, since
calling a follower needs its key; the file is therefore readable by its owner only.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Final

from joule_cli import model
from joule_cli.engine.keys import key_hash
from joule_cli.engine.stores.metadata import PeerStore
from joule_cli.engine.stores.sqlite.connection import close_to_others
from joule_cli.errors import ConflictError, NameTakenError
from joule_cli.model.master import MASTER_TYPES

if TYPE_CHECKING:
    import apsw

    from joule_cli.engine.stores.sqlite.database import Database
    from joule_cli.model import Follower, Joining, Master

#: Key of the time until which nodes may join.
_JOINING: Final = "joining"


class SqlitePeers(PeerStore):
    """The tables of masters and followers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def masters(self) -> list[Master]:
        query = "SELECT type, name, id, grantor_id FROM master ORDER BY id"
        return await self._database.read(
            lambda c: [
                model.Master(kind, name, None, id_, grantor)
                for kind, name, id_, grantor in c.execute(query)
            ]
        )

    async def add_master(
        self,
        kind: str,
        name: str,
        key: str,
        *,
        grantor_id: int | None = None,
        replace: bool = False,
    ) -> Master:
        if kind not in MASTER_TYPES:
            raise ValueError(kind)
        digest = key_hash(key)

        def add(connection: apsw.Connection) -> Master:
            found = "DELETE FROM master WHERE type = ? AND name = ? RETURNING id"
            if connection.execute(found, (kind, name)).fetchall() and not replace:
                raise NameTakenError("User already exists", object=name)
            taken = "SELECT 1 FROM master WHERE key_hash = ?"
            if connection.execute(taken, (digest,)).fetchone() is not None:
                raise ConflictError("API Key is already in use", object=name)
            connection.execute(
                "INSERT INTO master (type, name, key_hash, grantor_id) "
                "VALUES (?, ?, ?, (SELECT id FROM master WHERE id = ?))",
                (kind, name, digest, grantor_id),
            )
            return model.Master(kind, name, key, connection.last_insert_rowid(), grantor_id)

        return await self._database.write(add)

    async def delete_master(self, kind: str, name: str) -> bool:
        return await self._delete("master WHERE type = ? AND name = ?", kind, name)

    async def holder(self, key: str) -> int | None:
        # looked up by the hash, which a caller cannot choose
        digest = key_hash(key)

        def find(connection: apsw.Connection) -> int | None:
            row = connection.execute(
                "SELECT id, key_hash FROM master WHERE key_hash = ?", (digest,)
            ).fetchone()
            if row is None or not hmac.compare_digest(row[1], digest):
                return None
            return int(row[0])

        return await self._database.read(find)

    async def followers(self) -> list[Follower]:
        query = "SELECT name, location, key, id FROM follower ORDER BY id"
        return await self._database.read(
            lambda c: [model.Follower(*row) for row in c.execute(query)]
        )

    async def store_follower(self, name: str, key: str, location: str) -> Follower:
        def store(connection: apsw.Connection) -> Follower:
            close_to_others(self._database.path)
            connection.execute("DELETE FROM follower WHERE location = ?", (location,))
            taken = connection.execute(
                "SELECT location FROM follower WHERE name = ? OR key = ?", (name, key)
            ).fetchone()
            if taken is not None:
                raise ConflictError(f"follower [{name}] is already at {taken[0]}", object=name)
            connection.execute(
                "INSERT INTO follower (name, key, location) VALUES (?, ?, ?)",
                (name, key, location),
            )
            return model.Follower(name, location, key, connection.last_insert_rowid())

        return await self._database.write(store)

    async def delete_follower(self, name: str) -> bool:
        return await self._delete("follower WHERE name = ?", name)

    async def joining(self) -> Joining | None:
        stored = await self._database.read(
            lambda c: c.execute("SELECT value FROM node WHERE key = ?", (_JOINING,)).get
        )
        return None if stored is None else model.Joining.from_json(json.loads(stored))

    async def set_joining(self, joining: Joining) -> None:
        value = json.dumps(joining.to_json())
        await self._database.write(
            lambda c: c.execute("INSERT OR REPLACE INTO node VALUES (?, ?)", (_JOINING, value)).get
        )

    async def _delete(self, what: str, *arguments: str) -> bool:
        def delete(connection: apsw.Connection) -> bool:
            connection.execute(f"DELETE FROM {what}", arguments)  # noqa: S608
            return connection.changes() > 0

        return await self._database.write(delete)
