"""Who may join a served node, when, and what a node does for one that asks."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from joule_cli.daemon import peers
from joule_cli.errors import ApiError
from joule_cli.remote.node import RemoteNode
from joule_cli.server.other import Other, is_public
from joule_cli.server.settings import ServerSettings
from tests.nodes import FileNode
from tests.serving import listening, serve

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = 60_000_000
DB_INFO = {"path": "", "other": 0, "reserved": 0, "free": 0, "size": 0}
VERSION = {"version": "1.0.1", "name": "pump", "uuid": "u"}


class Site:
    """A served node, strangers at several addresses, and a clock that tests set."""

    def __init__(self, node, url, remote, clock):
        self.node, self.url, self.remote, self.clock = node, url, remote, clock

    async def join(self, change=None, *, at="127.0.0.1", headers=None, body=None):
        """Ask to join from an address of this machine."""
        sent = {"key": "k" * 40, "port": 9, "name": "x", "base_uri": "", "scheme": "http"}
        data = json.dumps(sent | (change or {})).encode() if body is None else body
        headers = {"Content-Type": "application/json"} | (headers or {})
        connector = aiohttp.TCPConnector(local_addr=(at, 0))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"{self.url}/follower.json", data=data, headers=headers) as response,
        ):
            return response.status, await response.text()


@asynccontextmanager
async def site(tmp_path: Path, **settings):
    clock = [10**15]
    async with FileNode("central", tmp_path / "central.db", clock=lambda: clock[0]) as node:
        operator = await node.master_add("user", "operator")
        options = ServerSettings(name="central", stop_timeout_s=1, **settings)
        async with (
            serve(node, keys=peers(node), settings=options) as served,
            RemoteNode("central", served.url, key=operator.key) as remote,
        ):
            yield Site(node, served.url, remote, clock)


@pytest.fixture
async def closed(tmp_path):
    async with site(tmp_path) as found:
        yield found


@asynccontextmanager
async def pump(version=VERSION, storage=DB_INFO, **handlers):
    """Something that answers as a node does; gives its port and what it was asked."""
    asked = []

    async def answer(request):
        asked.append(request.path)
        if request.path in handlers:
            return await handlers[request.path](request)
        return web.json_response(version if request.path == "/version.json" else storage)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    async with listening(app) as url:
        yield int(url.rpartition(":")[2]), asked


# when


async def test_a_node_takes_no_followers_unless_it_is_told_to(closed):
    async with pump() as (port, asked):
        status, text = await closed.join({"port": port})
    assert (status, text.partition(";")[0]) == (403, "403: no nodes may join now")
    # before anything else is looked at
    assert (await closed.join(body=b"{"))[0] == 403
    assert asked == []
    assert await closed.node.follower_records() == []


async def test_the_door_closes_by_itself(closed):
    joining = await closed.remote.follower_accept(10 * MINUTE, private=True)
    assert (joining.until, joining.private) == (closed.clock[0] + 10 * MINUTE, True)
    async with pump() as (port, _):
        closed.clock[0] += 10 * MINUTE - 1
        assert await closed.join({"port": port}) == (200, '{"name": "central"}')
        closed.clock[0] += 1
        assert (await closed.join({"port": port}))[0] == 403
    [record] = await closed.node.follower_records()
    assert (record.name, record.location) == ("pump", f"http://127.0.0.1:{port}")


async def test_the_door_may_be_closed_and_a_clock_set_back_does_not_hold_it_open(closed):
    await closed.node.follower_accept(MINUTE, private=True)
    assert (await closed.join())[0] == 400
    await closed.remote.follower_accept(0)
    assert (await closed.join())[0] == 403
    await closed.node.follower_accept(MINUTE, private=True)
    closed.clock[0] -= 86_400_000_000
    assert (await closed.join())[0] == 403


@pytest.mark.parametrize("duration", [-1, 86_400_000_001, 10**400])
async def test_the_door_is_open_for_a_day_at_most(closed, duration):
    for node in (closed.node, closed.remote):
        with pytest.raises(ApiError, match="a day at most"):
            await node.follower_accept(duration)


async def test_a_node_may_be_served_with_an_open_door(tmp_path):
    async with (
        site(tmp_path, accept_followers=True, private_followers=True) as open_to_all,
        pump() as (port, _),
    ):
        assert (await open_to_all.join({"port": port}))[0] == 200


# from where


async def test_private_addresses_must_be_asked_for(tmp_path):
    async with site(tmp_path, accept_followers=True) as public_only, pump() as (port, asked):
        for change in (
            {},
            *({"name": name, "name_is_host": 1} for name in ("localhost", "127.0.0.1", "[::1]")),
            {"name": "[::ffff:127.0.0.1]", "name_is_host": 1},
        ):
            status, text = await public_only.join({"port": port} | change)
            assert status == 403, text
            assert "--private" in text
        assert asked == []
        await public_only.remote.follower_accept(MINUTE, private=True)
        assert (await public_only.join({"port": port}))[0] == 200


async def test_a_name_that_leads_elsewhere_at_the_second_look_is_not_called(monkeypatch):
    """The address of the connection counts, not one that was looked up before."""
    async with pump() as (port, asked):
        other = Other(f"http://localhost:{port}", ca_file=None, public=True)
        with pytest.raises(ApiError, match="Cannot contact"):
            await other.get("/version.json", "k", 5)
        assert asked == []
        other = Other(f"http://localhost:{port}", ca_file=None)
        assert await other.get("/version.json", "k", 5) == VERSION


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("no address", False),
    ],
)
def test_public_addresses(address, expected):
    assert is_public(address) is expected


async def test_the_address_that_a_stranger_writes_is_not_believed(tmp_path):
    async with site(tmp_path, accept_followers=True, private_followers=True) as found:
        status, text = await found.join(headers={"X-Forwarded-For": "192.0.2.7"})
        assert (status, text) == (400, "400: no route to node at http://127.0.0.1:9")
    trusted = (ipaddress.ip_network("127.0.0.1"),)
    (tmp_path / "b").mkdir()
    async with site(tmp_path / "b", accept_followers=True, trusted_proxies=trusted) as found:
        for value in ("10.1.2.3", "8.8.8.8, 10.1.2.3"):
            status, text = await found.join(headers={"X-Forwarded-For": value})
            assert (status, "10.1.2.3" in text) == (403, True)
        # another address is none of the proxy
        status, text = await found.join(headers={"X-Forwarded-For": "10.1.2.3"}, at="127.0.0.2")
        assert (status, "127.0.0.2" in text) == (403, True)


# how many


async def test_an_address_has_one_join_at_a_time_and_there_are_few_in_all(tmp_path):
    arrived, release = asyncio.Queue(), asyncio.Event()

    async def hang(request):
        arrived.put_nowait(request)
        await release.wait()
        return web.Response(status=404)

    options = {"accept_followers": True, "private_followers": True}
    async with (
        site(tmp_path, **options) as found,
        pump(**{"/version.json": hang}) as (port, _),
        asyncio.TaskGroup() as group,
    ):
        change = {"port": port, "name": "127.0.0.1", "name_is_host": 1}
        joins = []
        for number in range(1, 9):
            joins.append(group.create_task(found.join(change, at=f"127.0.0.{number}")))
            await arrived.get()
            status, text = await found.join(change, at=f"127.0.0.{number}")
            assert (status, text) == (429, "429: too many nodes are joining, try again later")
        assert (await found.join(change, at="127.0.0.9"))[0] == 429
        # meanwhile the node serves others
        assert (await found.remote.info()).name == "central"
        release.set()
        assert {(await join)[0] for join in joins} == {400}
        assert (await found.join(change, at="127.0.0.9"))[0] == 400


async def test_few_join_through_one_door(closed):
    async def named(request):
        number = request.path.split("/")[1]
        version = request.path.endswith("/version.json")
        return web.json_response(VERSION | {"name": number} if version else DB_INFO)

    app = web.Application()
    app.router.add_get("/{tail:.*}", named)
    await closed.remote.follower_accept(MINUTE, private=True)
    async with listening(app) as url:

        async def join(number):
            change = {"base_uri": f"/{number}", "key": f"{number}" * 20}
            return await closed.join({"port": int(url.rpartition(":")[2])} | change)

        for number in range(32):
            assert (await join(number))[0] == 200
        status, text = await join(33)
        assert (status, "open this one again" in text) == (429, True)
        closed.clock[0] += 1
        await closed.remote.follower_accept(MINUTE, private=True)
        assert (await join(33))[0] == 200
    assert len(await closed.node.follower_records()) == 33


# what it says


@pytest.mark.parametrize(
    ("version", "storage"),
    [
        ({}, DB_INFO),
        ([], DB_INFO),
        (VERSION | {"name": 5}, DB_INFO),
        (VERSION | {"name": " "}, DB_INFO),
        (VERSION | {"name": "a\nb"}, DB_INFO),
        (VERSION | {"name": "x" * 300}, DB_INFO),
        (VERSION | {"name": "\u202eevil"}, DB_INFO),
        (VERSION | {"version": None}, DB_INFO),
        (VERSION, {}),
        (VERSION, None),
        (VERSION, DB_INFO | {"size": "big"}),
        (VERSION, DB_INFO | {"free": True}),
    ],
)
async def test_nothing_is_stored_of_what_does_not_answer_as_a_node(tmp_path, version, storage):
    options = {"accept_followers": True, "private_followers": True}
    async with site(tmp_path, **options) as found, pump(version, storage) as (port, _):
        status, text = await found.join({"port": port})
        assert (status, text) == (400, f"400: no route to node at http://127.0.0.1:{port}")
        assert await found.node.follower_records() == []


async def test_an_answer_in_pieces_is_read_whole_and_one_without_end_is_not(tmp_path):
    async def slowly(request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for letter in json.dumps(VERSION):
            await response.write(letter.encode())
            await asyncio.sleep(0)
        return response

    async def endless(request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" " * 65536)
        return response

    options = {"accept_followers": True, "private_followers": True}
    async with site(tmp_path, **options) as found:
        async with pump(**{"/version.json": endless}) as (port, _):
            assert (await found.join({"port": port}))[0] == 400
        async with pump(**{"/version.json": slowly}) as (port, _):
            assert (await found.join({"port": port}))[0] == 200


# what it sends


WRONG = [None, True, 1.5, -1, [], {}, [[]], {"a": []}, "", "\0", 10**4000]


@pytest.mark.parametrize("name", ["key", "port", "scheme", "base_uri", "name"])
async def test_values_of_any_type_are_refused(tmp_path, name):
    options = {"accept_followers": True, "private_followers": True}
    async with site(tmp_path, **options) as found:
        for value in WRONG:
            if (name, value) == ("base_uri", ""):
                continue
            status, text = await found.join({"name_is_host": 1, name: value})
            assert status == 400, (value, text)
        number = b'{"key": "k", "port": ' + b"9" * 5000 + b', "scheme": "http", "base_uri": ""}'
        assert await found.join(body=number) == (400, "400: invalid json")


async def test_a_join_is_short_and_not_packed(tmp_path):
    options = {"accept_followers": True, "private_followers": True}
    async with site(tmp_path, **options) as found:
        assert (await found.join({"more": "x" * 10_000}))[0] == 413
        packed = gzip.compress(b"{}")
        assert (await found.join(body=packed, headers={"Content-Encoding": "gzip"}))[0] == 415


async def test_only_its_operator_opens_a_node(closed):
    body = {"duration_us": MINUTE, "private": True}
    async with aiohttp.ClientSession() as session:
        for key in ("", "wrong"):
            async with session.post(
                f"{closed.url}/follower/accept.json", json=body, headers={"X-API-KEY": key}
            ) as response:
                assert response.status == 403
        for wrong in ({}, {"duration_us": "1m"}, {"duration_us": True}, body | {"private": 1}):
            with pytest.raises(ApiError, match="specify duration_us"):
                await closed.remote.session.post("/follower/accept.json", wrong)
    assert (await closed.join())[0] == 403


def test_the_machine_has_the_addresses_of_these_tests():
    with socket.socket() as probe:
        probe.bind(("127.0.0.9", 0))
