"""How values stand in the cells of tables, so that they come back as what they were.

=================================  =======================================================
column                             cell
=================================  =======================================================
declared ``string``, ``category``  the text as it is
declared ``numeric``               the number as JSON has it
any other                          JSON; a text as it is, unless that could be read as
                                   anything else
every                              empty or blank: the event does not have the field
``content``                        JSON of everything that finds no place in its column
=================================  =======================================================

Tables of other programs may write numbers with other marks, and words for what is missing, in
columns of numbers.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from joule_cli.formats.events.exact import dumps, loads
from joule_cli.formats.events.fields import NUMERIC, TEXT
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.options import MISSING_WORDS
from joule_cli.formats.table.values import MissingValues, common_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.formats.table.options import ReadOptions
    from joule_cli.formats.table.problems import Problems
    from joule_cli.formats.table.values import Marks

#: What a JSON value begins with, after blanks.
_JSON_BEGINS: Final = frozenset('{["-0123456789tfn \t\r\n')
_PLAIN_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
#: What can be read as a number by some marks.
_LIKE_NUMBER: Final = re.compile(r"\s*[+-]?[0-9.,' ]*[0-9]\s*")
_MISSING: Final = object()
_COMMA: Final = re.compile(r"\s*[+-]?\d+,\d+\s*")
#: Marks stand between its numbers, but they do not make one of them.
_ADDRESS: Final = re.compile(r"\s*\d{1,3}(?:\.\d{1,3}){3}\s*")
_DIGITS: Final = b"0123456789+-.eE"


def cell_of(value: Any, kind: str | None) -> str | None:
    """Return the cell of a value, `None` if it has to stand in the column ``content``.

    Parameters
    ----------
    kind
        `NUMERIC`, `TEXT`, or `None` for a field that is not declared.
    """
    if kind is None:
        if type(value) is str and _is_plain(value):
            return value
        return dumps(value).decode()
    if kind == NUMERIC:
        return dumps(value).decode() if type(value) is int or type(value) is float else None
    return value if type(value) is str and value.strip() and "\0" not in value else None


def _is_plain(text: str) -> bool:
    """Tell whether nothing can take a text for anything but a text."""
    if text.strip().lower() in MISSING_WORDS or "\0" in text or _LIKE_NUMBER.fullmatch(text):
        return False
    return _read_json(text) is _MISSING


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


class FieldColumn:
    """Reads the cells of one column, or the values of one key, as a field of the content.

    Parameters
    ----------
    kind
        As in `cell_of`.
    sample
        Its first cells: a column of text that is not declared may be one of numbers.
    as_text
        Cells are text that stands for anything, as in CSV, not values with a type.
    """

    def __init__(
        self,
        name: str,
        kind: str | None,
        sample: Sequence[Any],
        marks: Marks,
        options: ReadOptions,
        *,
        as_text: bool,
    ) -> None:
        self.name = name
        self._kind = kind
        self._marks = marks
        self._as_text = as_text
        self._missing = MissingValues(options)
        texts = [c for c in sample if isinstance(c, str) and not self._missing.is_missing(c)]
        self._units = common_units(texts, self._missing) if kind == NUMERIC else ""
        self._numbers = kind == NUMERIC or (
            kind is None
            and as_text
            and any(isinstance(cell, str) and cell for cell in sample)
            and all(map(self._is_number, texts))
            and not all(map(_ADDRESS.fullmatch, texts))
        )
        if not self._numbers:
            # in other columns a word may be a text
            given = {word.strip().lower() for word in options.missing_values}
            self._missing.words = frozenset(given | ({""} if as_text else set()))
        elif kind is None:
            # an event has the field, and its value is null
            self._missing.words -= {"null"}

    def _is_number(self, text: str) -> bool:
        try:
            value_of(self._marks.bare(text.strip()), NUMERIC)
        except ValueError:
            return False
        return True

    def put(self, cells: Sequence[Any], contents: list[dict[str, Any]], problems: Problems) -> None:
        """Add the field to the contents of (n,) events, where it is there."""
        name, is_missing = self.name, self._missing.is_missing
        values = self._fast(cells)
        if values is not None:
            for content, value in zip(contents, values, strict=True):
                content[name] = value
            return
        for row, cell in enumerate(cells):
            if cell is None or is_missing(cell):
                continue
            try:
                contents[row][name] = self._value(cell)
            except ValueError as exc:
                problems.add(row, f"{name}: {exc}", self._hint(cell))

    def _fast(self, cells: Sequence[Any]) -> list[Any] | None:
        """Read texts that are all plain numbers; `None` for others."""
        if not self._numbers or not self._as_text or not self._marks.plain:
            return None
        if self._missing.numbers or not cells:
            return None
        try:
            joined = ",".join(cells).encode()
            if joined.translate(None, _DIGITS) != b"," * (len(cells) - 1):
                return None
            values: list[Any] = loads(b"[" + joined + b"]")
        except (TypeError, ValueError):
            return None
        return values if len(values) == len(cells) else None

    def _value(self, cell: Any) -> Any:
        if not isinstance(cell, str) or (self._kind is None and not self._as_text):
            return _plain(cell, self._kind)
        if not self._numbers or (self._marks.plain and not self._units):
            return value_of(cell, self._kind)
        text = cell.strip()
        if self._units:
            text = text.removesuffix(self._units).rstrip()
        try:
            return value_of(self._marks.bare(text), NUMERIC)
        except ValueError:
            if self._kind is None:
                return value_of(cell, None)
            raise ValueError(f"{shorten(cell)} is not a number") from None

    def _hint(self, cell: Any) -> str | None:
        if not isinstance(cell, str) or self._kind != NUMERIC:
            return None
        if self._marks.plain and _COMMA.fullmatch(cell):
            return "use --decimal , for numbers with a decimal comma"
        if not any(map(str.isdigit, cell)):
            return "use --missing-values if it stands for a missing value"
        return None


def _plain(value: Any, kind: str | None) -> Any:
    """Return a value of a typed table as JSON has it."""
    match value:
        case bool():
            return value
        case int() if kind == TEXT:
            return str(value)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case float() if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            raise ValueError("bytes are no value of an event")
        case _:
            return value


def _read_json(text: str) -> Any:
    if text[0] not in _JSON_BEGINS:
        return _MISSING
    try:
        return loads(text.encode())
    except ValueError:
        return _MISSING
