"""Rows in motion: ordered blocks of rows of one layout, with interval breaks between them.

`LocalPipe` joins two tasks of one process, `InputPipe` and `OutputPipe` read and write a byte
stream, `SinkPipe` hands what is written straight to an object that stores it. New kinds are
built on `ReadingPipe` and `WritingPipe`.
"""

from __future__ import annotations

from joule_cli.pipes.base import Pipe
from joule_cli.pipes.byte_stream import ByteReader, InputPipe, OutputPipe
from joule_cli.pipes.descriptors import reader_factory, writer_factory
from joule_cli.pipes.local import QUEUED_BLOCKS, LocalPipe
from joule_cli.pipes.reading import ReadingPipe
from joule_cli.pipes.sink import Sink, SinkPipe
from joule_cli.pipes.tokens import compute_dtype, find_interval_token, interval_token
from joule_cli.pipes.writing import WritingPipe

__all__ = [
    "QUEUED_BLOCKS",
    "ByteReader",
    "InputPipe",
    "LocalPipe",
    "OutputPipe",
    "Pipe",
    "ReadingPipe",
    "Sink",
    "SinkPipe",
    "WritingPipe",
    "compute_dtype",
    "find_interval_token",
    "interval_token",
    "reader_factory",
    "writer_factory",
]
