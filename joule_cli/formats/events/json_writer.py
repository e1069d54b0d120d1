"""Events to JSON: one per line, with or without an array around them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from joule_cli.formats.events.base import EventWriteOptions, SinkWriter
from joule_cli.formats.events.exact import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.formats.base import FileRef
    from joule_cli.model import Event


class JsonlEventWriter(SinkWriter):
    """One event per line."""

    def _format(self, events: Sequence[Event]) -> bytes:
        return b"\n".join(map(dumps, map(record_maker(self.options), events))) + b"\n"


class JsonEventWriter(SinkWriter):
    """An array with one event per line; cut short it has no end."""

    def __init__(self, place: FileRef, options: EventWriteOptions) -> None:
        super().__init__(place, options)
        self._record = record_maker(options)
        self._begun = False

    def _format(self, events: Sequence[Event]) -> bytes:
        before = b",\n" if self._begun else b"[\n"
        self._begun = True
        return before + b",\n".join(map(dumps, map(self._record, events)))

    def _end(self) -> bytes:
        return b"\n]\n" if self._begun else b"[]\n"


def record_maker(options: EventWriteOptions) -> Callable[[Event], dict[str, Any]]:
    """Return what turns an event into the object that stands in a file."""
    if options.select is None and options.format_time is None:
        return _whole
    return partial(_chosen, options)


def _whole(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "event_stream_id": event.event_stream_id,
        "start_time": event.start_time,
        "end_time": event.end_time,
        "content": event.content,
        "node_uuid": event.node_uuid,
    }


def _chosen(options: EventWriteOptions, event: Event) -> dict[str, Any]:
    record = _whole(event)
    if options.format_time is not None:
        for key in ("start_time", "end_time"):
            if record[key] is not None:
                record[key] = options.format_time(record[key])
    if options.select is not None:
        content = event.content if isinstance(event.content, dict) else {}
        record["content"] = {name: content[name] for name in options.select if name in content}
        if not options.ids:
            for key in ("id", "event_stream_id", "node_uuid"):
                del record[key]
    return record
