"""Formats of events by name and by suffix."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.base import Place, place_name
from joule_cli.formats.events.base import (
    EventReader,
    EventReadOptions,
    EventWriteOptions,
    EventWriter,
)
from joule_cli.formats.registry import first_line, format_of
from joule_cli.formats.source import ByteSource

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = "joule_cli.formats.events"
_CLASSES: Mapping[str, tuple[str, str]] = {
    "csv": ("csv", "CsvEvent"),
    "tsv": ("csv", "TsvEvent"),
    "json": ("json", "JsonEvent"),
    "jsonl": ("jsonl", "JsonlEvent"),
}
#: Names of the formats.
EVENT_FORMATS = tuple(_CLASSES)


def open_event_reader(
    place: Place, format: str | None = None, options: EventReadOptions | None = None
) -> EventReader:
    """Open a file of events.

    Parameters
    ----------
    place
        A file name or an open binary file. Compression is recognised by the first bytes.
    format
        One of `EVENT_FORMATS`; `None` takes the suffix, else looks at the first line.

    Raises
    ------
    FormatError
        The file cannot be opened or does not begin as its format demands; it may be empty.
    """
    options = options or EventReadOptions()
    name = format
    if name is None and isinstance(place, str | os.PathLike):
        name = format_of(place)
    if name in {"text", "hdf5"} and format is None:
        # the suffix says nothing about events
        name = None
    source = ByteSource(place, options.encoding, may_be_empty=True)
    try:
        reader: EventReader = _load(name or _sniff(source), "Reader")(source, options)
    except BaseException:
        source.close()
        raise
    return reader


def open_event_writer(
    place: Place, format: str | None = None, options: EventWriteOptions | None = None
) -> EventWriter:
    """Open a file for events.

    Parameters
    ----------
    place
        A file name or an open binary file.
    format
        One of `EVENT_FORMATS`; `None` takes the suffix, else JSON lines.

    Raises
    ------
    FormatError
        The file cannot be written, or its suffix stands for a format that events do not have.
    """
    if format is None and isinstance(place, str | os.PathLike):
        format = format_of(place)
        if format is not None and format not in EVENT_FORMATS:
            raise FormatError(
                f"events have no format {format}, only {', '.join(EVENT_FORMATS)}",
                file=place_name(place),
            )
    writer: EventWriter = _load(format or "jsonl", "Writer")(place, options or EventWriteOptions())
    return writer


def _load(name: str, kind: str) -> Any:
    if name not in _CLASSES:
        raise FormatError(f"events have no format {name!r}, only {', '.join(EVENT_FORMATS)}")
    module, prefix = _CLASSES[name]
    return getattr(importlib.import_module(f"{_HERE}.{module}"), prefix + kind)


def _sniff(source: ByteSource) -> str:
    """Tell the format from the first line that is no comment."""
    line = first_line(source)
    if line.startswith(b"["):
        return "json"
    if not line.startswith(b"{"):
        return "csv" if line else "jsonl"
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        # one event over several lines; a bad first line of many is told from it by the next one
        return "jsonl" if line.endswith(b"}") else "json"
    return "jsonl"
