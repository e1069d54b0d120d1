"""Nodes behind sockets."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from joule_cli.remote.node import RemoteNode
from tests.certificates import Certificates, make_certificates
from tests.nodes import FileNode
from tests.serving import Served, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from joule_cli.api.node import Node


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, and a server with the names of this machine."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def transport() -> str:
    """How the nodes of `fresh_node` are reached: http, https or unix."""
    return "http"


@pytest.fixture
def fresh_node(
    tmp_path: Path,
    ticking_clock: Callable[[], int],
    transport: str,
    request: pytest.FixtureRequest,
) -> Callable[[], AbstractAsyncContextManager[Node]]:
    """Makes empty nodes that are served by this process and reached over a socket."""
    numbers = itertools.count()

    @asynccontextmanager
    async def fresh() -> AsyncIterator[Node]:
        number = next(numbers)
        options = {}
        if transport == "https":
            options["certificates"] = request.getfixturevalue("certificates")
        if transport == "unix":
            options["unix"] = tmp_path / f"{number}.socket"
        async with (
            FileNode("demo", tmp_path / f"{number}.db", clock=ticking_clock) as served,
            serve(served, **options) as place,
            connect(place) as node,
        ):
            yield node

    return fresh


def connect(place: Served, name: str = "demo") -> RemoteNode:
    """Return the node that is served somewhere."""
    return RemoteNode(name, place.url, key=place.key, ca_file=place.ca_file)
