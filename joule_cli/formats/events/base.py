"""What the formats of events have in common: options, reader, writer, and reading one event."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from joule_cli.errors import FormatError
from joule_cli.formats.base import Place, Tally, WriteOptions, place_name
from joule_cli.formats.events.exact import dumps
from joule_cli.formats.events.fields import Fields
from joule_cli.formats.events.records import BadLine
from joule_cli.formats.numbers import shorten
from joule_cli.formats.sink import Sink
from joule_cli.formats.source import ByteSource
from joule_cli.formats.times import TimeParser
from joule_cli.model import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

#: The keys of an event in JSON, in their order.
KEYS: Final = ("id", "event_stream_id", "start_time", "end_time", "content", "node_uuid")
START, END, CONTENT, ID = "start_time", "end_time", "content", "id"
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReadOptions:
    """How a file of events is read; each format uses what concerns it.

    Parameters
    ----------
    fields
        The declared fields of the stream; contents must fit them.
    delimiter, encoding
        Of CSV; a `delimiter` of `None` is found out from the header.
    time_format
        As `ReadOptions.time_format`; `None` takes numbers as µs and texts as ISO 8601.
    tz
        Zone of times that name none.
    on_reject
        Receives line number, text and reason of every bad event, which is then left out. `None`
        makes the first one an error.
    """

    fields: Fields = field(default_factory=Fields)
    delimiter: str | None = None
    encoding: str = "utf-8"
    time_format: str | None = None
    tz: tzinfo = UTC
    on_reject: Callable[[int, str, str], None] | None = None


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


class EventBlock(NamedTuple):
    """Some events of a file, and the number of the last line that was read for them."""

    events: list[Event]
    line: int


class EventReader(ABC):
    """Events of one open file, in the order of the file, in bounded memory.

    One thread at a time. A file that is opened by name is closed by `close`; an open file that
    was handed in stays open.

    Raises
    ------
    FormatError
        From the constructor and from `blocks`, with file and line.
    """

    def __init__(self, place: Place | ByteSource, options: EventReadOptions) -> None:
        if isinstance(place, ByteSource):
            self._source = place
        else:
            self._source = ByteSource(place, options.encoding, may_be_empty=True)
        #: The file's name for messages, ``-`` for standard input.
        self.name = self._source.name
        self.options = options
        self.tally = Tally()
        #: The first line of a CSV file, which belongs before bad lines that are kept.
        self.heading = ""
        self._parser = EventParser(options)

    @abstractmethod
    def blocks(self) -> Iterator[EventBlock]:
        """Give blocks of some thousand events, fewer from a slow pipe, at least one each."""

    @property
    @abstractmethod
    def share(self) -> float | None:
        """The share of the file that the events given so far come from; as `Reader.share`."""

    def _reject(self, line: int, text: str, bad: BadLine) -> None:
        if self.options.on_reject is None:
            raise FormatError(bad.reason, file=self.name, line=line, column=bad.column)
        self.tally.rejected += 1
        self.options.on_reject(line, text, bad.reason)

    def close(self) -> None:
        """Close what was opened; a second call does nothing."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class EventParser:
    """Turns what a file says about one event into an `Event` that a node takes."""

    def __init__(self, options: EventReadOptions) -> None:
        self.fields = options.fields
        self._plain = options.time_format is None
        self._us = TimeParser("us", options.tz)
        self._iso = TimeParser("iso", options.tz)
        self._form = None if self._plain else TimeParser(str(options.time_format), options.tz)

    def from_json(self, value: Any) -> Event:
        """Read an event in its JSON form; numbers are those of `exact.loads`.

        Raises
        ------
        BadLine
            It is none; the reason says why.
        """
        if not isinstance(value, dict):
            raise BadLine("expected an object with start_time, end_time and content")
        if unknown := [key for key in value if key not in KEYS]:
            raise BadLine(
                f"there is no key {shorten(unknown[0])} in an event; fields stand in 'content'"
            )
        return self.event(*(value.get(key) for key in KEYS))

    def fast_from_json(self, values: list[Any]) -> list[Event] | None:
        """Read many events of the usual form; `None` when one needs a closer look."""
        if not self._plain:
            return None
        fit = self.fields.fit
        out = []
        for value in values:
            if type(value) is not dict or not value.keys() <= _KEY_SET:
                return None
            number, stream, start, end, content, uuid = map(value.get, KEYS)
            if type(start) is not int or not _LOWEST <= start <= _HIGHEST:
                return None
            if end is not None and (type(end) is not int or not start < end <= _HIGHEST):
                return None
            if (
                (number is not None and type(number) is not int)
                or (stream is not None and type(stream) is not int)
                or (uuid is not None and type(uuid) is not str)
                or not fit(content)
            ):
                return None
            out.append(Event(start, end, content, number, stream, uuid))
        return out

    def event(
        self, number: Any, stream: Any, start: Any, end: Any, content: Any, uuid: Any
    ) -> Event:
        """Check the parts of an event, in the order of `KEYS`."""
        if start is None:
            raise BadLine("start_time is missing")
        first = self.time(start, START)
        last = None if end is None else self.time(end, END)
        if last is not None and last <= first:
            raise BadLine(f"end_time [{last}] must be after start_time [{first}]")
        for what, value, kind in (
            (ID, number, int),
            ("event_stream_id", stream, int),
            ("node_uuid", uuid, str),
        ):
            if not _usual(value, kind):
                name = "an integer" if kind is int else "a text"
                raise BadLine(f"{what} must be {name}, not {_shown(value)}")
        if not self.fields.fit(content):
            raise BadLine(self.fields.reason(content))
        return Event(first, last, content, number, stream, uuid)

    def time(self, value: Any, what: str) -> int:
        """Read one time.

        Raises
        ------
        BadLine
            It is none.
        """
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise BadLine(f"{what} must be a time, not {_shown(value)}")
        text = value.strip() if isinstance(value, str) else repr(value)
        try:
            if self._form is not None:
                return self._form(text)
            if _INTEGER.fullmatch(text) and _LOWEST <= int(text) <= _HIGHEST:
                return int(text)
            return self._us(text) if _NUMBER.fullmatch(text) else self._iso(text)
        except ValueError as exc:
            raise BadLine(f"{what}: {exc}") from exc


_KEY_SET = frozenset(KEYS)


def _usual(value: Any, kind: type) -> bool:
    return value is None or type(value) is kind


def _shown(value: Any) -> str:
    text = dumps(value).decode()
    return text if len(text) <= 40 else f"{text[:37]}..."


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

    def __init__(self, place: Place, options: EventWriteOptions) -> None:
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
