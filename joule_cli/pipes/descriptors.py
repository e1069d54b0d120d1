"""Byte streams on file descriptors of pipes and sockets."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: Bytes that a stream reader collects before it stops reading: some blocks of the kernel's pipe.
_READ_LIMIT = 1 << 20


def reader_factory(
    fd: int,
) -> Callable[[], Awaitable[tuple[asyncio.StreamReader, Callable[[], None]]]]:
    """Return what opens the reading end `fd` of a pipe and gives its reader and a close function.

    The descriptor belongs to the reader from then on.
    """

    async def open_reader() -> tuple[asyncio.StreamReader, Callable[[], None]]:
        reader = asyncio.StreamReader(limit=_READ_LIMIT)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0)
        )
        return reader, transport.close

    return open_reader


def writer_factory(fd: int) -> Callable[[], Awaitable[asyncio.StreamWriter]]:
    """Return what opens the writing end `fd` of a pipe and gives its writer.

    The descriptor belongs to the writer from then on.
    """

    async def open_writer() -> asyncio.StreamWriter:
        loop = asyncio.get_running_loop()
        # never fed: the protocol that knows how to wait for room wants a reader
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(fd, "wb", 0))
        return asyncio.StreamWriter(transport, protocol, reader, loop)

    return open_writer
