"""A node kept in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.engine.database import Database
from joule_cli.engine.producers import Producers
from joule_cli.engine.stores.sqlite.annotations import SqliteAnnotations
from joule_cli.engine.stores.sqlite.metadata import SqliteMetadata
from joule_cli.engine.stores.sqlite.peers import SqlitePeers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import apsw


class SqliteStorage:
    """All that a node keeps, in the SQLite file `path`.

    The file is made by the first change unless `create` is false; until then the node is empty.

    Parameters
    ----------
    new_folder
        Whether it may be read before the folder of the file exists. Where a person has typed the
        path, a mistake in it would look like a node that has lost everything.
    clock
        Gives the present time in µs, for `updated_at` and for `keep`.
    """

    def __init__(
        self, path: Path, *, create: bool, new_folder: bool, clock: Callable[[], int]
    ) -> None:
        self.path = path
        self.database = Database(path, create=create, new_folder=new_folder)
        self.producers = Producers(path)
        self.metadata = SqliteMetadata(self.database, self.producers, clock)
        self.annotations = SqliteAnnotations(self.database)
        self.peers = SqlitePeers(self.database)

    async def uuid(self) -> str:
        """Return the identity of the node, empty before its file exists."""
        return await self.database.read(_uuid)


def _uuid(connection: apsw.Connection) -> str:
    # an empty stand-in is read before the file exists, and has another uuid each time
    if not connection.filename:
        return ""
    return str(connection.execute("SELECT value FROM node WHERE key = 'uuid'").get)
