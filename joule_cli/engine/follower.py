"""Follower actions on a node file.

The keys of followers are stored as they are, since calling a follower needs its key; the file is
therefore readable by its owner only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from joule_cli import model
from joule_cli.api.actions.follower import LONGEST_ACCEPT_US, FollowerActions, check_accept
from joule_cli.engine.base import EngineState
from joule_cli.engine.connection import close_to_others
from joule_cli.engine.validation import check_text
from joule_cli.errors import ConflictError, FollowerNotFound

if TYPE_CHECKING:
    import apsw

    from joule_cli.api.node import Node
    from joule_cli.model import Follower, Joining

#: Key of the time until which nodes may join.
_JOINING: Final = "joining"


class EmbeddedFollowers(EngineState, FollowerActions):
    """The followers of a node file."""

    async def follower_records(self) -> list[Follower]:
        def read(connection: apsw.Connection) -> list[Follower]:
            rows = connection.execute("SELECT name, location, key, id FROM follower ORDER BY id")
            return [model.Follower(*row) for row in rows]

        return await self.database.read(read)

    async def follower_delete(self, node: Node | str) -> None:
        name = node if isinstance(node, str) else node.name

        def delete(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM follower WHERE name = ?", (name,))
            if not connection.changes():
                raise FollowerNotFound("follower not found", object=name)

        await self.database.write(delete)

    async def store_follower(self, name: str, key: str, location: str) -> Follower:
        """Store a follower in place of one at the same location.

        Raises
        ------
        ConflictError
            A follower at another location has this name or key.
        """
        for value, attribute in ((name, "name"), (key, "key"), (location, "location")):
            check_text(value, attribute)

        def store(connection: apsw.Connection) -> Follower:
            close_to_others(self.database.path)
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

        return await self.database.write(store)

    async def follower_accept(self, duration_us: int, *, private: bool = False) -> Joining:
        check_accept(duration_us)
        joining = model.Joining(self._clock() + duration_us, private)
        value = json.dumps(joining.to_json())

        def store(connection: apsw.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO node VALUES (?, ?)", (_JOINING, value))

        await self.database.write(store)
        return joining

    async def joining(self) -> Joining | None:
        """Return until when nodes may join, `None` if that is over or was never said."""

        def read(connection: apsw.Connection) -> str | None:
            stored: str | None = connection.execute(
                "SELECT value FROM node WHERE key = ?", (_JOINING,)
            ).get
            return stored

        stored = await self.database.read(read)
        if stored is None:
            return None
        joining = model.Joining.from_json(json.loads(stored))
        # the clock may have been set back meanwhile
        return joining if 0 < joining.until - self._clock() <= LONGEST_ACCEPT_US else None
