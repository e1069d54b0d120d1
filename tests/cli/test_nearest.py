"""What is not found is shown with the nearest names."""

from __future__ import annotations

import pytest

from tests.cli.command_table import COMMANDS
from tests.cli.serving import running
from tests.cli.test_module import Node as ModuleNode
from tests.cli.test_remote_node import serving
from tests.serving import KEY

CALLS = {path: calls.unknown for path, calls in COMMANDS.items() if "/none" in str(calls.unknown)}
#: Names that are nearly right, and what is right, by the group of the command.
NEAR = {"folder": ("/lab/iner", "/lab/inner"), "event": ("/lab/rusn", "/lab/runs")}


def _near(path):
    return NEAR.get(path.split()[0], ("/lab/rwos", "/lab/rows"))


@pytest.mark.parametrize("path", CALLS)
def test_streams_and_folders(forked, path):
    wrong, right = _near(path)
    result = forked(f"{path} {CALLS[path].replace('/none', wrong)}")
    assert (result.status, result.out) == (1, "")
    assert f"{wrong}\nDid you mean {right}?" in result.err


@pytest.mark.parametrize("path", ["data read", "data copy", "event read", "folder info"])
def test_on_another_node(forked, path):
    wrong, right = _near(path)
    with serving(forked.folder / "joule.db") as served:
        result = forked(
            f"{path} {CALLS[path].replace('/none', wrong)}",
            env={"JOULE_URL": served.url, "JOULE_API_KEY": KEY},
        )
    assert result.status == 1
    assert f"{wrong}\nDid you mean {right}?" in result.err


def test_on_the_node_of_the_source(forked):
    """Not on that of the destination, which lacks the stream in any case."""
    forked("--url file:other.db stream create /lab/rowx:float32[x]")
    result = forked("data copy /lab/rwos other:/lab/rows", env={"JOULE_URL": ""})
    assert result.status == 1
    forked("node add other file:other.db")
    result = forked("data copy /lab/rwos other:/lab/rows")
    assert result.err.endswith("/lab/rwos\nDid you mean /lab/rows?\n")


def test_nothing_more_is_asked_when_all_is_well(forked):
    assert "folder_root" not in forked("data read /lab/rows").calls
    assert "folder_root" not in forked("folder info /lab").calls


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("data count '/lba/*'", "Did you mean /lab/*?"),
        ("data count '/lab/rwos*'", "Did you mean /lab/rows?"),
        ("data export '/lba/**' --to out/", "Did you mean /lab/**?"),
        ("data export /lba --to out/", "Did you mean /lab?"),
        ("data export /lab/inner --to out/", "See joule folder list /lab/inner."),
        ("stream list /lba", "Did you mean /lab?"),
        ("event list /lba", "Did you mean /lab?"),
        ("folder delete '/lba/*' -r", "Did you mean /lab/*?"),
        ("data read rows", "Did you mean /lab/rows?"),
        ("data read /LAB/Rows", "Did you mean /lab/rows?"),
        ("stream delete /lab/runz --yes", "Did you mean /lab/runs?"),
        ("data write /lab/rwos more.txt", "Did you mean /lab/rows? Or use --create LAYOUT"),
        ("event write /lab/rusn --start now", "Did you mean /lab/runs? Or use --create"),
        ("data read /lab/runs", "/lab/runs is an event stream, see joule event"),
        ("event write /lab/rows --start now --create", "/lab/rows is a data stream"),
        ("follower delete pupm", "Did you mean pump?"),
        ("master delete user alcie", "Did you mean alice?"),
    ],
)
def test_what_else_is_named(forked, line, advice):
    result = forked(line)
    assert (result.status, result.out) == (1, "")
    assert advice in result.err


def test_what_is_created_is_no_mistake(forked):
    assert forked("data write /lab/rwos more.txt --create float32_2").status == 0
    assert forked("event write /lab/rusn --start now --create").status == 0


@pytest.mark.parametrize(
    ("line", "name"), [("module info Visualiser", "Visualizer"), ("proxy info wbe", "web")]
)
def test_modules_and_proxies(forked, line, name):
    with running(ModuleNode().start) as url:
        result = forked(line, env={"JOULE_URL": url})
    assert result.status == 1
    assert f"Did you mean {name}?" in result.err


def test_programs_get_it_as_the_hint(forked):
    result = forked("data read /lab/rwos --json")
    assert '"hint": "Did you mean /lab/rows?"' in result.err
