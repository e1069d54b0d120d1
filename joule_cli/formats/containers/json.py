"""One JSON document, read in pieces."""

from __future__ import annotations

import json
import re
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Container, Told
from joule_cli.formats.containers.json_document import document_rows
from joule_cli.formats.containers.json_rows import JsonRows
from joule_cli.formats.containers.json_scan import Lines, NotSeparatedError, scan
from joule_cli.formats.containers.jsonl import JsonlContainer
from joule_cli.formats.numbers import PIECE_BYTES
from joule_cli.formats.source import LONGEST_LINE, ByteSource, open_source
from joule_cli.model.data_stream import DATATYPES, DataStream, Element
from joule_cli.series.intervals import Interval
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.table.options import ReadOptions

#: The key of the rows, if it is not told.
_DATA = "data"
#: Lists of rows in a list, such as the history of Home Assistant: empty ones may come first.
_SERIES = re.compile(rb"\[\s*(?:\[\s*\]\s*,\s*)*\[\s*\{")
#: A series of Home Assistant has its name in the first of its rows only.
_SERIES_NAME = "entity_id"
_BLANKS = re.compile(rb"[ \t\r\n]*+")
#: Keys that say something about rows, and must stand before them.
_BEFORE = frozenset({"stream", "columns", "index", "intervals", "decimation_level"})
#: A document that is no list of rows is loaded as a whole up to this size.
_MOST_BYTES = 1 << 26
#: So often an opening bracket is tried as the beginning of a row.
_TRIES = 64


def open_json(place: FileRef | ByteSource, options: ReadOptions) -> Container:
    """Open a JSON document, or JSON lines under its name.

    Raises
    ------
    FormatError
        Not JSON, cut, or there is no table in it or more than one.
    """
    source = open_source(place, options.encoding)
    try:
        if has_lines(source):
            return JsonlContainer(source, options)
        return JsonContainer(source, options)
    except BaseException:
        source.close()
        raise


def has_lines(source: ByteSource) -> bool:
    """Tell whether the first line is whole, and another follows."""
    while True:
        line, end, rest = source.peek().lstrip().partition(b"\n")
        if (end and rest.strip()) or len(line) > LONGEST_LINE or not source.peek_more():
            break
    try:
        return bool(end and rest.strip()) and type(orjson.loads(line)) in (dict, list, type(None))
    except orjson.JSONDecodeError:
        return line.startswith(b"#")


class _Piece(NamedTuple):
    """Some rows: their text, the text of each, the number of each, and what was parsed."""

    body: bytes
    texts: Callable[[], Sequence[bytes]]
    numbers: Sequence[int]
    items: list[Any] | None


