"""Files of events: CSV, TSV, JSON and JSON lines, streaming, without nodes or event loops."""

from joule_cli.formats.events.base import EventWriteOptions, EventWriter
from joule_cli.formats.events.fields import Fields
from joule_cli.formats.events.reader import EventBlock, EventReader, EventReadOptions
from joule_cli.formats.events.registry import (
    EVENT_FORMATS,
    open_event_reader,
    open_event_writer,
)

__all__ = [
    "EVENT_FORMATS",
    "EventBlock",
    "EventReadOptions",
    "EventReader",
    "EventWriteOptions",
    "EventWriter",
    "Fields",
    "open_event_reader",
    "open_event_writer",
]
