"""How many rows or events of each stream have expired, kept in the node file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import apsw

Kind: TypeAlias = Literal["rows", "events"]


def add(connection: apsw.Connection, kind: Kind, stream_id: int, number: int) -> None:
    """Count what has expired."""
    connection.execute(
        "INSERT INTO node VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        (_key(kind, stream_id), str(number)),
    )


def count(connection: apsw.Connection, kind: Kind, stream_id: int) -> int:
    """Return how many have expired since the stream was made."""
    found = connection.execute("SELECT value FROM node WHERE key = ?", (_key(kind, stream_id),))
    return int(found.get or 0)


def forget(connection: apsw.Connection, kind: Kind, stream_id: int) -> None:
    """Forget what a stream that is deleted has had."""
    connection.execute("DELETE FROM node WHERE key = ?", (_key(kind, stream_id),))


def forget_all(connection: apsw.Connection) -> None:
    """Forget it for all streams."""
    connection.execute("DELETE FROM node WHERE key GLOB 'expired *'")


def _key(kind: Kind, stream_id: int) -> str:
    return f"expired {kind} {stream_id}"
