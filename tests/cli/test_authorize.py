"""joule admin authorize"""

from __future__ import annotations

import json
import time

import pytest

from joule_cli.daemon import peers
from joule_cli.server.settings import ServerSettings
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import serve


@pytest.fixture
def url(joule):
    async def start(stack):
        node = await stack.enter_async_context(FileNode("lab", joule.folder / "lab.db"))
        served = await stack.enter_async_context(
            serve(node, keys=peers(node), settings=ServerSettings(name="lab"))
        )
        return served.url

    with running(start) as address:
        yield address


def authorize(joule, url, *args, file="lab.db", **kwargs):
    options = ("--url", f"file:{joule.folder}/{file}")
    return joule(*options, "admin", "authorize", "-u", url, *args, **kwargs)


def test_the_key_is_stored_and_never_shown(joule, url):
    result = authorize(joule, url, env={"LOGNAME": "alice"})
    assert (result.status, result.err) == (0, "")
    assert result.out == "Access to node [lab] granted to user [alice]\n"
    config = joule.folder / "config" / "nodes.json"
    [entry] = json.loads(config.read_text())
    assert (entry["name"], entry["url"], len(entry["key"])) == ("lab", url, 43)
    assert config.stat().st_mode & 0o777 == 0o600
    assert "\talice\n" in joule.ok("-n", "lab", "master", "list")


def test_again_it_replaces_the_key(joule, url):
    authorize(joule, url, "--user", "alice")
    [before] = json.loads((joule.folder / "config" / "nodes.json").read_text())
    done = authorize(joule, url, "--user", "alice", "--json")
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out) == {"name": "lab", "url": url, "user": "alice", "default": True}
    [after] = json.loads((joule.folder / "config" / "nodes.json").read_text())
    assert before["key"] != after["key"]
    old = {"JOULE_URL": url, "JOULE_API_KEY": before["key"]}
    # the server may believe an old key for a second
    deadline = time.monotonic() + 10
    while joule("master", "list", env=old).status == 0:
        assert time.monotonic() < deadline
    assert joule.ok("-n", "lab", "master", "list").count("alice") == 1


def test_a_person_is_told_that_commands_use_the_node_now(joule, url):
    options = ("--url", f"file:{joule.folder}/lab.db", "admin", "authorize", "-u", url)
    told = "[lab] is the default node now; your own file again with: joule node default local\n"
    assert joule.terminal(*options).out.endswith(told)
    assert told not in joule.terminal(*options).out


def test_a_node_that_is_served_as_local_gets_no_key(joule):
    async def start(stack):
        node = await stack.enter_async_context(FileNode("lab", joule.folder / "lab.db"))
        settings = ServerSettings(name="local")
        return (
            await stack.enter_async_context(serve(node, keys=peers(node), settings=settings))
        ).url

    with running(start) as url:
        refused = authorize(joule, url)
    assert (refused.status, refused.out) == (1, "")
    assert "local is always the node in your own file" in refused.err
    assert not (joule.folder / "config" / "nodes.json").exists()
    assert "None" in joule.ok("--url", "file:lab.db", "master", "list")


def test_another_node_at_the_address_gets_no_key(joule, url):
    joule.ok("--url", f"file:{joule.folder}/other.db", "folder", "create", "/a")
    refused = authorize(joule, url, file="other.db")
    assert refused.status == 1
    assert not (joule.folder / "config" / "nodes.json").exists()
    masters = joule.ok("--url", f"file:{joule.folder}/other.db", "master", "list", "--json")
    assert json.loads(masters) == []


def test_nothing_at_the_address(joule):
    joule.ok("folder", "create", "/a")
    refused = joule("admin", "authorize", "-u", "http://127.0.0.1:1")
    assert refused.status == 1
    assert json.loads(joule.ok("master", "list", "--json")) == []


def test_only_a_file_can_be_authorized(joule, url):
    refused = joule("--url", url, "admin", "authorize", "-u", url)
    assert (refused.status, "have its keys here" in refused.err) == (1, True)
