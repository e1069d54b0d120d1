"""Changes to a node file behind the back of the program, with right checksums of its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from joule_cli.engine.stores.sqlite.pages import checking_vfs

if TYPE_CHECKING:
    from pathlib import Path


def opened(path: Path | str) -> apsw.Connection:
    """Return a connection to a node file; every statement is a transaction of its own."""
    return apsw.Connection(str(path), vfs=checking_vfs())


def edit(path: Path | str, query: str, *values: object) -> None:
    """Run one statement on a node file."""
    connection = opened(path)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    connection.execute(query, values)
    connection.close()
