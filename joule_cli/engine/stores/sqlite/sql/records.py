"""Events and annotations as tables: rows of the node file, a page at a time."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from joule_cli.engine.stores.sqlite.event_keys import LAST_EVENT_ID
from joule_cli.engine.stores.sqlite.sql.table import Table, TableColumn, unique_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from joule_cli.engine.stores.sqlite.sql.pushdown import Needs
    from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot
    from joule_cli.engine.stores.sqlite.sql.table import Counts

#: Rows of a page: their texts are in memory twice.
_PAGE = 8192
_LARGEST = 2**63 - 1
_EVENTS = """
SELECT start, key & {mask}, "end", {content}, key FROM event
WHERE stream_id = ? AND start BETWEEN ? AND ? AND (start, key) > (?, ?)
ORDER BY start, key LIMIT ?
"""
#: Paths of data streams, without the first slash; for annotations.
_ANNOTATIONS = """
WITH RECURSIVE place (id, path) AS (
  SELECT id, '' FROM folder WHERE parent_id IS NULL
  UNION ALL
  SELECT folder.id, place.path || folder.name || '/' FROM folder
  JOIN place ON folder.parent_id = place.id
)
SELECT a.start, place.path || s.name, a.id, a.title, a.content, a."end", a.id
FROM annotation AS a JOIN data_stream AS s ON s.id = a.stream_id
JOIN place ON place.id = s.folder_id
WHERE a.start BETWEEN ? AND ? AND (a.start, a.id) > (?, ?)
ORDER BY a.start, a.id LIMIT ?
"""


class EventTable(Table):
    """The events of a stream, with a column for each declared field.

    Fields are taken out of the content by DuckDB, and only when a query asks for them.
    """

    sources = (
        TableColumn("start", "TIMESTAMPTZ"),
        TableColumn("id", "BIGINT"),
        TableColumn("end", "TIMESTAMPTZ"),
        TableColumn("content", "VARCHAR"),
    )

    def __init__(self, path: str, stream_id: int, fields: Mapping[str, str]) -> None:
        given = ["id", "start", "end", "content"]
        names = unique_names(list(fields), given)
        kinds = ["DOUBLE" if kind == "numeric" else "VARCHAR" for kind in fields.values()]
        super().__init__(
            path,
            [
                *map(TableColumn, given, ["BIGINT", "TIMESTAMPTZ", "TIMESTAMPTZ", "JSON"]),
                *map(TableColumn, names, kinds),
            ],
        )
        self._stream_id = stream_id
        self._fields = [*zip(fields, kinds, strict=True)]

    def expressions(self) -> list[str]:
        return ["c1", "c0", "c2", "c3::JSON", *(_field(*field) for field in self._fields)]

    def batches(self, snapshot: Snapshot, needs: Needs, counts: Counts) -> Iterator[pa.RecordBatch]:
        sql = _EVENTS.format(
            mask=LAST_EVENT_ID, content="content" if 3 in needs.columns else "NULL"
        )
        for rows in _pages(snapshot, sql, [self._stream_id], needs):
            counts.rows += len(rows)
            yield _batch(rows, self.schema(needs.columns))


class AnnotationTable(Table):
    """The annotations of all data streams."""

    sources = (
        TableColumn("start", "TIMESTAMPTZ"),
        TableColumn("stream", "VARCHAR"),
        TableColumn("id", "BIGINT"),
        TableColumn("title", "VARCHAR"),
        TableColumn("content", "VARCHAR"),
        TableColumn("end", "TIMESTAMPTZ"),
    )
    NAME = "annotations"

    def __init__(self) -> None:
        super().__init__(self.NAME, itemgetter(1, 2, 3, 4, 0, 5)(self.sources))

    def expressions(self) -> list[str]:
        return ["c1", "c2", "c3", "c4", "c0", "c5"]

    def batches(self, snapshot: Snapshot, needs: Needs, counts: Counts) -> Iterator[pa.RecordBatch]:
        for rows in _pages(snapshot, _ANNOTATIONS, [], needs):
            counts.rows += len(rows)
            yield _batch(rows, self.schema(needs.columns))


def _field(name: str, kind: str) -> str:
    """Return the SQL for a field of the content: NULL where it is missing or of another type."""
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    quoted = "'" + pointer.replace("'", "''") + "'"
    if kind == "VARCHAR":
        value, types = f"json_extract_string(c3, {quoted})", "IN ('VARCHAR')"
    else:
        value = f"CAST(json_extract(c3, {quoted}) AS DOUBLE)"
        types = "IN ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT')"
    return f"CASE WHEN json_type(c3, {quoted}) {types} THEN {value} END"


def _pages(
    snapshot: Snapshot, sql: str, arguments: Sequence[Any], needs: Needs
) -> Iterator[list[tuple[Any, ...]]]:
    """Read rows that begin with their time and end with a number, in the order of these two."""
    for start, end in needs.times:
        after: tuple[int, int] = (max(start, -_LARGEST - 1), -1)
        size = _PAGE
        while size == _PAGE:
            low = after[0]
            rows = snapshot.rows(sql, *arguments, low, min(end - 1, _LARGEST), *after, _PAGE)
            size = len(rows)
            if rows:
                after = (rows[-1][0], rows[-1][-1])
                yield rows


def _batch(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    values = list(zip(*rows, strict=True))
    return pa.record_batch(
        [
            pa.array(values[int(field.name[1:])], field.type)
            if field.name != "nothing"
            else pa.nulls(len(rows))
            for field in schema
        ],
        schema=schema,
    )
