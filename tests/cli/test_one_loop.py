"""One event loop per command, and nothing left open behind it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import joule_cli
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import KEY, serve

SOURCES = Path(joule_cli.__file__).parent / "cli"


def test_loops_are_made_in_one_place():
    makers = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {
                "asyncio.run",
                "asyncio.Runner",
                "asyncio.new_event_loop",
                "asyncio.get_event_loop",
            }:
                makers.add((path.name, node.attr))
    # completion runs before any command, and must not wait for threads as `asyncio.run` does
    assert makers == {("_run.py", "new_event_loop"), ("fetch.py", "new_event_loop")}


@pytest.mark.parametrize(
    "line",
    [
        "folder copy /lab /copied",
        "data read /lab/rows",
        "stream info /none",
        "event read /lab/runs",
    ],
)
def test_a_command_closes_what_it_has_opened(forked, line):
    async def start(stack):
        node = FileNode("far", forked.folder / "older.db")
        await stack.enter_async_context(node)
        return await stack.enter_async_context(serve(node))

    with running(start) as served:
        # Python tells of tasks, connections and files that nobody has closed
        done = subprocess.run(
            [sys.executable, "-W", "always", "-m", "joule_cli", *line.split()],
            capture_output=True,
            text=True,
            env={"JOULE_URL": served.url, "JOULE_API_KEY": KEY},
            cwd=forked.folder,
            check=False,
        )
    if "/none" in line:
        assert (done.returncode, done.stderr) == (1, "Error: stream does not exist: /none\n")
    else:
        assert (done.returncode, done.stderr) == (0, "")
