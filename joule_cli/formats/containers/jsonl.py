"""JSON lines: one object or array per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Container
from joule_cli.formats.containers.json_rows import NO_ROW, BadRow, JsonRows, read_row
from joule_cli.formats.numbers import pieces
from joule_cli.formats.source import ByteSource, LineBlocks, open_source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.table.options import ReadOptions


class JsonlContainer(Container):
    """Objects, whose keys are the columns, or arrays.

    A break is ``null`` or ``{"interval_break": true}``. Objects in objects are columns by the
    name ``outer.inner``. Keys that the first rows do not have make a bad row, if all columns are
    needed.
    """

    kind = "JSON lines"
    unit = "line"
    rows_type: type[JsonRows] = JsonRows

    def __init__(self, place: FileRef | ByteSource, options: ReadOptions) -> None:
        self._source = open_source(place, options.encoding)
        self.name = self._source.name
        self.small_batches = self._source.is_regular
        self.notes = []
        self.warnings = []
        self._lines = LineBlocks(self._source)
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        """Find the columns in the first rows, which are read again later."""
        looked_at = b""
        rows: list[Any] = []
        number = self._lines.line
        bad: FormatError | None = None
        while not any(type(row) in (dict, list) for row in rows) and (block := self._lines.block()):
            looked_at += block
            for text in block.split(b"\n")[:-1]:
                if len(rows) >= SAMPLE_ROWS:
                    break
                row = read_row(text)
                if row is not NO_ROW:
                    rows.append(row)
                if bad is None and isinstance(row, BadRow) and row is not NO_ROW:
                    bad = FormatError(row.reason, file=self.name, line=number)
                elif bad is None and row is not None and type(row) not in (dict, list, BadRow):
                    bad = FormatError("expected an object or an array", file=self.name, line=number)
                number += 1
        self._lines.put_back(looked_at)
        if bad is not None and not any(type(row) in (dict, list) for row in rows):
            raise bad
        self._rows = self.rows_type(rows)
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
        while True:
            line = self._lines.line
            block = self._lines.block()
            if not block:
                break
            for piece in pieces(block):
                numbers = range(line, line + piece.count(b"\n"))
                line = numbers.stop
                yield from self._piece(piece, numbers)
        # a last line without a line end is whole, since a part of it would be no JSON

    def _piece(self, piece: bytes, numbers: range) -> Iterator[Batch | None]:
        split: list[bytes] = []

        def texts() -> Sequence[bytes]:
            if not split:
                split.extend(piece.split(b"\n")[:-1])
            return split

        return self._rows.batches(piece[:-1].replace(b"\n", b","), texts, numbers)

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Container.share` applies."""
        return self._lines.share

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._source.close()
