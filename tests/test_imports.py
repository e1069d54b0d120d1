"""What start-up does not import: help must not wait for packages that only work needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from joule_cli.model import DataStream, Element
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import KEY, serve

HEAVY = {
    "aiohttp",
    "apsw",
    "asyncio",
    "dateutil",
    "h5py",
    "json",
    "logging",
    "numpy",
    "orjson",
    "rich",
    "socket",
    "zstandard",
}
GROUPS = [
    "node",
    "folder",
    "stream",
    "data",
    "annotation",
    "db",
    "module",
    "proxy",
    "master",
    "follower",
    "archive",
    "admin",
]

_PROBE = """
import sys
from joule_cli.cli import app
sys.argv = ["joule", *{args!r}]
try:
    app.main()
finally:
    print(*sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""


def _loaded(*args):
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(args=args)], capture_output=True, text=True, check=True
    )
    assert done.stdout
    return set(done.stderr.split())


@pytest.mark.parametrize("args", [[], *([group] for group in GROUPS)])
def test_help_loads_nothing_heavy(args):
    assert _loaded(*args, "--help") & HEAVY == set()


def test_the_package_itself_loads_nothing():
    probe = "import sys; import joule_cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & (HEAVY | {"click", "dataclasses"}) == set()


def test_a_list_in_a_pipe_does_not_load_what_draws_and_parses(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", "-m", "joule_cli"),
            *("--url", f"file:{tmp_path}/joule.db", "folder", "list"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    assert loaded & {"aiohttp", "dateutil", "h5py", "rich"} == set()


def test_a_few_small_requests_do_not_load_what_speaks_http_or_computes(tmp_path):
    async def start(stack):
        node = await stack.enter_async_context(FileNode("plant", tmp_path / "joule.db"))
        await node.data_stream_create(DataStream("x", elements=[Element("x")]), "/a")
        return await stack.enter_async_context(serve(node))

    with running(start) as place:
        for command in (["folder", "list"], ["stream", "info", "/a/x"]):
            done = subprocess.run(
                [*(sys.executable, "-X", "importtime", "-m", "joule_cli"), *command],
                capture_output=True,
                text=True,
                check=True,
                env={"JOULE_URL": place.url, "JOULE_API_KEY": KEY, "HOME": str(tmp_path)},
            )
            names = (line.rpartition("|")[2] for line in done.stderr.splitlines())
            loaded = {name.strip().partition(".")[0] for name in names}
            assert loaded & {"aiohttp", "numpy", "rich"} == set()


def test_choosing_among_remote_nodes_does_not_load_what_speaks_http(tmp_path):
    nodes = [{"name": "far", "url": "https://far.example", "key": "k"}]
    (tmp_path / "nodes.json").write_text(json.dumps(nodes))
    for command in (["node", "list"], ["node", "default"], ["node", "default", "far"]):
        probe = _PROBE.format(args=command)
        done = subprocess.run(
            [sys.executable, "-c", probe],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "JOULE_USER_CONFIG_DIR": str(tmp_path)},
        )
        assert "far" in done.stdout
        assert set(done.stderr.split()) & {"aiohttp", "asyncio", "numpy", "ssl"} == set()


_ALONE = """
import importlib, os, pkgutil, sys
import aiohttp, apsw, click, h5py, numpy, orjson, rich.console, zstandard
import joule_cli
for module in pkgutil.walk_packages(joule_cli.__path__, "joule_cli."):
    child = os.fork()
    if not child:
        for name in [name for name in sys.modules if name.startswith("joule_cli")]:
            del sys.modules[name]
        importlib.import_module(module.name)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(module.name)
"""


def test_every_module_can_be_imported_by_itself():
    """The order of imports hides nothing: most tests run the program where all are imported."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ALONE],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")
