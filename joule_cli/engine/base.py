"""What all action groups of the embedded node share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from joule_cli.engine import metadata
from joule_cli.engine.watch import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

    from joule_cli.engine.database import Database
    from joule_cli.engine.producers import Producers
    from joule_cli.model import DataStream


class EngineState:
    """The parts of an embedded node; `EmbeddedNode` makes and closes them."""

    database: Database
    producers: Producers
    _clock: Callable[[], int]

    @cached_property
    def _watch(self) -> FileWatch:
        return FileWatch(self.database)

    def _is_destination(self, stream_id: int) -> bool:
        """Tell whether a stream is being written, by this process or another."""
        return self.producers.active(stream_id)

    def _stream(self, connection: apsw.Connection, stream_id: int) -> DataStream:
        """Load a stream with its flags."""
        stream = metadata.load_stream(connection, stream_id)
        if self._is_destination(stream_id):
            metadata.mark_active(stream)
        return stream

    async def _node_uuid(self) -> str:
        """Return the identity of the node, empty before its file exists."""
        return await self.database.read(_uuid)


def _uuid(connection: apsw.Connection) -> str:
    # an empty stand-in is read before the file exists, and has another uuid each time
    if not connection.filename:
        return ""
    return str(connection.execute("SELECT value FROM node WHERE key = 'uuid'").get)
