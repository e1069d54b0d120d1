"""Tables in JSON documents that are no list of rows, found in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from joule_cli.errors import FormatError
from joule_cli.formats.containers.json_rows import BadRow, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How deep tables are looked for.
_DEPTH = 6
#: Keys of rows and of the names of their cells, as databases and pandas call them.
_ROWS, _NAMES, _LABELS = ("data", "values", "rows"), ("columns", "fields", "header"), "index"

_NESTED = frozenset({list, dict})
#: Rows, and the names of their cells if the rows do not have them.
Table = tuple[list[Any], list[str] | None]


def document_rows(text: bytes, wanted: str | None, name: str) -> Table:
    """Return the only table of a document, or the one of that name.

    Parameters
    ----------
    wanted
        Keys down to the table with dots between them.

    Raises
    ------
    FormatError
        Not JSON, no table or more than one.
    """
    document = read_text(text)
    if isinstance(document, BadRow):
        raise _not_json(text, document, name)
    found = dict(_tables(document, "", _DEPTH))
    if wanted is not None:
        if wanted not in found:
            known = ", ".join(map(repr, found)) or "none"
            raise FormatError(
                f"there is no table {wanted!r} in the document, only {known}", file=name
            )
        return found[wanted]
    if len(found) > 1:
        names = ", ".join(list(found)[:20])
        raise FormatError(
            f"the document holds several tables: {names}",
            file=name,
            hint="choose one with --dataset NAME",
        )
    if not found:
        raise FormatError(
            "there is no table in the document, such as a list of rows by the key 'data'",
            file=name,
        )
    return next(iter(found.values()))


def _not_json(text: bytes, bad: BadRow, name: str) -> FormatError:
    try:
        json.loads(text)
    except json.JSONDecodeError as exc:
        return FormatError(
            f"the document is cut or not JSON: {exc.msg[:1].lower()}{exc.msg[1:]}",
            file=name,
            line=exc.lineno,
            column=exc.colno,
        )
    except (ValueError, RecursionError):
        pass
    return FormatError(f"the document cannot be read: {bad.reason}", file=name)


def _tables(value: Any, path: str, depth: int) -> Iterator[tuple[str, Table]]:
    """Give what may be a table, by the keys down to it."""
    table = _table(value)
    if table is not None:
        yield path, table
        return
    if not depth:
        return
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in items:
        yield from _tables(item, f"{path}.{key}" if path else str(key), depth - 1)


def _table(value: Any) -> Table | None:
    if isinstance(value, list):
        return (value, None) if _are_rows(value) else None
    if not isinstance(value, dict) or not value:
        return None
    for rows in _ROWS:
        for names in _NAMES:
            if _are_rows(value.get(rows)) and _are_names(value.get(names), value[rows]):
                return _labelled(value, value[rows], [str(name) for name in value[names]])
    columns = list(value.values())
    if len(columns) > 1 and all(isinstance(column, list) and column for column in columns):
        plain = not any(isinstance(cell, list | dict) for column in columns for cell in column)
        if plain and len(set(map(len, columns))) == 1:
            return [list(row) for row in zip(*columns, strict=True)], list(value)
    return _by_label(value)


def _are_rows(value: Any) -> bool:
    """Tell whether a value is a list of rows, not of what has tables in it."""
    if not isinstance(value, list) or not any(
        isinstance(row, list | dict) and row for row in value
    ):
        return False
    for row in value:
        if row is not None and not isinstance(row, list | dict):
            return False
        cells = row.values() if isinstance(row, dict) else row or ()
        if any(isinstance(cell, list) and _NESTED & set(map(type, cell)) for cell in cells):
            return False
    return True


def _are_names(names: Any, rows: list[Any]) -> bool:
    return isinstance(names, list) and all(
        row is None or (isinstance(row, list) and len(row) == len(names)) for row in rows
    )


def _labelled(value: dict[str, Any], rows: list[Any], names: list[str]) -> Table:
    """Put the labels of the rows before them, which pandas keeps apart."""
    labels = value.get(_LABELS)
    if not isinstance(labels, list) or len(labels) != len(rows):
        return rows, names
    return [[label, *row] for label, row in zip(labels, rows, strict=True)], [_LABELS, *names]


def _by_label(value: dict[str, Any]) -> Table | None:
    """Take objects whose keys label rows, or columns as pandas writes them by default."""
    items = list(value.values())
    if not all(isinstance(item, dict) and item for item in items):
        return None
    if any(isinstance(cell, list | dict) for item in items for cell in item.values()):
        return None
    keys = list(items[0])
    if any(list(item) != keys for item in items[1:]):
        return None
    if all(key[:1].isdigit() for key in value):
        return [[key, *item.values()] for key, item in value.items()], [_LABELS, *keys]
    if not all(key[:1].isdigit() or key[:1] == "-" for key in keys):
        return None
    return [[key, *(item[key] for item in items)] for key in keys], [_LABELS, *value]
