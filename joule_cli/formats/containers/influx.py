"""InfluxDB: its line protocol, and the CSV with annotations that its version 2 writes."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import SAMPLE_ROWS, Heading, Told
from joule_cli.formats.containers.line_table import LineTable
from joule_cli.formats.numbers import shorten
from joule_cli.formats.table.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIME: Final = "time"
_MEASUREMENT: Final = "measurement"
#: A key and its value, up to a comma that is not escaped; fields may be quoted.
_TAG: Final = re.compile(r"((?:[^\\,=]|\\.)+)=((?:[^\\,]|\\.)*)(?:,|$)")
_FIELD: Final = re.compile(
    r'((?:[^\\,=]|\\.)+)=("(?:[^"\\]|\\.)*"|(?:[^\\,"]|\\.)*)(?:,|$)', re.DOTALL
)
_LINE: Final = re.compile(
    r"(?P<name>(?:[^\\, ]|\\.)+)(?:,(?P<tags>(?:[^\\ ]|\\.)+))? +"
    r'(?P<fields>(?:[^\\" ]|\\.|"(?:[^"\\]|\\.)*")+)(?: +(?P<time>-?\d+))? *',
    re.DOTALL,
)
_ESCAPED: Final = re.compile(r'\\([\\,= "])')
_INTEGER: Final = re.compile(r"([+-]?\d+)[iu]", re.ASCII)
_FLOAT: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_BOOLS: Final = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}
#: Digits that float64 always keeps.
_DIGITS: Final = 17


class _Point(NamedTuple):
    """What a line of the protocol holds, by kind and name."""

    cells: dict[tuple[str, str], Any]
    time: int | None


class LineProtocolContainer(LineTable):
    """A point per line: its measurement, tags, fields and time.

    Measurement and tags are text and hidden, since they tell series apart. Fields are columns.
    """

    kind = "InfluxDB line protocol"

    def _open(self) -> None:
        keys: dict[tuple[str, str], None] = {("", _TIME): None, ("", _MEASUREMENT): None}
        n_points = 0
        failed: FormatError | None = None
        for number, line in enumerate(self._ahead(), self._lines.line):
            if n_points == SAMPLE_ROWS:
                break
            point = _point(line)
            if isinstance(point, Reason):
                failed = failed or FormatError(
                    point.text, file=self.name, line=number, hint=point.hint
                )
            elif point is not None:
                n_points += 1
                keys.update(dict.fromkeys(point.cells))
        if failed is not None and not n_points:
            raise failed
        order = {"": 0, "tag": 1, "field": 2}
        found = sorted(keys, key=lambda key: order[key[0]])
        self._keys = {key: at for at, key in enumerate(found)}
        self.columns = [
            Heading(name=name, kind="any")
            if kind == "field" or name == _TIME
            else Heading(name=name, kind="text", hidden=True)
            for kind, name in found
        ]
        self.told = Told(time_column=_TIME)

    def _row(self, line: str) -> Sequence[Any] | Reason | None:
        point = _point(line)
        if point is None or isinstance(point, Reason):
            return point
        row: list[Any] = [None] * len(self._keys)
        row[0] = point.time
        for key, value in point.cells.items():
            at = self._keys.get(key)
            if at is None:
                return Reason(f"the {key[0]} {shorten(key[1])} is not in the first lines")
            row[at] = value
        return row


def _point(line: str) -> _Point | Reason | None:
    """Read a line; nothing for a blank one and a comment."""
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    found = _LINE.fullmatch(line)
    if found is None:
        return Reason("not a line of the protocol: MEASUREMENT,TAG=TEXT FIELD=VALUE TIME")
    cells: dict[tuple[str, str], Any] = {("", _MEASUREMENT): _unescaped(found["name"])}
    for kind, pattern, text in (("tag", _TAG, found["tags"]), ("field", _FIELD, found["fields"])):
        end = 0
        for pair in pattern.finditer(text or ""):
            if pair.start() != end:
                break
            end = pair.end()
            key = (kind, _unescaped(pair[1]))
            if key in cells:
                return Reason(f"the {kind} {shorten(key[1])} occurs twice")
            value = _value(pair[2]) if kind == "field" else _unescaped(pair[2])
            if value is None:
                return Reason(f"{shorten(pair[2])} is no value of the field {shorten(key[1])}")
            cells[key] = value
        if end != len(text or "") or (text or "").endswith(","):
            return Reason(f"the {kind}s are not pairs such as NAME=VALUE")
    return _Point(cells, None if found["time"] is None else int(found["time"]))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _value(text: str) -> Any:
    """Return the value of a field, `None` for what is none."""
    if _FLOAT.fullmatch(text):
        return float(text) if len(text) <= _DIGITS else Decimal(text)
    if text.startswith('"'):
        return _ESCAPED.sub(r"\1", text[1:-1])
    integer = _INTEGER.fullmatch(text)
    if integer is not None:
        return int(integer[1])
    return _BOOLS.get(text)


# CSV with annotations

#: Columns that say how a query ran.
_OF_QUERIES: Final = frozenset({"result", "table", "_start", "_stop"})
_LABELS: Final = frozenset({"_field", "_measurement"})
_ANNOTATIONS: Final = ("#group", "#datatype", "#default")


def is_annotated(head: bytes) -> bool:
    """Tell whether a text begins as CSV with annotations does."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lstrip(b'"')
    return text.startswith(
        tuple(word.encode() + mark for word in _ANNOTATIONS for mark in (b",", b'"'))
    )


