"""Rows of JSON, objects or arrays, as cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson

from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Heading
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from joule_cli.formats.containers.base import Cells

#: An object in place of a row that ends an interval; `None` does so too.
_BREAK = {"interval_break": True}
#: Objects in objects are taken apart up to this depth.
_DEPTH = 8
#: Digits that float64 always keeps.
_DIGITS = 17
#: From here on an integer may have been read as a float.
_LARGE = float(1 << 63)
_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_PLAIN = frozenset({int, float})
_NESTED = frozenset({dict, list})


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, and why."""

    reason: str


#: Stands for lines that are no rows: blank ones and comments.
NO_ROW = BadRow("")


class _Twice(Exception):
    """A key occurs twice in an object."""


def read_text(text: bytes, parse_float: Callable[[str], Any] | None = None) -> Any:
    """Parse the text of one row exactly: integers of any size, long fractions as `Decimal`.

    Of the words that Python and others write, NaN is a number, Infinity a text. What is no JSON,
    or has a key twice, is a `BadRow`.
    """
    try:
        return json.loads(
            text.decode(),
            parse_float=parse_float or _float,
            parse_constant=_word,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as exc:
        return BadRow(f"the text is not UTF-8 (column {exc.start + 1})")
    except json.JSONDecodeError as exc:
        reason = f"not JSON: {exc.msg[:1].lower()}{exc.msg[1:]}"
        return BadRow(f"{reason} (column {exc.colno})" if exc.lineno == 1 else reason)
    except _Twice as exc:
        return BadRow(f"the key {shorten(str(exc))} occurs twice")
    except RecursionError:
        return BadRow("not a row: nested too deeply")
    except ValueError:
        # Python bounds the digits of integers
        return BadRow("a number is too long")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1))
    return found


def _float(text: str) -> float | Decimal:
    number = float(text)
    return (
        number if len(text) <= _DIGITS and number not in (_INFINITE, -_INFINITE) else Decimal(text)
    )


_INFINITE = float("inf")


def _word(word: str) -> float | str:
    return float("nan") if word == "NaN" else word


def flattened(
    row: dict[str, Any], prefix: str = "", depth: int = _DEPTH
) -> Iterator[tuple[str, Any]]:
    """Give the members of an object, those of objects in it as ``outer.inner``."""
    for key, value in row.items():
        if type(value) is dict and depth:
            yield from flattened(value, f"{prefix}{key}.", depth - 1)
        else:
            yield prefix + key, value


def n_keys(value: Any) -> int:
    """Count the keys of an object and of all in it."""
    if type(value) is dict:
        return len(value) + sum(map(n_keys, value.values()))
    return sum(map(n_keys, value)) if type(value) is list else 0


