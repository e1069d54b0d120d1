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


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("data read /lab/rows -i z,X", "The elements are x, y."),
        ("data plot /lab/rows -i voltz", "The elements are x, y."),
        ("data export /lab/rows -i voltz --to a.csv", "The elements are x, y."),
        ("stream update /lab/rows --element X units=V", "did you mean x? The elements are x, y"),
        ("stream update /lab/rows --element x unit=V", "did you mean units? The keys are name,"),
        ("stream list --columns pth", "Did you mean path? The columns are "),
        ("data count /lab/rows --csv --columns row", "Did you mean "),
        ("event update /lab/runs --drop-field laod", "did you mean load? The fields are load"),
        ("""db query 'SELECT 1 AS power' --columns pwoer""", "Did you mean power?"),
        ("node ping stoerd", "Did you mean stored?"),
        ("node ping loca", "Did you mean local?"),
        ("node delete stoerd", "Did you mean stored?"),
        ("node rename stoerd other", "Did you mean stored?"),
        ("node default stoerd", "Did you mean stored?"),
        ("data copy stoerd:/a /b", "Did you mean stored?"),
        ("data read /lab/rows --tz Europ/Berlin", "Did you mean Europe/Berlin?"),
    ],
)
def test_parts_of_what_there_is(forked, line, advice):
    result = forked(line)
    assert result.status in {1, 2}
    assert advice in result.err


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("data ingest row.csv --stream /lab/new", "Did you mean rows.csv?"),
        ("data ingest rows.cvs --stream /lab/new", "Did you mean rows.csv?"),
        ("data ingest rowscsv --stream /lab/new", "Did you mean rows.csv?"),
        ("data ingest none.csv --stream /lab/new", "no such file or directory\n"),
        ("data write /lab/rows moer.txt", "Did you mean more.txt?"),
        ("event write /lab/runs moer.txt", "Did you mean more.txt?"),
        ("annotation create /lab/rows --from moer.txt", "Did you mean more.txt?"),
        ("stream create /lab/new --from-json moer.txt", "Did you mean more.txt?"),
        ("data delete /lab/rows --intervals moer.txt", "Did you mean more.txt?"),
        ("master add user bob --key-file moer.txt", "Did you mean more.txt?"),
        ("node add new http://127.0.0.1:1 --key-file moer.txt", "Did you mean more.txt?"),
        ("admin restore oldre.db --yes", "Did you mean older.db?"),
        ("archive inspect lba.zip", "Did you mean lab.zip?"),
        ("archive upload lba.zip", "Did you mean lab.zip?"),
        ("data read /lab/rows -f cnofig/rows.csv", "Did you mean config?"),
        ("data read /lab/rows -f config/inner/rows.csv", "no such file or directory\n"),
        ("db query --file moer.txt", "Did you mean more.txt?"),
    ],
)
def test_files(forked, line, advice):
    result = forked(line)
    assert result.status in {1, 2}
    assert advice in result.err.replace("\n                 ", " ")


def test_a_field_of_a_filter(forked):
    shown = forked("event read /lab/runs --where 'laod > 3'", typed="", env={"TERM": "xterm"})
    assert "/lab/runs declares no laod; did you mean load? The fields are load" in shown.out
    shown = forked("event read /lab/runs --fields laod", typed="", env={"TERM": "xterm"})
    assert "/lab/runs declares no laod; did you mean load?" in shown.out
    assert forked("event read /lab/runs --fields laod").err == ""
