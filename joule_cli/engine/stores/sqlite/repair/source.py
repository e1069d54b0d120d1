"""The tables of a damaged node file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import apsw

from joule_cli.engine.stores.sqlite.btree import Gap, Row, Tree
from joule_cli.engine.stores.sqlite.migrations import APPLICATION_ID, MIGRATIONS, make_tables
from joule_cli.engine.stores.sqlite.page_file import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.engine.stores.sqlite.page_file import PageFile

#: In the header: the format of the node file, and what says that it is one.
_VERSION_AT, _APPLICATION_AT = 60, 68


#: Columns of the narrowest table that is read as a whole; a row with fewer is damaged.
_NARROWEST = 5


@dataclass(slots=True)
class Found:
    """What was read of a table."""

    rows: dict[int, tuple[Any, ...]] = field(default_factory=dict)  # by id
    gaps: list[Gap] = field(default_factory=list)


class DamagedFile:
    """A node file as it is on the disk, table by table."""

    def __init__(self, file: PageFile) -> None:
        self.file = file

    @cached_property
    def version(self) -> int:
        """The format of the file; the present one if its header does not tell."""
        page = self.file.page(1)
        number = 0 if page is None else int.from_bytes(page[_VERSION_AT : _VERSION_AT + 4], "big")
        return number if 0 < number <= len(MIGRATIONS) else len(MIGRATIONS)

    @cached_property
    def is_node(self) -> bool:
        """Whether there is something of a node in the file."""
        page = self.file.page(1)
        if page is not None:
            return int.from_bytes(page[_APPLICATION_AT : _APPLICATION_AT + 4], "big") == (
                APPLICATION_ID
            )
        return self._likelihood(self._roots) > len(_widths(self.version)) // 2

    def read(self, name: str) -> Iterator[Row | Gap]:
        """Yield the rows of a table or index, and what is missing of them."""
        root = self._roots.get(name)
        if root is not None:
            yield from Tree(self.file, root).read()

    def table(self, name: str) -> Found:
        """Read a small table whose first column is its id."""
        found = Found()
        for item in self.read(name):
            if isinstance(item, Gap):
                found.gaps.append(item)
            elif item.rowid is not None and len(item.values) >= _NARROWEST:
                found.rows[item.rowid] = (item.rowid, *item.values[1:])
        return found

    def names(self, table: str) -> dict[int, tuple[Any, Any]]:
        """Return place and name of folders or streams by id, from the index of these."""
        return {
            row.values[2]: (row.values[0], row.values[1])
            for row in self.read(f"sqlite_autoindex_{table}_1")
            if isinstance(row, Row) and len(row.values) == 3
        }

    @cached_property
    def _roots(self) -> dict[str, int]:
        """The first page of each table and index."""
        known: dict[str, int] = {}
        complete = True
        for item in Tree(self.file, 1).read():
            if isinstance(item, Row) and len(item.values) == 5:
                known[item.values[1]] = item.values[3]
            else:
                complete = False
        if complete and known:
            return known
        # they are where every file has them, as it was made or as it was copied
        guesses = [_usual_roots(self.version, copied=copied) for copied in (False, True)]
        return max(guesses, key=self._likelihood) | known

    def differences(self) -> list[str]:
        """Return what the schema has that no node has, and what it lacks, if it can be read."""
        items = list(Tree(self.file, 1).read())
        found = {
            (item.values[0], item.values[1])
            for item in items
            if isinstance(item, Row) and len(item.values) == 5
        }
        if not found or len(found) < len(items):
            return []
        with closing(_fresh(self.version)) as connection:
            known = set(connection.execute("SELECT type, name FROM sqlite_schema"))
        strange = sorted(
            f"the {kind} {name}, which no node has"
            for kind, name in found - known
            if not str(name).startswith("sqlite_")
        )
        lacking = sorted(f"the {kind} {name}, which is missing" for kind, name in known - found)
        return strange + lacking

    def _likelihood(self, roots: dict[str, int]) -> int:
        """Count the trees that begin where they should and have rows of the right width."""
        return sum(
            self.file.above(root)[0] in (Kind.ROOT, None) and self._has_width(root, width)
            for root, width in ((roots[name], width) for name, width in _widths(self.version))
        )

    def _has_width(self, root: int, width: int) -> bool:
        rows = (item for item in Tree(self.file, root).read() if isinstance(item, Row))
        first = next(rows, None)
        return first is None or len(first.values) == width


def _fresh(version: int) -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.pragma("auto_vacuum", "incremental")
    make_tables(connection, version)
    return connection


def _usual_roots(version: int, *, copied: bool) -> dict[str, int]:
    with closing(_fresh(version)) as connection:
        if copied:
            connection.execute("VACUUM")
        return dict(connection.execute("SELECT name, rootpage FROM sqlite_schema"))


def _widths(version: int) -> list[tuple[str, int]]:
    with closing(_fresh(version)) as connection:
        return list(
            connection.execute(
                "SELECT s.name, (SELECT count(*) FROM pragma_table_info(s.name)) "
                "FROM sqlite_schema s WHERE s.type = 'table' AND s.rootpage > 0"
            )
        )
