"""One JSON document: an array of events, read and written in pieces."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any

from joule_cli.errors import FormatError
from joule_cli.formats.events.base import EventBlock, EventReader, SinkWriter
from joule_cli.formats.events.exact import dumps, loads
from joule_cli.formats.events.jsonl import record_maker
from joule_cli.formats.events.records import BadLine
from joule_cli.formats.source import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joule_cli.formats.base import Place
    from joule_cli.formats.events.base import EventReadOptions, EventWriteOptions
    from joule_cli.formats.source import ByteSource
    from joule_cli.model import Event

_BLOCK_EVENTS = 5000
_BLANKS = re.compile(r"[ \t\r\n]*")
_SCAN = json.JSONDecoder().raw_decode


class JsonEventReader(EventReader):
    """An array of events in the form that ``joule event read --json`` prints, or one event."""

    def __init__(self, place: Place | ByteSource, options: EventReadOptions) -> None:
        super().__init__(place, options)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        # position of the text's first character
        self._line, self._column = 1, 1
        self._ended = False

    def blocks(self) -> Iterator[EventBlock]:
        """Give blocks of events; docstring of `EventReader.blocks` applies."""
        if not self._next_character():
            return
        events: list[Event] = []
        for item in self._items():
            if item is not None:
                events.append(item)
            if len(events) >= _BLOCK_EVENTS:
                yield self._block(events)
                events = []
        if self._next_character():
            raise self._error("something stands after the end of the events")
        if events:
            yield self._block(events)

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `EventReader.share` applies."""
        return self._source.share(len(self._text) - self._at)

    def _block(self, events: list[Event]) -> EventBlock:
        self.tally.rows += len(events)
        return EventBlock(events, self._place(self._at)[0])

    def _items(self) -> Iterator[Event | None]:
        """Parse one event after the other up to the end of the array; `None` for a bad one."""
        if self._text[self._at] != "[":
            yield self._event()
            return
        self._at += 1
        if self._required() == "]":
            self._at += 1
            return
        while True:
            self._required()
            yield self._event()
            mark = self._required()
            if mark not in ",]":
                raise self._error("not JSON: expected ',' or ']' after an event")
            self._at += 1
            if mark == "]":
                return

    def _event(self) -> Event | None:
        begin, value = self._value()
        try:
            return self._parser.from_json(value)
        except BadLine as bad:
            raw = self._text[begin : self._at]
            line, column = self._place(begin)
            # in a file of bad events each stands on one line
            text = dumps(value).decode() if "\n" in raw else raw
            self._reject(line, text, BadLine(bad.reason, column))
            return None

    def _value(self) -> tuple[int, Any]:
        """Parse the value that begins here, reading on until it is whole."""
        while True:
            begin = self._at
            try:
                _, end = _SCAN(self._text, begin)
            except json.JSONDecodeError as exc:
                line, column = self._place(exc.pos)
                if self._grow():
                    continue
                reason = exc.msg.removesuffix(" starting at")
                raise FormatError(
                    f"not JSON, or cut: {reason[:1].lower()}{reason[1:]}",
                    file=self.name,
                    line=line,
                    column=column,
                ) from exc
            except (ValueError, RecursionError) as exc:
                raise self._error(f"not JSON: {exc}") from exc
            try:
                value = loads(self._text[begin:end].encode())
            except ValueError as exc:
                raise self._error(f"not JSON: {getattr(exc, 'msg', exc)}") from exc
            self._at = end
            return begin, value

    def _grow(self) -> bool:
        """Read until twice as much is there, so that a long value is not parsed too often."""
        self._forget()
        size = len(self._text)
        if size > LONGEST_LINE:
            return False
        while len(self._text) < 2 * size and self._more():
            pass
        return len(self._text) > size

    def _required(self) -> str:
        character = self._next_character()
        if not character:
            raise self._error("the document is cut: its array has no end")
        return character

    def _next_character(self) -> str:
        """Go on to the next character that is no blank; empty at the end."""
        while True:
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]  # matches anything
            if self._at < len(self._text):
                return self._text[self._at]
            self._forget()
            if not self._more():
                return ""

    def _more(self) -> bool:
        data = self._source.read()
        if self._ended:
            return False
        self._ended = not data
        try:
            self._text += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as exc:
            raise FormatError("the document is not UTF-8 text", file=self.name) from exc
        return bool(data)

    def _forget(self) -> None:
        """Drop the text that is parsed."""
        self._line, self._column = self._place(self._at)
        self._text = self._text[self._at :]
        self._at = 0

    def _place(self, at: int) -> tuple[int, int]:
        ends = self._text.count("\n", 0, at)
        if not ends:
            return self._line, self._column + at
        return self._line + ends, at - self._text.rfind("\n", 0, at)

    def _error(self, message: str) -> FormatError:
        line, column = self._place(self._at)
        return FormatError(message, file=self.name, line=line, column=column)


class JsonEventWriter(SinkWriter):
    """An array with one event per line; cut short it has no end."""

    def __init__(self, place: Place, options: EventWriteOptions) -> None:
        super().__init__(place, options)
        self._record = record_maker(options)
        self._begun = False

    def _format(self, events: Sequence[Event]) -> bytes:
        before = b",\n" if self._begun else b"[\n"
        self._begun = True
        return before + b",\n".join(map(dumps, map(self._record, events)))

    def _end(self) -> bytes:
        return b"\n]\n" if self._begun else b"[]\n"
