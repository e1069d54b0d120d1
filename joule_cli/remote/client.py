"""The HTTP library: its connections, and its errors as those of this package.

It is loaded when it is needed, since that takes as long as many a command.
"""

from __future__ import annotations

import asyncio
import os
import warnings
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import aiohttp

from joule_cli.errors import (
    CertificateError,
    NodeTimeoutError,
    NodeUnreachableError,
    ProtocolError,
    TransferCutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from joule_cli.remote.session import Session

#: Bytes that wait in memory for the reader of an answer.
_BUFFER: Final = 2**20
#: Seconds that an idle connection is kept; less than any server keeps it, so that a request
#: hardly ever meets a connection that is being closed.
_KEEP_ALIVE_S: Final = 10.0


def connected(session: Session, headers: Mapping[str, str]) -> aiohttp.ClientSession:
    """Return connections of a session, which are dropped if it is left open."""
    address = session.address
    connector: aiohttp.BaseConnector
    # no limit: pipes hold their connections, and one more request must never wait for them
    if address.socket is not None:
        connector = aiohttp.UnixConnector(address.socket, limit=0, keepalive_timeout=_KEEP_ALIVE_S)
    else:
        context = session.tls_context() or True
        connector = aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=_KEEP_ALIVE_S)
    client = aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=_BUFFER,
        middlewares=(_once,),
    )
    weakref.finalize(session, _abandon, client, asyncio.get_running_loop(), address.url)
    return client


@contextmanager
def converted(session: Session) -> Iterator[None]:
    """Turn what the library raises in the block into errors of this package."""
    url = session.address.url
    try:
        yield
    except aiohttp.ServerTimeoutError as exc:
        raise NodeTimeoutError(
            f"no answer from node [{url}] within {session.timeout_s:g} s"
        ) from exc
    except aiohttp.ClientConnectorCertificateError as exc:
        raise CertificateError(
            f"the certificate of node [{url}] is not trusted: {_tls_reason(exc)}",
            hint="name its authority with: joule node add NAME URL --ca FILE",
        ) from exc
    except aiohttp.ClientConnectorError as exc:
        raise NodeUnreachableError(
            f"Cannot contact node at [{url}]: {_reason(exc.os_error)}"
        ) from exc
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError) as exc:
        perhaps_tls = url.startswith("http:") and not session.answered
        raise TransferCutError(
            f"node [{url}] closed the connection without an answer",
            hint="if it speaks TLS, its address begins with https" if perhaps_tls else None,
        ) from exc
    except aiohttp.ClientPayloadError as exc:
        if _is_garbage(exc):
            raise ProtocolError(f"Invalid node response: {exc}", object=url) from exc
        raise TransferCutError(
            f"node [{url}] closed the connection before the answer was complete"
        ) from exc
    except aiohttp.ClientResponseError as exc:
        raise ProtocolError("Invalid node response: not HTTP as it should be", object=url) from exc
    except aiohttp.ClientError as exc:
        raise NodeUnreachableError(f"Cannot contact node at [{url}]: {exc}") from exc


async def _once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request once: after errors of its own the library repeats deletions and changes."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
        raise ConnectionError(str(exc)) from exc


def _abandon(client: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop, url: str) -> None:
    """Drop the connections of a node that was not closed, as a console leaves it at its end."""
    if client.closed:
        return
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(client.close(), loop)
    elif not loop.is_closed():
        loop.run_until_complete(client.close())
    else:
        # what a closed loop cannot close any more, the library would log through it
        loop.set_exception_handler(lambda _, __: None)
    warnings.warn(f"node [{url}] was not closed", ResourceWarning, stacklevel=2)


def without_answer(error: TransferCutError) -> bool:
    """Whether the connection was dropped before the answer began."""
    return not isinstance(error.__cause__, aiohttp.ClientPayloadError)


def _is_garbage(error: aiohttp.ClientPayloadError) -> bool:
    """Whether the bytes that came were wrong, and not just too few."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.http_exceptions.ContentEncodingError)


def _tls_reason(error: aiohttp.ClientConnectorCertificateError) -> str:
    found = error.certificate_error
    return getattr(found, "verify_message", None) or str(found)


def _reason(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        # asyncio puts the address in place of the reason
        return os.strerror(error.errno)
    return error.strerror or str(error)
