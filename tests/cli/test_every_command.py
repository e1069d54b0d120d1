"""What holds for every command, found by walking through all of them.

A command without an entry in the table of `command_table` fails here.
"""

from __future__ import annotations

import json
import socket

import click
import pytest
from aiohttp import web

from joule_cli.api.node import Node
from joule_cli.cli._settings import Settings
from joule_cli.cli.app import root
from tests.cli.command_table import ANSWERING, CALLS, COMBINED, COMMANDS, EQUAL_CALLS, OFFLINE
from tests.cli.fork_server import Forks
from tests.cli.serving import running
from tests.cli.test_module import Node as ModuleNode
from tests.serving import listening

NOTHING_BUT_PATH = {"PATH": "/usr/bin:/bin"}
#: What help, and a mistake in the arguments, must not wait for.
HEAVY = {"aiohttp", "apsw", "asyncio", "dateutil", "h5py", "numpy", "orjson", "rich", "zstandard"}


def _walk(command, parent=None, name=None):
    """Yield the path of each command as it is typed, and the command."""
    # commands keep the help option that their first context asks for
    settings = command.context_settings or {}
    ctx = click.Context(command, parent, name or command.name, Settings(), **settings)
    if not isinstance(command, click.Group):
        yield ctx.command_path.removeprefix("joule "), command
        return
    for inner in command.list_commands(ctx):
        yield from _walk(command.get_command(ctx, inner), ctx, inner)


TREE = dict(_walk(root))
WORKING = [path for path, calls in COMMANDS.items() if calls.works is not None]
NAMING = [path for path, calls in COMMANDS.items() if calls.unknown is not None]
REACHING = [path for path in WORKING if COMMANDS[path].needs_node]


@pytest.fixture(scope="module")
def cold():
    with Forks(warm=False) as forks:
        yield forks


@pytest.fixture(scope="module")
def served():
    """What has no place in a file: modules, proxies, importers and a database server."""
    modules = ModuleNode()

    async def uploaded(request):
        await request.read()
        return web.json_response({"info": [], "warnings": [], "errors": []})

    async def database(request):
        return web.json_response(
            {
                "username": "joule",
                "password": "secret",
                "port": 5432,
                "database": "joule",
                "host": "db.example",
            }
        )

    async def start(stack):
        app = web.Application()
        app.router.add_get("/modules.json", modules.list)
        app.router.add_get("/module.json", modules.get)
        app.router.add_get("/module/logs.json", modules.lines)
        app.router.add_get("/proxies.json", modules.proxies)
        app.router.add_get("/proxy.json", modules.proxy)
        app.router.add_post("/archive.json", uploaded)
        app.router.add_get("/db/connection.json", database)
        return await stack.enter_async_context(listening(app))

    with running(start) as url:
        yield url


@pytest.fixture(scope="module")
def closed_port():
    """A port at which nobody listens, and which nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def run(forked, served, closed_port):
    """Run a command at the node that its entry in the table names."""

    def run(path, words, *more, **options):
        env = {"JOULE_URL": served} if COMMANDS[path].at == "served" else {}
        return forked(f"{path} {words.format(closed=closed_port)}", *more, env=env, **options)

    return run


def test_every_command_has_an_entry():
    assert set(COMMANDS) == set(TREE)


def _command_of(line):
    """The command in a line."""
    return next(
        path for path in sorted(TREE, key=len, reverse=True) if f"{line} ".startswith(f"{path} ")
    )


def test_every_call_of_a_node_has_a_command_and_the_reverse():
    public = {n for n in dir(Node) if not n.startswith("_") and callable(getattr(Node, n))}
    assert set(CALLS) | set(EQUAL_CALLS) == public
    assert not set(CALLS) & set(EQUAL_CALLS)
    assert set(EQUAL_CALLS.values()) <= set(CALLS)
    making = {_command_of(line) for line in CALLS.values()}
    assert making | COMBINED | OFFLINE == set(TREE)
    assert not making & (COMBINED | OFFLINE)


@pytest.mark.parametrize("call", CALLS)
def test_the_command_makes_the_call(run, call):
    path = _command_of(CALLS[call])
    result = run(path, CALLS[call].removeprefix(path))
    assert (result.status, result.err) == (0, "")
    assert call in result.calls


@pytest.mark.parametrize("path", TREE)
def test_help_has_examples_and_loads_nothing_heavy(cold, tmp_path, path):
    result = cold.run(tmp_path, *path.split(), "--help", env=NOTHING_BUT_PATH)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("Usage: joule ")
    assert "\nExamples:\n  " in result.out
    assert not result.modules & HEAVY


@pytest.mark.parametrize("path", TREE)
def test_a_bad_option_is_2_at_once(cold, tmp_path, path):
    result = cold.run(tmp_path, *path.split(), "--no-such-option", env=NOTHING_BUT_PATH)
    assert (result.status, result.out) == (2, "")
    assert "No such option '--no-such-option'" in result.err
    assert not result.modules & HEAVY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", NAMING)
def test_what_does_not_exist_is_1_and_told(run, path):
    result = run(path, COMMANDS[path].unknown, "--json")
    assert (result.status, result.out) == (1, "")
    error = json.loads(result.err)["error"]
    assert error["code"] not in {"internal_error", "os_error", "api_error"}


@pytest.mark.parametrize("path", REACHING)
def test_an_unreachable_node_is_1_and_told(run, closed_port, path):
    url = f"http://127.0.0.1:{closed_port}"
    result = run(path, COMMANDS[path].works, "--url", url)
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("Error: ")
    assert url in result.err


@pytest.mark.parametrize("path", WORKING)
def test_away_from_a_terminal_it_works_in_silence(run, path):
    result = run(path, COMMANDS[path].works)
    assert (result.status, result.err) == (0, "")
    assert bool(result.out) is not COMMANDS[path].silent
    assert "\x1b" not in result.out


@pytest.mark.parametrize("path", WORKING)
def test_quiet_leaves_answers_and_errors_only(run, path):
    result = run(path, COMMANDS[path].works, "--quiet")
    assert (result.status, result.err) == (0, "")
    assert bool(result.out) is (path in ANSWERING)


@pytest.mark.parametrize("path", WORKING)
def test_json_is_one_document_and_nothing_else(run, path):
    result = run(path, COMMANDS[path].works, "--json")
    assert (result.status, result.err) == (0, "")
    if not COMMANDS[path].text:
        json.loads(result.out)
        assert result.out.endswith("\n")


@pytest.mark.parametrize("path", WORKING)
def test_a_reader_that_has_gone_is_141_in_silence(run, path):
    more = ["--json"] if COMMANDS[path].silent else []
    result = run(path, COMMANDS[path].works, *more, reader=False)
    assert (result.status, result.err) == (141, "")
