"""One JSON document: the stream, the columns and an array of rows, read and written in pieces."""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.base import (
    Place,
    Reader,
    ReadOptions,
    StreamHead,
    Tally,
    check_rising,
    order_reason,
)
from joule_cli.formats.json_writer import JsonWriter
from joule_cli.formats.jsonl import exact_json, flat_rows, read_row
from joule_cli.formats.lines import BadLine
from joule_cli.formats.numbers import PIECE_BYTES
from joule_cli.formats.source import LONGEST_LINE, ByteSource, open_source
from joule_cli.formats.times import TimeParser
from joule_cli.model.data_stream import DATATYPES, DataStream, Element
from joule_cli.series.intervals import Interval
from joule_cli.series.layout import Layout, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["JsonReader", "JsonWriter"]

_BLOCK_ROWS = 1 << 16
_DATA = re.compile(rb'"data"\s*:\s*\[')
#: Up to the bracket that closes the rows, which have no brackets inside.
_END = re.compile(rb"(?:[^\[\]]++|\[[^\[\]]*+\])*+\]")
_ROW = re.compile(rb"\[[^\[\]]*\]|null")


class JsonReader(Reader):
    """``{"stream": ..., "columns": [...], "data": [[time, value, ...], ...]}``, or only the rows.

    The data comes last, or before keys that do not concern it. Breaks are taken from
    ``intervals`` and from ``null`` between the rows.
    """

    def __init__(self, place: Place | ByteSource, options: ReadOptions) -> None:
        self._source = open_source(place, options.encoding)
        self.name = self._source.name
        self.options = options
        self.tally = Tally()
        self._times = TimeParser(options.time_format, options.tz)
        self._first_value = 0 if options.stamps else 1
        self._line, self._column = 1, 1
        self._last: int | None = None
        self._buffer = b""
        self._ended = False
        try:
            self.head = self._read_head()
        except BaseException:
            self.close()
            raise

    def _error(self, message: str) -> FormatError:
        return FormatError(message, file=self.name, line=self._line, column=self._column)

    def _read_head(self) -> StreamHead:
        while not self._buffer.strip() and self._more():
            pass
        self._take(len(self._buffer) - len(self._buffer.lstrip()))
        self._bare = self._buffer.startswith(b"[")
        if self._bare:
            self._take(1)
            top: dict[str, Any] = {}
        elif self._buffer.startswith(b"{"):
            top = self._top()
        else:
            raise self._error("not JSON: expected an object or an array")
        try:
            return self._head_of(top)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise FormatError(
                "the description of the stream cannot be read", file=self.name
            ) from exc

    def _top(self) -> dict[str, Any]:
        """Read what stands before the rows."""
        while True:
            for found in _DATA.finditer(self._buffer):
                before = self._buffer[: found.start()].rstrip().removesuffix(b",")
                try:
                    top = json.loads(before + b"}")
                except (ValueError, RecursionError):
                    # a key of the same name deeper down
                    continue
                if isinstance(top, dict):
                    self._take(found.end())
                    return top
            if len(self._buffer) > LONGEST_LINE:
                raise FormatError("there is no key 'data' in the document", file=self.name)
            if not self._more():
                break
        try:
            json.loads(self._buffer)
        except json.JSONDecodeError as exc:
            raise FormatError(
                f"the document is cut or not JSON: {exc.msg[:1].lower()}{exc.msg[1:]}",
                file=self.name,
                line=exc.lineno,
                column=exc.colno,
            ) from exc
        except (UnicodeDecodeError, RecursionError) as exc:
            raise FormatError("the document is not JSON", file=self.name) from exc
        raise FormatError("there is no key 'data' in the document", file=self.name)

    def _head_of(self, top: dict[str, Any]) -> StreamHead:
        level = int(top.get("decimation_level", 1))
        stream = None
        if top.get("stream") is not None:
            stream = DataStream.from_json({"name": "", **top["stream"]})
        columns = top.get("columns")
        if columns is not None:
            names = [str(name) for name in columns][self._first_value :]
            width = len(names)
        else:
            names, width = [], self._peek_width()
        if width < 1:
            raise FormatError("expected a timestamp and at least one value", file=self.name)
        elements = [Element(name, index=i) for i, name in enumerate(names)]
        datatype = self.options.datatype
        if stream is not None:
            if len(stream.elements) == width:
                elements = stream.elements
            if datatype is None and stream.datatype in DATATYPES:
                stored = Layout(stream.datatype, 1)
                datatype = (stored if level == 1 else stored.decimated).datatype
        intervals = top.get("intervals")
        return StreamHead(
            layout=Layout(datatype or "float64", width),
            elements=elements,
            path=(top.get("stream") or {}).get("path"),
            stream=stream,
            decimation_level=level,
            intervals=None
            if intervals is None
            else [Interval(int(a), int(b)) for a, b in intervals],
        )

    def _peek_width(self) -> int:
        while b"]" not in self._buffer and self._more():
            if len(self._buffer) > LONGEST_LINE:
                break
        first = _ROW.search(self._buffer)
        while first is not None and first[0] == b"null":
            first = _ROW.search(self._buffer, first.end())
        return first[0].count(b",") + 1 - self._first_value if first else 1

    def _more(self) -> bool:
        data = self._source.read()
        self._buffer += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        """Remove bytes from the buffer and count their lines."""
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        ends = taken.count(b"\n")
        if ends:
            self._line += ends
            self._column = len(taken) - taken.rfind(b"\n")
        else:
            self._column += len(taken)
        return taken

    def blocks(self) -> Iterator[Rows | None]:
        """Give blocks of rows; docstring of `Reader.blocks` applies."""
        return _gathered(self._parts())

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Reader.share` applies."""
        return self._source.share(len(self._buffer))

    def _parts(self) -> Iterator[Rows | None]:
        """Give the rows in small parts, with breaks from either source between them."""
        ends = None
        if self.head.intervals is not None:
            ends = np.array([interval.end for interval in self.head.intervals], dtype=np.int64)
        number = 0
        break_due = False
        for rows in self._chunks():
            if rows is None:
                break_due = True
                continue
            for part, interval in _by_interval(rows, ends):
                if self._last is not None and (break_due or interval != number):
                    yield None
                break_due = False
                number = interval
                self._last = int(part["timestamp"][-1])
                self.tally.rows += len(part)
                yield part

    def _chunks(self) -> Iterator[Rows | None]:
        """Parse the rows of the document up to its end; `None` for ``null``."""
        first = True
        while not self._ended:
            text = self._rows_text()
            if text is None:
                continue
            line, column = self._line, self._column
            self._take(len(text))
            body = text.lstrip()
            if not body:
                continue
            if not first:
                if not body.startswith(b","):
                    raise FormatError("expected ',' between the rows", file=self.name, line=line)
                body = body[1:]
            yield from self._parse(body, text[: len(text) - len(body)], line, column)
            first = False
        self._finish()

    def _rows_text(self) -> bytes | None:
        """Return the text of some whole rows, `None` when more bytes are needed."""
        cut = self._buffer.rfind(b"]", 0, PIECE_BYTES)
        if cut < 0:
            cut = self._buffer.find(b"]")
        window = self._buffer[: cut + 1]
        if cut >= 0 and window.count(b"]") > window.count(b"["):
            end = _END.match(window)
            if end is None:
                raise self._error("not JSON: the rows do not end as they should")
            self._ended = True
            return self._buffer[: end.end() - 1]
        if cut >= 0 and (len(self._buffer) > cut + 1):
            return window
        if len(self._buffer) > LONGEST_LINE and cut < 0:
            raise self._error("not JSON: a row has no end")
        if not self._more():
            raise FormatError("the document is cut: its data has no end", file=self.name)
        return None

    def _parse(self, body: bytes, before: bytes, line: int, column: int) -> Iterator[Rows | None]:
        try:
            items = orjson.loads(b"[" + body + b"]")
        except orjson.JSONDecodeError:
            items = [0]
        begin = 0
        if all(item is None or type(item) is list for item in items) and not (
            b"-0," in body or b"-0]" in body
        ):
            parsed: list[Rows | None] = []
            usual = True
            while usual and begin <= len(items):
                end = items.index(None, begin) if None in items[begin:] else len(items)
                rows = self._fast(items[begin:end])
                usual = rows is not None
                parsed.append(rows)
                if end < len(items):
                    parsed.append(None)
                begin = end + 1
            if usual and self._rising(parsed):
                yield from (p for p in parsed if p is None or len(p))
                return
        yield from self._one_by_one(before + body, len(before), line, column)

    def _rising(self, parsed: list[Rows | None]) -> bool:
        last = self._last
        for rows in parsed:
            if rows is not None and len(rows):
                if not check_rising(rows, last):
                    return False
                last = int(rows["timestamp"][-1])
        return True

    def _fast(self, items: list[list[Any]]) -> Rows | None:
        layout = self.head.layout
        columns = layout.width + self._first_value
        if not items:
            return np.empty(0, layout.dtype)
        if set(map(len, items)) != {columns} or not self._times.is_integer:
            return None
        flat = list(chain.from_iterable(items))
        if not set(map(type, flat)) <= {int, float}:
            return None
        return flat_rows(flat, layout, self._times, self.options.stamps)

    def _one_by_one(self, text: bytes, begin: int, line: int, column: int) -> Iterator[Rows | None]:
        layout = self.head.layout
        at = begin
        last = self._last
        out: list[tuple[int, list[int | float]]] = []

        def place(offset: int) -> tuple[int, int]:
            above = text.count(b"\n", 0, offset)
            start = text.rfind(b"\n", 0, offset) + 1
            return line + above, offset - start + (1 if above else column)

        def rows() -> Rows:
            array = np.empty(len(out), layout.dtype)
            if out:
                array["timestamp"] = [stamp for stamp, _ in out]
                array["data"] = np.array([row for _, row in out], dtype=layout.element)
            return array

        for found in _ROW.finditer(text, begin):
            between = text[at : found.start()].strip()
            if between != (b"" if at == begin else b","):
                row_line, row_column = place(found.start())
                raise FormatError(
                    "not JSON: the rows are not separated by ','",
                    file=self.name,
                    line=row_line,
                    column=row_column,
                )
            at = found.end()
            if found[0] == b"null":
                if out:
                    yield rows()
                    out.clear()
                yield None
                continue
            row_line, row_column = place(found.start())
            try:
                stamp, values = self._read_row(found[0].decode("utf-8", "replace"), last)
            except BadLine as bad:
                if self.options.on_reject is None:
                    raise FormatError(
                        bad.reason, file=self.name, line=row_line, column=row_column
                    ) from bad
                self.tally.rejected += 1
                self.options.on_reject(
                    row_line, found[0].decode("utf-8", "backslashreplace"), bad.reason
                )
                continue
            last = stamp
            out.append((stamp, values))
        if text[at:].strip():
            row_line, row_column = place(at)
            raise FormatError(
                "not JSON: expected an array of numbers",
                file=self.name,
                line=row_line,
                column=row_column,
            )
        if out:
            yield rows()

    def _read_row(self, text: str, last: int | None) -> tuple[int, list[int | float]]:
        values = exact_json(text)
        expected = self.head.layout.width + self._first_value
        if len(values) != expected:
            raise BadLine(f"expected {expected} columns, found {len(values)}")
        stamp = values[0] if self._first_value else None
        if self._first_value and stamp is None:
            raise BadLine("the time is missing")
        time, row, _ = read_row(stamp, values[self._first_value :], self.head.layout, self._times)
        if time is None:
            assert self.options.stamps is not None
            time = int(self.options.stamps(1)[0])
        if last is not None and time <= last:
            raise BadLine(order_reason(time, last))
        return time, row

    def _finish(self) -> None:
        """Check what stands after the rows."""
        self._take(1)
        while len(self._buffer) <= LONGEST_LINE and self._more():
            pass
        rest = self._buffer.strip()
        if self._bare:
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
        late = sorted({"stream", "columns", "intervals", "decimation_level"} & set(after))
        if late:
            raise FormatError(f"the key {late[0]!r} must stand before 'data'", file=self.name)

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._source.close()


def _by_interval(rows: Rows, ends: npt.NDArray[np.int64] | None) -> Iterator[tuple[Rows, int]]:
    """Cut rows where an interval ends, each part with the number of its interval."""
    if ends is None:
        yield rows, 0
        return
    numbers = np.searchsorted(ends, rows["timestamp"], side="right")
    begin = 0
    for cut in [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]:
        yield rows[begin:cut], int(numbers[begin])
        begin = cut


def _gathered(items: Iterator[Rows | None]) -> Iterator[Rows | None]:
    """Join neighbours to blocks of a useful size."""
    rows: list[Rows] = []
    size = 0
    for item in items:
        if item is not None:
            rows.append(item)
            size += len(item)
        if rows and (item is None or size >= _BLOCK_ROWS):
            yield np.concatenate(rows)
            rows, size = [], 0
        if item is None:
            yield None
    if rows:
        yield np.concatenate(rows)
