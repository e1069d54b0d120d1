"""Master actions on a node file.

Of a key only the SHA-256 is stored, which is enough to recognise it. A slow hash would gain
nothing: keys are 32 random bytes, so that nobody can go through the possible ones, and every
request would wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from joule_cli import model
from joule_cli.api.actions.master import MasterActions
from joule_cli.engine.base import EngineState
from joule_cli.engine.validation import check_text
from joule_cli.errors import ApiError, ConflictError, MasterNotFound, NameTakenError
from joule_cli.model.master import MASTER_TYPES, read_master_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    import apsw

    from joule_cli.model import Master

#: Characters that a key chosen by its user must have.
SHORTEST_KEY: Final = 32
_KEY_BYTES: Final = 32
_USER: Final = "USER"


class EmbeddedMasters(EngineState, MasterActions):
    """The masters of a node file."""

    name: str

    async def master_list(self) -> list[Master]:
        return await self.database.read(_masters)

    async def master_add(
        self,
        master_type: str,
        identifier: str,
        lumen_parameters: Mapping[str, Any] | None = None,
        api_key: str | None = None,
    ) -> Master:
        if read_master_type(master_type) != _USER:
            raise ApiError(
                "only a served node can join another node",
                object=identifier,
                hint="serve the file with 'joule node serve', then add the master there",
            )
        key = new_key() if api_key is None else check_key(api_key)
        name = check_master_name(identifier)

        def add(connection: apsw.Connection) -> Master:
            if find_master(connection, _USER, name) is not None:
                raise NameTakenError("User already exists", object=name)
            return insert_master(connection, _USER, name, key, None)

        return await self.database.write(add)

    async def master_delete(self, master_type: str, name: str) -> None:
        kind = read_master_type(master_type)

        def delete(connection: apsw.Connection) -> None:
            found = find_master(connection, kind, name)
            if found is None:
                raise MasterNotFound(
                    f"{kind.lower()} [{name}] is not a master of node [{self.name}]", object=name
                )
            connection.execute("DELETE FROM master WHERE id = ?", (found,))

        await self.database.write(delete)


def new_key() -> str:
    """Return a key that nobody can guess: 32 random bytes in 43 characters."""
    import secrets

    return secrets.token_urlsafe(_KEY_BYTES)


def key_hash(key: str) -> bytes:
    """Return what is stored of a key."""
    import hashlib

    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def check_key(key: Any) -> str:
    """Return a key that a user has chosen."""
    text = check_text(key, "api_key")
    if len(text) < SHORTEST_KEY:
        raise ApiError(f"API Key must be at least {SHORTEST_KEY} characters")
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ApiError("API Key must be printable ASCII, as it travels in a header")
    return text


def check_master_name(name: Any) -> str:
    """Return the name of a master."""
    text = check_text(name, "identifier")
    if not text.strip() or not text.isprintable():
        raise ApiError("[identifier] must be a name")
    return text


def find_master(connection: apsw.Connection, kind: str, name: str) -> int | None:
    """Return the id of a master, `None` if there is no such."""
    row = connection.execute(
        "SELECT id FROM master WHERE type = ? AND name = ?", (kind, name)
    ).fetchone()
    return None if row is None else int(row[0])


def insert_master(
    connection: apsw.Connection, kind: str, name: str, key: str, grantor_id: int | None
) -> Master:
    """Store a master and return it with its key.

    Raises
    ------
    ConflictError
        Another master has this key.
    """
    digest = key_hash(key)
    taken = connection.execute("SELECT 1 FROM master WHERE key_hash = ?", (digest,)).fetchone()
    if taken is not None:
        raise ConflictError("API Key is already in use", object=name)
    if kind not in MASTER_TYPES:
        raise ValueError(kind)
    connection.execute(
        "INSERT INTO master (type, name, key_hash, grantor_id) "
        "VALUES (?, ?, ?, (SELECT id FROM master WHERE id = ?))",
        (kind, name, digest, grantor_id),
    )
    return model.Master(kind, name, key, connection.last_insert_rowid(), grantor_id)


def _masters(connection: apsw.Connection) -> list[Master]:
    rows = connection.execute("SELECT type, name, id, grantor_id FROM master ORDER BY id")
    return [model.Master(kind, name, None, id_, grantor) for kind, name, id_, grantor in rows]
