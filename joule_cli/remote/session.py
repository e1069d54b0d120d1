"""Requests to one node, and the only place that knows the HTTP library's errors."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from joule_cli import __version__
from joule_cli.errors import (
    ApiError,
    AuthorizationError,
    ConfigurationError,
    NodeTimeoutError,
    NodeUnreachableError,
    ProtocolError,
    TransferCutError,
)
from joule_cli.remote.arrival import SLOWEST, Arrival, sent_on
from joule_cli.remote.bodies import content, encoded, error_text
from joule_cli.remote.plain import NotPlainError, plain_get
from joule_cli.wire import codec, status

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
    from pathlib import Path

    import aiohttp

    from joule_cli.remote.address import Address
    from joule_cli.remote.plain import Answer

    Method = Literal["GET", "POST", "PUT", "DELETE"]

#: Seconds without a byte from the node after which a request fails, unless chosen otherwise.
DEFAULT_TIMEOUT_S: Final = 60.0
#: Requests whose work grows with the stored data get this many times the limit.
LONG_WORK: Final = 10
#: Requests for which the HTTP library is not loaded; for more it pays, as it keeps connections.
PLAIN_REQUESTS: Final = 4
#: How often a request that changes nothing is sent when its connection is dropped.
_ATTEMPTS: Final = 2

Params = dict[str, str]


class Session:
    """Connections to one node; made when they are needed, kept for the next request.

    Belongs to one event loop. What leaves it are errors of this package.

    Parameters
    ----------
    ca_file
        A certificate authority to trust besides the system's.
    insecure
        Accept any certificate.
    timeout_s
        Seconds in which the node sends nothing, or next to nothing; 0 for no limit.
    """

    def __init__(
        self,
        address: Address,
        *,
        key: str = "",
        ca_file: Path | None = None,
        insecure: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        if not (key.isascii() and key.isprintable()):
            raise ConfigurationError("the key of the node has characters that no key has")
        self.address = address
        self.timeout_s = timeout_s
        self._key = key
        self.ca_file = ca_file
        self._insecure = insecure
        self._client: aiohttp.ClientSession | None = None
        self._closed = False
        self._plain = PLAIN_REQUESTS
        self.answered = False

    async def get(
        self, endpoint: str, params: Params | None = None, *, about: str | int | None = None
    ) -> Any:
        """Ask for JSON."""
        return await self.ask("GET", endpoint, params, about=about)

    async def post(
        self,
        endpoint: str,
        body: Any = None,
        params: Params | None = None,
        *,
        about: str | int | None = None,
        patience: int = 1,
    ) -> Any:
        """Send JSON, or a request without a body."""
        return await self.ask("POST", endpoint, params, body, about=about, patience=patience)

    async def put(self, endpoint: str, body: Any, *, about: str | int | None = None) -> Any:
        """Send JSON that changes something."""
        return await self.ask("PUT", endpoint, None, body, about=about)

    async def delete(
        self,
        endpoint: str,
        params: Params | None = None,
        *,
        about: str | int | None = None,
        patience: int = 1,
    ) -> Any:
        """Remove something."""
        return await self.ask("DELETE", endpoint, params, about=about, patience=patience)

    async def ask(
        self,
        method: Method,
        endpoint: str,
        params: Params | None = None,
        body: Any = None,
        *,
        about: str | int | None = None,
        patience: int = 1,
    ) -> Any:
        """Send a request and return the JSON of the answer, `None` if it is just ``ok``.

        Parameters
        ----------
        body
            What becomes JSON, or the bytes of it.
        about
            What the request is about; errors name it.
        patience
            How many times the time limit it may take.

        Raises
        ------
        ApiError
            What the node refuses, and all that can go wrong on the way.
        """
        headers = {} if body is None else {"Content-Type": codec.MEDIA_TYPE}
        data = body if body is None or isinstance(body, bytes) else encoded(body)
        attempts = _ATTEMPTS if method == "GET" else 1
        if method == "GET" and self._client is None and self._plain:
            self._plain -= 1
            attempts -= 1
            with suppress(NotPlainError):
                return await self._ask_plainly(endpoint, params, about, patience)
        while True:
            attempts -= 1
            try:
                async with self.open(
                    method, endpoint, params, data, headers, about=about, patience=patience
                ) as response:
                    return await content(response, self.arrival(response, patience))
            except TransferCutError as error:
                from joule_cli.remote.client import without_answer

                if not attempts or not without_answer(error):
                    raise

    async def _ask_plainly(
        self, endpoint: str, params: Params | None, about: str | int | None, patience: int
    ) -> Any:
        self._require_open()
        async with AsyncExitStack() as stack:
            url, context = self._url(endpoint, params), self.tls_context()
            async with self._answering(None, patience):
                answer = await stack.enter_async_context(
                    plain_get(self.address, url, self._headers(), context)
                )
            self.answered = True
            if answer.status != 200:
                raise await self.refusal(answer, endpoint, about)
            return await content(answer, self.arrival(answer, patience))

    @asynccontextmanager
    async def open(
        self,
        method: Method,
        endpoint: str,
        params: Params | None = None,
        data: bytes | AsyncIterable[bytes | memoryview] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        statuses: Sequence[int] = (200,),
        about: str | int | None = None,
        patience: int = 1,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give the answer, to be read in the block.

        What fails in the block while reading is converted too.

        Parameters
        ----------
        statuses
            Those that the caller reads; every other one is raised as `refusal`.
        patience
            How many times the time limit a silence may last; 0 for ever.

        Raises
        ------
        ApiError
            As `ask`.
        """
        import aiohttp

        from joule_cli.remote.client import converted

        # how long the answer may take is counted below, so that a trickle does not count as one
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeout_s or None)
        async with AsyncExitStack() as stack:
            stack.enter_context(converted(self))
            url = self._url(endpoint, params)
            async with self._answering(data, patience) as (limit, limit_s):
                if limit_s is not None and data is not None and not isinstance(data, bytes):
                    data = sent_on(data, limit, limit_s)
                response = await stack.enter_async_context(
                    self._connected().request(
                        method,
                        url,
                        data=data,
                        headers=headers,
                        allow_redirects=False,
                        timeout=timeout,
                    )
                )
            self.answered = True
            if response.status not in statuses:
                raise await self.refusal(response, endpoint, about)
            yield response

    def arrival(self, response: Answer, patience: int = 1) -> Arrival:
        """Return what reads the body of an answer within the time limit."""
        return Arrival(response, self._limit_s(patience), self.address.url)

    def _limit_s(self, patience: int) -> float | None:
        return self.timeout_s * patience or None

    @asynccontextmanager
    async def _answering(
        self, data: object, patience: int
    ) -> AsyncIterator[tuple[asyncio.Timeout, float | None]]:
        """Bound the time until the head of an answer is complete, however it trickles in.

        A producer may rest for as long as it likes before it sends a row, but not the head.
        """
        streamed = data is not None and not isinstance(data, bytes)
        limit_s = self._limit_s(patience if streamed else max(patience, 1))
        whole = limit_s
        if whole is not None and isinstance(data, bytes):
            whole += len(data) / SLOWEST
        limit = asyncio.timeout(whole)
        try:
            async with limit:
                yield limit, limit_s
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise NodeTimeoutError(
                f"no answer from node [{self.address.url}] within {limit_s:g} s"
            ) from exc

    async def close(self) -> None:
        """Drop all connections; calls that are under way fail."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _url(self, endpoint: str, params: Params | None) -> str:
        try:
            return f"{self.address.base}{endpoint}?{urlencode(params or {}, safe='/')}".rstrip("?")
        except UnicodeEncodeError:
            # a lone surrogate, as from an argument that is not UTF-8: no object has such a name
            text = "the reference is not valid Unicode text"
            raise status.rebuild(404, text, None, endpoint) from None

    def _connected(self) -> aiohttp.ClientSession:
        self._require_open()
        if self._client is None:
            from joule_cli.remote.client import connected

            self._client = connected(self, self._headers())
        return self._client

    def _require_open(self) -> None:
        if self._closed:
            raise ApiError("the node was closed")

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": f"joule-cli/{__version__}"}
        return headers | {"X-API-KEY": self._key} if self._key else headers

    def tls_context(self) -> ssl.SSLContext | None:
        """Return how a node is verified, `None` if its connections are not encrypted."""
        if not self.address.is_secure:
            return None
        context = ssl.create_default_context()
        if self._insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca_file is not None:
            try:
                context.load_verify_locations(cafile=self.ca_file)
            except (OSError, ssl.SSLError) as exc:
                reason = exc.strerror or "it holds no certificate"
                raise ConfigurationError(
                    f"cannot read the certificate authority: {reason}", object=str(self.ca_file)
                ) from exc
        return context

    async def refusal(self, response: Answer, endpoint: str, about: str | int | None) -> ApiError:
        """Return the error that an answer stands for."""
        number = response.status
        text = await error_text(response, self.arrival(response))
        code = response.headers.get(status.CODE_HEADER)
        if number < 400:
            return self._unexpected_status(response)
        if code is None and number > 500:
            # no Joule node answers so, a proxy before one does
            found: ApiError = NodeUnreachableError(
                f"Cannot contact node at [{self.address.url}]: {number} {response.reason}"
            )
            found.status = number
            return found
        error = status.rebuild(number, text, code, endpoint)
        if isinstance(error, AuthorizationError) and number in {401, 403}:
            error.message = "the node refuses the key" if self._key else "the node asks for a key"
            error.object = self.address.url
            error.hint = "store the right one with: joule node add NAME URL --key-file FILE"
        elif about is not None:
            error.object = str(about)
        return error

    def _unexpected_status(self, response: Answer) -> ProtocolError:
        place = response.headers.get("Location")
        hint = None if place is None else f"it points to [{place[:200]}]; is that its address?"
        return ProtocolError(
            f"Invalid node response: status {response.status}", object=self.address.url, hint=hint
        )