class JsonRows:
    """The columns of rows of JSON, and the batches that rows make.

    Parameters
    ----------
    first
        The first rows, parsed: objects have the columns that these have. Breaks and rows that
        cannot be read may be among them.
    names
        Of the cells of arrays, if the file tells them.
    """

    def __init__(self, first: Iterable[Any], names: Sequence[str] | None = None) -> None:
        rows = [row for row in first if type(row) in _NESTED and not _is_break(row)]
        self.objects = bool(rows) and type(rows[0]) is dict
        if self.objects:
            flat = [dict(flattened(row)) for row in rows if type(row) is dict]
            self.names = list(dict.fromkeys(chain.from_iterable(flat)))
            cells = [[row.get(name) for row in flat] for name in self.names]
            self._nested = any(
                type(v) is dict for row in rows if type(row) is dict for v in row.values()
            )
        else:
            width = len(rows[0]) if rows else 0
            self.names = [""] * width if names is None else list(names)
            fitting = [row for row in rows if type(row) is list and len(row) == len(self.names)]
            cells = [list(column) for column in zip(*fitting, strict=True)] or [
                [] for _ in self.names
            ]
            self._nested = False
        self.columns = [
            Heading(name=name, kind="other" if _only_nested(column) else "any")
            for name, column in zip(self.names, cells, strict=True)
        ]
        self.width = len(self.columns)
        self._type: type = dict if self.objects else list
        self._expected = f"expected an {'object' if self.objects else 'array'}"
        self._nothing: Any = dict.fromkeys(self.names) if self.objects else [None] * self.width
        #: Position of a column whose cells hold until the next one.
        self.carried: int | None = None
        self._last: Any = None
        self._colons = sum(name.count(":") for name in self.names)
        self._known = frozenset(self.names)
        self._get = itemgetter(*self.names) if self.width > 1 else None
        self.choose(range(self.width))

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Take note of the columns that are needed; docstring of `Container.choose` applies."""
        self._chosen = sorted(set(columns))
        self._exact = sorted(set(exact))
        wanted = {at for at, column in enumerate(self.columns) if column.kind != "other"}
        # other columns do not matter when only some are used
        self._strict = wanted <= set(self._chosen)

    def sample(self, rows: Sequence[Any]) -> Batch:
        """Return a batch of the first rows, without breaks."""
        found = [row for row in rows if not _is_break(row) and row is not NO_ROW][:SAMPLE_ROWS]
        cells, bad = self._columns(found, range(self.width))
        self._carry(cells)
        self._last = None
        return Batch(len(found), cells, bad=bad)

    def batches(
        self,
        body: bytes,
        texts: Callable[[], Sequence[bytes]],
        numbers: Sequence[int],
        items: list[Any] | None = None,
    ) -> Iterator[Batch | None]:
        """Turn some rows into batches, `None` for breaks.

        Parameters
        ----------
        body
            The rows as JSON, with commas between them.
        texts
            Gives the text of each row; lines that are no rows may be among them.
        numbers
            Of the rows.
        items
            The parsed rows, if they are parsed already.
        """
        if items is None:
            try:
                items = orjson.loads(b"[" + body + b"]")
            except orjson.JSONDecodeError:
                items = None
        if items is None or len(items) != len(numbers):
            items = list(map(_parse, texts()))
        alike = set(map(type, items)) == {self._type}
        batch = self._flat(items, body) if alike else None
        if batch is None:
            if not alike or (self.objects and _BREAK in items):
                yield from self._parted(items, list(texts()), numbers)
                return
            batch = self._batch(items, body, texts)
        if isinstance(numbers, range):
            batch.first = numbers[0]
        else:
            batch.numbers = numbers
        yield self._finished(batch, texts)

    def _parted(
        self, items: list[Any], texts: list[bytes], numbers: Sequence[int]
    ) -> Iterator[Batch | None]:
        """Take apart what stands between breaks."""
        begin = 0
        for at in [*(i for i, row in enumerate(items) if _is_break(row)), len(items)]:
            kept = [i for i in range(begin, at) if items[i] is not NO_ROW]
            if kept:
                mine = [texts[i] for i in kept]
                good = b",".join(texts[i] for i in kept if type(items[i]) is self._type)
                batch = self._batch([items[i] for i in kept], good, partial(tuple, mine))
                batch.numbers = [numbers[i] for i in kept]
                yield self._finished(batch, partial(tuple, mine))
            if at < len(items):
                yield None
            begin = at + 1

    def _batch(self, rows: list[Any], body: bytes, texts: Callable[[], Sequence[bytes]]) -> Batch:
        """Return a batch of rows and of what are none: `body` has the text of the rows alone."""
        bad: dict[int, Reason] = {}
        # the cells of a bad row mean nothing, but look like the others
        whole = (row for row in rows if isinstance(row, dict | list) and len(row) == self.width)
        filler = next(whole, self._nothing)
        for at, row in enumerate(rows):
            if type(row) is not self._type:
                bad[at] = Reason(row.reason if type(row) is BadRow else self._expected)
                rows[at] = filler
        batch = self._flat(rows, body, len(bad))
        if batch is None:
            good = [at for at in range(len(rows)) if at not in bad]
            if _loses(body, [rows[at] for at in good]):
                for at in good:
                    rows[at] = read_text(texts()[at])
            cells, worse = self._columns(rows, self._chosen)
            self._make_exact(cells, body, good)
            self._carry(cells)
            batch = Batch(len(rows), cells, bad=worse)
        batch.bad |= bad
        return batch

    def _finished(self, batch: Batch, texts: Callable[[], Sequence[bytes]]) -> Batch:
        """Add what is looked up when it is asked for."""

        def exact(row: int, at: int) -> Any:
            cell = batch.cell(row, at)
            if type(cell) is not float or row in batch.bad:
                return cell
            found = read_text(texts()[row], Decimal)
            if self._nested:
                found = dict(flattened(found))
            return found[self.names[at] if self.objects else at]

        batch.show = lambda at: texts()[at].decode("utf-8", "backslashreplace")
        batch.exact = exact
        return batch

    def _flat(self, rows: list[Any], body: bytes, n_bad: int = 0) -> Batch | None:
        """Return a batch of rows that are all alike, `None` for others."""
        n_keys = (len(rows) - n_bad) * self.width
        if self._nested:
            return None
        if set(map(len, rows)) != {self.width}:
            if not self.objects or not self._known.issuperset(chain.from_iterable(rows)):
                return None
            n_keys = sum(map(len, rows)) - n_bad * self.width
            rows = [row if len(row) == self.width else {**self._nothing, **row} for row in rows]
        if not self.objects:
            flat = list(chain.from_iterable(rows))
        else:
            try:
                if self._get is None:
                    flat = [row[self.names[0]] for row in rows]
                else:
                    flat = list(chain.from_iterable(map(self._get, rows)))
            except KeyError:
                return None
        kinds = set(map(type, flat))
        if kinds & _NESTED or (not kinds <= _PLAIN and float in kinds and _has_lost(flat, body)):
            # digits that plain numbers have lost can be had by `Batch.exact`
            return None
        if self.objects:
            # of a key that occurs twice one value would be lost
            mark, in_keys = (b":", self._colons) if kinds <= _PLAIN else (b'":', 0)
            if body.count(mark) != n_keys + (len(rows) - n_bad) * in_keys:
                return None
        if kinds <= _PLAIN and not (float in kinds and self._inexact(flat)):
            return Batch(len(rows), flat=flat)
        if n_bad and self._exact:
            return None
        cells: list[Cells | None] = [None] * self.width
        for at in self._chosen:
            cells[at] = flat[at :: self.width]
        self._make_exact(cells, body, range(len(rows)))
        self._carry(cells)
        return Batch(len(rows), cells)

    def _inexact(self, flat: list[Any]) -> bool:
        return any(float in set(map(type, flat[at :: self.width])) for at in self._exact)

    def _make_exact(self, cells: list[Cells | None], body: bytes, rows: Sequence[int]) -> None:
        """Give the numbers of some columns with all of their digits: `body` has these rows."""
        inexact = [at for at in self._exact if float in set(map(type, cells[at] or ()))]
        if not inexact:
            return
        found = json.loads(b"[" + body + b"]", parse_float=Decimal, parse_constant=_word)
        for at in inexact:
            column = cells[at]
            assert isinstance(column, list)
            for row, item in zip(rows, found, strict=True):
                if type(column[row]) is float:
                    if self._nested:
                        item = dict(flattened(item))
                    column[row] = item[self.names[at] if self.objects else at]

    def _carry(self, cells: list[Cells | None]) -> None:
        """Repeat the name of a series in the rows that leave it out."""
        if self.carried is None or (column := cells[self.carried]) is None:
            return
        for row, cell in enumerate(column):
            if cell is None:
                column[row] = self._last
            else:
                self._last = cell

    def _columns(
        self, rows: Sequence[Any], chosen: Collection[int]
    ) -> tuple[list[Cells | None], dict[int, Reason]]:
        """Return the cells of rows of any kind, and the reasons of those that are none."""
        bad: dict[int, Reason] = {}
        nothing = [None] * self.width
        table = []
        for at, row in enumerate(rows):
            found = self._row(row)
            if isinstance(found, str):
                bad[at] = Reason(found)
                found = nothing
            table.append(found)
        cells: list[Cells | None] = [None] * self.width
        for at in chosen:
            column = [row[at] for row in table]
            if _NESTED & set(map(type, column)):
                self._take_out(column, at, bad)
            cells[at] = column
        return cells, bad

    def _take_out(self, column: list[Any], at: int, bad: dict[int, Reason]) -> None:
        """Leave no lists among cells."""
        for row, cell in enumerate(column):
            if type(cell) in _NESTED:
                column[row] = None
                if self.columns[at].kind == "other":
                    column[row] = json.dumps(cell, default=str)[:40]
                elif row not in bad:
                    name = shorten(self.names[at]) if self.names[at] else f"column {at}"
                    bad[row] = Reason(
                        f"{name} is {'a list' if type(cell) is list else 'an object'}"
                    )

    def _row(self, row: Any) -> Sequence[Any] | str:
        """Return the cells of a row, or what is wrong with it."""
        if type(row) is BadRow:
            return row.reason
        if not self.objects:
            if type(row) is not list:
                return "expected an array"
            if len(row) != self.width:
                return f"expected {self.width} columns, found {len(row)}"
            return row
        if type(row) is not dict:
            return "expected an object"
        if self._nested:
            row = dict(flattened(row))
        if self._strict and not row.keys() <= self._known:
            for key, value in row.items():
                if key not in self._known and value is not None and type(value) not in _NESTED:
                    return f"the key {shorten(key)} is not in the first rows"
        return [row.get(name) for name in self.names]


def _parse(text: bytes) -> Any:
    """Parse the text of a row fast; what is none is a `BadRow`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        stripped = text.strip()
        return read_text(text) if stripped and not stripped.startswith(b"#") else NO_ROW


def read_row(text: bytes) -> Any:
    """Parse the text of a row, no digit lost; what is none is a `BadRow`, `NO_ROW` a comment."""
    row = _parse(text)
    return read_text(text) if type(row) in _NESTED and _loses(text, [row]) else row


def _only_nested(column: Sequence[Any]) -> bool:
    kinds = {type(cell) for cell in column if cell is not None}
    return bool(kinds) and kinds <= _NESTED


def _is_break(row: Any) -> bool:
    return row is None or row == _BREAK


def _loses(text: bytes, rows: list[Any]) -> bool:
    """Tell whether parsed rows are less than what stands in their text."""
    if text.count(b'":') != sum(map(n_keys, rows)):
        return True
    return _has_lost(_leaves(rows), text)


def _leaves(value: Any) -> Iterator[Any]:
    for item in value.values() if type(value) is dict else value:
        if type(item) in _NESTED:
            yield from _leaves(item)
        else:
            yield item


def _has_lost(cells: Iterable[Any], text: bytes) -> bool:
    """Tell whether a large integer has lost digits."""
    if b"0" * 19 not in text.translate(_TO_ZEROS):
        return False
    return any(type(cell) is float and (cell >= _LARGE or cell <= -_LARGE) for cell in cells)
