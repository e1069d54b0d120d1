"""What a table of SQL is: columns, and batches of what a query needs of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pyarrow as pa

    from joule_cli.engine.stores.sqlite.sql.pushdown import Needs
    from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot


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

    def schema(self, columns: Collection[int]) -> pa.Schema:
        """Return what batches with some of the sources are made of; the names are positions."""
        import pyarrow as pa

        types = {
            "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
            "TINYINT": pa.int8(),
            "UTINYINT": pa.uint8(),
            "SMALLINT": pa.int16(),
            "USMALLINT": pa.uint16(),
            "INTEGER": pa.int32(),
            "UINTEGER": pa.uint32(),
            "BIGINT": pa.int64(),
            "UBIGINT": pa.uint64(),
            "FLOAT": pa.float32(),
            "DOUBLE": pa.float64(),
            "VARCHAR": pa.string(),
        }
        # rows without a column cannot be counted
        fields = [(f"c{i}", types[self.sources[i].type]) for i in sorted(columns)]
        return pa.schema(fields or [("nothing", pa.null())])

    @abstractmethod
    def expressions(self) -> list[str]:
        """Return the SQL that makes each column from the sources ``c0``, ``c1``, ..."""

    @abstractmethod
    def batches(self, snapshot: Snapshot, needs: Needs, counts: Counts) -> Iterator[pa.RecordBatch]:
        """Read the columns and at least the times that are needed, in order of time."""


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
