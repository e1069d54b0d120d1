"""Names and addresses to nodes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import joule_cli as joule
from joule_cli.api.connect import (
    default_path,
    delete_node,
    get_node,
    get_nodes,
    save_node,
    set_default_node,
)
from joule_cli.api.node import Node
from joule_cli.api.registry import NodeEntry, Registry
from joule_cli.errors import ConfigurationError


@pytest.fixture
def environ(tmp_path):
    return {"HOME": str(tmp_path)}


@pytest.fixture
def registry(environ):
    """Two stored nodes, `a` and `b`; `b` is the default."""
    registry = Registry.from_environment(environ)
    for name in "ab":
        registry.save(NodeEntry(name, f"file:/data/{name}.db"))
    registry.set_default("b")
    return registry


def where(node):
    return node.name, node.url


async def test_without_any_node_it_is_the_default_file(environ, tmp_path):
    path = tmp_path / ".local" / "share" / "joule" / "joule.db"
    node = get_node(environ=environ)
    assert isinstance(node, Node)
    assert where(node) == ("local", f"file:{path}")
    assert list(tmp_path.iterdir()) == []
    assert [where(n) for n in get_nodes(environ=environ)] == [where(node)]


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("arguments", "variables", "name"),
    [
        ({"url": "file:/u.db"}, {"JOULE_NODE": "b", "JOULE_URL": "file:/v.db"}, "u"),
        ({"name": "a", "url": "file:/u.db"}, {}, "a"),
        ({"name": "a"}, {"JOULE_NODE": "b", "JOULE_URL": "file:/v.db"}, "a"),
        ({}, {"JOULE_NODE": "a", "JOULE_URL": "file:/v.db"}, "a"),
        ({}, {"JOULE_URL": "file:/v.db"}, "v"),
        ({}, {"JOULE_NODE": "", "JOULE_URL": ""}, "b"),
        ({}, {}, "b"),
        ({"name": "local"}, {}, "local"),
    ],
)
async def test_precedence(environ, arguments, variables, name):
    assert get_node(**arguments, environ=environ | variables).name == name


async def test_a_stored_node_may_be_called_local(environ, registry):
    registry.save(NodeEntry("local", "file:/data/mine.db"))
    assert get_node("local", environ=environ).url == "file:/data/mine.db"


async def test_an_unknown_name(environ):
    for given in ({"name": "mars"}, {"environ": environ | {"JOULE_NODE": "mars"}}):
        with pytest.raises(ConfigurationError, match=r"Node \['mars'\] is not available"):
            get_node(**({"environ": environ} | given))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:/a/b.db", "/a/b.db"),
        ("FILE:/a/b.db", "/a/b.db"),
        ("file:///a/b%20c.db", "/a/b c.db"),
        ("file://localhost/a/b.db", "/a/b.db"),
        ("file:/a/b%20c.db", "/a/b%20c.db"),
        ("/a/b.db", "/a/b.db"),
        ("/a/../c:d.db", "/c:d.db"),
        ("file:b.db", "{here}/b.db"),
        ("./x/b.db", "{here}/x/b.db"),
        ("b", "{here}/b"),
        ("~/b.db", "{home}/b.db"),
        ("file:~/b.db", "{home}/b.db"),
    ],
)
async def test_addresses(environ, url, path):
    expected = path.format(here=Path.cwd(), home=environ["HOME"])
    node = get_node(url=url, environ=environ)
    assert where(node) == (Path(expected).stem, f"file:{expected}")


async def test_the_address_of_a_node_leads_back_to_it(environ):
    for path in ("/a/100%25.db", "/a b/#?.db", "/ä/~.db", "//a.db"):
        url = get_node(url=path, environ=environ).url
        assert get_node(url=url, environ=environ).url == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://localhost:8088", r"nodes at \[ftp:\] are not supported"),
        ("http://", "has no host"),
        ("http://user:secret@host", "has a user name"),
        ("http://host:99999", "out of range"),
        ("http://host?a=b", "more than a host"),
        ("http://a b", "blanks"),
        ("unix:relative", "names no socket"),
        ("unix:", "names no socket"),
        ("postgresql://x", r"nodes at \[postgresql:\]"),
        ("file://otherhost/a.db", "on this machine"),
        ("file:", "names no file"),
        ("file://", "names no file"),
        ("", "names no file"),
        ("file:/a\0b", "names no file"),
        ("file:/a/", "names a directory"),
    ],
)
async def test_addresses_refused(environ, url, reason):
    with pytest.raises(ConfigurationError, match=reason) as caught:
        get_node(url=url, environ=environ)
    assert "secret" not in caught.value.sentence()


@pytest.mark.parametrize(
    ("url", "name", "shown"),
    [
        ("http://localhost:8088", "localhost:8088", "http://localhost:8088"),
        ("HTTP://Lab.example/joule/", "Lab.example", "http://lab.example/joule"),
        ("https://[::1]:443", "[::1]:443", "https://[::1]:443"),
        ("unix:/run/joule/api", "api", "unix:/run/joule/api"),
        ("unix:///run/a%20b", "a%20b", "unix:/run/a b"),
    ],
)
async def test_addresses_of_sockets(environ, url, name, shown):
    async with get_node(url=url, environ=environ) as node:
        assert where(node) == (name, shown)
    async with get_node("lab", url=url, environ=environ) as node:
        assert where(node) == ("lab", shown)


class TestKeys:
    """Which key, authority and time limit a node is opened with."""

    @pytest.fixture
    def stored(self, environ):
        registry = Registry.from_environment(environ)
        registry.save(NodeEntry("far", "https://far.example", "stored-key", {"insecure": True}))
        return registry

    async def test_a_stored_node_has_its_key(self, environ, stored):
        node = get_node("far", environ=environ | {"JOULE_API_KEY": "other"})
        assert (node.key, node.insecure) == ("stored-key", True)
        assert "stored-key" not in repr(node)

    async def test_an_address_takes_the_key_of_the_environment(self, environ, stored):
        node = get_node(url="http://x", environ=environ | {"JOULE_API_KEY": "k"})
        assert (node.key, node.insecure) == ("k", False)
        named = environ | {"JOULE_URL": "http://x", "JOULE_API_KEY": "k"}
        assert get_node(environ=named).key == "k"

    async def test_an_address_that_is_stored_has_its_key(self, environ, stored):
        node = get_node(url="https://far.example/", environ=environ)
        assert (node.name, node.key, node.insecure) == ("far", "stored-key", True)
        assert get_node(url="https://other.example", environ=environ).key == ""

    async def test_no_home_is_needed_for_an_address(self, monkeypatch):
        monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
        node = get_node(environ={"JOULE_URL": "http://x", "JOULE_API_KEY": "k"})
        assert node.key == "k"

    async def test_which_authority_is_trusted(self, environ, stored):
        def ca_file(**variables):
            return get_node("plain", environ=environ | variables).session.ca_file

        stored.save(NodeEntry("plain", "https://plain.example"))
        assert ca_file() is None
        common = stored.directory / "ca.crt"
        common.write_text("")
        assert ca_file() == common
        assert ca_file(JOULE_CA_FILE="/other.crt") == Path("/other.crt")
        stored.save(NodeEntry("plain", "https://plain.example", "", {"ca_file": "/own.crt"}))
        assert ca_file(JOULE_CA_FILE="/other.crt") == Path("/own.crt")

    async def test_time_limit(self, environ, stored):
        assert get_node("far", environ=environ).session.timeout_s == 60
        assert get_node("far", environ=environ, timeout_s=0).session.timeout_s == 0

    async def test_a_key_that_is_none(self, environ):
        for key in ("a\nb", "ключ"):
            with pytest.raises(ConfigurationError, match="characters that no key has"):
                get_node(url="http://x", environ=environ | {"JOULE_API_KEY": key})


async def test_the_first_line_of_the_reference(monkeypatch, tmp_path):
    monkeypatch.setenv("JOULE_USER_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("JOULE_API_KEY", raising=False)
    node = Node()
    assert isinstance(node, Node)
    assert where(node) == ("localhost:8088", "http://localhost:8088")
    assert where(Node("http://lab:1", loop=None)) == ("lab:1", "http://lab:1")
    with pytest.raises(ConfigurationError):
        Node("ftp://x")


async def test_a_node_of_an_address_and_a_key(monkeypatch, tmp_path):
    monkeypatch.setenv("JOULE_USER_CONFIG_DIR", str(tmp_path))
    node = joule.api.create_tcp_node("http://lab:1", "k", "lab")
    assert (where(node), node.key) == (("lab", "http://lab:1"), "k")
    save_node(node)
    assert get_node("lab").key == "k"


async def test_an_unknown_scheme_names_those_that_work(environ):
    with pytest.raises(ConfigurationError) as caught:
        get_node(url="ssh:/run/x", environ=environ)
    assert "unix:PATH or file:PATH" in caught.value.hint


async def test_a_stored_node_is_found_by_its_name(environ):
    save_node(get_node(url="file:relative.db", environ=environ), environ=environ)
    assert where(get_node("relative", environ=environ)) == (
        "relative",
        f"file:{Path.cwd() / 'relative.db'}",
    )


async def test_saving_again_keeps_the_key(environ, registry):
    node = get_node("a", environ=environ)
    save_node(node, key="k", environ=environ)
    save_node(node, environ=environ)
    assert registry.get("a").key == "k"


@pytest.mark.parametrize("as_node", [True, False])
async def test_default_and_delete_take_nodes_and_names(environ, registry, as_node):
    target = get_node("a", environ=environ) if as_node else "a"
    set_default_node(target, environ=environ)
    assert get_node(environ=environ).name == "a"
    delete_node(target, environ=environ)
    assert [n.name for n in get_nodes(environ=environ)] == ["b"]
    with pytest.raises(ConfigurationError):
        delete_node(target, environ=environ)
    assert registry.default().name == "b"


async def test_the_environment_of_the_process_is_the_default(monkeypatch, tmp_path):
    monkeypatch.setenv("JOULE_USER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JOULE_DATA_DIR", str(tmp_path / "data"))
    for name in ("JOULE_NODE", "JOULE_URL"):
        monkeypatch.delenv(name, raising=False)
    node = joule.api.get_node()
    assert node.url == f"file:{tmp_path / 'data' / 'joule.db'}"
    joule.api.save_node(node)
    joule.api.set_default_node(node)
    assert [n.name for n in joule.api.get_nodes()] == ["local"]
    joule.api.delete_node("local")
    assert Registry(tmp_path / "config").nodes() == []


async def test_a_node_from_here_works(environ):
    async with get_node(environ=environ) as node:
        root = await node.folder_root()
    assert isinstance(root, joule.api.Folder)


class TestDefaultPath:
    def test_variable_wins(self, environ):
        chosen = environ | {"JOULE_DATA_DIR": "/d", "XDG_DATA_HOME": "/x"}
        assert default_path(chosen) == Path("/d/joule.db")
        assert default_path({"JOULE_DATA_DIR": "d"}) == Path.cwd() / "d" / "joule.db"

    def test_xdg(self, environ):
        assert default_path(environ | {"XDG_DATA_HOME": "/x"}) == Path("/x/joule/joule.db")

    def test_a_relative_xdg_path_is_ignored(self, environ):
        assert default_path(environ | {"XDG_DATA_HOME": "x"}) == default_path(environ)

    async def test_a_user_that_nobody_knows(self, monkeypatch):
        monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
        with pytest.raises(ConfigurationError, match="specify JOULE_DATA_DIR"):
            default_path({})
        assert get_node(environ={"JOULE_DATA_DIR": "/d"}).url == "file:/d/joule.db"


def test_unknown_names_of_the_models_are_errors():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        joule.models.Nothing  # noqa: B018


@pytest.mark.parametrize("module", ["api", "models", "utilities", "errors"])
def test_loading_is_light(module):
    code = (
        f"import sys, joule_cli.{module}\n"
        "heavy = {'numpy', 'aiohttp', 'apsw', 'asyncio', 'click', 'rich', 'dateutil', 'json',"
        " 'zoneinfo', 'h5py'}\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules} & heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
