"""What the formats with one row per line share, both ways."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from joule_cli.errors import FormatError
from joule_cli.formats.base import (
    Place,
    Reader,
    ReadOptions,
    StreamHead,
    Tally,
    WriteOptions,
    Writer,
    check_rising,
    order_reason,
    place_name,
)
from joule_cli.formats.numbers import PIECE_VALUES, pieces
from joule_cli.formats.sink import Sink
from joule_cli.formats.source import ByteSource, LineBlocks, open_source
from joule_cli.series.layout import Layout, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMENT = re.compile(rb"^[ \t]*#[^\n]*\n", re.MULTILINE)
_BREAK = re.compile(rb"[ \t]*#[ \t]*interval break[ \t\r]*\n")

#: Parsed lines: their rows, and the number of the interval of each where a column counts them.
Parsed = tuple[Rows, npt.NDArray[np.int64] | None]
#: One parsed line: its timestamp (`None` without times), its values and its interval.
ParsedLine = tuple[int | None, list[int | float], int | None]


class BadLine(Exception):
    """A line that is no row: the reason and the column (from 1) where it shows."""

    def __init__(self, reason: str, column: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


class LineReader(Reader):
    """A text file with one row per line.

    Blocks are parsed as a whole by `_parse_piece`; where that finds anything unusual, the same
    lines are parsed one by one by `_parse_line`, which knows what to say about them.

    """

    #: Finds the lines that are no rows, where a block holds one of the hints.
    _mark = _COMMENT
    _mark_hints: tuple[bytes, ...] = (b"#",)

    def __init__(self, place: Place | ByteSource, options: ReadOptions) -> None:
        self._source = open_source(place, options.encoding)
        self.name = self._source.name
        self.options = options
        self.tally = Tally()
        self._lines = LineBlocks(self._source)
        self._last: int | None = None
        self._interval: int | None = None
        self._break_due = False
        self._started = False
        try:
            self.head = self._read_head()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _read_head(self) -> StreamHead:
        """Look at the first lines and say what the rows are."""

    @abstractmethod
    def _parse_piece(self, piece: bytes) -> Parsed | None:
        """Parse whole lines without comments; `None` when they need a closer look."""

    @abstractmethod
    def _parse_line(self, text: str) -> ParsedLine | None:
        """Parse one line; `None` for an interval break.

        Raises
        ------
        BadLine
            It is no row.
        """

    def _is_break(self, mark: bytes) -> bool:
        """Tell whether a line that `_mark` found ends an interval; else it is a comment."""
        return _BREAK.fullmatch(mark) is not None

    def blocks(self) -> Iterator[Rows | None]:
        """Give blocks of rows; docstring of `Reader.blocks` applies."""
        while True:
            line = self._lines.line
            block = self._lines.block()
            if not block:
                break
            for part in self._split(block, line):
                if part is None:
                    self._break_due = self._started
                elif len(part):
                    if self._break_due:
                        yield None
                    self._break_due = False
                    self._started = True
                    self.tally.rows += len(part)
                    yield part
        if self._lines.unterminated:
            self.tally.warnings.append(
                f"{self.name}: the last line has no line end, the file may be cut"
            )

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Reader.share` applies."""
        return self._lines.share

    def _split(self, block: bytes, line: int) -> Iterator[Rows | None]:
        """Parse a block; the rows between two breaks come together."""
        rows: list[Rows] = []
        begin = 0
        marks = any(hint in block for hint in self._mark_hints)
        for mark in self._mark.finditer(block) if marks else ():
            segment = block[begin : mark.start()]
            for part in self._segment(segment, line):
                yield from _gather(rows, part)
            line += segment.count(b"\n") + 1
            begin = mark.end()
            if self._is_break(mark[0]):
                yield from _gather(rows, None)
        for part in self._segment(block[begin:], line):
            yield from _gather(rows, part)
        if rows:
            yield _joined(rows)

    def _segment(self, segment: bytes, line: int) -> Iterator[Rows | None]:
        """Parse lines without comments."""
        if not segment:
            return
        for piece in pieces(segment):
            parsed = self._parse_piece(piece)
            if parsed is not None and check_rising(parsed[0], self._last):
                if len(parsed[0]):
                    self._last = int(parsed[0]["timestamp"][-1])
                    yield from self._cut(*parsed)
            else:
                yield from self._one_by_one(piece, line)
            line += piece.count(b"\n")

    def _one_by_one(self, piece: bytes, line: int) -> Iterator[Rows | None]:
        stamps: list[int] = []
        values: list[list[int | float]] = []
        intervals: list[int] = []
        for number, raw in enumerate(piece.split(b"\n")[:-1], line):
            raw = raw.removesuffix(b"\r")
            if not raw.strip():
                continue
            try:
                parsed = self._parse_line(decode_line(raw))
                if parsed is not None:
                    self._advance(parsed[0])
            except BadLine as bad:
                self._reject(number, raw, bad)
                continue
            if parsed is None:
                yield from self._assemble(stamps, values, intervals)
                yield None
                stamps, values, intervals = [], [], []
                continue
            _, row, interval = parsed
            assert self._last is not None
            stamps.append(self._last)
            values.append(row)
            if interval is not None:
                intervals.append(interval)
        yield from self._assemble(stamps, values, intervals)

    def _advance(self, stamp: int | None) -> None:
        """Go on to the next timestamp, which comes from the clock where rows have none."""
        if stamp is None:
            assert self.options.stamps is not None
            stamp = int(self.options.stamps(1)[0])
        if self._last is not None and stamp <= self._last:
            raise BadLine(order_reason(stamp, self._last))
        self._last = stamp

    def _reject(self, line: int, raw: bytes, bad: BadLine) -> None:
        if self.options.on_reject is None:
            raise FormatError(bad.reason, file=self.name, line=line, column=bad.column)
        self.tally.rejected += 1
        self.options.on_reject(line, raw.decode("utf-8", "backslashreplace"), bad.reason)

    def _assemble(
        self, stamps: list[int], values: list[list[int | float]], intervals: list[int]
    ) -> Iterator[Rows | None]:
        if not stamps:
            return
        layout = self.head.layout
        rows = np.empty(len(stamps), layout.dtype)
        rows["timestamp"] = stamps
        rows["data"] = np.array(values, dtype=layout.element)
        yield from self._cut(rows, np.array(intervals, np.int64) if intervals else None)

    def _cut(self, rows: Rows, intervals: npt.NDArray[np.int64] | None) -> Iterator[Rows | None]:
        """Put breaks where the number of the interval changes."""
        if intervals is None:
            yield rows
            return
        if self._interval is not None and intervals[0] != self._interval:
            yield None
        begin = 0
        for cut in (np.flatnonzero(np.diff(intervals)) + 1).tolist():
            yield rows[begin:cut]
            yield None
            begin = cut
        yield rows[begin:]
        self._interval = int(intervals[-1])

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._source.close()


