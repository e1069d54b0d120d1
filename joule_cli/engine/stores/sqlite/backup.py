"""Copies of a node file, each verified before it takes the place of anything."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from joule_cli.engine.stores.sqlite import pages, room
from joule_cli.engine.stores.sqlite.check import check
from joule_cli.engine.stores.sqlite.connection import (
    converted_errors,
    damage_named,
    open_connection,
    source_uri,
)
from joule_cli.engine.stores.sqlite.database import Database
from joule_cli.engine.stores.sqlite.migrations import MIGRATIONS, make_tables
from joule_cli.engine.stores.sqlite.schema import distrust, own_version
from joule_cli.engine.stores.sqlite.transactions import transaction
from joule_cli.errors import CorruptChunkError, IncompatibleFileError, StorageError
from joule_cli.part_file import PartFile, make_folder, remove_left_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from joule_cli.engine.stores.maintenance import Report

    #: Told how many bytes of how many are written, in another thread.
    Advance = Callable[[int, int], None]
    #: Told what a check has seen.
    Seen = Callable[[Report], None]

_TABLES = (
    "SELECT name FROM main.sqlite_schema "
    "WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite_%'"
)
_TAKE = "INSERT INTO main.{table} SELECT * FROM source.{table}"
#: Steps of SQLite between two reports of progress.
_STEPS = 50
#: Seconds between two reports at least: rows of the file may be large or small.
_PAUSE_S = 0.02


async def back_up(
    database: Database,
    target: Path,
    *,
    keep: int = 0,
    replace: bool = True,
    progress: Advance,
    seen: Seen,
) -> int:
    """Write a consistent copy to `target`; see `Maintenance.backup`."""
    source = database.path
    # brings the file to the present format, or says why it cannot be read
    await database.outside(lambda _: None)
    part = await database.compute(lambda: _begin(source, target))
    try:
        await database.compute(lambda: _copy(source, part, len(MIGRATIONS), progress))
        if problem := await _problem(part.path, seen):
            raise CorruptChunkError(
                f"the node is damaged and was not copied: {problem}",
                object=str(source),
                hint="'joule admin check' lists all of it",
            )
        with converted_errors(str(target)):
            size = part.path.stat().st_size
            if keep:
                _shift(part.target, keep)
            part.commit(replace=replace)
    finally:
        part.discard()
    return size


async def _problem(copy: Path, seen: Seen) -> str:
    """Check a node file; return the first thing that is wrong with it, empty if nothing is."""
    database = Database(copy, create=False, read_only=True)
    try:
        report = await check(database, seen)
    finally:
        await database.close()
    return report.problems[0].sentence() if report.problems else ""


def _begin(source: Path, target: Path) -> PartFile:
    with converted_errors(str(target)):
        if target.exists() and target.samefile(source):
            raise StorageError("a node cannot be backed up to its own file")
        make_folder(target.absolute().parent, private=True)
        return PartFile(target.resolve(), mode=0o600)


def _copy(source: Path, part: PartFile, version: int, progress: Advance) -> None:
    """Write the rows of a node file of some format into an empty file."""
    target, total = part.path, source.stat().st_size
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
    vfs = pages.checking_vfs()
    with (
        converted_errors(str(part.target)),
        closing(apsw.Connection(str(target), flags=flags, vfs=vfs)) as out,
    ):
        distrust(out)
        out.reserve_bytes(reserve=pages.RESERVED)
        out.pragma("auto_vacuum", "incremental")
        # the file appears under its name when it is complete, and then it is synced
        out.pragma("journal_mode", "off")
        out.pragma("synchronous", "off")
        # SQLite's own VACUUM INTO may write pages before the header that says they have checksums
        make_tables(out, version)
        # the copy has no unused pages, so that it may be complete before
        with _watched(out, lambda: progress(target.stat().st_size, total)):
            _take(out, source)


def _take(connection: apsw.Connection, source: Path) -> None:
    """Put the rows of all tables of a node file in place of those that a connection has."""
    with damage_named(str(source)):
        connection.execute("ATTACH ? AS source", (source_uri(source),))
        try:
            # other processes see all of it or nothing
            with transaction(connection, write=True):
                connection.execute("PRAGMA defer_foreign_keys = ON")
                tables = [name for (name,) in connection.execute(_TABLES)]
                # the last one has the largest ids, which insertions into the others change
                for table in [*tables, "sqlite_sequence"]:
                    connection.execute(f"DELETE FROM main.{table}")  # noqa: S608
                for table in tables:
                    connection.execute(_TAKE.format(table=table))
                connection.execute("DELETE FROM main.sqlite_sequence")
                connection.execute(_TAKE.format(table="sqlite_sequence"))
        finally:
            connection.execute("DETACH source")


def _shift(target: Path, keep: int) -> None:
    """Make room for one more copy behind those that are there, and give it the present one."""
    if not target.exists():
        return
    names = [target.with_name(f"{target.name}.{number}") for number in range(1, keep + 1)]
    for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
        if newer.exists():
            newer.replace(older)
    # by a second name, so that there is a copy at every moment
    names[0].unlink(missing_ok=True)
    try:
        names[0].hardlink_to(target)
    except OSError:
        target.replace(names[0])


async def restore(database: Database, source: Path, progress: Advance, seen: Seen) -> None:
    """Replace the content of a node; see `Maintenance.restore`."""
    async with _present(database, source) as file:
        if problem := await _problem(file, seen):
            raise CorruptChunkError(
                f"the backup is damaged and was not restored: {problem}",
                object=str(source),
                hint="'joule admin repair' takes what is whole into a new file",
            )
        await database.maintain(lambda c: _replace(c, file, progress))


@asynccontextmanager
async def _present(database: Database, source: Path) -> AsyncIterator[Path]:
    """Give a node file in the present format: `source`, or a copy of it while the block runs."""
    part = await database.compute(lambda: _converted(source, database.path))
    try:
        yield source if part is None else part.path
    finally:
        if part is not None:
            part.discard()


def _converted(source: Path, near: Path) -> PartFile | None:
    """Copy a node file of a former format, and bring the copy to the present one."""
    with converted_errors(str(source)):
        if not source.is_file():
            raise StorageError("no such file", object=str(source))
        flags, vfs = apsw.SQLITE_OPEN_READONLY, pages.checking_vfs()
        with closing(apsw.Connection(str(source), flags=flags, vfs=vfs)) as origin:
            distrust(origin)
            version = own_version(origin, str(source))
    if version == 0:
        raise IncompatibleFileError("the file is not a node", object=str(source))
    # of a process that was killed
    remove_left_over(near.resolve())
    if not any(MIGRATIONS[version:]):
        return None
    with converted_errors(str(near)):
        part = PartFile(near.resolve(), mode=0o600)
        try:
            _copy(source, part, version, lambda done, total: None)
            open_connection(part.path, create=False).close()
        except BaseException:
            part.discard()
            raise
    return part


def _replace(connection: apsw.Connection, source: Path, progress: Advance) -> None:
    total, log = source.stat().st_size, Path(f"{connection.filename}-wal")
    before = log.stat().st_size
    if room.is_short(Path(connection.filename)) and total > room.free_bytes(log):
        raise apsw.FullError
    with _watched(
        connection, lambda: progress(min(max(log.stat().st_size - before, 0), total), total)
    ):
        _take(connection, source)
    progress(total, total)


@contextmanager
def _watched(connection: apsw.Connection, tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` now and then while a connection works."""
    told = 0.0

    def look() -> bool:
        nonlocal told
        if time.monotonic() - told > _PAUSE_S:
            told = time.monotonic()
            with suppress(OSError):
                tell()
        return False

    connection.set_progress_handler(look, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None)
