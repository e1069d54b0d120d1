"""What a table of SQL is: columns, and batches of what a query needs of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from dataclasses import dataclass
from operator import ne
from typing import TYPE_CHECKING, Any, NamedTuple

from joule_cli.engine.stores.sqlite.sql.arrow import Column, Field

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import numpy.typing as npt

    from joule_cli.engine.stores.sqlite.sql.arrow import Batch
    from joule_cli.engine.stores.sqlite.sql.pushdown import Needs
    from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot

#: Arrow format strings of the SQL types that sources have.
FORMATS = {
    "TIMESTAMPTZ": "tsu:UTC",
    "TINYINT": "c",
    "UTINYINT": "C",
    "SMALLINT": "s",
    "USMALLINT": "S",
    "INTEGER": "i",
    "UINTEGER": "I",
    "BIGINT": "l",
    "UBIGINT": "L",
    "FLOAT": "f",
    "DOUBLE": "g",
    "VARCHAR": "U",
}


class TableColumn(NamedTuple):
    """A column as SQL sees it."""

    name: str
    type: str


@dataclass(slots=True)
class Counts:
    """What the scans of a query have read."""

    rows: int = 0
    chunks: int = 0  # read from the file, whole or in part
    values: int = 0  # decoded, times included


class Table(ABC):
    """A stream, or a list of something, as a table.

    Parameters
    ----------
    path
        The stream's path, or the name of the list.
    columns
        As SQL sees them; their names differ, whatever the case.

    Attributes
    ----------
    sources : sequence of TableColumn
        What the table is made from, and what batches have; the first is the time.
    """

    sources: Sequence[TableColumn]

    def __init__(self, path: str, columns: Sequence[TableColumn]) -> None:
        self.path = path
        self.columns = columns

    @property
    def fields(self) -> list[Field]:
        """The Arrow schema of the sources; the names are positions."""
        return [Field(f"c{i}", FORMATS[c.type]) for i, c in enumerate(self.sources)]

    @abstractmethod
    def expressions(self) -> list[str]:
        """Return the SQL that makes each column from the sources ``c0``, ``c1``, ..."""

    @abstractmethod
    def batches(
        self, snapshot: Snapshot, needs: Needs, counts: Counts
    ) -> Generator[Batch, None, None]:
        """Read at least what is needed, in order of time; other columns are NULL."""


def unique_names(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Return names that differ whatever the case: a repeated one gets ``#`` and its position."""
    counts = Counter(name.casefold() for name in (*taken, *names))
    given = [
        f"{name}#{i}" if counts[name.casefold()] > 1 or not name else name
        for i, name in enumerate(names)
    ]
    seen: set[str] = {name.casefold() for name in taken}
    for i in range(len(given)):
        while given[i].casefold() in seen:
            given[i] = f"{given[i]}#{i}"
        seen.add(given[i].casefold())
    return given


def nulls(n_rows: int, format: str) -> Column:
    """Return a column of NULLs; the memory for it is never touched."""
    zeros = bytes((n_rows + 1) * 8)
    buffers = (zeros, zeros, zeros) if format == "U" else (zeros, zeros)
    return Column(buffers, n_rows)


def column_of(values: npt.NDArray[Any] | array[Any], format: str) -> Column:
    """Return a column of numbers; NaN, which is a missing value, is NULL."""
    if format not in {"f", "g"}:
        return Column((None, values))
    if isinstance(values, array):
        return _without_numpy(values)
    import numpy as np

    missing = np.isnan(values)
    count = int(np.count_nonzero(missing))
    return Column((np.packbits(~missing, bitorder="little") if count else None, values), count)


def _without_numpy(values: array[Any]) -> Column:
    # the last byte of NaN, as of very large numbers, is one of two: found in no time
    last = values.tobytes()[values.itemsize - 1 :: values.itemsize]
    if b"\x7f" not in last and b"\xff" not in last:
        return Column((None, values))
    missing = bytes(map(ne, values, values))
    count = missing.count(1)
    if not count:
        return Column((None, values))
    digits = missing.translate(bytes.maketrans(b"\0\1", b"10"))[::-1]
    return Column((int(digits, 2).to_bytes(-(-len(values) // 8), "little"), values), count)