def _gather(rows: list[Rows], part: Rows | None) -> Iterator[Rows | None]:
    if part is not None:
        if len(part):
            rows.append(part)
        return
    if rows:
        yield _joined(rows)
        rows.clear()
    yield None


def _joined(rows: list[Rows]) -> Rows:
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def decode_line(raw: bytes) -> str:
    """Decode a line; bytes that are not UTF-8 make a `BadLine`."""
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        raise BadLine("the line is not UTF-8 text", exc.start + 1) from exc


class LineWriter(Writer):
    """A text file with one row per line."""

    def __init__(self, place: Place, head: StreamHead, options: WriteOptions) -> None:
        self.head = head
        self.options = options
        self.name = place_name(place)
        self._break_due = False
        self._started = False
        self._closed = False
        self._sink = Sink(place, options)
        # a break before the first new row of a continued file separates it from the old rows
        self._started = self._sink.continues
        try:
            self._set_up()
            self._started = self._sink.continues
            if not self._started:
                self._begin()
        except BaseException:
            self.close(complete=False)
            raise

    def _set_up(self) -> None:
        """Prepare for the rows."""

    def _begin(self) -> None:
        """Write what stands before the rows."""

    def _end(self) -> None:
        """Write what stands after the rows of a complete file."""

    @abstractmethod
    def _format(self, rows: Rows) -> bytes:
        """Return whole lines: rows (n,), at least one."""

    def _mark_break(self) -> bytes:
        return b""

    def write(self, rows: Rows) -> None:
        """Write rows; docstring of `Writer.write` applies."""
        self._check(rows)
        if not len(rows):
            return
        if self._break_due:
            self._break_due = False
            self._sink.write(self._mark_break())
        self._started = True
        step = max(1, PIECE_VALUES // (self.head.layout.width + 1))
        for begin in range(0, len(rows), step):
            self._sink.write(self._format(rows[begin : begin + step]))

    def interval_break(self) -> None:
        """End the interval; docstring of `Writer.interval_break` applies."""
        self._break_due = self._started

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        self._sink.flush()

    def close(self, *, complete: bool = True) -> None:
        """Finish the file, or leave it visibly unfinished."""
        if self._closed:
            return
        self._closed = True
        try:
            if complete:
                self._end()
        except BaseException:
            self._sink.close(complete=False)
            raise
        self._sink.close(complete=complete)


def values_layout(options: ReadOptions, width: int, datatype: str | None = None) -> Layout:
    """Return the layout of rows read with `options`; float64 when nothing tells the type."""
    return Layout(options.datatype or datatype or "float64", width)
