"""What the container of every format gives: named columns of one table, in batches.

A container knows how a file stores a table. It does not decide what the cells mean: which column
holds the times, in which form, which cells are missing and what a row is, is decided once for all
formats in `joule_cli.formats.table`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from joule_cli.formats.table.problems import Reason
    from joule_cli.model.data_stream import DataStream, Element
    from joule_cli.series.intervals import Interval

#: The cells of a column: an array of numbers, of bools or of ``datetime64`` (masked where cells
#: are missing), or a list of Python objects: text as it stands in the file, int, float, bool,
#: `decimal.Decimal`, `datetime.datetime` or `None`.
Cells: TypeAlias = "npt.NDArray[Any] | list[Any]"

#: How many rows of a file are looked at before anything is decided.
SAMPLE_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a file says about one of its columns.

    Parameters
    ----------
    name
        Empty where the file names no columns.
    units
        From a row of units or an attribute.
    dtype
        Type of the numbers, of a typed container; `None` where cells are text or of any type.
    kind
        ``number``, ``time`` (a type for times), ``text``, ``other`` (what can be neither time nor
        value, such as lists), or ``any`` where only the cells tell.
    aware
        Of a type for times: the cells are instants, not readings of a local clock.
    hidden
        Neither time nor value unless it is asked for by name, such as the row numbers of pandas.
    """

    name: str = ""
    units: str = ""
    dtype: np.dtype[Any] | None = None
    kind: Literal["number", "time", "text", "other", "any"] = "any"
    aware: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a file says about its stream; a file of another program says nothing.

    Parameters
    ----------
    own
        Joule wrote the file: its times are in the form the file says, whatever they are.
    path, stream, decimation_level, intervals, start, end, node_name, node_url
        As in `StreamHead`.
    elements
        By the name of their column; or all of them in the order of the value columns.
    datatype
        Element type of the values.
    time_column, interval_column
        Names of columns with a meaning.
    time_format
        Form of the times, as `ReadOptions.time_format`; `None` if the file does not say it.
    """

    own: bool = False
    path: str | None = None
    stream: DataStream | None = None
    elements: Mapping[str, Element] | Sequence[Element] = ()
    datatype: str | None = None
    decimation_level: int = 1
    intervals: Sequence[Interval] | None = None
    interval_column: str | None = None
    time_column: str | None = None
    time_format: str | None = None
    start: int | None = None
    end: int | None = None
    node_name: str = ""
    node_url: str = ""


@dataclass(slots=True)
class Batch:
    """Some rows of a table.

    Parameters
    ----------
    size
        Number of rows.
    cells
        By the position of the column; `None` for columns that were not chosen.
    first
        Number of the first row: its line in a file of lines, else its row, counted from 1.
    numbers
        The number of each row, where they do not follow each other.
    bad
        Reasons of the rows that the container itself cannot read, by their position.
    show
        Gives a row as it stands in the file, by its position.
    flat
        Cells row by row in place of `cells`, int, float and `None` only.
    odd
        Ascending positions of rows that are left out of `flat` or `cells`, because they need a
        closer look; `odd_rows` holds them, as a batch of its own.
    exact
        Gives a cell of a row with all digits that the file has, by the positions of both.
    """

    size: int
    cells: list[Cells | None] = field(default_factory=list)
    first: int = 1
    numbers: Sequence[int] | None = None
    bad: dict[int, Reason] = field(default_factory=dict)
    show: Callable[[int], str] | None = None
    flat: list[Any] | None = None
    odd: Sequence[int] = ()
    odd_rows: Batch | None = None
    exact: Callable[[int, int], Any] | None = None

    def column(self, position: int) -> Cells:
        """Return the cells of a column."""
        if self.flat is not None:
            return self.flat[position :: self.width]
        found = self.cells[position]
        assert found is not None, "the column was not chosen"
        return found

    def cell(self, row: int, position: int) -> Any:
        """Return one cell."""
        at = bisect_left(self.odd, row) if self.odd else 0
        if self.odd and at < len(self.odd) and self.odd[at] == row:
            assert self.odd_rows is not None
            return self.odd_rows.column(position)[at]
        return self.column(position)[row - at]

    @property
    def width(self) -> int:
        """Number of columns of `flat`."""
        assert self.flat is not None
        plain = self.size - len(self.odd)
        return len(self.flat) // plain if plain else 0

    def number(self, row: int) -> int:
        """Return the number of a row for messages."""
        return self.first + row if self.numbers is None else self.numbers[row]

    def text(self, row: int) -> str:
        """Return a row as text, for messages and files of rejected rows."""
        if self.show is not None:
            return self.show(row)
        if self.flat is not None:
            cells = self.flat[row * self.width : (row + 1) * self.width]
        else:
            cells = [column[row] for column in self.cells if column is not None]
        return ",".join("" if _is_missing(cell) else str(cell) for cell in cells)


def _is_missing(cell: object) -> bool:
    return cell is None or cell is np.ma.masked


class Container(ABC):
    """The table of one open file.

    One thread at a time. A file that was opened by name is closed by `close`; an open file that
    was handed in stays open.

    Raises
    ------
    FormatError
        From the constructor and from `batches`: the file cannot be read, or holds no table.
    """

    #: What this is, for sentences: ``CSV``, ``HDF5``, ``an Excel workbook``.
    kind: str
    #: What `Batch.number` counts.
    unit: Literal["line", "row"] = "row"
    #: The file's name for messages, ``-`` for standard input.
    name: str
    columns: Sequence[Heading]
    told: Told = Told()
    #: What was recognised besides the table, such as title lines, for ``inspect``.
    notes: list[str]
    #: What the user should know about the file once it is read.
    warnings: list[str]
    #: What belongs before rejected rows that are kept in a file, such as the header.
    heading: str = ""
    #: What separates cells of text, empty for blanks; `None` where cells have types.
    delimiter: str | None = None
    #: The batches are small and come without waiting: the rows of several are given together.
    small_batches: bool = False

    @abstractmethod
    def sample(self) -> Batch:
        """Return the first rows, at most `SAMPLE_ROWS`, of all columns; text as it stands.

        They come again from `batches`. From a pipe: what has arrived.
        """

    @abstractmethod
    def choose(self, columns: Collection[int], exact: Collection[int] = ()) -> None:
        """Take note of the columns that are needed, before `batches` is called.

        Parameters
        ----------
        columns
            Positions; the cells of others may be left out.
        exact
            Positions of columns whose digits all count: text, if that is what the file has.
        """

    @abstractmethod
    def batches(self) -> Iterator[Batch | None]:
        """Give the rows once, in blocks of at most some 100,000; `None` is an interval break."""

    @property
    @abstractmethod
    def share(self) -> float | None:
        """The share of the file, 0 to 1, that the batches so far come from; `None` if unknown."""

    def last(self) -> Batch | None:
        """Return a batch with the last row, where it can be had without reading the file."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Close what was opened; a second call does nothing."""
