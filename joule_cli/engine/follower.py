"""Follower actions on a node file.

The keys of followers are stored as they are, since calling a follower needs its key; the file is
therefore readable by its owner only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli import model
from joule_cli.api.actions.follower import FollowerActions
from joule_cli.engine.base import EngineState
from joule_cli.engine.connection import close_to_others
from joule_cli.engine.validation import check_text
from joule_cli.errors import ConflictError, FollowerNotFound

if TYPE_CHECKING:
    import apsw

    from joule_cli.api.node import Node
    from joule_cli.model import Follower


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
