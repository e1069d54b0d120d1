"""Wildcards, in every command that takes several streams or folders."""

from __future__ import annotations

import asyncio
import sqlite3

import click
import pytest

from joule_cli.model import DataStream, Element, EventStream
from tests.cli.test_help import CONTEXTS
from tests.nodes import FileNode

#: A stream whose name is a pattern that others match.
LITERAL = "/lab/r*"

#: Commands that only look; what they are told of data streams is told by their paths.
LOOKING = [
    "stream list {}",
    "stream info {}",
    "stream get {}",
    "stream check {} --min-rows 0",
    "data count {}",
    "data intervals {}",
    "data export {} --to out --dry-run",
    "annotation list {}",
    "annotation info {}",
]
LOOKING_AT_EVENTS = ["event list {}", "event info {}", "event get {}", "event count {}"]
#: Commands that change something, and ask first when they are given a pattern.
CHANGING = [
    "stream move {} /elsewhere",
    "stream delete {}",
    "stream copy {} /copied",
    "data copy {} /copied",
    "data delete {} --all",
    "data consolidate {} --max-gap 1h",
    "data split {} --max-gap 1us",
    "data decimate {}",
    "data drop-decimations {}",
]
CHANGING_EVENTS = ["event move {} /elsewhere", "event delete {}"]
CHANGING_FOLDERS = ["folder delete {}"]
#: Commands that ask about whatever they delete, also without a pattern.
ALWAYS_ASKING = {"stream delete {}", "event delete {}"}
#: Several things that have no path, and files, whose patterns are the shell's.
WITHOUT_PATHS = {
    *("node delete", "db connect", "annotation delete", "event write", "data ingest"),
    *("archive inspect", "archive upload", "help"),
}

PATTERNS = [
    ("/lab/r?ws", {"/lab/rows"}),
    ("/lab/[o]*", {"/lab/other"}),
    ("/lab/[!o]*", {"/lab/rows"}),
    ("lab/*", {"/lab/rows", "/lab/other"}),
    ("/**/rows", {"/lab/rows", "/lab/inner/rows"}),
    ("/**", {"/lab/rows", "/lab/other", "/lab/inner/rows"}),
]
ALL = {"/lab/rows", "/lab/other", "/lab/inner/rows"}


async def _add(file, *, literal):
    async with FileNode("lab", file) as node:
        stream = DataStream(name="rows", elements=[Element(name="x")])
        await node.data_stream_create(stream, "/lab/inner")
        async with await node.data_write("/lab/inner/rows") as pipe:
            await pipe.write([[1, 1.0]])
        await node.event_stream_create(EventStream(name="stops"), "/lab/inner")
        if literal:
            stream = DataStream(name=LITERAL.rpartition("/")[2], elements=[Element(name="x")])
            await node.data_stream_create(stream, "/lab")
            async with await node.data_write(LITERAL) as pipe:
                await pipe.write([[1, 1.0], [2, 2.0]])
            await node.event_stream_create(EventStream(name="[rs]uns"), "/lab")
            await node.folder_create("/lab/[i]nner")


@pytest.fixture
def lab(forked):
    asyncio.run(_add(forked.folder / "joule.db", literal=False))
    return forked


@pytest.fixture
def odd(forked):
    """With a stream, an event stream and a folder that are called like patterns."""
    asyncio.run(_add(forked.folder / "joule.db", literal=True))
    return forked


def _quoted(line, pattern):
    return line.format(f"'{pattern}'")


def _named(text, paths):
    """Which of the paths a JSON text names."""
    return {path for path in paths if f'"{path}"' in text}


def _contents(lab):
    with sqlite3.connect(lab.folder / "joule.db") as db:
        held = list(db.iterdump())
    db.close()
    return held


