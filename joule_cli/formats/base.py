"""What every file format has in common: the head, the options, the reader and the writer."""

from __future__ import annotations

import errno
import os
import sys
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Literal, Self, TypeAlias

import numpy as np

from joule_cli.errors import FormatError, LayoutMismatchError
from joule_cli.model.data_stream import DataStream, Element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from joule_cli.series.intervals import Interval
    from joule_cli.series.layout import Layout, Rows

#: A file name, or an open binary file.
FileRef: TypeAlias = "str | os.PathLike[str] | IO[bytes]"

_STDOUT = "standard output"
#: The line that ends an interval in text rows and CSV.
INTERVAL_BREAK = "# interval break"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHead:
    """What is known about rows before the first of them.

    Parameters
    ----------
    layout
        Of the rows as they come, decimated or not.
    elements
        The columns; empty when the file does not name them. With `bounds` there are three values
        per element: all means, then all minima, then all maxima.
    path
        Path of the stream the rows were read from.
    stream
        Its model, as far as the file tells.
    decimation_level
        1 for stored rows.
    bounds
        Whether the rows hold minima and maxima as well.
    intervals
        The spans with rows, when known beforehand.
    start, end
        The bounds that were asked for, µs.
    node_name, node_url
        Where the rows come from.
    """

    layout: Layout
    elements: Sequence[Element] = ()
    path: str | None = None
    stream: DataStream | None = None
    decimation_level: int = 1
    bounds: bool = False
    intervals: Sequence[Interval] | None = None
    start: int | None = None
    end: int | None = None
    node_name: str = ""
    node_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How a file is written; each format uses what concerns it.

    Parameters
    ----------
    header
        CSV: ``names``, ``units`` (``x [V]``) or ``none``.
    annotate
        CSV: begin with ``#`` lines that describe the stream.
    delimiter
        CSV: between columns; `None` is a comma (a tab in TSV).
    precision
        Fixed number of decimals; `None` is the shortest text that reads back to the same value.
    format_time
        Text of a timestamp; `None` is integer µs.
    mark_intervals
        Write interval breaks between the rows.
    interval_column
        CSV, Parquet and Arrow: add a column ``interval`` that counts intervals from 0.
    bounds_order
        With bounds, but not in HDF5: ``column`` (all means, all minima, all maxima) or ``element``
        (mean, minimum and maximum of each element together).
    arrays
        JSON lines: arrays in place of objects.
    compression
        HDF5: ``gzip[:1-9]``, ``lzf`` or ``none``. Text formats: ``gzip[:1-9]``, ``zstd`` or
        ``none``, by default as the suffix says. Parquet: ``zstd``, ``gzip[:1-9]``, ``snappy``,
        ``lz4`` or ``none``. Arrow: ``zstd``, ``lz4`` or ``none``.
    append
        Continue a file instead of replacing it.
    no_clobber
        Refuse a file that exists.
    """

    header: Literal["names", "units", "none"] = "names"
    annotate: bool = False
    delimiter: str | None = None
    precision: int | None = None
    format_time: Callable[[int], str] | None = None
    mark_intervals: bool = False
    interval_column: bool = False
    bounds_order: Literal["column", "element"] = "column"
    arrays: bool = False
    compression: str | None = None
    append: bool = False
    no_clobber: bool = False


@dataclass(slots=True)
class Tally:
    """What a reader noticed besides rows.

    Parameters
    ----------
    rejected
        Bad rows that were left out.
    equal
        Rows that were the same as one that was kept.
    merged
        Rows that had the time of one that was kept, and gave way to it or went into it.
    incomplete
        Rows that were left out since a value is missing.
    filtered
        Rows of other series.
    missing
        How many values are missing, by the name of the element.
    """

    rows: int = 0
    rejected: int = 0
    equal: int = 0
    merged: int = 0
    incomplete: int = 0
    filtered: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Reader(ABC):
    """Rows of one open file, in order, in bounded memory.

    One thread at a time. A file that is opened by name is closed by `close`; an open file that
    was handed in stays open.

    Raises
    ------
    FormatError
        From the constructor and from `blocks`, with file, line and column where they exist.
    """

    #: The file's name for messages, ``-`` for standard input.
    name: str
    head: StreamHead
    tally: Tally

    @abstractmethod
    def blocks(self) -> Iterator[Rows | None]:
        """Give blocks of rows, at least one row each; `None` is an interval break between them.

        Timestamps rise strictly over the whole file and every value is finite.
        """

    @property
    @abstractmethod
    def share(self) -> float | None:
        """The share of the file, from 0 to 1, that the rows given so far come from.

        Of text it counts the bytes on disk, compressed or not. `None` where the end is not known,
        as of a pipe. For the thread that takes the rows.
        """

    @abstractmethod
    def close(self) -> None:
        """Close what was opened; a second call does nothing."""

    def last_timestamp(self) -> int | None:
        """Return the timestamp of the last row, `None` without rows; reads the file to its end."""
        last = None
        for rows in self.blocks():
            if rows is not None:
                last = int(rows["timestamp"][-1])
        return last

    def __iter__(self) -> Iterator[Rows | None]:
        return self.blocks()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Writer(ABC):
    """Rows on their way to one file.

    One thread at a time. A file that is named appears complete or not at all: it is written
    beside its place and moved there by ``close(complete=True)``. An open file that was handed in
    stays open, and a broken pipe is raised as `BrokenPipeError`.

    Raises
    ------
    FormatError
        From every method, when the file cannot be written.
    LayoutMismatchError
        From `write`, for rows of another layout than `StreamHead.layout`.
    """

    head: StreamHead

    @abstractmethod
    def write(self, rows: Rows) -> None:
        """Write rows: (n,) of the head's layout."""

    @abstractmethod
    def interval_break(self) -> None:
        """End the interval; it shows, where the format marks breaks, once more rows follow."""

    @abstractmethod
    def flush(self) -> None:
        """Hand everything written so far to the operating system."""

    @abstractmethod
    def close(self, *, complete: bool = True) -> None:
        """Finish the file, or leave it visibly unfinished; a second call does nothing.

        An unfinished file ends with the last `flush` or a little later.
        """

    def _check(self, rows: Rows) -> None:
        if rows.dtype != self.head.layout.dtype:
            raise LayoutMismatchError(f"the rows are not {self.head.layout}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(complete=kind is None)


def place_name(place: FileRef) -> str:
    """Return the name of a file for messages; ``-`` for standard input."""
    if isinstance(place, str | os.PathLike):
        return os.fspath(place)
    if place is getattr(sys.stdin, "buffer", None):
        return "-"
    if place is getattr(sys.stdout, "buffer", None):
        return _STDOUT
    name = getattr(place, "name", "-")
    return name if isinstance(name, str) else "-"


def os_failure(exc: OSError, name: str) -> FormatError:
    """Turn a failed system call on the file `name` into an error for a person."""
    reason = exc.strerror or str(exc)
    full = exc.errno in {errno.ENOSPC, errno.EDQUOT} and name != _STDOUT
    hint = "make room on the disk, or choose another place" if full else None
    return FormatError(reason[:1].lower() + reason[1:], file=name, hint=hint)


def column_names(head: StreamHead, order: Literal["column", "element"] = "column") -> list[str]:
    """Name the value columns, each name once and none ``timestamp``.

    An element called ``timestamp`` and names used twice get ``#`` and their index. With bounds
    each name occurs plain, with ``_min`` and with ``_max``, in the given order.
    """
    n_elements = head.layout.width // 3 if head.bounds else head.layout.width
    elements = list(head.elements)
    elements += [Element(f"Element {i}", index=i) for i in range(len(elements), n_elements)]
    plain = [e.name for e in elements[:n_elements]]
    indices = [i if e.index is None else e.index for i, e in enumerate(elements[:n_elements])]
    count = Counter(plain)
    names = [
        f"{name}#{index}" if name == "timestamp" or count[name] > 1 else name
        for name, index in zip(plain, indices, strict=True)
    ]
    if head.bounds:
        names = [*names, *(f"{name}_min" for name in names), *(f"{name}_max" for name in names)]
    seen: set[str] = set()
    for position, name in enumerate(names):
        while names[position] in seen:
            names[position] = f"{name}#{position}"
            name = names[position]
        seen.add(names[position])
    return [names[i] for i in column_order(head, order)]


def column_order(head: StreamHead, order: Literal["column", "element"]) -> list[int]:
    """Return the positions of the values in a row, in the order in which they are written."""
    width = head.layout.width
    if not head.bounds or order == "column":
        return list(range(width))
    n = width // 3
    return [kind * n + element for element in range(n) for kind in range(3)]


def split_at_gaps(items: Iterable[Rows | None], max_gap_us: int) -> Iterator[Rows | None]:
    """Add an interval break wherever neighbouring rows are more than `max_gap_us` apart."""
    last: int | None = None
    for rows in items:
        if rows is None:
            last = None
            yield None
            continue
        stamps = rows["timestamp"]
        if last is not None and stamps[0] - last > max_gap_us:
            yield None
        begin = 0
        for cut in (np.flatnonzero(np.diff(stamps) > max_gap_us) + 1).tolist():
            yield rows[begin:cut]
            yield None
            begin = cut
        yield rows[begin:]
        last = int(stamps[-1])
