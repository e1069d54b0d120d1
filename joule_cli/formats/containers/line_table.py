"""Tables of text that are read line by line."""

from __future__ import annotations

from abc import abstractmethod
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Cells, Container
from joule_cli.formats.source import ByteSource, LineBlocks, open_source
from joule_cli.formats.table.problems import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.table.options import ReadOptions

_BLOCK_LINES: Final = 1 << 12
#: A row that ends an interval.
BREAK: Final = Reason("")


class LineTable(Container):
    """A text of which every line is a row, or says something about those below.

    A subclass finds `columns` in `_open`, where it may read lines.
    """

    unit: Literal["line", "row"] = "line"

    def __init__(self, place: FileRef | ByteSource, options: ReadOptions) -> None:
        self._source = open_source(place, options.encoding)
        self.name = self._source.name
        self.notes = []
        self.warnings = []
        self._lines = LineBlocks(self._source)
        #: What the lines so far have said; replaced, never changed.
        self._state: Any = None
        self._sample: Batch | None = None
        try:
            self._open()
            self._chosen: Collection[int] = range(len(self.columns))
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _open(self) -> None:
        """Find the columns."""

    @abstractmethod
    def _row(self, line: str) -> Sequence[Any] | Reason | None:
        """Return the cells of a line, why it is bad, `BREAK`, or nothing for one that is no row."""

    def _ahead(self) -> list[str]:
        """Return the lines that come next without reading them."""
        block = self._lines.block()
        self._lines.put_back(block)
        return [_text(line) for line in block.split(b"\n")[:-1]]

    def sample(self) -> Batch:
        """Return the first rows; docstring of `Container.sample` applies."""
        if self._sample is None:
            state = self._state
            every = range(len(self.columns))
            rows = self._rows(enumerate(self._ahead(), self._lines.line))
            found = [row for row in rows if row[1] is not BREAK]
            self._sample = self._batch(list(islice(found, SAMPLE_ROWS)), every)
            self._state = state
        return self._sample

    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Take note of the columns; docstring of `Container.choose` applies."""
        self._chosen = sorted(set(columns))

    def batches(self) -> Iterator[Batch | None]:
        """Give the rows; docstring of `Container.batches` applies."""
        rows: list[tuple[int, Any, str]] = []
        while True:
            line = self._lines.line
            block = self._lines.block()
            if not block:
                break
            texts = (_text(raw) for raw in block.split(b"\n")[:-1])
            for row in self._rows(enumerate(texts, line)):
                if row[1] is not BREAK:
                    rows.append(row)
                if rows and (row[1] is BREAK or len(rows) == _BLOCK_LINES):
                    yield self._batch(rows, self._chosen)
                    rows = []
                if row[1] is BREAK:
                    yield None
            if rows:
                yield self._batch(rows, self._chosen)
                rows = []
        if self._lines.unterminated:
            self.warnings.append(f"{self.name}: the last line has no line end, the file may be cut")

    def _rows(self, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Any, str]]:
        for number, line in lines:
            row = self._row(line)
            if row is not None:
                yield number, row, line

    def _batch(self, rows: list[tuple[int, Any, str]], columns: Collection[int]) -> Batch:
        bad = {at: row for at, (_, row, _) in enumerate(rows) if isinstance(row, Reason)}
        nothing = [None] * len(self.columns)
        table = [nothing if isinstance(row, Reason) else row for _, row, _ in rows]
        cells: list[Cells | None] = [None] * len(self.columns)
        for at in columns:
            cells[at] = [row[at] for row in table]
        numbers, texts = [row[0] for row in rows], [row[2] for row in rows]
        return Batch(len(rows), cells, numbers=numbers, bad=bad, show=texts.__getitem__)

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `Container.share` applies."""
        return self._lines.share

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._source.close()


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "backslashreplace")
