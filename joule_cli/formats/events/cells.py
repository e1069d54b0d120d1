"""How values stand in the cells of CSV, so that they come back as what they were.

=================================  =======================================================
column                             cell
=================================  =======================================================
declared ``string``, ``category``  the text as it is
declared ``numeric``               the number as JSON has it
any other                          JSON; a text as it is, unless that could be read as JSON
every                              empty: the event does not have the field
``content``                        JSON of everything that finds no place in its column
=================================  =======================================================
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from joule_cli.formats.events.exact import dumps, loads
from joule_cli.formats.events.fields import NUMERIC, TEXT
from joule_cli.formats.numbers import shorten

#: What a JSON value begins with, after blanks.
_JSON_BEGINS: Final = frozenset('{["-0123456789tfn \t\r\n')
_PLAIN_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MISSING: Final = object()


def cell_of(value: Any, kind: str | None) -> str | None:
    """Return the cell of a value, `None` if it has to stand in the column ``content``.

    Parameters
    ----------
    kind
        `NUMERIC`, `TEXT`, or `None` for a field that is not declared.
    """
    if kind is None:
        if type(value) is str and value and _read_json(value) is _MISSING:
            return value
        return dumps(value).decode()
    if kind == NUMERIC:
        return dumps(value).decode() if type(value) is int or type(value) is float else None
    return value if type(value) is str and value else None


def value_of(cell: str, kind: str | None) -> Any:
    """Return the value of a cell that is not empty.

    Raises
    ------
    ValueError
        It is no number, in a numeric column.
    """
    if kind == TEXT:
        return cell
    value = _read_json(cell)
    if kind is None:
        return cell if value is _MISSING else value
    if type(value) is int or type(value) is float:
        return value
    # as other programs write numbers: +5, .5, 007
    text = cell.strip()
    if _PLAIN_NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return int(text) if text.lstrip("+-").isdigit() else number
    raise ValueError(f"{shorten(cell)} is not a number")


def _read_json(text: str) -> Any:
    if text[0] not in _JSON_BEGINS:
        return _MISSING
    try:
        return loads(text.encode())
    except ValueError:
        return _MISSING
