"""Masters, followers and joins, between real served nodes on loopback."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from joule_cli.daemon import peers
from joule_cli.errors import (
    ApiError,
    AuthorizationError,
    FollowerNotFound,
    MasterNotFound,
    NameTakenError,
)
from joule_cli.remote.node import RemoteNode
from joule_cli.server.settings import ServerSettings
from tests.nodes import FileNode
from tests.serving import listening, serve

if TYPE_CHECKING:
    from pathlib import Path

CHOSEN = "TESTUSERKEY-0123456789-0123456789-abcdef"


@dataclass
class Site:
    """A node file that is served, with its operator at the other end."""

    node: FileNode
    remote: RemoteNode  # the operator's
    url: str
    key: str

    async def masters(self):
        return [(m.master_type, m.name, m.grantor_id) for m in await self.node.master_list()]

    async def request(self, method, path, *, headers=None, **kwargs):
        headers = {"X-API-KEY": self.key} | (headers or {})
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, headers=headers, **kwargs) as response,
        ):
            return response.status, await response.text()

    async def post(self, path, body, **kwargs):
        return await self.request("POST", path, json=body, **kwargs)


@pytest.fixture
async def open_site(tmp_path: Path):
    """Serves nodes by name until the test ends."""
    async with AsyncExitStack() as stack:

        async def open_one(name, **settings):
            node = await stack.enter_async_context(FileNode(name, tmp_path / f"{name}.db"))
            operator = await node.master_add("user", "operator")
            options = {"accept_followers": True, "private_followers": True} | settings
            served = await stack.enter_async_context(
                serve(node, keys=peers(node), settings=ServerSettings(name=name, **options))
            )
            remote = RemoteNode(name, served.url, key=operator.key)
            await stack.enter_async_context(remote)
            return Site(node, remote, served.url, operator.key)

        yield open_one


@pytest.fixture
async def pump(open_site):
    return await open_site("pump")


@asynccontextmanager
async def other_server(*routes):
    """Something else that speaks HTTP; gives its URL and what it was sent."""
    seen = []

    async def record(request):
        body = await request.text()
        seen.append((request.method, request.path, dict(request.headers), body))
        for path, answer in routes:
            if request.path == path:
                return await answer(request) if callable(answer) else answer.clone()
        return web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", record)
    async with listening(app) as url:
        yield url, seen


class Answers:
    """A response that can be sent more than once."""

    def __init__(self, **kwargs):
        self.kwargs = kwargs

    def clone(self):
        return web.Response(**self.kwargs)


def says(value, status=200):
    return Answers(text=json.dumps(value), content_type="application/json", status=status)


# users


async def test_a_user_gets_a_key_that_opens_the_node(pump):
    bob = await pump.remote.master_add("user", "bob")
    assert (bob.master_type, bob.name, len(bob.key)) == ("USER", "bob", 43)
    async with RemoteNode("pump", pump.url, key=bob.key) as as_bob:
        assert (await as_bob.info()).name == "pump"
        assert [m.name for m in await as_bob.master_list()] == ["operator", "bob"]
    assert await pump.masters() == [("USER", "operator", None), ("USER", "bob", 1)]


async def test_a_deleted_user_is_shut_out_at_once(pump):
    bob = await pump.remote.master_add("user", "bob", api_key=CHOSEN)
    async with RemoteNode("pump", pump.url, key=bob.key) as as_bob:
        await as_bob.info()
        with pytest.raises(ApiError, match="cannot delete yourself"):
            await as_bob.master_delete("user", "bob")
        await pump.remote.master_delete("user", "bob")
        with pytest.raises(AuthorizationError):
            await as_bob.info()


async def test_refused_users(pump):
    await pump.remote.master_add("user", "bob", api_key=CHOSEN)
    with pytest.raises(NameTakenError, match="User already exists"):
        await pump.remote.master_add("user", "bob")
    for refused in ("bob", "eve"):
        with pytest.raises(ApiError):
            await pump.remote.master_add("user", refused, api_key=CHOSEN)
    with pytest.raises(MasterNotFound, match=r"user \[eve\] is not a master of node \[pump\]"):
        await pump.remote.master_delete("user", "eve")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"identifier": "x"}, "400: Invalid request 'master_type'"),
        (
            {"master_type": "joule_node", "identifier": "x"},
            "400: master_type must be [user|joule|lumen]",
        ),
        ({"master_type": ["user"]}, "400: master_type must be [user|joule|lumen]"),
        ({"master_type": "user"}, "400: Invalid request 'identifier'"),
        ({"master_type": "joule"}, "400: Cannot add master: ['identifier']"),
        ({"master_type": "lumen", "identifier": "x"}, "400: Cannot add master: ['lumen_params']"),
        (
            {"master_type": "user", "identifier": "x", "api_key": "short"},
            "400: API Key must be at least 32 characters",
        ),
    ],
)
async def test_texts_of_refused_masters(pump, body, text):
    assert await pump.post("/master.json", body) == (400, text)
    assert len(await pump.masters()) == 1


@pytest.mark.parametrize("value", [None, 5, [], {}, "", "\n", "x" * 70_000])
@pytest.mark.parametrize("kind", ["user", "joule", "lumen"])
async def test_absurd_identifiers_and_keys_are_refused(pump, kind, value):
    body = {"master_type": kind, "identifier": value, "lumen_params": {}}
    status, _ = await pump.post("/master.json", body)
    if value != "x" * 70_000 or kind != "user":
        assert status == 400
    if value is not None and value != "x" * 70_000:
        body = {"master_type": "user", "identifier": "eve", "api_key": value}
        assert (await pump.post("/master.json", body))[0] == 400
    body = {"master_type": "lumen", "identifier": pump.url, "lumen_params": value}
    assert (await pump.post("/master.json", body))[0] == 400


async def test_the_unix_socket_is_trusted_but_not_to_grant(tmp_path):
    async with FileNode("pump", tmp_path / "pump.db") as node:
        bob = await node.master_add("user", "bob")
        async with (
            serve(
                node,
                keys=peers(node),
                settings=ServerSettings(name="pump", accept_followers=True, stop_timeout_s=1),
                unix=tmp_path / "api",
            ) as served,
            RemoteNode("pump", served.url) as without,
            RemoteNode("pump", served.url, key=bob.key) as as_bob,
            RemoteNode("pump", served.url, key="wrong") as wrong,
        ):
            for remote in (without, wrong):
                assert len(await remote.master_list()) == 1
                with pytest.raises(ApiError, match="Invalid request 'X-API-KEY'"):
                    await remote.master_add("user", "eve")
                with pytest.raises(ApiError, match="specify name and master_type"):
                    await remote.master_delete("user", "bob")
                with pytest.raises(ApiError, match="could not determine remote host"):
                    await remote.session.post(
                        "/follower.json",
                        {"key": "k", "port": 1, "name": "x", "base_uri": "", "scheme": "http"},
                    )
                with pytest.raises(ApiError, match="listens on no address"):
                    await as_bob.master_add("joule", "http://127.0.0.1:9")
            await as_bob.master_add("user", "eve")
            assert [(m.name, m.grantor_id) for m in await without.master_list()] == [
                ("bob", None),
                ("eve", bob.id),
            ]
            await as_bob.master_delete("user", "eve")


# joins


async def test_two_nodes_join(pump, open_site):
    central = await open_site("central")
    master = await pump.remote.master_add("joule", central.url)
    assert (master.master_type, master.name) == ("JOULE_NODE", "central")
    assert await pump.masters() == [("USER", "operator", None), ("JOULE_NODE", "central", 1)]
    [follower] = await central.node.follower_records()
    assert (follower.name, follower.location) == ("pump", pump.url)
    [node] = await central.remote.follower_list()
    async with node:
        assert (node.name, node.url) == ("pump", pump.url)
        await node.folder_create("/made/by/central")
        assert (await node.info()).uuid == (await pump.remote.info()).uuid
        [own] = [m for m in await node.master_list() if m.name == "central"]
        with pytest.raises(ApiError, match="cannot delete yourself"):
            await node.master_remove(own)
    assert await pump.node.folder_get("/made/by/central")


async def test_joining_again_replaces_the_key(pump, open_site):
    central = await open_site("central")
    await pump.remote.master_add("joule", central.url)
    [old] = await central.node.follower_records()
    await pump.remote.master_add("JOULE", central.url)
    [new] = await central.node.follower_records()
    assert old.key != new.key
    assert len(await pump.masters()) == 2
    async with RemoteNode("pump", pump.url, key=old.key) as with_old:
        with pytest.raises(AuthorizationError):
            await with_old.info()
    async with RemoteNode("pump", pump.url, key=new.key) as with_new:
        await with_new.info()


async def test_both_directions_at_once(pump, open_site):
    central = await open_site("central")
    await asyncio.gather(
        pump.remote.master_add("joule", central.url),
        central.remote.master_add("joule", pump.url),
    )
    for one, other in ((pump, central), (central, pump)):
        assert ("JOULE_NODE", other.node.name, 1) in await one.masters()
        assert [f.name for f in await one.node.follower_records()] == [other.node.name]


async def test_a_deleted_master_has_no_control_and_a_deleted_follower_is_the_only_one(
    pump, open_site
):
    central, third = await open_site("central"), await open_site("third")
    await pump.remote.master_add("joule", central.url)
    await third.remote.master_add("joule", central.url)
    await pump.remote.master_delete("joule", "central")
    [node, also] = await central.remote.follower_list()
    async with node, also:
        with pytest.raises(AuthorizationError):
            await node.folder_root()
        await also.folder_root()
        await central.remote.follower_delete(node)
    assert [f.name for f in await central.node.follower_records()] == ["third"]
    with pytest.raises(FollowerNotFound, match="follower not found"):
        await central.remote.follower_delete("pump")
    assert await central.request("DELETE", "/follower.json") == (400, "400: specify name to remove")
    assert await central.request("DELETE", "/follower.json?name=third") == (200, "OK")


async def test_a_failed_join_leaves_nothing(pump, unused_tcp_port):
    gone = f"http://127.0.0.1:{unused_tcp_port}"
    status, text = await pump.post("/master.json", {"master_type": "joule", "identifier": gone})
    assert (status, text) == (400, f'{{"error": "Cannot contact node at [{gone}]"}}')
    with pytest.raises(ApiError, match="Cannot contact node at"):
        await pump.remote.master_add("joule", gone)
    with pytest.raises(ApiError, match=r"cannot connect to 127\.0\.0\.1:1, try using a full URL"):
        await pump.remote.master_add("joule", "127.0.0.1:1")
    async with other_server(("/follower.json", Answers(status=400, text="400: no"))) as (url, _):
        with pytest.raises(ApiError, match=r"^no \[400\]"):
            await pump.remote.master_add("joule", url)
    assert len(await pump.masters()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        says({}),
        says({"name": 5}),
        says({"name": ""}),
        says([]),
        Answers(text="{", content_type="application/json"),
        Answers(text="hello"),
        Answers(text="ok"),
        Answers(status=302, headers={"Location": "http://127.0.0.1:9/"}),
    ],
)
async def test_senseless_answers_fail_the_join(pump, answer):
    async with other_server(("/follower.json", answer)) as (url, _):
        status, text = await pump.post("/master.json", {"master_type": "joule", "identifier": url})
    assert status == 400
    assert list(json.loads(text)) == ["error"]
    assert len(await pump.masters()) == 1


async def test_the_page_of_a_web_server_is_not_repeated(pump):
    page = Answers(status=501, text="<!DOCTYPE HTML>\n<html>...", content_type="text/html")
    async with other_server(("/follower.json", page)) as (url, _):
        _, text = await pump.post("/master.json", {"master_type": "joule", "identifier": url})
    assert json.loads(text) == {"error": "Not Implemented [501]"}


async def test_the_request_of_a_join_is_the_one_of_the_protocol(pump):
    during = []

    async def answer(request):
        body = json.loads(await request.text())
        async with RemoteNode("pump", pump.url, key=body["key"]) as back:
            during.append((await back.info()).name)
            # the key opens nothing else before the join is complete
            with pytest.raises(AuthorizationError):
                await back.folder_root()
        return web.json_response({"name": "central"})

    async with other_server(("/follower.json", answer)) as (url, seen):
        await pump.remote.master_add("joule", url)
    assert during == ["pump"]
    [(method, path, headers, text)] = seen
    body = json.loads(text)
    assert (method, path) == ("POST", "/follower.json")
    assert headers["Content-Type"] == "application/json"
    assert headers["X-API-KEY"] == body["key"]
    assert len(body["key"]) == 43
    port = int(pump.url.rpartition(":")[2])
    expected = {"key": body["key"], "port": port, "name": "pump", "base_uri": "", "scheme": "http"}
    assert text == json.dumps(expected)


async def test_a_key_of_a_failed_join_opens_nothing(pump):
    keys = []

    async def answer(request):
        keys.append(json.loads(await request.text())["key"])
        return web.Response(status=400)

    async with other_server(("/follower.json", answer)) as (url, _):
        with pytest.raises(ApiError):
            await pump.remote.master_add("joule", url)
    async with RemoteNode("pump", pump.url, key=keys[0]) as back:
        with pytest.raises(AuthorizationError):
            await back.info()


async def test_how_a_node_introduces_itself(open_site):
    behind = await open_site(
        "behind", host="pump.example", port=443, scheme="https", base_uri="/joule"
    )
    async with other_server(("/follower.json", says({"name": "central"}))) as (url, seen):
        await behind.remote.master_add("joule", url)
    body = json.loads(seen[0][3])
    del body["key"]
    assert body == {
        "port": 443,
        "name": "pump.example",
        "base_uri": "/joule",
        "scheme": "https",
        "name_is_host": 1,
    }


async def test_a_reverse_proxy_tells_where_the_node_is(tmp_path):
    async with FileNode("pump", tmp_path / "pump.db") as node:
        bob = await node.master_add("user", "bob")
        headers = {
            "X-API-KEY": bob.key,
            "X-Auth-Required": "true",
            "X-Api-Port": "443",
            "X-Api-Scheme": "https",
            "X-Api-Base-Uri": "/joule",
        }
        async with (
            serve(node, keys=peers(node), unix=tmp_path / "api"),
            other_server(("/follower.json", says({"name": "central"}))) as (url, seen),
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "api"))) as client,
        ):
            body = {"master_type": "joule", "identifier": url}
            async with client.post(
                "http://localhost/master.json", json=body, headers=headers
            ) as response:
                assert await response.json() == {"name": "central"}
        sent = json.loads(seen[0][3])
        assert (sent["port"], sent["scheme"], sent["base_uri"]) == ("443", "https", "/joule")


async def test_lumen(pump):
    refusal = Answers(status=400, text="specify auth_key or first_name")
    async with other_server(("/nilms.json", refusal)) as (url, seen):
        body = {"master_type": "lumen", "identifier": url, "lumen_params": {}}
        assert await pump.post("/master.json", body) == (
            400,
            '{"error": "specify auth_key or first_name [400]"}',
        )
        assert len(await pump.masters()) == 1
    async with other_server(("/nilms.json", says({"ok": 1}))) as (url, seen):
        master = await pump.remote.master_add("lumen", url, {"auth_key": "abc"})
        assert (master.master_type, master.name) == ("LUMEN_NODE", url)
    [(_, path, headers, text)] = seen
    sent = json.loads(text)
    assert (path, headers["X-API-KEY"]) == ("/nilms.json", "stub_key")
    assert list(sent) == ["api_key", "port", "name", "base_uri", "scheme", "auth_key"]
    async with RemoteNode("pump", pump.url, key=sent["api_key"]) as lumen:
        await lumen.folder_root()
    await pump.remote.master_delete("lumen_node", url)
    async with other_server(("/nilms.json", Answers(text="ok"))) as (url, _):
        await pump.remote.master_add("lumen_node", url, {"auth_key": "abc"})


# followers


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"key": ...}, "400: Invalid request, missing ['key']"),
        ({"port": ...}, "400: Invalid request, missing ['port']"),
        ({"scheme": ...}, "400: Invalid request, missing ['scheme']"),
        ({"base_uri": ...}, "400: Invalid request, missing ['base_uri']"),
        ({"name": ..., "name_is_host": 1}, "400: Invalid request, missing ['name']"),
    ],
)
async def test_what_a_joining_node_must_send(pump, change, text):
    body = {"key": "k", "port": 1, "name": "x", "base_uri": "", "scheme": "http"} | change
    body = {name: value for name, value in body.items() if value is not ...}
    assert await pump.post("/follower.json", body, headers={"X-API-KEY": ""}) == (400, text)


@pytest.mark.parametrize(
    "change",
    [
        {"port": 0},
        {"port": -1},
        {"port": 65536},
        {"port": True},
        {"port": 1.5},
        {"port": "8088/x"},
        {"port": "९"},
        {"port": 10**30},
        {"scheme": "file"},
        {"scheme": 5},
        {"base_uri": "@example.com/"},
        {"base_uri": "/../#"},
        {"base_uri": "//x"},
        {"base_uri": None},
        {"name": "a/b", "name_is_host": 1},
        {"name": "user@host", "name_is_host": 1},
        {"name": "", "name_is_host": 1},
        {"name": 7, "name_is_host": 1},
        {"key": ""},
        {"key": 5},
        {"key": "a\r\nb"},
        {"key": "é"},
    ],
)
async def test_absurd_joins_are_refused_without_a_call(pump, change):
    body = {"key": "k", "port": 9, "name": "x", "base_uri": "", "scheme": "http"} | change
    status, text = await pump.post("/follower.json", body, headers={"X-API-KEY": ""})
    assert status == 400
    assert text.startswith("400: Invalid request, ")
    assert await pump.node.follower_records() == []


async def test_a_follower_must_answer_with_its_key(pump, open_site, unused_tcp_port):
    port = unused_tcp_port
    body = {"key": "k", "port": port, "name": "x", "base_uri": "", "scheme": "http"}
    nowhere = (400, f"400: no route to node at http://127.0.0.1:{port}")
    assert await pump.post("/follower.json", body, headers={"X-API-KEY": ""}) == nowhere
    third = await open_site("third")
    body["port"] = third.url.rpartition(":")[2]  # as text
    no_route = (400, f"400: no route to node at {third.url}")
    assert await pump.post("/follower.json", body) == no_route
    async with other_server(("/version.json", says({"version": "1", "name": "x"}))) as (url, _):
        only_version = body | {"port": int(url.rpartition(":")[2])}
        assert (await pump.post("/follower.json", only_version))[0] == 400
    body["key"] = third.key
    assert await pump.post("/follower.json", body) == (200, '{"name": "pump"}')
    again = body | {"name_is_host": 1, "name": "localhost"}
    status, text = await pump.post("/follower.json", again)
    assert (status, third.url in text) == (400, True)  # the same node at two places
    [record] = await pump.node.follower_records()
    assert (record.name, record.location) == ("third", third.url)
    listed = json.loads((await pump.request("GET", "/followers.json"))[1])
    assert listed == [{"id": 1, "name": "third", "location": third.url, "key": third.key}]


async def test_nobody_without_a_key_sees_or_changes_peers(pump):
    for method, path in (
        ("GET", "/masters.json"),
        ("POST", "/master.json"),
        ("DELETE", "/master.json?name=operator&master_type=user"),
        ("GET", "/followers.json"),
        ("DELETE", "/follower.json?name=x"),
        ("GET", "/modules.json"),
        ("GET", "/proxies.json"),
        ("GET", "/app/auth"),
        ("POST", "/archive.json"),
    ):
        for key in ("", "wrong", pump.key[:-1]):
            answer = await pump.request(method, path, headers={"X-API-KEY": key})
            assert answer == (403, "403: Forbidden")
