"""CSV and TSV: a header, one event per record."""

from __future__ import annotations

import csv
import re
from collections import deque
from typing import TYPE_CHECKING, Any

from joule_cli.errors import FormatError
from joule_cli.formats.csv_writer import quoted
from joule_cli.formats.events.base import (
    CONTENT,
    END,
    ID,
    START,
    EventWriteOptions,
    SinkWriter,
)
from joule_cli.formats.events.cells import cell_of, value_of
from joule_cli.formats.events.exact import dumps, loads
from joule_cli.formats.events.lines import EventLineReader
from joule_cli.formats.events.records import BadLine, decode_line, guess_delimiter, split_line
from joule_cli.formats.numbers import shorten
from joule_cli.formats.source import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joule_cli.formats.base import Place
    from joule_cli.formats.events.base import EventBlock, EventReadOptions
    from joule_cli.formats.source import ByteSource
    from joule_cli.model import Event

#: Columns of fields that are not declared; further ones stand in `content`.
_MOST_COLUMNS = 100
_RESERVED = frozenset({START, END, CONTENT, ID})


class CsvEventReader(EventLineReader):
    """Records with the columns ``start_time`` and ``end_time`` (or ``start``, ``end``).

    ``id`` and ``content`` (JSON) are optional; every other column is a field of the content.
    """

    default_delimiter: str | None = None

    def __init__(self, place: Place | ByteSource, options: EventReadOptions) -> None:
        super().__init__(place, options)
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> None:
        raw, line = b"\n", 1
        while raw and (not raw.strip() or raw.lstrip().startswith(b"#")):
            line = self._lines.line
            raw = self._lines.readline()
        self._names: list[str] = []
        if not raw:
            return
        left: deque[bytes] = deque()
        first = raw.decode("utf-8", "replace")
        self._delimiter = self.options.delimiter or self.default_delimiter or guess_delimiter(first)
        try:
            raw, _ = self._whole_record(raw.removesuffix(b"\n"), left)
            text = decode_line(raw.removesuffix(b"\r"))
            self._names = [name for name, _ in split_line(text, self._delimiter)]
            self._find_columns()
        except BadLine as bad:
            raise FormatError(bad.reason, file=self.name, line=line, column=bad.column) from bad
        self.heading = text

    def _find_columns(self) -> None:
        names = self._names
        if twice := [name for name in names if names.count(name) > 1]:
            raise BadLine(f"there are two columns {shorten(twice[0])}")
        start, end = (START, END) if START in names else ("start", "end")
        if start not in names:
            found = ", ".join(map(shorten, names[:10]))
            raise BadLine(f"there is no column 'start_time', only {found}")

        def position(name: str) -> int | None:
            return names.index(name) if name in names else None

        self._start = names.index(start)
        self._end, self._id, self._content = map(position, (end, ID, CONTENT))
        kinds = self.options.fields.kinds
        self._fields = [
            (i, name, kinds.get(name))
            for i, name in enumerate(names)
            if name not in {start, end, ID, CONTENT}
        ]

    def blocks(self) -> Iterator[EventBlock]:
        """Give blocks of events; docstring of `EventReader.blocks` applies."""
        return super().blocks() if self._names else iter(())

    def _parse_piece(self, piece: bytes) -> list[Event] | None:
        n = len(self._names)
        try:
            lines = piece.decode().split("\n")[:-1]
            if piece.startswith(b"#") or b"\n#" in piece:
                return None
            table = list(csv.reader(lines, delimiter=self._delimiter, strict=True))
            if len(table) != len(lines) or any(len(row) != n for row in table):
                return None
            return list(map(self._event, table))
        except (ValueError, csv.Error, BadLine):
            # the closer look finds the line and says what is wrong
            return None

    def _parse_record(self, raw: bytes) -> Event:
        fields = split_line(decode_line(raw), self._delimiter)
        if len(fields) != len(self._names):
            raise BadLine(f"expected {len(self._names)} columns, found {len(fields)}")
        return self._event([text for text, _ in fields])

    def _event(self, cells: Sequence[str]) -> Event:
        content: Any = {}
        for i, name, kind in self._fields:
            if cell := cells[i]:
                try:
                    content[name] = value_of(cell, kind)
                except ValueError as exc:
                    raise BadLine(f"{name}: {exc}") from exc
        if self._content is not None and (cell := cells[self._content]):
            content = self._joined(content, cell)
        number = None
        if self._id is not None and (cell := cells[self._id]):
            if not re.fullmatch(r"-?[0-9]{1,18}", cell):
                raise BadLine(f"id must be an integer, not {shorten(cell)}")
            number = int(cell)
        end = cells[self._end] if self._end is not None else ""
        return self._parser.event(
            number, None, cells[self._start] or None, end or None, content, None
        )

    def _joined(self, content: dict[str, Any], cell: str) -> Any:
        try:
            rest = loads(cell.encode())
        except ValueError as exc:
            raise BadLine(f"the column 'content' has no JSON but {shorten(cell)}") from exc
        if isinstance(rest, dict):
            return {**rest, **content}
        if content:
            raise BadLine(f"there is no place for the fields in the content {shorten(cell)}")
        return rest

    def _whole_record(self, raw: bytes, left: deque[bytes]) -> tuple[bytes, int]:
        """Add the lines up to the end of the last quoted field."""
        mark = self._delimiter.encode()
        if b'"' not in raw or not _is_open(raw, mark, inside=False):
            return raw, 1
        lines = [raw]
        size = len(raw)
        extended = False
        while True:
            if not left:
                more = self._lines.block() if size <= LONGEST_LINE else b""
                if not more:
                    break
                extended = True
                left.extend(more.split(b"\n")[:-1])
            lines.append(left.popleft())
            size += len(lines[-1]) + 1
            if b'"' in lines[-1] and not _is_open(lines[-1], mark, inside=True):
                if extended and left:
                    self._lines.put_back(b"\n".join(left) + b"\n")
                    left.clear()
                return b"\n".join(lines), len(lines)
        if len(lines) > 1:
            self._lines.put_back(b"\n".join(lines[1:]) + b"\n")
        raise BadLine("the quotation mark is not closed")


