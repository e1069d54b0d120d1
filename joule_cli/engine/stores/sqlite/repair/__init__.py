"""Taking what is whole of a damaged node file into a new one."""

from __future__ import annotations

import asyncio
import threading
import uuid
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import apsw

from joule_cli.engine.stores.sqlite import pages
from joule_cli.engine.stores.sqlite.btree import Gap
from joule_cli.engine.stores.sqlite.check import check
from joule_cli.engine.stores.sqlite.connection import converted_errors, open_connection
from joule_cli.engine.stores.sqlite.database import Database
from joule_cli.engine.stores.sqlite.migrations import make_tables
from joule_cli.engine.stores.sqlite.page_file import PageFile
from joule_cli.engine.stores.sqlite.repair.events import EventSalvage, take_annotations
from joule_cli.engine.stores.sqlite.repair.records import Loss, Repaired, Salvage
from joule_cli.engine.stores.sqlite.repair.rows import RowSalvage
from joule_cli.engine.stores.sqlite.repair.source import DamagedFile
from joule_cli.errors import ApiError, IncompatibleFileError, StorageError
from joule_cli.part_file import PartFile, make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from joule_cli.engine.stores.maintenance import Report

__all__ = ["Loss", "Repaired", "repair"]

_KEYS = ("master", "follower")


class _StoppedError(Exception):
    """The repair was cancelled."""


async def repair(
    path: Path,
    target: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seen: Callable[[Report], None] = lambda report: None,
) -> Repaired:
    """Take what is whole in the node file `path` into a new one, and verify that.

    `path` stays as it is; others may use it meanwhile.

    Parameters
    ----------
    progress
        Told how many bytes of how many were looked at; called in another thread.
    seen
        Told what was verified so far.

    Raises
    ------
    IncompatibleFileError
        There is nothing of a node in the file.
    StorageError
        `target` exists, or cannot be written.
    """
    stopped = threading.Event()
    done = 0

    def tell(n_bytes: int) -> None:
        nonlocal done
        if stopped.is_set():
            raise _StoppedError
        done += n_bytes
        progress(done, max(done, total))

    part, total = await asyncio.to_thread(_begin, path, target)
    try:
        try:
            result = await asyncio.to_thread(_salvage, path, part, tell)
        finally:
            stopped.set()
        new = Database(part.path, create=False)
        try:
            report = await check(new, seen)
        finally:
            await new.close()
        if report.problems:
            raise StorageError(
                f"the new file is not sound: {report.problems[0].sentence()}", object=str(target)
            )
        with converted_errors(str(target)):
            part.commit(replace=False)
    finally:
        part.discard()
    return result


def _begin(path: Path, target: Path) -> tuple[PartFile, int]:
    with converted_errors(str(path)):
        total = path.stat().st_size
    with converted_errors(str(target)):
        if target.exists():
            raise StorageError("the file exists", object=str(target), hint="name a new one")
        make_folder(target.absolute().parent, private=True)
        return PartFile(target.resolve(), mode=0o600), total


def _salvage(path: Path, part: PartFile, tell: Callable[[int], None]) -> Repaired:
    with _one_state(path) as file:
        source = DamagedFile(file)
        if not source.is_node:
            raise IncompatibleFileError("the file is not a node", object=str(path))
        with converted_errors(str(part.target)):
            vfs = pages.checking_vfs()
            with closing(apsw.Connection(str(part.path), vfs=vfs)) as out:
                out.reserve_bytes(reserve=pages.RESERVED)
                out.pragma("auto_vacuum", "incremental")
                # the file appears under its name when it is complete
                out.pragma("journal_mode", "off")
                out.pragma("synchronous", "off")
                make_tables(out, source.version)
                found = Salvage(source, out, tell)
                _take(found)
            open_connection(part.path, create=False).close()
    return found.result


def _take(found: Salvage) -> None:
    for difference in found.source.differences():
        found.lose(None, difference)
    streams = RowSalvage(found).take()
    take_annotations(found, streams)
    EventSalvage(found).take()
    found.take_folders()
    out = found.out
    for table in _KEYS:
        for item in found.source.read(table):
            if isinstance(item, Gap):
                found.lose(None, f"some of the {table}s")
            else:
                found.insert(table, (item.rowid, *item.values[1:]))
    for item in found.source.read("node"):
        if not isinstance(item, Gap):
            found.insert("node", item.values)
    if out.execute("SELECT value FROM node WHERE key = 'uuid'").get is None:
        found.lose(None, "the identity of the node")
        found.insert("node", ("uuid", str(uuid.uuid4())))
    for item in found.source.read("sqlite_sequence"):
        if not isinstance(item, Gap):
            # ids that were given are not given again
            out.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1", item.values
            )


@contextmanager
def _one_state(path: Path) -> Iterator[PageFile]:
    """Open a file that other programs may use; a file that SQLite cannot open is not in use."""
    holding = asking = None
    with suppress(ApiError, apsw.Error):
        holding = open_connection(path, create=False, verified=False, read_only=True)
        asking = open_connection(path, create=False, verified=False, read_only=True)
        holding.execute("BEGIN")
        holding.execute("SELECT count(*) FROM sqlite_schema").get  # noqa: B018
    try:
        with converted_errors(str(path)), PageFile(path, asking) as file:
            yield file
    finally:
        for connection in (holding, asking):
            if connection is not None:
                connection.close()
