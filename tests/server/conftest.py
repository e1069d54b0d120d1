"""A served node and a plain HTTP client, for all tests of the server."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import pytest
from yarl import URL

from tests.serving import Served, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from joule_cli.api.node import Node


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # names in lower case
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Sends requests as they are told, and gives back what came."""

    def __init__(self, session: aiohttp.ClientSession, served: Served) -> None:
        self.session = session
        self.served = served

    async def send(
        self,
        method: str,
        path: str,
        query: dict[str, str] | list[tuple[str, str]] | None = None,
        *,
        body: Any = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        """Send one request; a body that is not bytes is sent as JSON."""
        headers = {"X-API-KEY": self.served.key if key is None else key} | (headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json"} | headers
        unix = self.served.url.startswith("unix:")
        base = "http://localhost" if unix else self.served.url
        url = URL(base + path, encoded=True).with_query(query)
        async with self.session.request(
            method,
            url,
            data=None if body is None else io.BytesIO(body),
            headers=headers,
            allow_redirects=False,
        ) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, found, (await response.read()).decode())

    async def get(self, path: str, /, **query: str) -> Any:
        """Return the JSON of a successful read."""
        answer = await self.send("GET", path, query)
        assert answer.status == 200, answer.text
        return answer.json


@pytest.fixture
async def served(node: Node) -> AsyncIterator[Served]:
    async with serve(node) as served:
        yield served


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    connector = aiohttp.TCPConnector()
    if served.url.startswith("unix:"):
        connector = aiohttp.UnixConnector(served.url.removeprefix("unix:"))
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Client(session, served)
