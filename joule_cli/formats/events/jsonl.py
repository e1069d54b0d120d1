"""JSON lines: one event per line."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from joule_cli.formats.events.base import EventWriteOptions, SinkWriter
from joule_cli.formats.events.exact import dumps, has_long_numbers, loads
from joule_cli.formats.events.lines import EventLineReader
from joule_cli.formats.events.records import BadLine, decode_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.model import Event


class JsonlEventReader(EventLineReader):
    """One event per line, in the form that ``joule event read --jsonl`` prints."""

    _can_be_cut = False

    def _parse_piece(self, piece: bytes) -> list[Event] | None:
        parse = loads if has_long_numbers(piece) else orjson.loads
        try:
            values = list(map(parse, piece.split(b"\n")[:-1]))
        except ValueError:
            return None
        return self._parser.fast_from_json(values)

    def _parse_record(self, raw: bytes) -> Event:
        decode_line(raw)
        try:
            value = loads(raw)
        except json.JSONDecodeError as exc:
            raise BadLine(f"not JSON: {exc.msg[:1].lower()}{exc.msg[1:]}", exc.colno) from exc
        except ValueError as exc:
            raise BadLine(f"not JSON: {exc}") from exc
        return self._parser.from_json(value)


class JsonlEventWriter(SinkWriter):
    """One event per line."""

    def _format(self, events: Sequence[Event]) -> bytes:
        return b"\n".join(map(dumps, map(record_maker(self.options), events))) + b"\n"


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
