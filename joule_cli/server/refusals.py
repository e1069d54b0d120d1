"""Failed requests: statuses and texts."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from joule_cli.errors import ApiError, InvalidReference, JouleError
from joule_cli.server.front import client_address
from joule_cli.server.state import ADMITTED, CLIENT, REASON, STARTED
from joule_cli.wire.status import CODE_HEADER, wire_status, wire_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.typedefs import Handler

_log = logging.getLogger(__name__)

#: A reason phrase is for people who look at the traffic; the body has all of the text.
_LONGEST_REASON = 200
#: The original client repeats requests that fail with more than this.
_HIGHEST_FINAL = 500
#: Seconds in which a client may go on sending what was refused.
_LINGERING_S = 10.0
#: Seconds in which it may read the answer after that.
_PARTING_S = 1.0
#: Bytes that a client without a key may go on sending: a JSON body is not longer.
_STRANGERS_BYTES = 1024 * 1024


class Refusal(Exception):
    """An answer that is not the usual text of an error.

    Parameters
    ----------
    body
        The whole body.
    code
        Of the class of error that our own client raises.
    reason
        What the log says in place of the body.
    """

    def __init__(
        self,
        status: int,
        body: str,
        *,
        content_type: str = "text/plain",
        code: str | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(body)
        self.reason = body.removeprefix(f"{status}: ") if reason is None else reason
        self.status = status
        self.body = body
        self.content_type = content_type
        self.code = code

    def response(self) -> web.Response:
        """Return the answer."""
        message = self.body.removeprefix(f"{self.status}: ")
        plain = message.isascii() and message.isprintable() and len(message) <= _LONGEST_REASON
        response = web.Response(
            status=self.status,
            reason=message if plain and message else None,
            # a name in the text may have come as an escaped half of a character
            body=self.body.encode(errors="backslashreplace"),
            content_type=self.content_type,
            charset="utf-8",
        )
        if self.code is not None:
            response.headers[CODE_HEADER] = self.code
        response[REASON] = self.reason
        return response


def refusal(error: JouleError) -> Refusal:
    """Return the usual answer to an error."""
    return Refusal(wire_status(error), wire_text(error), code=error.code, reason=error.sentence())


@contextmanager
def prefixed(prefix: str, *, bare: bool = False) -> Iterator[None]:
    """Put a prefix before the text of every refused value.

    What is missing, a bad destination and faults of the node keep their text.

    Parameters
    ----------
    bare
        Leave out the status, as a few endpoints do.
    """
    try:
        yield
    except InvalidReference:
        raise
    except ApiError as exc:
        status = wire_status(exc)
        if status != 400:
            raise
        text = prefix + exc.message
        raise Refusal(status, text if bare else f"{status}: {text}", code=exc.code) from exc


async def start(request: web.Request, response: web.StreamResponse) -> None:
    """Send the head of a response that is written bit by bit.

    A failure after this cuts the connection, so that the client sees an incomplete answer.
    """
    await response.prepare(request)
    request[STARTED] = response


@web.middleware
async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure."""
    request[CLIENT] = client_address(request)
    try:
        response = await _answer(request, handler)
    except web.HTTPException as exc:
        _end_after(request, exc)
        raise
    _end_after(request, response)
    return response


def _end_after(request: web.Request, response: web.StreamResponse) -> None:
    """Take no more requests over a connection that was to speak something else.

    What follows is a body, or that something: the HTTP library would read it as a request.
    """
    if hdrs.UPGRADE in request.headers and response.status != 101:
        response.force_close()


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except ConnectionError:
        if request.transport is not None and not request.transport.is_closing():
            raise
        return _finish(request, Refusal(400, "400: the client is gone"))
    except Refusal as exc:
        failure = exc
    except JouleError as exc:
        failure = refusal(exc)
    except Exception:  # noqa: BLE001  (logged with its traceback)
        # nothing above could answer, and what a client may learn of it is not more than this
        _log.exception("%s %s failed", request.method, request.rel_url.raw_path)
        failure = Refusal(500, "500: Internal Server Error")
    response = _finish(request, _for_good(request, failure))
    if not request.content.is_eof():
        if ADMITTED not in request:
            response.force_close()
        # a client that is gone by now needs no answer
        with suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
            await _let_go(request)
    return response


def _for_good(request: web.Request, failure: Refusal) -> Refusal:
    """Return what the original client does not answer by sending only the rest of a body.

    It repeats what fails with more than 500, and cannot begin a body again that it makes as it
    sends it.
    """
    if failure.status <= _HIGHEST_FINAL or "chunked" not in request.headers.get(
        hdrs.TRANSFER_ENCODING, ""
    ):
        return failure
    text = failure.body.removeprefix(f"{failure.status}: ")
    return Refusal(500, f"500: {text}", code=failure.code, reason=failure.reason)


async def _let_go(request: web.Request) -> None:
    """Take the rest of a body: a client that still sends it can only then read the answer.

    The HTTP library would do so as well, but not notice when the client is gone. Of a client
    without a key, only a little is taken.
    """
    left = _STRANGERS_BYTES
    with suppress(OSError, web.RequestPayloadError, TimeoutError):
        async with asyncio.timeout(_LINGERING_S):
            while left > 0 and (part := await request.content.readany()):
                if ADMITTED not in request:
                    left -= len(part)
    if not request.content.is_eof():
        if left <= 0:
            # it reads the answer when it can send no more; closing at once could take it away
            await asyncio.sleep(_PARTING_S)
        request.protocol.force_close()


def _finish(request: web.Request, failure: Refusal) -> web.StreamResponse:
    started: web.StreamResponse | None = request.get(STARTED)
    if started is None:
        return failure.response()
    started[REASON] = f"cut off: {failure.reason}"
    if isinstance(request.transport, asyncio.WriteTransport):
        request.transport.abort()
    return started
