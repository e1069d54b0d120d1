"""File formats: rows to bytes and back, streaming, without nodes or event loops."""

from joule_cli.formats.base import (
    INTERVAL_BREAK,
    Reader,
    StreamHead,
    WriteOptions,
    Writer,
    column_names,
    split_at_gaps,
)
from joule_cli.formats.registry import FORMATS, Format, format_of, open_reader, open_writer
from joule_cli.formats.table.options import ReadOptions

__all__ = [
    "FORMATS",
    "INTERVAL_BREAK",
    "Format",
    "ReadOptions",
    "Reader",
    "StreamHead",
    "WriteOptions",
    "Writer",
    "column_names",
    "format_of",
    "open_reader",
    "open_writer",
    "split_at_gaps",
]
