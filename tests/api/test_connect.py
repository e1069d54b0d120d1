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
        ("http://localhost:8088", r"nodes at \[http:\] are not supported"),
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
    assert "http" in url or caught.value.sentence()


async def test_an_unknown_scheme_names_those_that_work(environ):
    with pytest.raises(ConfigurationError) as caught:
        get_node(url="unix:/run/x", environ=environ)
    assert "file:PATH" in caught.value.hint


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


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "api",
            "Annotation AnnotationInfo BaseNode DataStream DataStreamInfo Element Event EventBucket "
            "EventStream EventStreamInfo Folder Node "
            "NodeInfo delete_node get_node get_nodes save_node set_default_node",
        ),
        (
            "models",
            "Annotation AnnotationInfo DataStream DataStreamInfo Element Event EventBucket "
            "EventStream EventStreamInfo Folder InputPipe "
            "LocalPipe NodeInfo OutputPipe Pipe pipes",
        ),
    ],
)
def test_what_programs_import(module, names):
    facade = getattr(joule, module)
    assert sorted(facade.__all__) == sorted(names.split())
    assert all(getattr(facade, name) is not None for name in names.split())


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
