"""Giving freed space back to the file system."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from joule_cli.engine.stores.sqlite import room
from joule_cli.errors import StorageError

if TYPE_CHECKING:
    import apsw

    from joule_cli.engine.stores.sqlite.database import Database

log = logging.getLogger("joule_cli.engine")

#: Pages moved in one transaction (8 MB): other writers wait for no more than this.
_STEP_PAGES = 2000
#: Room on the disk for each page that is moved, where little is left: pages above it change too.
_ROOM_BYTES = 4 * 4096
#: Free pages that are left for the next rows (1 MB).
SPARE_PAGES = 256


async def release(database: Database, spare_pages: int = SPARE_PAGES) -> None:
    """Shrink a node file after something was deleted from it.

    Works in short transactions, so that other writers go on meanwhile. A failure is only logged:
    the deletion itself is done, and the free pages are used by later rows.
    """
    if room.is_short(database.path):
        spare_pages = 0
    try:
        left = await database.maintain(_free_pages)
        while left > spare_pages:
            before, left = left, await database.write(lambda c: _step(c, spare_pages))
            if left >= before:
                break
        await database.maintain(_checkpoint)
    except StorageError as exc:
        log.info("freed space is not given back yet: %s", exc.sentence())


def _step(connection: apsw.Connection, spare_pages: int) -> int:
    path = Path(connection.filename)
    pages = min(_STEP_PAGES, _free_pages(connection) - spare_pages)
    if room.is_short(path):
        # what is moved goes through the log
        pages = min(pages, max(8, room.free_bytes(path) // _ROOM_BYTES))
    if pages > 0:
        # every step of the statement frees one page
        for _ in connection.execute(f"PRAGMA incremental_vacuum({pages:d})"):
            pass
    return _free_pages(connection)


def _free_pages(connection: apsw.Connection) -> int:
    return int(connection.pragma("freelist_count"))


def _checkpoint(connection: apsw.Connection) -> None:
    # passive: waits for no other program; the file itself becomes shorter only now
    connection.pragma("wal_checkpoint", "passive")
