"""What is lost for good is asked about, at a terminal at least, and never without a way around."""

from __future__ import annotations

import sqlite3

import pytest

#: Commands that ask a person only; without a terminal they go ahead, as those of Joule 1.0.1 do.
PERSON = [
    "folder delete /lab -r",
    "stream annotations /lab/rows --delete",
    "data delete /lab/rows --all",
    "data write /lab/rows more.txt --start 2023-11-14 --end 2023-11-16",
    "event remove /lab/runs --all",
    "data drop-decimations /lab/rows",
    "annotation delete 1",
    "annotation clear /lab/rows --all",
    "master delete user alice",
    "follower delete pump",
    "node delete stored",
    "node add stored file:other.db",
]
#: Commands that ask everywhere: where Joule 1.0.1 does, and what nobody has used before.
EVERYWHERE = [
    "stream delete /lab/rows",
    "event delete /lab/runs",
    "data merge -p /lab/rows -s /lab/other -d /lab/both",
    "data filter mean /lab/rows /lab/out -w 3",
    "data mean /lab/rows /lab/out -w 3",
    "data filter median /lab/rows /lab/out -w 3",
    "data median /lab/rows /lab/out -w 3",
    "admin restore empty.db",
    "admin erase",
]


@pytest.fixture
def contents(forked):
    """Gives all that the node and the registry hold."""
    forked("folder create /empty", env={"JOULE_URL": f"file:{forked.folder}/empty.db"})

    def contents():
        with sqlite3.connect(forked.folder / "joule.db") as db:
            held = list(db.iterdump())
        db.close()
        return held, (forked.folder / "config" / "nodes.json").read_text()

    return contents


@pytest.mark.parametrize("line", PERSON + EVERYWHERE)
def test_a_person_who_says_no_loses_nothing(forked, contents, line):
    before = contents()
    shown = forked(line, typed="n\n", env={"TERM": "xterm"})
    assert shown.status == 0
    assert "[y/N]" in shown.out
    assert "Cancelled" in shown.out
    assert contents() == before


@pytest.mark.parametrize("line", PERSON + EVERYWHERE)
def test_yes_answers_beforehand(forked, contents, line):
    before = contents()
    shown = forked(line, "--yes", typed="", env={"TERM": "xterm"})
    assert (shown.status, "[y/N]" in shown.out) == (0, False)
    assert contents() != before


@pytest.mark.parametrize("line", PERSON)
def test_nobody_there_is_not_waited_for(forked, contents, line):
    before = contents()
    result = forked(line)
    assert (result.status, result.err) == (0, "")
    assert contents() != before


@pytest.mark.parametrize("options", ["--no-input", "--no-input --json"])
@pytest.mark.parametrize("line", [*PERSON, *EVERYWHERE, "folder delete /lab/inner"])
def test_nothing_goes_when_nobody_may_be_asked(forked, contents, line, options):
    before = contents()
    for shown in (forked(f"{line} {options}"), forked(f"{line} {options}", typed="y\n")):
        assert shown.status == 1
        assert "--yes" in shown.out + shown.err
        assert contents() == before


def test_the_environment_forbids_to_ask_as_well(forked, contents):
    before = contents()
    assert forked("data delete /lab/rows --all", env={"JOULE_NO_INPUT": "1"}).status == 1
    assert contents() == before


@pytest.mark.parametrize("line", EVERYWHERE)
def test_no_answer_is_a_failure_that_names_the_way_around(forked, contents, line):
    before = contents()
    result = forked(line)
    assert (result.status, result.out) == (1, "")
    assert "--yes" in result.err
    assert contents() == before
