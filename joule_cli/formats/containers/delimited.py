"""Tables in text: CSV, TSV and rows with blanks between the columns."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

from joule_cli.errors import FormatError
from joule_cli.formats.containers.annotations import told_by
from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Container, Heading
from joule_cli.formats.containers.last_line import LastLine
from joule_cli.formats.containers.records import is_cut, records
from joule_cli.formats.containers.shape import DELIMITERS, LINES, Shape, find_shape, split
from joule_cli.formats.numbers import flat_numbers, has_negative_zero, pieces
from joule_cli.formats.source import ByteSource, LineBlocks, open_source
from joule_cli.formats.table.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.table.options import ReadOptions

_COMMENT: Final = re.compile(rb"^[ \t]*#[^\n]*\n", re.MULTILINE)
_BREAK: Final = re.compile(rb"[ \t]*#[ \t]*interval break[ \t\r]*\n")
_DIGITS: Final = b"0123456789+-.eE"
#: Split lines of a piece that are kept: all of them where lines are long.
_SPLIT_LINES: Final = 1024
_NOT_UTF8: Final = Reason("the line is not UTF-8 text", "use --encoding, such as --encoding cp1252")
_NUL: Final = Reason(
    "the line holds NUL bytes, as after a loss of power",
    "use --on-error skip to leave such lines out",
)


class DelimitedContainer(Container):
    """Lines of cells, with or without a header, whatever separates them."""

    kind = "text"
    unit: Literal["line", "row"] = "line"
    delimiter: str = ""
    delimiters: Sequence[str] = DELIMITERS

    def __init__(self, place: FileRef | ByteSource, options: ReadOptions) -> None:
        self._source = open_source(place, options.encoding)
        self.name = self._source.name
        self.notes = list(self._source.notes)
        self.warnings = []
        self._options = options
        self.small_batches = self._source.is_regular
        self._lines = LineBlocks(self._source)
        self._last_line = LastLine(options.last_line)
        self._needed: set[int] = set()
        self._plain = True
        self._nul_lines = 0
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        skip = self._options.skip_lines or 0
        for _ in range(skip):
            if not self._lines.readline():
                raise FormatError(f"the file has fewer than {skip + 1} lines", file=self.name)
        texts, ended = self._first_lines()
        delimiters = self.delimiters
        if self._options.delimiter is not None:
            delimiters = ("" if self._options.delimiter == " " else self._options.delimiter,)
        self.shape = self._shape_of(texts, delimiters)
        if not self.shape.width and not ended:
            raise FormatError("the beginning of the file is no table", file=self.name)
        if self.shape.problem:
            raise FormatError(
                self.shape.problem,
                file=self.name,
                line=skip + self._lines_before,
                hint="mend the header, or use --skip-lines and --no-header to do without it",
            )
        if any("\udc80" <= c <= "\udcff" for c in "".join(self.shape.names + self.shape.units)):
            raise FormatError(
                "the names of the columns are not UTF-8 text",
                file=self.name,
                hint=_NOT_UTF8.hint,
            )
        self.delimiter = self.shape.delimiter
        self.notes += self.shape.notes
        self.heading = self.shape.header
        self.told = told_by(texts[: self.shape.begin])
        self.columns = [
            Heading(
                name=self.shape.names[i] if self.shape.names else "",
                units=self.shape.units[i] if self.shape.units else "",
            )
            for i in range(self.shape.width)
        ]

    def _shape_of(self, texts: Sequence[str], delimiters: Sequence[str]) -> Shape:
        narrowest = 2 if self._options.stamps is None else 1
        return find_shape(texts, delimiters, header=self._options.header, narrowest=narrowest)

    def _first_lines(self) -> tuple[list[str], bool]:
        """Return the first lines, which are put back, and whether the file ends with them."""
        taken = b""
        ended = False
        while True:
            block = self._lines.block()
            ended = not block
            taken += block
            lines = taken.split(b"\n")[: LINES + 1]
            has_rows = sum(1 for line in lines if line.strip() and line.lstrip()[:1] != b"#") > 2
            if ended or len(lines) > LINES or (has_rows and not self._source.is_regular):
                break
            if has_rows and len(taken) > 1 << 16:
                break
            if not self._source.is_regular and _has_row(lines):
                break
        self._lines.put_back(taken)
        marks = self._options.delimiter or "".join(DELIMITERS)
        found = list(records(lines[:-1], marks))
        begins = [*(begin for begin, _ in found), len(lines) - 1]
        # of the lines of which each of the texts is made
        self._first = [after - begin for begin, after in pairwise(begins)]
        texts = [raw.replace(b"\r\n", b"\n").removesuffix(b"\r") for _, raw in found]
        return [text.decode("utf-8", "surrogateescape") for text in texts], ended

    @property
    def _lines_before(self) -> int:
        """How many lines stand before the rows."""
        return sum(self._first[: self.shape.begin])

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Take note of the columns that are needed; docstring of `Container.choose` applies."""
        self._needed = set(columns)
        self._plain = not exact
        self._last_line.needed = self._needed

    def sample(self) -> Batch:
        """Return the first rows as text; docstring of `Container.sample` applies."""
        block = self._lines.block()
        self._lines.put_back(block)
        begin = self._lines_before
        rows: list[list[str]] = []
        lines = block.split(b"\n", begin + SAMPLE_ROWS)[begin : begin + SAMPLE_ROWS]
        for _, raw in records(lines, self.delimiter):
            if rows and is_cut(raw, self.delimiter):
                # the other lines go on with this record
                break
            try:
                text = raw.removesuffix(b"\r").decode()
            except UnicodeDecodeError:
                continue
            if not text.strip() or text.lstrip().startswith("#") or "\0" in text:
                continue
            cells = split(text, self.delimiter)
            if len(cells) > len(self.columns):
                cells = self._fitted(cells) or []
            if cells:
                rows.append(cells + [""] * (len(self.columns) - len(cells)))
        columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
        return Batch(len(rows), columns or [[] for _ in self.columns])

    def batches(self) -> Iterator[Batch | None]:
        """Give the rows; docstring of `Container.batches` applies."""
        for _ in range(self._lines_before):
            self._lines.readline()
        while True:
            line = self._lines.line
            block = self._whole_records()
            if not block:
                break
            if self._lines.unterminated:
                cut = self._last_record(block)
                yield from self._block(block[:cut], line)
                yield from self._final(block[cut:], line + block[:cut].count(b"\n"))
                continue
            yield from self._block(block, line)
        if self._nul_lines:
            lines = f"{self._nul_lines} line{'s' if self._nul_lines > 1 else ''}"
            self.warnings.append(f"{lines} of NUL bytes, as after a loss of power, left out")

    def _whole_records(self) -> bytes:
        """Return lines that do not end inside quotes."""
        block = self._lines.block()
        if b'"' in block and self.delimiter:
            while block.count(b'"') % 2 and len(block) < 1 << 23:
                more = self._lines.block()
                if not more:
                    break
                block += more
        return block

    def _last_record(self, block: bytes) -> int:
        """Return where the last record of whole lines begins."""
        cut = block.rfind(b"\n", 0, -1) + 1
        if not self.delimiter or not block[:cut].count(b'"') % 2:
            return cut
        lines = block.split(b"\n")[:-1]
        begin = max(begin for begin, _ in records(lines, self.delimiter))
        return sum(len(line) + 1 for line in lines[:begin])

    def _final(self, raw: bytes, line: int) -> Iterator[Batch | None]:
        """Give the last line of a file without a line end, unless it may be cut."""
        if not raw.strip(b"\0 \t\r\n"):
            if b"\0" in raw:
                self.warnings.append(
                    f"{raw.count(0)} NUL bytes at the end, as after a loss of power, left out"
                )
            return
        doubt = self._last_line.doubt(raw, self.delimiter, len(self.columns))
        if doubt is None:
            self.warnings.append("the last line has no line end, the file may be cut")
            yield from self._block(raw, line)
        elif self._options.last_line == "drop":
            self.warnings.append(f"line {line}, which has no line end, left out")
        else:
            for batch in self._block(raw, line):
                if batch is not None:
                    batch.bad = dict.fromkeys(range(batch.size), doubt)
                yield batch

    def _block(self, block: bytes, line: int) -> Iterator[Batch | None]:
        """Parse whole lines, with comments between them."""
        if not block:
            return
        self._last_line.remember(block)
        begin = looked = quotes = 0
        for mark in _COMMENT.finditer(block) if b"#" in block else ():
            if self.delimiter:
                quotes += block.count(b'"', looked, mark.start())
                looked = mark.start()
                if quotes % 2:
                    # a line of a cell in quotation marks
                    continue
            segment = block[begin : mark.start()]
            yield from self._segment(segment, line)
            line += segment.count(b"\n") + 1
            begin = mark.end()
            if _BREAK.fullmatch(mark[0]):
                yield None
        yield from self._segment(block[begin:], line)

    def _segment(self, segment: bytes, line: int) -> Iterator[Batch]:
        if not segment:
            return
        quoted = b'"' in segment
        parts = pieces(segment)
        if quoted and self.delimiter and any(part.count(b'"') % 2 for part in parts):
            # a record goes on in the next piece
            parts = [segment]
        for piece in parts:
            yield self._usual(piece, line) or self._texts(piece, line)
            line += piece.count(b"\n")

    def _usual(self, piece: bytes, line: int) -> Batch | None:
        """Parse lines of plain numbers at once, but for some odd ones; else return `None`."""
        if not self._plain:
            return None
        table = self._with_commas(piece)
        if table is None:
            return None
        n = len(self.columns)
        usual = b"," * (n - 1)
        if b"\r" in table:
            table = table.replace(b"\r\n", b"\n")
        marks = table.translate(None, _DIGITS)
        odd: list[int] = []
        if marks != (usual + b"\n") * (len(marks) // n):
            cells = marks.split(b"\n")[:-1]
            odd = [at for at, mark in enumerate(cells) if mark != usual]
            if 4 * len(odd) > len(cells) + 4:
                return None
            kept = set(odd)
            lines = table.split(b"\n")[:-1]
            table = b"".join([line + b"\n" for at, line in enumerate(lines) if at not in kept])
        if not table or has_negative_zero(table):
            return None
        flat = flat_numbers(_with_nulls(table))
        if flat is None:
            return None
        raw = _Lines(piece)
        batch = Batch(len(flat) // n + len(odd), first=line, flat=flat, show=raw.show)
        if odd:
            self._add_odd(batch, raw, odd)
        # asked for column by column: each time to split a line of hundreds of cells is too long
        cells_of = lru_cache(_SPLIT_LINES)(lambda row: split(raw.show(row), self.delimiter))
        batch.exact = lambda row, column: cells_of(row)[column]
        return batch

    def _with_commas(self, piece: bytes) -> bytes | None:
        """Return lines with commas between the cells, if there are no others."""
        if self.delimiter == ",":
            return piece
        if b"," in piece:
            return None
        if self.delimiter:
            return piece.replace(self.delimiter.encode(), b",")
        if (
            b"\t" in piece
            or b"  " in piece
            or b" \n" in piece
            or b"\n " in piece
            or piece[:1] == b" "
        ):
            lines = piece.split(b"\n")[:-1]
            return b"".join([b",".join(x.split()) + b"\n" for x in lines])
        return piece.replace(b" ", b",")

    def _add_odd(self, batch: Batch, raw: _Lines, odd: list[int]) -> None:
        """Add the lines that are no plain numbers, but for those that are no rows at all."""
        rows: list[list[str]] = []
        blank = set()
        for at in odd:
            cells, reason = self._cells(raw.raw(at))
            if reason is not None:
                batch.bad[at] = reason
            elif cells is None:
                blank.add(at)
                continue
            rows.append(cells or [""] * len(self.columns))
        batch.odd = [at for at in odd if at not in blank]
        if blank:
            places = [at for at in range(batch.size) if at not in blank]
            row_of = {at: row for row, at in enumerate(places)}
            batch.numbers = [batch.first + at for at in places]
            batch.odd = [row_of[at] for at in batch.odd]
            batch.bad = {row_of[at]: reason for at, reason in batch.bad.items()}
            batch.size = len(places)
            raw.places = places
        if batch.odd:
            batch.odd_rows = Batch(len(rows), self._columns(rows))

    def _texts(self, piece: bytes, line: int) -> Batch:
        """Split lines into texts: quotes, words, any form of times."""
        table = self._table(piece)
        n = len(self.columns)
        if table is None or len(table) != piece.count(b"\n") or any(len(r) != n for r in table):
            return self._one_by_one(piece, line)
        raw = _Lines(piece)
        return Batch(len(table), self._columns(table), line, show=raw.show)

    def _table(self, piece: bytes) -> list[list[str]] | None:
        """Split lines into cells; `None` where some need a closer look."""
        if b"\0" in piece:
            return None
        try:
            lines = piece.decode().split("\n")[:-1]
            if self.delimiter:
                return list(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except (UnicodeDecodeError, csv.Error):
            return None
        return list(map(str.split, lines))

    def _columns(self, table: list[list[str]]) -> list[Any]:
        """Return the cells by column, of those that are needed."""
        columns: list[Any] = [list(column) for column in zip(*table, strict=True)]
        if not columns:
            return [[] for _ in self.columns]
        return [column if at in self._needed else None for at, column in enumerate(columns)]

    def _one_by_one(self, piece: bytes, line: int) -> Batch:
        """Split lines of which some are no rows, or go over several lines inside quotes."""
        rows: list[list[str]] = []
        numbers: list[int] = []
        texts: list[str] = []
        bad: dict[int, Reason] = {}
        for begin, raw in records(piece.split(b"\n")[:-1], self.delimiter):
            cells, reason = self._cells(raw)
            if cells is None and reason is None:
                continue
            if reason is not None:
                bad[len(rows)] = reason
            rows.append(cells or [""] * len(self.columns))
            numbers.append(line + begin)
            texts.append(raw.removesuffix(b"\r").decode("utf-8", "backslashreplace"))
        return Batch(
            len(rows),
            self._columns(rows),
            line,
            numbers=numbers,
            bad=bad,
            show=texts.__getitem__,
        )

    def _cells(self, raw: bytes) -> tuple[list[str] | None, Reason | None]:
        """Split one line; nothing for a blank one, a reason for one that is no row."""
        raw = raw.removesuffix(b"\r")
        if not raw.strip():
            return None, None
        if b"\0" in raw:
            if not raw.strip(b"\0 \t"):
                self._nul_lines += 1
                return None, None
            return None, _NUL
        try:
            text = raw.decode()
            cells = (
                next(csv.reader([text], delimiter=self.delimiter, strict=True))
                if self.delimiter
                else text.split()
            )
        except UnicodeDecodeError:
            return None, _NOT_UTF8
        except (csv.Error, StopIteration):
            if b"\r" in raw and b'"' not in raw:
                return None, Reason("a carriage return stands inside the line")
            return None, Reason("the quotation marks are not in pairs")
        if len(cells) == len(self.columns):
            return cells, None
        fitted = self._fitted(cells)
        if fitted is not None:
            return fitted, None
        return None, Reason(f"expected {len(self.columns)} columns, found {len(cells)}")

    def _fitted(self, cells: list[str]) -> list[str] | None:
        """Add missing cells of unused columns, take off separators at the end of the line."""
        n = len(self.columns)
        while len(cells) > n and not cells[-1].strip():
            cells = cells[:-1]
        if (
            len(cells) < n
            and self.delimiter
            and all(at not in self._needed for at in range(len(cells), n))
            and self._needed
        ):
            return cells + [""] * (n - len(cells))
        return cells if len(cells) == n else None

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Container.share` applies."""
        return self._lines.share

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._source.close()


class TabContainer(DelimitedContainer):
    """Tabs between the columns."""

    delimiters = ("\t",)


class _Lines:
    """The lines of a piece, split when one is asked for; `places` are those of the rows."""

    def __init__(self, piece: bytes) -> None:
        self._piece = piece
        self._lines: list[bytes] | None = None
        self.places: list[int] | None = None

    def raw(self, at: int) -> bytes:
        """Return a line."""
        if self._lines is None:
            self._lines = self._piece.split(b"\n")
        return self._lines[at].removesuffix(b"\r")

    def show(self, row: int) -> str:
        """Return the line of a row as text."""
        at = row if self.places is None else self.places[row]
        return self.raw(at).decode("utf-8", "backslashreplace")


def _with_nulls(table: bytes) -> bytes:
    """Put ``null`` into empty cells."""
    if b",," in table:
        # twice, since neighbours share a comma
        table = table.replace(b",,", b",null,").replace(b",,", b",null,")
    if b",\n" in table:
        table = table.replace(b",\n", b",null\n")
    if b"\n," in table or table.startswith(b","):
        table = table.replace(b"\n,", b"\nnull,")
        table = b"null" + table if table.startswith(b",") else table
    return table


def _has_row(lines: Sequence[bytes]) -> bool:
    """Whether one of some lines can be a row: it has a digit, and is no comment."""
    rows = [line for line in lines if line.strip() and line.lstrip()[:1] != b"#"]
    return any(re.match(rb'["\s]*[+-]?\d', line) for line in rows[:1]) or len(rows) > 1
