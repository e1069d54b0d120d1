"""The original client in a process, and nodes that it speaks to."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from joule_cli.daemon import peers
from joule_cli.server.settings import ServerSettings
from tests.interop.environment import NoPackageIndexError, python_with_joule
from tests.interop.original import Client, Original
from tests.nodes import FileNode
from tests.serving import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.serving import Served


class OpenSite(Protocol):
    """Serves a new node; the options are those of `serve`, with settings as a dict."""

    async def __call__(self, name: str, **options: Any) -> Site: ...


class Site(Client):
    """A served node, and the original client of its operator.

    Parameters
    ----------
    node
        What is served, as this process has it.
    """

    def __init__(self, original: Original, config: Path, served: Served, node: FileNode) -> None:
        super().__init__(original, config, served, node.name)
        self.served = served
        self.node = node


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    try:
        python = python_with_joule()
    except NoPackageIndexError as exc:
        pytest.skip(f"Joule 1.0.1 is not installed: {exc}")
    with Original(python, tmp_path_factory.mktemp("original")) as original:
        yield original


@pytest.fixture
async def open_site(original: Original, tmp_path: Path) -> AsyncIterator[OpenSite]:
    """Serves nodes by name until the test ends."""
    async with AsyncExitStack() as stack:

        async def open_one(name: str, **options: Any) -> Site:
            node = await stack.enter_async_context(FileNode(name, tmp_path / f"{name}.db"))
            key = (await node.master_add("user", "operator")).key
            # as the original does: nodes may join at any time, and from anywhere
            open_to_all = {"accept_followers": True, "private_followers": True}
            chosen = open_to_all | options.pop("settings", {})
            settings = ServerSettings(name=name, stop_timeout_s=1, **chosen)
            served = await stack.enter_async_context(
                serve(node, keys=peers(node), settings=settings, **options)
            )
            config = tmp_path / f"{name}-config"
            config.mkdir()
            return Site(original, config, replace(served, key=key), node)

        yield open_one


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    return await open_site("pump")
