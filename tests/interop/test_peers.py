"""Masters, followers and joins, through the calls and the commands of the original."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.interop.original import OriginalError
from tests.serving import listening

KEY = "a key that somebody has chosen, long enough"


async def done(site, *arguments, text=""):
    """Return what a command printed that has to end well."""
    shown = await site.joule(*arguments, text=text)
    assert shown.code == 0, shown
    return shown.out


async def test_users(site):
    script = """
        bob = await node.master_add("user", "bob")
        eve = await node.master_add("user", "eve", api_key=key)
        as_bob = joule.api.node.TcpNode("pump", node.url, bob.key)
        names = sorted(m.name for m in await as_bob.master_list())
        await as_bob.master_delete("user", "eve")
        await as_bob.close()
        return bob, eve, names, await node.master_list()
    """
    bob, eve, names, left = await site.run(script, key=KEY)
    assert (bob["master_type"], bob["name"], len(bob["key"])) == ("user", "bob", 43)
    assert eve["key"] == KEY
    assert names == ["bob", "eve", "operator"]
    assert [(m["master_type"], m["name"]) for m in left] == [("USER", "operator"), ("USER", "bob")]
    assert [m.name for m in await site.node.master_list()] == ["operator", "bob"]


async def test_users_by_command(site):
    added = await done(site, "master", "add", "user", "bob")
    [key] = [line.split()[1] for line in added.splitlines() if line.startswith("Key:")]
    assert f"joule node add pump {site.served.url} {key}" in added
    await done(site, "node", "add", "bobs", site.served.url, key)
    assert "empty" in await done(site, "--node", "bobs", "folder", "list")
    await done(site, "master", "add", "user", "eve", "--key", KEY)
    listed = await done(site, "master", "list")
    assert listed.splitlines() == [
        "This node can be controlled by:",
        "Users:",
        "\toperator",
        "\tbob",
        "\teve",
        "Joule Nodes:",
        "\t[None]",
        "Lumen Nodes:",
        "\t[None]",
    ]
    deleted = await done(site, "master", "delete", "user", "bob")
    assert deleted == "Access to node [pump] revoked for user [bob]\n"
    shut_out = await site.joule("--node", "bobs", "folder", "list")
    assert shut_out.err.endswith("Error: 403: Forbidden [403]\n")


async def test_refusals(site):
    for arguments, text in (
        (("add", "user", "operator"), "400: User already exists [400]"),
        (
            ("add", "user", "bob", "-k", "short"),
            "400: API Key must be at least 32 characters [400]",
        ),
        (
            ("delete", "user", "bob"),
            "404: user [bob] is not a master of node [pump] [404]",
        ),
        (
            ("delete", "joule", "far"),
            "404: joule_node [far] is not a master of node [pump] [404]",
        ),
        (
            ("delete", "user", "operator"),
            "400: cannot delete yourself, this would lock you out of the node [400]",
        ),
    ):
        shown = await site.joule("master", *arguments)
        assert (shown.code, shown.err) == (1, f"--connecting to [pump]--\nError: {text}\n")
    with pytest.raises(OriginalError, match=r"user \[bob\] is not a master of node \[pump\]"):
        await site.run("await node.master_delete('user', 'bob')")
    with pytest.raises(OriginalError, match=r"^ApiError: 400: master_type must be"):
        await site.run("await node.master_add('admin', 'bob')")


async def test_a_join_by_command(open_site):
    pump, central = await open_site("pump"), await open_site("central")
    shown = await done(pump, "master", "add", "joule", central.served.url)
    assert shown == f"Access to [pump] granted to Joule Node [{central.served.url}]\n"
    assert "Joule Nodes:\n\tcentral\n" in await done(pump, "master", "list")
    followers = await done(central, "follower", "list")
    assert followers == "This node can control:\n\tpump\n"
    assert "cannot control any other nodes" in await done(pump, "follower", "list")
    assert await done(central, "follower", "delete", "pump") == "Follower [pump] removed\n"
    assert "cannot control any other nodes" in await done(central, "follower", "list")
    gone = await central.joule("follower", "delete", "pump")
    assert gone.err.endswith("Error: 404: follower not found [404]\n")
    revoked = await done(pump, "master", "delete", "joule", "central")
    assert revoked == "Access to node [pump] revoked for joule [central]\n"


async def test_a_follower_is_used_through_its_master(open_site):
    pump, central = await open_site("pump"), await open_site("central")
    third = await open_site("third")
    for site in (pump, third):
        await site.run("await node.master_add('joule', url)", url=central.served.url)
        assert [m.name for m in await site.node.master_list()] == ["operator", "central"]
    script = """
        followers = {follower.name: follower for follower in await node.follower_list()}
        stream = joule.api.DataStream("flow", elements=[joule.api.Element("a")])
        await followers["pump"].data_stream_create(stream, "/made/by")
        info = await followers["pump"].info()
        await node.follower_delete(followers["pump"])
        left = [follower.name for follower in await node.follower_list()]
        for follower in followers.values():
            await follower.close()
        return sorted(followers), followers["pump"].url, info.name, left
    """
    names, url, name, left = await central.run(script)
    assert (names, url, name) == (["pump", "third"], pump.served.url, "pump")
    # 1.0.1 itself would have removed all
    assert left == ["third"]
    assert await pump.node.data_stream_get("/made/by/flow")


async def test_a_join_that_fails(site, unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}"
    shown = await site.joule("master", "add", "joule", url)
    assert shown.code == 1
    assert f'"Cannot contact node at [{url}]"' in shown.err
    assert "[400]" in shown.err
    assert len(await site.node.master_list()) == 1


@asynccontextmanager
async def lumen(demand):
    """Something that asks for credentials as Lumen does."""
    seen = []

    async def nilms(request):
        body = await request.json()
        seen.append(body)
        if demand not in body:
            return web.Response(status=400, text=f"specify {demand}")
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/nilms.json", nilms)
    async with listening(app) as url:
        yield url, seen


async def test_lumen(site):
    async with lumen("auth_key") as (url, seen):
        shown = await done(site, "master", "add", "lumen", url, text="secret\n")
        assert f"Access to [pump] granted to Lumen Node [{url}]" in shown
        assert seen[1]["auth_key"] == "secret"
        assert f"Lumen Nodes:\n\t{url}\n" in await done(site, "master", "list")
        as_lumen = """
            other = joule.api.create_tcp_node(node.url, key)
            name = (await other.info()).name
            await other.close()
            return name
        """
        assert await site.run(as_lumen, key=seen[1]["api_key"]) == "pump"
        await done(site, "master", "delete", "lumen", url)
    async with lumen("first_name") as (url, seen):
        answers = "Ada\nLovelace\nada@example.com\npassword\npassword\n"
        shown = await done(
            site, "master", "add", "lumen", url, "-u", "http://pump.example", text=answers
        )
        assert "Log into the Lumen server using your e-mail and password" in shown
        assert seen[1]["return_address"] == "http://pump.example"
        assert (seen[1]["first_name"], seen[1]["last_name"]) == ("Ada", "Lovelace")
