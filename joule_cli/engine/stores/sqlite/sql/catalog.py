"""The tables of a node, found by name."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from joule_cli.engine.stores.base import StoredStream
from joule_cli.engine.stores.sqlite import places, streams
from joule_cli.engine.stores.sqlite.sql.records import AnnotationTable, EventTable
from joule_cli.engine.stores.sqlite.sql.samples import SampleTable
from joule_cli.errors import QueryError, StreamNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    import apsw

    from joule_cli.engine.stores.sqlite.sql.snapshot import Snapshot
    from joule_cli.engine.stores.sqlite.sql.table import Table
    from joule_cli.model import DataStream

_PATHS = """
WITH RECURSIVE place (id, path) AS (
  SELECT id, '' FROM folder WHERE parent_id IS NULL
  UNION ALL
  SELECT folder.id, place.path || folder.name || '/' FROM folder
  JOIN place ON folder.parent_id = place.id
)
SELECT place.path || stream.name FROM (
  SELECT folder_id, name FROM data_stream UNION ALL SELECT folder_id, name FROM event_stream
) AS stream JOIN place ON stream.folder_id = place.id
"""


class Catalog:
    """Streams as tables, looked up one by one: a node may have thousands."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def find(self, name: str) -> Table | None:
        """Return the table that a name means: the path itself, else the one that differs in case.

        Raises
        ------
        QueryError
            Several streams differ from the name in case only.
        """
        found = self._snapshot.call(partial(self._exact, name=name))
        if found is not None:
            return found
        wanted = name.strip("/").casefold()
        similar = [path for path in self.paths() if path.casefold() == wanted]
        if len(similar) > 1:
            raise QueryError(
                f'"{name}" can mean {" or ".join(f"{path!r}" for path in sorted(similar))}'
            )
        if not similar:
            return None
        return self._snapshot.call(partial(self._exact, name=similar[0]))

    def paths(self) -> list[str]:
        """Return the names of all tables, sorted."""
        paths = {path for (path,) in self._snapshot.rows(_PATHS)}
        return sorted(paths | {AnnotationTable.NAME})

    def all(self) -> Iterator[Table]:
        """Yield all tables by name."""
        for path in self.paths():
            table = self._snapshot.call(partial(self._exact, name=path))
            if table is not None:
                yield table

    def nearest(self, name: str) -> str | None:
        """Return the name of a table that was probably meant."""
        from joule_cli.series.nearest import nearest

        found = nearest(name, (path for path in self.paths() if path != AnnotationTable.NAME), 1)
        return found[0] if found else None

    def _exact(self, connection: apsw.Connection, name: str) -> Table | None:
        path = f"/{name.removeprefix('/')}"
        with suppress(StreamNotFound):
            model = streams.load_data_stream(connection, places.find_stream(connection, path))
            return _samples(path[1:], model)
        with suppress(StreamNotFound):
            stream_id = places.find_stream(connection, path, "event_stream")
            events = streams.load_event_stream(connection, stream_id)
            return EventTable(path[1:], stream_id, events.event_fields)
        return AnnotationTable() if name == AnnotationTable.NAME else None


def _samples(path: str, model: DataStream) -> SampleTable:
    return SampleTable(path, StoredStream.of(model), [element.name for element in model.elements])
