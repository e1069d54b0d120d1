"""Verify a node file as a file: its pages, its log, its trees, and what belongs to nothing."""

from __future__ import annotations

import re
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import apsw

from joule_cli.engine.stores.sqlite import event_check, pages, room
from joule_cli.engine.stores.sqlite.page_file import PageFile
from joule_cli.engine.stores.sqlite.schema import distrust

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Problems of the trees that are listed.
_MOST = 20
_UNREACHED = re.compile(r"Page \d+: never used")
_TREE = re.compile(r"^Tree (\d+) ")
_LOOSE = {
    "rows that belong to no chunk": "SELECT count(*) FROM body "
    "WHERE id NOT IN (SELECT body_id FROM chunk)",
    "chunks without rows": "SELECT count(*) FROM chunk WHERE body_id NOT IN (SELECT id FROM body)",
    "chunks that share their rows": "SELECT count(*) - count(DISTINCT body_id) FROM chunk",
    "chunks of a stream that does not exist": "SELECT count(*) FROM chunk "
    "WHERE stream_id NOT IN (SELECT id FROM data_stream)",
    "streams without elements": "SELECT count(*) FROM data_stream "
    "WHERE id NOT IN (SELECT stream_id FROM element)",
    "broken references": "SELECT count(*) FROM pragma_foreign_key_check",
}


def page_problems(
    path: Path, names: dict[int, str], connection: apsw.Connection | None = None
) -> Iterator[str]:
    """Yield which pages of the file and of its log fail their checksums.

    Parameters
    ----------
    names
        What each tree is, by its first page.
    connection
        As for `PageFile`; without one, the log is not looked at.
    """
    with PageFile(path, connection) as file:
        for page in file.unsound_pages():
            yield f"page {page} ({_owner(file, page, names)}) fails its checksum"
        frame = file.unsound_frame()
        if frame is not None:
            yield f"page {frame} of the log fails its checksum"


def unopened_problems(path: Path) -> list[str]:
    """Return what `page_problems` yields, for a file that cannot be opened as a node."""
    flags = apsw.SQLITE_OPEN_READWRITE
    if not room.lacks_index(path):
        with (
            suppress(apsw.Error),
            closing(apsw.Connection(str(path), flags=flags, vfs=pages.checking_vfs())) as file,
        ):
            distrust(file)
            # the log is not touched, and found by the first reading
            file.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            file.pragma("checksum_verification", "off")
            file.pragma("schema_version")
            return list(page_problems(path, {}, file))
    return list(page_problems(path, {}))


def _owner(file: PageFile, page: int, names: dict[int, str]) -> str:
    root = file.root_of(page)
    if root is None:
        return "of the file's own order"
    return "not in use" if root == 0 else names.get(root, "of an unknown tree")


def tree_names(connection: apsw.Connection) -> dict[int, str]:
    """Return what each tree is, by its first page; only that of the schema if it is damaged."""
    names = {1: "the schema"}
    try:
        for kind, name, table, root in connection.execute(
            "SELECT type, name, tbl_name, rootpage FROM sqlite_schema WHERE rootpage > 0"
        ):
            names[root] = f"table {name}" if kind == "table" else f"index of {table}"
    except apsw.Error:
        pass
    return names


def tree_problems(connection: apsw.Connection, names: dict[int, str]) -> list[str]:
    """Return what SQLite finds wrong with the trees of tables and indexes."""
    try:
        return list(_checked(connection, str(_MOST), names))
    except apsw.Error:
        found: list[str] = []
    # it has given up at the first table that is so broken
    for name in names.values():
        kind, _, table = name.partition(" ")
        if kind == "table":
            try:
                found += _checked(connection, apsw.format_sql_value(table), names)
            except apsw.Error:
                found.append(f"{name} is broken")
    return found or ["the trees of the file are broken"]


def _checked(connection: apsw.Connection, which: str, names: dict[int, str]) -> Iterator[str]:
    n_unreached = 0
    for (lines,) in connection.execute(f"PRAGMA integrity_check({which})"):
        for line in str(lines).splitlines():
            if _UNREACHED.fullmatch(line):
                n_unreached += 1
            elif line != "ok" and not line.startswith("***"):
                yield _TREE.sub(lambda m: names.get(int(m[1]), m[0].strip()) + ": ", line)
    if n_unreached:
        number = "a page is" if n_unreached == 1 else f"{n_unreached} pages or more are"
        yield f"{number} part of no table, as the way there is broken"


def loose_problems(connection: apsw.Connection) -> Iterator[str]:
    """Yield of what there are rows that belong to nothing."""
    for text, query in _LOOSE.items():
        number = connection.execute(query).get
        if number:
            yield f"{number} {text}"
    if number := event_check.orphans(connection):
        yield f"{number} events of a stream that does not exist"
