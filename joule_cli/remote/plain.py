"""A small request without the HTTP library, which takes longer to load than most commands last.

It is for commands that ask a node a few things and end. What is not simple here is left to the
library, which asks again: a node that cannot be reached, chunks, compression, other versions.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from joule_cli.errors import TransferCutError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping
    from typing import TypeAlias

    import aiohttp

    from joule_cli.remote.address import Address

    Answer: TypeAlias = "aiohttp.ClientResponse | PlainAnswer"

_STATUS: Final = re.compile(r"HTTP/1\.[01] ([2-5]\d\d)(?: (.*))?")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*", re.ASCII)
#: What a body is read in.
_PART: Final = 2**18


class NotPlainError(Exception):
    """It is a case for the library."""


@dataclass(slots=True)
class PlainAnswer:
    """What a node answers; `content` gives the body as that of the library does."""

    status: int
    reason: str
    headers: Message
    content: _Body

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return self.headers.get_content_type()


class _Body:
    def __init__(self, reader: asyncio.StreamReader, length: int, url: str) -> None:
        self._reader, self._left, self._url = reader, length, url

    async def readany(self) -> bytes:
        """Return what has arrived; empty at the end."""
        part = await self._reader.read(min(self._left, _PART))
        if self._left and not part:
            raise TransferCutError(
                f"node [{self._url}] closed the connection before the answer was complete"
            )
        self._left -= len(part)
        return part


@asynccontextmanager
async def plain_get(
    address: Address, url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None
) -> AsyncIterator[PlainAnswer]:
    """Ask for something on a connection of its own, and give the answer.

    Raises
    ------
    NotPlainError
        There is no answer that can be read here.
    """
    parts = urlsplit(url)
    lines = {"Host": parts.netloc, "Accept": "*/*", "Connection": "close", **headers}
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    head = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
    try:
        request = "\r\n".join([*head, "", ""]).encode("ascii")
        if address.socket is not None:
            reader, writer = await asyncio.open_unix_connection(address.socket)
        else:
            port = parts.port or (443 if tls else 80)
            reader, writer = await asyncio.open_connection(address.host, port, ssl=tls)
    except (OSError, ValueError) as exc:
        raise NotPlainError from exc
    try:
        try:
            writer.write(request)
            answer = _read_head(await reader.readuntil(b"\r\n\r\n"), reader, address.url)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as exc:
            raise NotPlainError from exc
        yield answer
    finally:
        writer.transport.abort()


def _read_head(head: bytes, reader: asyncio.StreamReader, url: str) -> PlainAnswer:
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    found = _STATUS.fullmatch(first)
    headers = Message()
    for line in lines:
        if (pair := _HEADER.fullmatch(line)) is None:
            raise ValueError(line)
        headers[pair[1]] = pair[2]
    lengths = headers.get_all("Content-Length", [])
    if found is None or len(lengths) != 1 or not re.fullmatch(r"[0-9]{1,15}", lengths[0]):
        raise ValueError(first)
    if "Transfer-Encoding" in headers or "Content-Encoding" in headers:
        raise ValueError(first)
    return PlainAnswer(int(found[1]), found[2] or "", headers, _Body(reader, int(lengths[0]), url))
