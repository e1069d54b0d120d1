"""What a request carries, unpacked bit by bit.

The HTTP library would unpack while it receives, before a key is looked at and whatever the path.
Here it is done by the endpoint that reads the body, in pieces whose size does not depend on what
the client sends.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

from aiohttp import ClientError, hdrs, http_exceptions, web

from joule_cli.errors import ApiError
from joule_cli.server.refusals import Refusal
from joule_cli.server.state import ADMITTED

if TYPE_CHECKING:
    from aiohttp import StreamReader

#: Bytes that are unpacked between two turns of other requests.
_PIECE: Final = 64 * 1024
#: Content codings by name: what zlib calls their format.
_FORMATS: Final = {"gzip": 31, "x-gzip": 31, "deflate": zlib.MAX_WBITS}
#: Each member of a gzip body begins anew; nothing but an attack has many.
_MOST_MEMBERS: Final = 100
#: "deflate" is a zlib stream, which begins with this in the low bits; some send it without.
_DEFLATE_METHOD: Final = 8


class Payload:
    """The body of a request; belongs to its handler.

    Raises
    ------
    Refusal
        It is packed in a way that this node does not know, or by a client without a key.
    """

    def __init__(self, request: web.Request) -> None:
        self._content: StreamReader = request.content
        self._unpacker: _Unpacker | None = None
        coding = request.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
        if coding in _FORMATS and ADMITTED in request:
            self._unpacker = _Unpacker(_FORMATS[coding])
        elif coding not in {"", "identity"}:
            raise Refusal(415, "415: a body may be encoded as gzip or deflate, or not at all")

    async def readany(self) -> bytes:
        """Return some bytes, in pieces that are small when they were packed; empty at the end.

        Raises
        ------
        ApiError
            The body breaks off, or cannot be unpacked.
        """
        if self._unpacker is None:
            return await self._receive()
        while not (piece := self._unpacker.take()):
            part = await self._receive()
            if not part:
                self._unpacker.finish()
                return b""
            self._unpacker.feed(part)
        # a small body may unpack to a large one; others shall get their turn meanwhile
        await asyncio.sleep(0)
        return piece

    async def _receive(self) -> bytes:
        try:
            return await self._content.readany()
        except (web.RequestPayloadError, ClientError, http_exceptions.HttpProcessingError) as exc:
            raise ApiError("the body cannot be read") from exc


class _Unpacker:
    """Unpacks gzip, also of a few members, or deflate."""

    def __init__(self, format_: int) -> None:
        self._format = format_
        self._inner = zlib.decompressobj(format_)
        self._waiting = b""
        self._members = 0

    def feed(self, part: bytes) -> None:
        """Append what has arrived."""
        if not self._members:
            self._members = 1
            if self._format == zlib.MAX_WBITS and part[0] & 0xF != _DEFLATE_METHOD:
                self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting += part

    def take(self) -> bytes:
        """Return the next piece; empty when more must arrive first."""
        while True:
            if self._inner.eof and self._waiting:
                self._members += 1
                if self._format == zlib.MAX_WBITS or self._members > _MOST_MEMBERS:
                    raise ApiError("the body cannot be unpacked: too much follows its end")
                self._inner = zlib.decompressobj(self._format)
            try:
                piece = self._inner.decompress(self._waiting, _PIECE)
            except zlib.error as exc:
                raise ApiError("the body cannot be unpacked") from exc
            self._waiting = self._inner.unused_data or self._inner.unconsumed_tail
            if piece or not (self._inner.eof and self._waiting):
                return piece

    def finish(self) -> None:
        """Check that nothing is missing; a body without a byte is no packed one."""
        if self._members and not self._inner.eof:
            raise ApiError("the body cannot be unpacked: its end is missing")