class _Table(NamedTuple):
    """What the lines above say about the rows below.

    `places` are the columns of the cells, `None` for those that are not in the first tables.
    """

    places: tuple[int | None, ...] | None = None
    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()


class AnnotatedCsvContainer(LineTable):
    """One or several tables, each with lines of annotations and a header above it.

    The rows of all tables follow each other; their columns are put together by their names.
    """

    kind = "CSV of InfluxDB"

    def _open(self) -> None:
        self._state = _Table()
        self._at: dict[str, int] = {}
        kinds: dict[str, str] = {}
        for line in self._ahead():
            table = self._state
            self._row(line)
            if self._state is not table and self._state.names:
                told = self._state.kinds or [""] * len(self._state.names)
                for name, kind in zip(self._state.names, told, strict=False):
                    kinds.setdefault(name, kind)
        kinds.pop("", None)
        if not kinds:
            raise FormatError("there is no header below the annotations", file=self.name)
        if "error" in kinds and "_time" not in kinds:
            raise FormatError("the query failed: the file holds an error", file=self.name)
        self._state = _Table()
        self._at = {name: at for at, name in enumerate(kinds)}
        self.columns = [_heading(name, kind) for name, kind in kinds.items()]
        self.told = Told(time_column="_time" if "_time" in kinds else None)

    def _row(self, line: str) -> Sequence[Any] | Reason | None:
        table: _Table = self._state
        if not line.strip(", \t"):
            self._state = _Table()
            return None
        try:
            cells = next(csv.reader([line], strict=True)) if '"' in line else line.split(",")
        except (csv.Error, StopIteration):
            return Reason("the quotation marks are not in pairs")
        if cells[0] in _ANNOTATIONS:
            if table.places is not None:
                table = _Table()
            if cells[0] == "#datatype":
                table = table._replace(kinds=tuple(cells))
            elif cells[0] == "#default":
                table = table._replace(defaults=tuple(cells))
            self._state = table
            return None
        if cells[0].startswith("#"):
            return None
        if table.places is None:
            places = tuple(self._at.get(name) if name else -1 for name in cells)
            self._state = table._replace(places=places, names=tuple(cells))
            return None
        if len(cells) != len(table.places):
            return Reason(f"expected {len(table.places)} columns, found {len(cells)}")
        row: list[Any] = [None] * len(self._at)
        for i, (place, cell) in enumerate(zip(table.places, cells, strict=True)):
            if place == -1:
                continue
            if not cell and i < len(table.defaults):
                cell = table.defaults[i]
            if place is None:
                if self._at:
                    return Reason(
                        f"the column {shorten(table.names[i])} is not in the first tables"
                    )
            else:
                row[place] = cell or None
        return row


def _heading(name: str, kind: str) -> Heading:
    if name in _OF_QUERIES:
        return Heading(name=name, kind="text", hidden=True)
    if name in _LABELS or (kind == "string" and name != "_value"):
        return Heading(name=name, kind="text", hidden=True)
    return Heading(name=name, kind="any")
