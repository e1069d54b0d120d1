"""joule master, joule follower"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from aiohttp import web

from joule_cli.daemon import peers
from joule_cli.server.settings import ServerSettings
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import listening, serve

CHOSEN = "a-key-that-its-user-has-chosen-0123456789"


@dataclass
class Lab:
    """The program, with two served nodes stored under their names."""

    joule: object
    urls: dict[str, str]
    keys: dict[str, str]

    def __call__(self, name, *args, **kwargs):
        return self.joule("-n", name, *args, **kwargs)

    def ok(self, name, *args, **kwargs):
        return self.joule.ok("-n", name, *args, **kwargs)


@pytest.fixture
def lab(joule):
    async def start(stack):
        found = {}
        for name in ("pump", "central"):
            node = FileNode(name, joule.folder / f"{name}.db")
            await stack.enter_async_context(node)
            operator = await node.master_add("user", "operator")
            served = await stack.enter_async_context(
                serve(node, keys=peers(node), settings=ServerSettings(name=name, stop_timeout_s=1))
            )
            found[name] = (served.url, operator.key)
        return found

    with running(start) as found:
        config = joule.folder / "config"
        config.mkdir()
        entries = [{"name": n, "url": u, "key": k} for n, (u, k) in found.items()]
        (config / "nodes.json").write_text(json.dumps(entries))
        yield Lab(
            joule, {n: u for n, (u, _) in found.items()}, {n: k for n, (_, k) in found.items()}
        )


def test_a_user_of_a_file(joule):
    out = joule.ok("master", "add", "user", "bob")
    assert out.startswith("Access to node [local] granted to user [bob]\n\nKey:\t")
    key = out.split("Key:\t")[1].split()[0]
    assert len(key) == 43
    assert joule.ok("master", "list") == (
        "This node can be controlled by:\n"
        "Users:\n\tbob\nJoule Nodes:\n\t[None]\nLumen Nodes:\n\t[None]\n"
    )
    listed = joule.ok("master", "list", "--json")
    assert json.loads(listed) == [{"id": 1, "name": "bob", "type": "USER", "grantor_id": None}]
    assert key not in listed
    assert joule.ok("master", "list", "--csv") == "type,name\nUSER,bob\n"
    assert joule.ok("master", "list", "--type", "joule").splitlines()[1:] == [
        "Joule Nodes:",
        "\t[None]",
    ]
    taken = joule("master", "add", "user", "bob")
    assert (taken.status, "User already exists" in taken.err) == (1, True)
    assert joule.ok("master", "delete", "user", "bob", "--dry-run", "--csv").endswith("USER,bob\n")
    assert joule.ok("master", "delete", "user", "bob") == (
        "Access to node [local] revoked for user [bob]\n"
    )
    gone = joule("master", "delete", "user", "bob")
    assert (gone.status, gone.out) == (1, "")
    assert "user [bob] is not a master of node [local]" in gone.err


def test_a_file_cannot_join(joule):
    refused = joule("master", "add", "joule", "http://127.0.0.1:1")
    assert refused.status == 1
    assert "only a served node can join" in refused.err


def test_a_key_from_a_file_or_from_stdin(joule):
    file = joule.folder / "bob.key"
    file.write_text(CHOSEN + "\n")
    added = json.loads(joule.ok("master", "add", "user", "bob", "--key-file", file, "--json"))
    assert (added["key"], added["name"], added["type"]) == (CHOSEN, "bob", "USER")
    other = CHOSEN[::-1]
    out = joule.ok("master", "add", "user", "eve", "--key-file", "-", "-q", stdin=other)
    assert out == f"{other}\n"
    assert len(joule.ok("master", "add", "user", "kim", "--quiet")) == 44
    assert joule.ok("master", "add", "user", "al", "-k", CHOSEN.upper(), "-q").strip() == (
        CHOSEN.upper()
    )
    for text in ("", "\n", "a\nb"):
        refused = joule("master", "add", "user", "x", "--key-file", "-", stdin=text)
        assert (refused.status, refused.out) == (1, "")
    missing = joule("master", "add", "user", "x", "--key-file", "missing.key")
    assert (missing.status, "missing.key" in missing.err) == (1, True)
    short = joule("master", "add", "user", "x", "--key-file", "-", stdin="short")
    assert "at least 32 characters" in short.err
    both = joule("master", "add", "user", "x", "--key-file", "-", "-k", CHOSEN)
    assert both.status == 2
    assert joule("master", "add", "admin", "x").status == 2


def test_nobody_waits_for_a_terminal_to_delete(joule):
    joule.ok("master", "add", "user", "bob", "-q")
    asked = joule.terminal("master", "delete", "user", "bob", when="[y/N]", typed="n\n")
    assert "Cancelled" in asked.out
    assert "bob" in joule.ok("master", "list")


def test_a_user_of_a_served_node(lab):
    out = lab.ok("pump", "master", "add", "user", "bob")
    key = out.split("Key:\t")[1].split()[0]
    assert f"\t$> joule node add pump {lab.urls['pump']} {key}\n" in out
    as_bob = {"JOULE_URL": lab.urls["pump"], "JOULE_API_KEY": key}
    assert "\tbob\n" in lab.joule.ok("master", "list", env=as_bob)
    own = lab.joule("master", "delete", "user", "bob", "--yes", env=as_bob)
    assert (own.status, "cannot delete yourself" in own.err) == (1, True)
    lab.ok("pump", "master", "delete", "user", "bob")
    refused = lab.joule("master", "list", env=as_bob)
    assert refused.status == 1
    assert key not in refused.err


def test_two_nodes_join_and_part(lab):
    assert lab.ok("pump", "follower", "list") == "This node cannot control any other nodes\n"
    early = lab("pump", "master", "add", "joule", lab.urls["central"])
    assert (early.status, early.out) == (1, "")
    assert "no nodes may join now; open this one with: joule follower accept --for" in early.err
    opened = lab.ok("central", "follower", "accept", "--for", "10m")
    assert opened.startswith("Nodes may join [central] until ")
    near = lab("pump", "master", "add", "joule", lab.urls["central"])
    assert (near.status, "joule follower accept --for 10m --private" in near.err) == (1, True)
    found = json.loads(
        lab.ok("central", "follower", "accept", "--for", "1h", "--private", "--json")
    )
    assert (found["private"], type(found["until"])) == (True, int)
    joined = lab.ok("pump", "master", "add", "joule", lab.urls["central"])
    assert joined == f"Access to [pump] granted to Joule Node [{lab.urls['central']}]\n"
    assert "Joule Nodes:\n\tcentral\n" in lab.ok("pump", "master", "list")
    assert lab.ok("central", "follower", "list") == (
        f"This node can control:\n\tpump\t{lab.urls['pump']}\n"
    )
    [masked] = json.loads(lab.ok("central", "follower", "list", "--json"))
    assert (masked["name"], masked["key"]) == ("pump", "********")
    [shown] = json.loads(lab.ok("central", "follower", "list", "--json", "--show-secrets"))
    assert len(shown["key"]) == 43
    with_it = {"JOULE_URL": shown["location"], "JOULE_API_KEY": shown["key"]}
    assert "central" in lab.joule.ok("master", "list", env=with_it)
    assert "pump" in lab.ok("central", "follower", "delete", "pump", "--dry-run")
    assert lab.ok("central", "follower", "delete", "pump") == "Follower [pump] removed\n"
    gone = lab("central", "follower", "delete", "pump")
    assert (gone.status, "follower not found" in gone.err) == (1, True)
    lab.ok("pump", "master", "delete", "joule", "central")
    assert lab("pump", "master", "add", "joule", "http://127.0.0.1:1").status == 1
    assert json.loads(lab.ok("pump", "master", "list", "--type", "joule", "--json")) == []


def test_a_node_is_opened_through_its_file_or_not_at_all(joule):
    assert joule.ok("follower", "accept", "--for", "10m").startswith(
        "Nodes may join [local] until "
    )
    assert joule.ok("follower", "accept", "--for", "0s") == "Nodes may no longer join [local]\n"
    long = joule("follower", "accept", "--for", "25h")
    assert (long.status, "nodes may join for a day at most" in long.err) == (1, True)
    assert joule("follower", "accept").status == 2
    with original("1.0.1", [], forgets_all=True) as url:
        old = joule("--url", url, "follower", "accept", "--for", "10m")
    assert (old.status, "lets others join at any time" in old.err) == (1, True)


def original(version, followers, forgets_all):
    """What a Joule 1.0.1 node answers to the calls of `follower delete`."""
    left = list(followers)

    async def version_json(request):
        return web.json_response({"version": version, "name": "old", "uuid": "x"})

    async def db_info(request):
        return web.json_response({"path": "", "other": 0, "reserved": 0, "free": 0, "size": 0})

    async def listed(request):
        return web.json_response(
            [
                {"id": i, "name": n, "location": f"http://{n}:1", "key": f"key of {n}"}
                for i, n in enumerate(left)
            ]
        )

    async def delete(request):
        name = request.query["name"]
        left[:] = [] if forgets_all else [each for each in left if each != name]
        return web.Response(text="OK")

    async def start(stack):
        app = web.Application()
        app.router.add_get("/version.json", version_json)
        app.router.add_get("/dbinfo", db_info)
        app.router.add_get("/followers.json", listed)
        app.router.add_delete("/follower.json", delete)
        return await stack.enter_async_context(listening(app))

    return running(start)


def test_a_node_that_forgets_all_followers_needs_a_yes(joule):
    with original("1.0.1", ["a", "b"], forgets_all=True) as url:
        refused = joule("--url", url, "follower", "delete", "a")
        assert refused.status == 1
        assert "forgets all followers: a, b" in refused.err
        listed = joule.ok("--url", url, "follower", "delete", "a", "--dry-run", "--csv")
        assert listed.splitlines()[1:] == ["a,http://a:1", "b,http://b:1"]
        deleted = joule.ok("--url", url, "follower", "delete", "a", "--yes", "--json")
        assert json.loads(deleted) == {"deleted": ["a"], "also_deleted": ["b"]}


def test_followers_that_a_later_node_loses_are_told(joule):
    with original("1.2.0", ["a", "b"], forgets_all=True) as url:
        lost = joule("--url", url, "follower", "delete", "a")
        assert lost.status == 3
        assert "forgotten other followers as well: b" in lost.err
    with original("1.2.0", ["a", "b"], forgets_all=False) as url:
        assert joule.ok("--url", url, "follower", "delete", "a") == "Follower [a] removed\n"


def lumen(seen, *refusals):
    """A node with a Lumen server behind it, which refuses a few times."""
    left = list(refusals)

    async def add(request):
        seen.append((await request.json())["lumen_params"])
        if left:
            return web.json_response({"error": left.pop(0)}, status=400)
        return web.json_response({"name": "lumen.example"})

    async def version_json(request):
        return web.json_response({"version": "1.0.1", "name": "old", "uuid": "x"})

    async def db_info(request):
        return web.json_response({"path": "", "other": 0, "reserved": 0, "free": 0, "size": 0})

    async def start(stack):
        app = web.Application()
        app.router.add_post("/master.json", add)
        app.router.add_get("/version.json", version_json)
        app.router.add_get("/dbinfo", db_info)
        return await stack.enter_async_context(listening(app))

    return running(start)


def test_lumen_credentials_from_options(joule):
    seen = []
    (joule.folder / "secret").write_text("s3cret\n")
    lines = (
        ["--lumen-key-file", "secret", "-u", "http://me"],
        [
            *("--first-name", "A", "--last-name", "B", "--email", "a@b"),
            *("--password-file", "secret"),
        ],
    )
    with lumen(seen) as url:
        for options in lines:
            out = joule.ok("--url", url, "master", "add", "lumen", "lumen.example", *options)
            assert out == "Access to [old] granted to Lumen Node [lumen.example]\n"
        incomplete = joule("--url", url, "master", "add", "lumen", "x", "--email", "a@b")
    assert incomplete.status == 2
    assert seen == [
        {"auth_key": "s3cret", "return_address": "http://me"},
        {"first_name": "A", "last_name": "B", "email": "a@b", "password": "s3cret"},
    ]


def test_lumen_asks_for_what_it_needs_and_answers_may_be_piped(joule):
    seen = []
    with lumen(seen, "specify auth_key [400]") as url:
        out = joule("--url", url, "master", "add", "lumen", "x", stdin="the key\n")
        assert (out.status, "granted to Lumen Node [x]" in out.out) == (0, True)
    assert seen == [{}, {"auth_key": "the key"}]
    seen.clear()
    with lumen(seen, "specify first_name, last_name, email and password [400]") as url:
        out = joule("--url", url, "master", "add", "lumen", "x", stdin="A\nB\na@b\npw\npw\n")
        assert out.status == 0
    assert seen[1] == {"first_name": "A", "last_name": "B", "email": "a@b", "password": "pw"}
    with lumen(seen, "specify auth_key [400]", "no") as url:
        unanswered = joule("--url", url, "master", "add", "lumen", "x")
        assert (unanswered.status, "--lumen-key-file" in unanswered.err) == (1, True)