class TsvEventReader(CsvEventReader):
    """CSV with tabs."""

    default_delimiter = "\t"


def _is_open(line: bytes, delimiter: bytes, *, inside: bool) -> bool:
    """Tell whether a line ends inside a quoted field; it may begin in one."""
    at = 0
    if not inside and line.startswith(b'"'):
        inside, at = True, 1
    while True:
        if inside:
            at = line.find(b'"', at) + 1
            if not at:
                return True
            if line.startswith(b'"', at):
                # a doubled quotation mark stands for one
                at += 1
                continue
            inside = False
        at = line.find(delimiter, at) + 1
        if not at:
            return False
        if line.startswith(b'"', at):
            inside = True
            at += 1


class CsvEventWriter(SinkWriter):
    """CSV with a header; see `cells` for what stands where."""

    default_delimiter = ","

    def __init__(self, place: Place, options: EventWriteOptions) -> None:
        super().__init__(place, options)
        self._delimiter = options.delimiter or self.default_delimiter
        self._special = re.compile(rf'[{re.escape(self._delimiter)},;\t"\r\n]|^[# ]| $')
        self._columns: list[tuple[str, str | None]] | None = None

    def _format(self, events: Sequence[Event]) -> bytes:
        out = [] if self._columns is not None else [self._header(events)]
        out += map(self._line, events)
        return "".join(out).encode()

    def _end(self) -> bytes:
        # without events nobody has asked for the header yet
        return b"" if self._columns is not None else self._header(()).encode()

    def _header(self, events: Sequence[Event]) -> str:
        options = self.options
        kinds = options.fields.kinds
        if options.select is not None:
            names = list(options.select)
        else:
            names = [name for name in options.fields if name and name not in _RESERVED]
            known = {"", *_RESERVED, *names}
            others = dict.fromkeys(
                name
                for event in events
                if type(event.content) is dict
                for name in event.content
                if name not in known
            )
            names += list(others)[:_MOST_COLUMNS]
        self._columns = [(name, kinds.get(name)) for name in names]
        self._names = frozenset(names)
        if not options.header:
            return ""
        header = [START, END, *names]
        if options.select is None:
            header.append(CONTENT)
        if options.ids:
            header.append(ID)
        return self._delimiter.join(map(quoted, header)) + "\n"

    def _line(self, event: Event) -> str:
        assert self._columns is not None
        cells = [self._time(event.start_time), self._time(event.end_time)]
        content = event.content
        if self.options.select is not None:
            chosen = content if type(content) is dict else {}
            cells += [
                self._selected(chosen[name], kind) if name in chosen else ""
                for name, kind in self._columns
            ]
        elif type(content) is dict:
            self._add_fields(cells, content)
        else:
            cells += [""] * len(self._columns)
            cells.append(self._quote(dumps(content).decode()))
        if self.options.ids:
            cells.append("" if event.id is None else str(event.id))
        return self._delimiter.join(cells) + "\n"

    def _add_fields(self, cells: list[str], content: dict[str, Any]) -> None:
        assert self._columns is not None
        placed = 0
        homeless = {}
        for name, kind in self._columns:
            if name not in content:
                cells.append("")
                continue
            cell = cell_of(content[name], kind)
            placed += 1
            if cell is None:
                homeless[name] = content[name]
                cells.append("")
            else:
                cells.append(self._quote(cell))
        if placed < len(content):
            names = self._names
            homeless.update((k, v) for k, v in content.items() if k not in names)
        cells.append(self._quote(dumps(homeless).decode()) if homeless else "")

    def _selected(self, value: Any, kind: str | None) -> str:
        # without a column for the rest, everything stands in its own
        cell = cell_of(value, kind)
        return self._quote(dumps(value).decode() if cell is None else cell)

    def _time(self, time: int | None) -> str:
        if time is None:
            return ""
        form = self.options.format_time
        return str(time) if form is None else self._quote(str(form(time)))

    def _quote(self, text: str) -> str:
        if self._special.search(text):
            return '"' + text.replace('"', '""') + '"'
        return text


class TsvEventWriter(CsvEventWriter):
    """CSV with tabs."""

    default_delimiter = "\t"
