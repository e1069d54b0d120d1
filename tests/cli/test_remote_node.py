"""Commands on nodes behind addresses, with keys and certificates."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import threading
from contextlib import contextmanager

import pytest

from tests.certificates import make_certificates
from tests.nodes import FileNode
from tests.serving import KEY, serve


@contextmanager
def serving(path, **options):
    """Serve a node file from a thread of its own."""
    loop = asyncio.new_event_loop()
    place, ready = [], threading.Event()

    async def run():
        async with FileNode("plant", path) as node, serve(node, **options) as served:
            place.append(served)
            ready.set()
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield place[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def served(joule):
    with serving(joule.folder / "served.db") as place:
        yield place


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("tls"))


def test_commands_on_an_address(joule, served):
    env = {"JOULE_URL": served.url, "JOULE_API_KEY": KEY}
    joule.ok("stream", "create", "/house/mains:float32[volts:V,amps:A]", env=env)
    joule.ok("folder", "create", "/house/empty", env=env)
    joule.ok("annotation", "create", "/house/mains", "on", "--start", "1700000000000000", env=env)
    joule.ok("event", "create", "/house/switches", env=env)
    listed = joule.ok("folder", "list", "--flat", env=env).split()
    assert listed == ["/house", "/house/empty", "/house/mains", "/house/switches"]
    elsewhere = joule.ok(
        "--url", served.url, "folder", "list", "--flat", env={"JOULE_API_KEY": KEY}
    )
    assert elsewhere.split() == listed
    info = json.loads(joule.ok("node", "info", "--json", env=env))
    assert (info["name"], info["url"]) == ("plant", served.url)
    assert "on" in joule.ok("annotation", "list", "/house/mains", env=env)
    missing = joule("stream", "get", "/house/none", "--json", env=env)
    assert missing.status == 1
    assert missing.error()["code"] == "stream_not_found"
    assert missing.error()["object"] == "/house/none"


def test_a_key_is_never_on_the_command_line(joule, served):
    (joule.folder / "plant.key").write_text(f"{KEY}\n")
    refused = joule("node", "add", "plant", served.url)
    assert (refused.status, "asks for a key" in refused.err) == (1, True)
    wrong = joule("node", "add", "plant", served.url, "not-the-key")
    assert (wrong.status, "refuses the key" in wrong.err) == (1, True)
    assert "not-the-key" not in wrong.err
    assert joule.ok("node", "list", "--json") == "[]\n"
    joule.ok("node", "add", "a", served.url, "--key-file", "plant.key")
    joule.ok("node", "add", "b", served.url, "--key-file", "-", stdin=KEY)
    joule.ok("node", "add", "c", served.url, env={"JOULE_API_KEY": KEY})
    joule.ok("node", "add", "d", served.url, "--no-check")
    both = joule("node", "add", "e", served.url, "key", "--key-file", "plant.key")
    assert both.status == 2
    file = joule.folder / "config" / "nodes.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry["key"] for entry in json.loads(file.read_text())] == [KEY, KEY, KEY, ""]
    for name in "abc":
        assert joule.ok("-n", name, "folder", "list", "--flat") == ""
    # the key stays when the node is stored again
    joule.ok("node", "add", "a", served.url + "/")
    assert joule.ok("-n", "a", "folder", "list", "--flat") == ""
    nodes = json.loads(joule.ok("node", "list", "--check", "--json"))
    assert [n["status"] for n in nodes] == ["ok", "ok", "ok", "error"]
    assert KEY not in joule.ok("node", "list") + json.dumps(nodes)


def test_a_person_is_asked_for_the_key(joule, served):
    shown = joule.terminal("node", "add", "plant", served.url, typed=f"{KEY}\r", when="Key of")
    assert shown.status == 0
    assert KEY not in shown.out
    assert joule.ok("-n", "plant", "folder", "list", "--flat") == ""


def test_certificates(joule, certificates):
    with serving(joule.folder / "tls.db", certificates=certificates) as place:
        env = {"JOULE_API_KEY": KEY}
        refused = joule("node", "add", "tls", place.url, "--json", env=env)
        assert refused.error()["code"] == "certificate_error"
        joule.ok("node", "add", "tls", place.url, "--ca", certificates.authority, env=env)
        assert joule.ok("-n", "tls", "folder", "list", "--flat") == ""
        trusting = env | {"JOULE_URL": place.url, "JOULE_CA_FILE": str(certificates.authority)}
        assert joule.ok("folder", "list", "--flat", env=trusting) == ""
        joule.ok("node", "add", "loose", place.url, "--insecure", env=env)
        assert joule.ok("-n", "loose", "folder", "list", "--flat") == ""
        shown = joule.terminal("-n", "loose", "folder", "list")
        assert "certificate of this node is not checked" in shown.out
        # stored again without it, the node is verified again
        joule.ok("node", "add", "loose", place.url, "--no-check", env=env)
        assert joule("-n", "loose", "node", "ping").status == 1
    plain = joule("node", "add", "plain", "http://localhost", "--insecure")
    assert plain.status == 2


def test_a_unix_socket(joule):
    with serving(joule.folder / "unix.db", unix=joule.folder / "api") as place:
        joule.ok("node", "add", "here", place.url, "--default")
        joule.ok("folder", "create", "/a")
        assert joule.ok("folder", "list", "--flat") == "/a\n"


def test_ping(joule, served):
    env = {"JOULE_API_KEY": KEY}
    line = joule.ok("node", "ping", "--url", served.url, env=env)
    assert line.startswith(f"plant at {served.url} answered in ")
    assert line.endswith(" ms\n")
    several = joule.ok("node", "ping", "--count", "3", "--url", served.url, "--json", env=env)
    assert [each["name"] for each in json.loads(several)] == ["plant"] * 3
    assert all(each["milliseconds"] > 0 for each in json.loads(several))
    joule.ok("node", "add", "plant", served.url, env=env)
    assert joule.ok("node", "ping", "plant").startswith("plant at ")


def test_a_node_that_is_gone_or_silent(joule):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        slow = joule("node", "ping", "--url", url, "--timeout", "0.2s", "--json")
        assert (slow.status, slow.error()["code"]) == (1, "node_timeout_error")
        joule.ok("node", "add", "silent", url, "--no-check")
        checked = json.loads(joule.ok("node", "list", "--check", "--timeout", "0.2", "--json"))
        assert checked[0]["status"] == "error"
        assert "0.2 s" in checked[0]["error"] or "no answer" in checked[0]["error"]
    with socket.socket() as bound:
        # nobody listens, and nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        gone = joule("folder", "list", "--url", url, "--json")
    assert (gone.status, gone.error()["code"]) == (1, "node_unreachable_error")
    assert "Connection refused" in gone.error()["message"]
    assert joule("folder", "list", "--timeout", "long").status == 1


def test_the_connection_is_told_at_a_terminal_only(joule, served):
    env = {"JOULE_URL": served.url, "JOULE_API_KEY": KEY}
    shown = joule.terminal("folder", "list", env=env)
    assert shown.out.startswith("--connecting to [127.0.0.1:")
    assert "--connecting" not in joule.terminal("-q", "folder", "list", env=env).out