def test_every_command_that_takes_several_is_tried():
    several = {
        path.removeprefix("joule ")
        for path, ctx in CONTEXTS.items()
        if any(isinstance(p, click.Argument) and p.nargs == -1 for p in ctx.command.own_params(ctx))
    }
    # these take one argument, which may be a pattern
    several |= {"data copy", "stream copy"}
    tried = {
        line.partition(" {")[0]
        for line in (*LOOKING, *LOOKING_AT_EVENTS, *CHANGING, *CHANGING_EVENTS, *CHANGING_FOLDERS)
    }
    assert several - WITHOUT_PATHS - {"data plot"} == tried


@pytest.mark.parametrize("line", LOOKING)
def test_looking(lab, line):
    for pattern, expected in PATTERNS:
        result = lab(_quoted(line, pattern), "--jsonl")
        assert (result.status, result.err) == (0, "")
        if line.startswith("annotation list"):
            # of an annotation only the stream of the one that there is can be told
            assert ('"title":"on"' in result.out.replace(": ", ":")) is ("/lab/rows" in expected)
        elif not (line.startswith("data intervals") and len(expected) == 1):
            # the intervals of one stream are printed alone, in the form of the API
            assert _named(result.out, ALL) == expected


@pytest.mark.parametrize("line", LOOKING_AT_EVENTS)
def test_looking_at_events(lab, line):
    for pattern, expected in (
        ("/lab/r*", {"/lab/runs"}),
        ("/**/*s", {"/lab/runs", "/lab/inner/stops"}),
    ):
        result = lab(_quoted(line, pattern), "--jsonl")
        assert (result.status, result.err) == (0, "")
        assert _named(result.out, {"/lab/runs", "/lab/inner/stops"}) == expected


@pytest.mark.parametrize("line", [*CHANGING, *CHANGING_EVENTS, *CHANGING_FOLDERS])
def test_a_change_of_many_lists_them_and_asks(lab, line):
    pattern, named = {
        "event": ("/**/*s", {"/lab/runs", "/lab/inner/stops"}),
        "folder": ("/lab/*", {"/lab/inner"}),
    }.get(line.split()[0], ("/lab/*", {"/lab/rows", "/lab/other"}))
    before = _contents(lab)
    result = lab(_quoted(line, pattern))
    assert (result.status, result.out) == (1, "")
    assert "--yes" in result.err
    shown = lab(_quoted(line, pattern), typed="n\n", env={"TERM": "xterm"})
    assert shown.status == 0
    assert all(path in shown.out for path in named)
    assert "[y/N]" in shown.out
    assert _contents(lab) == before
    result = lab(_quoted(line, pattern), "--yes", "--json")
    assert (result.status, result.err) == (0, "")
    assert _named(result.out, named) == named
    assert _contents(lab) != before or line.startswith(("data decimate", "data drop"))


@pytest.mark.parametrize("line", [*LOOKING, *CHANGING, *CHANGING_EVENTS, *CHANGING_FOLDERS])
def test_nothing_matches(lab, line):
    result = lab(_quoted(line, "/nowhere/*"), "--json")
    if line.split()[1] == "list" and line.startswith(("stream", "event")):
        assert (result.status, result.out) == (0, "[]\n")
    else:
        assert (result.status, result.out) == (1, "")
        assert '_not_found"' in result.err


@pytest.mark.parametrize("line", LOOKING)
def test_a_path_that_exists_wins_over_the_pattern(odd, line):
    result = odd(_quoted(line, LITERAL), "--jsonl")
    assert (result.status, result.err) == (0, "")
    assert _named(result.out, ALL) == set()


@pytest.mark.parametrize("line", [*CHANGING, *CHANGING_EVENTS, *CHANGING_FOLDERS])
def test_a_path_that_exists_is_no_pattern_to_ask_about(odd, line):
    literal = {"event": "/lab/[rs]uns", "folder": "/lab/[i]nner"}.get(line.split()[0], LITERAL)
    yes = ["--yes"] if line in ALWAYS_ASKING else []
    result = odd(_quoted(line, literal), "--json", *yes)
    assert (result.status, result.err) == (0, "")
    assert _named(result.out, {*ALL, "/lab/runs", "/lab/inner"}) == set()
    assert _named(result.out, {literal}) == {literal}
