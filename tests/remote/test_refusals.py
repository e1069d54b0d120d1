"""What the refusals of a Joule 1.0.1 node mean: it sends a status and a text, and no class."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from joule_cli.errors import ApiError, ConflictError, DecimationError, LockedError, NameTakenError
from joule_cli.model import DataStream, Element, EventStream, Folder
from joule_cli.remote.node import RemoteNode
from tests.serving import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Call = Callable[[RemoteNode], Awaitable[object]]


def _stream(number: int, name: str, *, locked: bool = False) -> DataStream:
    return DataStream(name, elements=[Element("x")], id=number, locked=locked)


FREE, LOCKED, EVENTS = (
    _stream(1, "free"),
    _stream(2, "locked", locked=True),
    EventStream("ev", id=1),
)
DEEP = Folder("deep", id=13)
A = Folder("a", id=11, data_streams=[FREE, LOCKED], event_streams=[EVENTS], children=[DEEP])
B = Folder("b", id=12, data_streams=[_stream(3, "free")], event_streams=[EventStream("ev", id=2)])
LIVE = Folder("live", id=14, locked=True)
ROOT = Folder("root", id=10, locked=True, children=[A, B, LIVE, Folder("deep", id=15)])


@asynccontextmanager
async def refusing(text: str = "400: no") -> AsyncIterator[tuple[RemoteNode, list[str]]]:
    """Give a node that shows its tree and refuses all else, and a list of what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        asked.append(f"{request.method} {request.path}")
        if request.path == "/folders.json":
            return web.json_response(ROOT.to_json())
        return web.Response(status=400, text=text)

    async with _serving(answer) as node:
        yield node, asked


@asynccontextmanager
async def _serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[RemoteNode]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with (
        listening(app, shutdown_timeout=0.1) as url,
        RemoteNode("old", url) as node,
    ):
        yield node


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda n: n.data_stream_create(_stream(0, "free"), "/a"), NameTakenError),
        (lambda n: n.data_stream_create(_stream(0, "ev"), 11), NameTakenError),
        (lambda n: n.data_stream_create(_stream(0, "new"), "/a"), ApiError),
        (lambda n: n.data_stream_create(_stream(0, "free"), "/nowhere"), ApiError),
        (lambda n: n.data_stream_update(_stream(1, "ev")), NameTakenError),
        (lambda n: n.data_stream_update(_stream(1, "free")), ApiError),
        (lambda n: n.data_stream_update(_stream(2, "ev")), LockedError),
        (lambda n: n.data_stream_update(_stream(99, "ev")), ApiError),
        (lambda n: n.data_stream_move("/a/free", "/b"), NameTakenError),
        (lambda n: n.data_stream_move("/a/free", "/b/new"), ApiError),
        (lambda n: n.data_stream_move(2, "/b"), LockedError),
        (lambda n: n.data_stream_delete("/a/locked"), LockedError),
        (lambda n: n.data_stream_delete("/a/free"), ApiError),
        (lambda n: n.event_stream_create(EventStream("free"), "/b"), NameTakenError),
        (lambda n: n.event_stream_update(EventStream("free", id=1)), NameTakenError),
        (lambda n: n.event_stream_move(1, "/b"), NameTakenError),
        (lambda n: n.event_stream_move("/a/ev", "/live"), ApiError),
        (lambda n: n.folder_update(Folder("b", id=11)), NameTakenError),
        (lambda n: n.folder_update(Folder("new", id=14)), LockedError),
        (lambda n: n.folder_update(Folder("new", id=11)), ApiError),
        (lambda n: n.folder_move("/a/deep", "/"), NameTakenError),
        (lambda n: n.folder_move("/a", "/a/deep"), ConflictError),
        (lambda n: n.folder_move("/a", "/a/new/one"), ConflictError),
        (lambda n: n.folder_move("/live", "/b"), LockedError),
        (lambda n: n.folder_move("/a", "/b/new"), ApiError),
        (lambda n: n.folder_delete("/a"), ConflictError),
        (lambda n: n.folder_delete("/a", True), ApiError),
        (lambda n: n.folder_delete("/live"), LockedError),
    ],
)
async def test_meaning(call: Call, kind: type[ApiError]):
    async with refusing() as (node, asked):
        with pytest.raises(ApiError) as caught:
            await call(node)
    assert type(caught.value) is kind
    assert str(caught.value) == "no [400]"
    assert len(asked) == 2


async def test_a_refusal_names_the_path():
    async with refusing() as (node, _):
        for call, path in (
            (node.data_stream_create(_stream(0, "bad"), "/a"), "/a/bad"),
            (node.event_stream_create(EventStream("bad"), "/"), "/bad"),
        ):
            with pytest.raises(ApiError) as caught:
                await call
            assert caught.value.object == path


async def test_a_refusal_names_the_stream_and_not_its_id():
    async with refusing() as (node, _):
        for call in (
            node.data_count(FREE),
            node.data_intervals(FREE),
            node.data_delete(FREE),
            node.data_stream_info(FREE),
        ):
            with pytest.raises(ApiError) as caught:
                await call
            assert caught.value.object == "free"
        with pytest.raises(ApiError) as caught:
            await node.event_stream_count(EVENTS)
        assert caught.value.object == "ev"


async def test_rows_of_a_level_that_the_node_lacks():
    """It chooses a level by the number of rows, and sends nothing if it has no such level."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/stream.json":
            return web.json_response(FREE.to_json())
        headers = {"joule-layout": "float32_3", "joule-decimation": "1024"}
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        return response

    async with _serving(answer) as node:
        pipe = await node.data_read("/a/free", max_rows=10)
        with pytest.raises(DecimationError, match="decimated by 1,024"):
            await pipe.read()
        await pipe.close()
        # whoever names the level may know that it is not there
        async with await node.data_read("/a/free", decimation_level=1024) as pipe:
            assert await pipe.is_empty()
