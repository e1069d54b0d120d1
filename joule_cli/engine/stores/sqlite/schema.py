"""Whether a file has the tables of a node and nothing else.

A node file may come from anywhere, as a backup or by mail. SQLite runs what its schema says: a
trigger in it would delete rows when an annotation is written.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import apsw

from joule_cli.engine.stores.sqlite.migrations import MIGRATIONS, file_version
from joule_cli.errors import IncompatibleFileError

if TYPE_CHECKING:
    #: type, name, table, and the statement that has made it
    Entry = tuple[str, str, str, str | None]

#: What ANALYZE leaves in a file.
_STATISTICS = frozenset({"sqlite_stat1", "sqlite_stat4"})


def distrust(connection: apsw.Connection) -> None:
    """Let nothing in the schema of a file run; a node needs no trigger and no view."""
    for option in (
        apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA,
        apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER,
        apsw.SQLITE_DBCONFIG_ENABLE_VIEW,
    ):
        connection.config(option, 0)


def own_version(connection: apsw.Connection, path: str) -> int:
    """Return the format of a node file, 0 for an empty file.

    Raises
    ------
    IncompatibleFileError
        It is something else, or its schema is not that of a node.
    """
    # both of one state of the file: another process may be bringing it to a later version
    with connection:
        version = file_version(connection, path)
        found = _entries(connection)
    if version and found != _expected(version):
        raise IncompatibleFileError(
            f"the file is not as this program makes nodes: {_difference(found, version)}",
            object=path,
            hint="restore a backup, or find out who has changed the file",
        )
    return version


@cache
def _expected(version: int) -> frozenset[Entry]:
    connection = apsw.Connection(":memory:")
    try:
        for step in MIGRATIONS[:version]:
            connection.execute(step)
        return _entries(connection)
    finally:
        connection.close()


def _entries(connection: apsw.Connection) -> frozenset[Entry]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")
    return frozenset(row for row in rows if row[0] != "table" or row[1] not in _STATISTICS)


def _difference(found: frozenset[Entry], version: int) -> str:
    known = {entry[:2] for entry in _expected(version)}
    # triggers and views come first
    for kind, name, *_ in sorted(found - _expected(version), key=repr, reverse=True):
        if (kind, name) in known:
            return f"its {kind} {name} is another one"
        return f"it has the {kind} {name}"
    kind, name, *_ = min(_expected(version) - found, key=repr)
    return f"it lacks the {kind} {name}"