class JsonContainer(Container):
    """A list of rows, or an object with one by the key ``data``.

    Rows are arrays, named by ``columns`` if that stands before them, or objects. Between them
    ``null`` is an interval break. Lists of objects may stand in one more list. Other documents
    are loaded as a whole: columns as lists, the tables of pandas, and lists deeper down.
    """

    kind = "JSON"
    rows_type: type[JsonRows] = JsonRows

    def __init__(self, place: FileRef | ByteSource, options: ReadOptions) -> None:
        self._source = open_source(place, options.encoding)
        self.name = self._source.name
        self.small_batches = self._source.is_regular
        self.notes = []
        self.warnings = []
        self._wanted: str | None = options.dataset
        self._buffer = b""
        self._at = 0
        self._line, self._column = 1, 1
        self._n_rows = 0
        self._bare = False
        self._series = False
        self._in_series = False
        self._comma_due = False
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._skip_blanks()
        first = self._buffer[self._at : self._at + 1]
        top: dict[str, Any] | None = {}
        if first == b"[":
            self._bare = self._wanted is None
            if self._bare:
                self._begin_rows()
            else:
                top = None
        elif first == b"{":
            top = self._top()
        else:
            raise self._error("not JSON: expected an object or an array")
        names: Sequence[str] | None = None
        if top is None:
            whole, names = self._rows_of_document()
            self._pieces = self._in_memory(whole)
        else:
            self._pieces = self._streamed()
            names = self._names(top)
        self._held: list[_Piece] = []
        rows: list[Any] = []
        for piece in self._pieces:
            self._held.append(piece)
            rows += _items_of(piece)[:SAMPLE_ROWS]
            if len(rows) >= SAMPLE_ROWS or (self.share is None and any(rows)):
                break
        self._rows = self.rows_type(rows, names)
        if top:
            self.told = self._tell(top)
        if self._series:
            if _SERIES_NAME in self._rows.names:
                self._rows.carried = self._rows.names.index(_SERIES_NAME)
            self.notes.append("lists of rows in a list, read one after the other")
        self.columns = self._rows.columns
        self._sample = self._rows.sample(rows)

    def sample(self) -> Batch:
        """Return the first rows; docstring of `Container.sample` applies."""
        return self._sample

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Take note of the columns; docstring of `Container.choose` applies."""
        self._rows.choose(columns, exact)

    def batches(self) -> Iterator[Batch | None]:
        """Give the rows; docstring of `Container.batches` applies."""
        held, self._held = self._held, []
        for pieces in (held, self._pieces):
            for piece in pieces:
                yield from self._rows.batches(piece.body, piece.texts, piece.numbers, piece.items)

    # what stands before the rows

    def _top(self) -> dict[str, Any] | None:
        """Read what stands before the rows and go on to them; `None` for another document."""
        key = orjson.dumps(self._wanted or _DATA)
        pattern = re.compile(re.escape(key) + rb"\s*:\s*(?=\[)")
        while True:
            for found in pattern.finditer(self._buffer, self._at):
                before = self._buffer[self._at : found.start()].rstrip().removesuffix(b",")
                try:
                    top = json.loads(before + b"}")
                except (ValueError, RecursionError):
                    # a key of the same name deeper down
                    continue
                if not isinstance(top, dict) or ("index" in top and "columns" in top):
                    return None
                while len(self._buffer) < found.end() + 64 and self._more():
                    pass
                if (
                    not self._buffer[found.end() + 1 :]
                    .lstrip()
                    .startswith((b"[", b"{", b"n", b"]"))
                ):
                    return None
                self._take(found.end() - self._at)
                self._begin_rows()
                return top
            if len(self._buffer) > LONGEST_LINE or not self._more():
                return None

    def _begin_rows(self) -> None:
        """Go into the list of rows, and into the first list in it if there are several."""
        while len(self._buffer) < self._at + 4096 and self._more():
            pass
        self._series = _SERIES.match(self._buffer, self._at) is not None
        self._take(1)

    def _names(self, top: dict[str, Any]) -> list[str] | None:
        columns = top.get("columns")
        if columns is None:
            return None
        if not isinstance(columns, list):
            raise FormatError("the description of the stream cannot be read", file=self.name)
        return [str(name) for name in columns]

    def _tell(self, top: dict[str, Any]) -> Told:
        """Return what a document of Joule says about its stream."""
        if "stream" not in top:
            return Told()
        try:
            level = int(top.get("decimation_level", 1))
            stream = DataStream.from_json({"name": "", **(top["stream"] or {})})
            names = self._rows.names[1:]
            elements: dict[str, Element] = {}
            if len(stream.elements) == len(names):
                elements = dict(zip(names, stream.elements, strict=True))
            datatype = None
            if stream.datatype in DATATYPES:
                stored = Layout(stream.datatype, 1)
                datatype = (stored if level == 1 else stored.decimated).datatype
            intervals = top.get("intervals")
            return Told(
                own=True,
                path=(top["stream"] or {}).get("path"),
                stream=stream,
                elements=elements or stream.elements,
                datatype=datatype,
                decimation_level=level,
                intervals=None
                if intervals is None
                else [Interval(int(a), int(b)) for a, b in intervals],
                time_column=self._rows.names[0] or None if self._rows.names else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise FormatError(
                "the description of the stream cannot be read", file=self.name
            ) from exc

    # documents that are loaded as a whole

    def _whole(self) -> bytes:
        while len(self._buffer) <= _MOST_BYTES and self._more():
            pass
        if len(self._buffer) > _MOST_BYTES:
            raise FormatError(
                f"the document is no list of rows and has more than {_MOST_BYTES >> 20} MB",
                file=self.name,
            )
        return self._buffer

    def _rows_of_document(self) -> tuple[list[Any], Sequence[str] | None]:
        """Return the rows of a document that is no list of them, and the names of their cells."""
        return document_rows(self._whole(), self._wanted, self.name)

    def _in_memory(self, rows: list[Any]) -> Iterator[_Piece]:
        self._buffer = b""
        for begin in range(0, len(rows), SAMPLE_ROWS):
            part = rows[begin : begin + SAMPLE_ROWS]
            texts = [json.dumps(row, default=str).encode() for row in part]
            numbers = range(begin + 1, begin + 1 + len(part))
            yield _Piece(b",".join(texts), partial(list, texts), numbers, part)

    # documents that are read in pieces

    def _streamed(self) -> Iterator[_Piece]:
        more = self._to_next_row()
        if more and self._has_own_lines():
            self.unit = "line"
        while more:
            yield self._next_piece()
            more = self._to_next_row()
        self._finish()

    def _has_own_lines(self) -> bool:
        """Tell whether each of the first rows stands in a line of its own."""
        text = self._buffer[self._at : self._at + 4096]
        try:
            spans = scan(text, series=self._series).spans
        except NotSeparatedError:
            return False
        return all(b"\n" in text[a[1] : b[0]] for a, b in pairwise(spans))

    def _to_next_row(self) -> bool:
        """Go to the beginning of a row; false at the end of the rows."""
        while True:
            self._skip_blanks()
            mark = self._buffer[self._at : self._at + 1]
            if not mark:
                raise FormatError("the document is cut: its data has no end", file=self.name)
            nested = self._series and not self._in_series
            if mark == b"]" and (self._comma_due or not self._n_rows or self._series):
                self._take(1)
                if nested or not self._series:
                    return False
                self._in_series = False
                self._comma_due = True
            elif mark == b"," and self._comma_due:
                self._take(1)
                self._comma_due = False
            elif mark == b"[" and nested and not self._comma_due:
                self._take(1)
                self._in_series = True
            elif self._comma_due or nested:
                raise self._error("not JSON: expected ',' and another row, or ']'")
            elif mark in b"[{n" and not (self._series and mark != b"{"):
                return True
            else:
                raise self._error("not JSON: expected an array or an object as a row")

    def _next_piece(self) -> _Piece:
        """Take some whole rows, the first of which begins here."""
        size = PIECE_BYTES
        while True:
            window = self._buffer[self._at : self._at + size]
            cut = _boundary(window)
            if cut:
                body = window[:cut]
                try:
                    items = orjson.loads((b"[[%b]]" if self._series else b"[%b]") % body)
                except orjson.JSONDecodeError:
                    pass
                else:
                    if self._series:
                        items = [row for rows in items for row in rows]
                    return self._quick_piece(body, items)
            elif self._at + size > len(self._buffer) and self._more():
                continue
            found = self._scan(window, series=self._series)
            if found.spans:
                return self._scanned_piece(window, found.spans)
            if len(window) > LONGEST_LINE:
                raise self._error("not JSON: a row has no end")
            if len(window) < size and not self._more():
                raise FormatError("the document is cut: its data has no end", file=self.name)
            size *= 2

    def _scan(self, text: bytes, *, series: bool) -> Any:
        try:
            return scan(text, series=series)
        except NotSeparatedError as exc:
            self._take(exc.at)
            raise self._error("not JSON: expected ',' and another row, or ']'") from exc

    def _quick_piece(self, body: bytes, items: list[Any]) -> _Piece:
        line = self._line
        self._take(len(body))
        self._comma_due = True

        @cache
        def find() -> list[tuple[int, int]]:
            return scan(body, series=self._series).spans

        @cache
        def texts() -> list[bytes]:
            return [body[begin:end] for begin, end in find()]

        return _Piece(body, texts, self._numbers(body, line, find, len(items)), items)

    def _scanned_piece(self, window: bytes, spans: list[tuple[int, int]]) -> _Piece:
        line = self._line
        self._take(spans[-1][1])
        self._comma_due = True
        texts = [window[begin:end] for begin, end in spans]
        numbers = self._numbers(window[: spans[-1][1]], line, lambda: spans, len(spans))
        return _Piece(b",".join(texts), lambda: texts, numbers, None)

    def _numbers(
        self, body: bytes, line: int, spans: Callable[[], list[tuple[int, int]]], n: int
    ) -> Sequence[int]:
        """Return the lines of rows; their numbers where several stand in a line."""
        begin = self._n_rows
        self._n_rows += n
        if self.unit == "row":
            return range(begin + 1, begin + 1 + n)
        ends = body.count(b"\n")
        return range(line, line + n) if ends == n - 1 else Lines(body, line, spans, n)

    def _finish(self) -> None:
        """Check what stands after the rows."""
        while len(self._buffer) - self._at <= LONGEST_LINE and self._more():
            pass
        rest = self._buffer[self._at :].strip()
        if self._bare:
            self._skip_blanks()
            if rest:
                raise self._error("something stands after the end of the rows")
            return
        try:
            after = json.loads(b'{"data": []' + rest)
        except (ValueError, RecursionError) as exc:
            raise FormatError(
                "the document is cut or does not end as JSON should",
                file=self.name,
                line=self._line,
            ) from exc
        late = sorted(_BEFORE & set(after))
        if late:
            raise FormatError(f"the key {late[0]!r} must stand before the rows", file=self.name)

    # bytes

    def _error(self, message: str) -> FormatError:
        return FormatError(message, file=self.name, line=self._line, column=self._column)

    def _more(self) -> bool:
        data = self._source.read()
        self._buffer = self._buffer[self._at :] + data
        self._at = 0
        return bool(data)

    def _skip_blanks(self) -> None:
        while True:
            found = _BLANKS.match(self._buffer, self._at)
            assert found is not None
            self._take(found.end() - self._at)
            if self._at < len(self._buffer) or not self._more():
                return

    def _take(self, size: int) -> None:
        """Go on, and count lines."""
        end = self._at + size
        lines = self._buffer.count(b"\n", self._at, end)
        if lines:
            self._line += lines
            self._column = end - self._buffer.rfind(b"\n", self._at, end)
        else:
            self._column += size
        self._at = end

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Container.share` applies."""
        return self._source.share(len(self._buffer) - self._at)

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._source.close()


def _items_of(piece: _Piece) -> list[Any]:
    from joule_cli.formats.containers.json_rows import read_row

    return list(map(read_row, piece.texts()[:SAMPLE_ROWS]))


def _boundary(window: bytes) -> int:
    """Return where the last comma stands that may be between two rows, 0 for none."""
    opening, closing = (b"{", b"}") if window[:1] == b"{" else (b"[", b"]")
    at = len(window)
    for _ in range(_TRIES):
        at = window.rfind(opening, 0, at)
        if at <= 0:
            return 0
        near = max(at - 80, 0)
        before = window[near:at].rstrip()
        if before.endswith(b",") and before[:-1].rstrip().endswith((closing, b"null")):
            return near + len(before) - 1
    return 0
