"""What the formats of events have in common when they are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from joule_cli.formats.base import FileRef, WriteOptions, place_name
from joule_cli.formats.events.fields import Fields
from joule_cli.formats.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from joule_cli.model import Event

#: The parts of an event, as JSON and CSV call them.
START: Final = "start_time"
END: Final = "end_time"
CONTENT: Final = "content"
ID: Final = "id"
STREAM: Final = "event_stream_id"
UUID: Final = "node_uuid"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWriteOptions:
    """How a file of events is written; each format uses what concerns it.

    Parameters
    ----------
    fields
        The declared fields of the stream: the first columns of CSV.
    select
        Only these fields of the contents, in this order.
    ids
        Whether events carry their ids; by default in JSON, unless fields are selected: an event
        that is written back with an id replaces the whole stored one.
    header, delimiter
        Of CSV; a `delimiter` of `None` is a comma (a tab in TSV).
    format_time
        Form of a time; `None` is integer µs.
    compression, no_clobber
        As in `WriteOptions`.
    """

    fields: Fields = field(default_factory=Fields)
    select: Sequence[str] | None = None
    ids: bool = False
    header: bool = True
    delimiter: str | None = None
    format_time: Callable[[int], int | float | str] | None = None
    compression: str | None = None
    no_clobber: bool = False


class EventWriter(ABC):
    """Events on their way to one file.

    One thread at a time. A file that is named appears complete or not at all. An open file that
    was handed in stays open, and a broken pipe is raised as `BrokenPipeError`.

    Raises
    ------
    FormatError
        From every method, when the file cannot be written.
    """

    @abstractmethod
    def write(self, events: Sequence[Event]) -> None:
        """Write events and hand them to the operating system."""

    @abstractmethod
    def close(self, *, complete: bool = True) -> None:
        """Finish the file, or leave it visibly unfinished; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(complete=kind is None)


class SinkWriter(EventWriter):
    """An `EventWriter` of bytes; subclasses say how events look."""

    def __init__(self, place: FileRef, options: EventWriteOptions) -> None:
        self.options = options
        self.name = place_name(place)
        self._closed = False
        self._sink = Sink(
            place, WriteOptions(compression=options.compression, no_clobber=options.no_clobber)
        )

    @abstractmethod
    def _format(self, events: Sequence[Event]) -> bytes:
        """Return events, at least one, as they stand in the file."""

    def _end(self) -> bytes:
        """Return what stands after the events of a complete file."""
        return b""

    def write(self, events: Sequence[Event]) -> None:
        """Write events; docstring of `EventWriter.write` applies."""
        if events:
            self._sink.write(self._format(events))
            self._sink.flush()

    def close(self, *, complete: bool = True) -> None:
        """Finish the file; docstring of `EventWriter.close` applies."""
        if self._closed:
            return
        self._closed = True
        try:
            if complete:
                self._sink.write(self._end())
        except BaseException:
            self._sink.close(complete=False)
            raise
        self._sink.close(complete=complete)
