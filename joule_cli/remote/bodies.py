"""The bodies of requests and answers."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from joule_cli.errors import ApiError, ProtocolError
from joule_cli.wire import codec

if TYPE_CHECKING:
    from joule_cli.remote.arrival import Arrival
    from joule_cli.remote.plain import Answer

#: Largest JSON answer, bytes, and values in it: the tree of a hundred thousand streams has a fifth
#: of both. Small values take many times the memory of their text.
_MOST_JSON, _MOST_VALUES = 256 * 2**20, 15_000_000
#: Largest text of an error that is read, bytes.
_MOST_TEXT: Final = 64 * 2**10
#: What a traceback ends with: an exception and why it was raised.
_REASON: Final = re.compile(r"^(?:\w+\.)*([A-Z]\w+): (\S.*)$", re.MULTILINE)
#: Longest reason of a fault that is passed on.
_MOST_REASON: Final = 300
#: Answers below this, bytes, are decoded in the event loop; larger ones would keep it busy.
_LITTLE: Final = 2**20


def encoded(body: Any) -> bytes:
    """Return the body of a request."""
    try:
        return codec.dump(body).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise ApiError(f"the request cannot be written as JSON: {exc}") from exc


async def content(response: Answer, arrival: Arrival) -> Any:
    """Return what an answer holds; `None` for the text ``ok``."""
    body = await _read(arrival, _MOST_JSON)
    if response.content_type == codec.MEDIA_TYPE:
        if len(body) > _MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
            raise ProtocolError(f"Invalid node response: more than {_MOST_VALUES:,} values")
        if len(body) < _LITTLE:
            return codec.load_response(body)
        return await asyncio.to_thread(codec.load_response, body)
    if body.strip().lower() == b"ok":
        return None
    shown = body[:80].decode("utf-8", "replace")
    raise ProtocolError(f"Invalid node response: {shown}")


async def error_text(response: Answer, arrival: Arrival) -> str:
    """Return what an answer says about a failure, in one line."""
    body = await _read(arrival, _MOST_TEXT, cut=True)
    text = body.decode("utf-8", "replace").strip()
    if response.content_type == codec.MEDIA_TYPE and text.startswith("{"):
        with suppress(ValueError, KeyError, RecursionError):
            text = str(json.loads(text)["error"])
    elif response.content_type == "text/html" or text in {"", f"{response.status}:"}:
        # of some filters, Joule 1.0.1 says nothing more
        text = f"{response.status} {response.reason}"
    return _fault(text) if response.status >= 500 else " ".join(text.splitlines())


def _fault(text: str) -> str:
    """Return the first line of a fault, with the reason at the end of the traceback behind it."""
    first, _, traceback = text.partition("\n")
    reasons = _REASON.findall(traceback)
    if not reasons:
        return first
    kind, reason = reasons[-1]
    return f"{first} ({kind}: {reason[:_MOST_REASON]})"


async def _read(arrival: Arrival, most: int, *, cut: bool = False) -> bytes:
    """Return a body of at most `most` bytes; a longer one is an error or, with `cut`, cut."""
    parts: list[bytes] = []
    size = 0
    while part := await arrival.part():
        parts.append(part)
        size += len(part)
        if size > most:
            if cut:
                break
            raise ProtocolError(f"Invalid node response: more than {most:,} bytes")
    return b"".join(parts)[:most]
