"""Formats of events by name and by suffix."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from joule_cli.errors import FormatError
from joule_cli.formats.base import FileRef, place_name
from joule_cli.formats.events.base import EventWriteOptions, EventWriter
from joule_cli.formats.registry import format_of, open_container

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joule_cli.formats.containers.base import Container
    from joule_cli.formats.events.reader import EventReader, EventReadOptions

_WRITERS: Mapping[str, str] = {
    "csv": "csv_writer:CsvEventWriter",
    "tsv": "csv_writer:TsvEventWriter",
    "json": "json_writer:JsonEventWriter",
    "jsonl": "json_writer:JsonlEventWriter",
}
#: Names of the formats in which events are written.
EVENT_FORMATS = tuple(_WRITERS)


def open_event_reader(
    place: FileRef, format: str | None = None, options: EventReadOptions | None = None
) -> EventReader:
    """Open a file of events.

    Parameters
    ----------
    place
        A file name or an open binary file. Compression is recognised by the first bytes.
    format
        One of `joule_cli.formats.registry.FORMATS`; `None` takes the suffix, else looks at the
        first bytes.

    Raises
    ------
    FormatError
        The file cannot be opened, holds no events, or the options do not fit it; it may be empty.
    MissingExtraError
        The format needs a package that is not installed.
    """
    from joule_cli.formats.events.containers import CONTAINERS
    from joule_cli.formats.events.reader import EventReader, EventReadOptions

    options = options or EventReadOptions()
    container, name = open_container(place, format, options, CONTAINERS)
    reopen = None
    if isinstance(place, str | os.PathLike) and Path(place).is_file():

        def reopen() -> Container:
            return open_container(place, name, options, CONTAINERS)[0]

    return EventReader(container, options, reopen)


def open_event_writer(
    place: FileRef, format: str | None = None, options: EventWriteOptions | None = None
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
    name = format or "jsonl"
    if name not in _WRITERS:
        raise FormatError(f"events have no format {name!r}, only {', '.join(EVENT_FORMATS)}")
    module, _, kind = _WRITERS[name].partition(":")
    loaded = importlib.import_module(f"joule_cli.formats.events.{module}")
    writer: EventWriter = getattr(loaded, kind)(place, options or EventWriteOptions())
    return writer
