"""Full disks: what is stored is read, what is not stored is told, and room is given back.

Each test runs on a file system whose blocks are as large as pages of memory, and on one where they
are smaller: there a file that is mapped may have holes, and without room for them a program that
writes to it is ended by a signal.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joule_cli.errors import DiskFullError
from joule_cli.model import Event, EventStream
from tests.engine.writers import made_stream
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Result
    from tests.faults.small_disk import SmallDisk

DTYPE = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
#: Times of rows and events, µs.
FIRST = 1_400_000_000_000_000
NO_ROOM = (
    "Error: no space left on the disk: {file}\nMake room on the disk, then repeat the command.\n"
)


def noise(first: int, size: int) -> np.ndarray:
    """Rows that do not compress."""
    rows = np.empty(size, DTYPE)
    rows["timestamp"] = FIRST + np.arange(first, first + size)
    rows["data"] = np.random.default_rng(first).random((size, 2))
    return rows


async def fill(path: Path, n_rows: int = 1000) -> None:
    """Make a node with something in it."""
    async with FileNode("n", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        async with await node.data_write("/a/s") as pipe:
            await pipe.write(noise(0, n_rows))
        await node.event_stream_create(EventStream("e"), "/a")
        await node.event_stream_write("/a/e", [Event(FIRST, FIRST + 1, {"n": 1})])


def csv(path: Path, n_rows: int) -> Path:
    rows = noise(10_000, n_rows)
    lines = (f"{t},{a},{b}\n" for t, (a, b) in zip(rows["timestamp"], rows["data"], strict=True))
    path.write_text("".join(lines))
    return path


def jsonl(path: Path, n_events: int) -> Path:
    text = os.urandom(10).hex()
    events = (
        {"start_time": FIRST + i, "end_time": FIRST + i + 1, "content": {"n": i, "text": text}}
        for i in range(n_events)
    )
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return path


def check(disk: SmallDisk) -> None:
    """The node is whole, and takes rows as soon as there is room."""
    more = csv(disk.elsewhere / "more.csv", 10)
    done = disk.run("data", "ingest", more, "--stream", "/a/more", "--time-format", "us")
    assert done.status == 0, done
    done = disk.run("admin", "check")
    assert done.status == 0, done


READS = {
    "rows": ("data", "read", "/a/s", "--end", "start+2us"),
    "events": ("event", "read", "/a/e"),
    "folders": ("folder", "list"),
    "SQL": ("db", "query", "SELECT count(*) FROM '/a/s'"),
    "check": ("admin", "check"),
}


@pytest.mark.parametrize("logged", [False, True], ids=["alone", "with a log"])
async def test_what_is_stored_is_read(disk: SmallDisk, logged: bool):
    """Also what is in the log of a program that was killed, which has left no index of it."""
    await fill(disk.node)
    before = {name: disk.run(*words) for name, words in READS.items()}
    if logged:
        before = kill_writer(disk)
    disk.fill()
    for name, words in READS.items():
        assert disk.run(*words) == before[name], name
        assert before[name].status == 0, name
    disk.make_room()
    check(disk)


def kill_writer(disk: SmallDisk) -> dict[str, Result]:
    """Leave a log with a stream in it; return what is read then."""
    program = (
        "import asyncio, os, sys, pathlib\n"
        "from joule_cli.engine.stores.sqlite import room\n"
        "from tests.nodes import FileNode\n"
        "from tests.engine.writers import made_stream\n"
        "room.SHORT_BYTES = 0\n"  # else the log is kept small
        "async def main():\n"
        "    node = FileNode('n', pathlib.Path(sys.argv[1]))\n"
        "    await node.data_stream_create(made_stream('in_the_log'), '/a')\n"
        "    os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    copy = disk.elsewhere / "copy"
    copy.mkdir()
    node = disk.node
    subprocess.run([sys.executable, "-c", program, node], check=True)
    assert node.with_name("node.db-wal").stat().st_size > 0
    for name in ("node.db", "node.db-wal"):
        (copy / name).write_bytes((disk.place / name).read_bytes())
    disk.node = copy / "node.db"
    found = {name: disk.run(*words) for name, words in READS.items()}
    assert "in_the_log" in found["folders"].out
    disk.node = node
    return found


CHANGES = {
    "an import": ("data", "ingest", "{csv}", "--stream", "/a/new", "--time-format", "us"),
    "events": ("event", "write", "/a/e", "{jsonl}"),
    "a folder": ("folder", "create", "/b"),
    "an annotation": ("annotation", "create", "/a/s", "x"),
    "deletion": ("stream", "delete", "--yes", "/a/s"),
}


@pytest.mark.parametrize("new", [False, True], ids=["a node", "no node yet"])
async def test_what_is_not_stored_is_told(disk: SmallDisk, new: bool):
    if not new:
        await fill(disk.node)
    files = {
        "csv": csv(disk.elsewhere / "in.csv", 100),
        "jsonl": jsonl(disk.elsewhere / "in.jsonl", 10),
    }
    before = disk.run("folder", "list")
    disk.fill()
    for name, words in CHANGES.items():
        if new and name not in ("an import", "a folder"):
            continue
        done = disk.run(*(word.format(**files) for word in words))
        assert done.status == 1, (name, done)
        assert done.err.endswith(NO_ROOM.format(file=disk.node)), (name, done)
    assert disk.run("folder", "list") == before
    disk.make_room()
    check(disk)


@pytest.mark.parametrize("stream", ["/a/new", "/a/s"])
async def test_an_import_that_does_not_fit_gives_its_room_back(disk: SmallDisk, stream: str):
    await fill(disk.node)
    file = csv(disk.elsewhere / "in.csv", 400_000)
    before, used = disk.run("data", "intervals", "/a/s"), disk.used
    done = disk.run("data", "ingest", file, "--stream", stream, "--time-format", "us")
    assert (done.status, done.out) == (1, "")
    assert done.err.endswith(NO_ROOM.format(file=disk.node)), done
    assert disk.run("data", "intervals", "/a/s") == before
    assert "new" not in disk.run("folder", "list").out
    assert disk.used < used + 300_000
    assert not disk.node.with_name("node.db-wal").exists()
    check(disk)


async def test_rows_that_come_while_it_fills_are_counted_truly(disk: SmallDisk):
    """Through a pipe rows are stored as they arrive, and stay."""
    await fill(disk.node)
    file = csv(disk.elsewhere / "in.csv", 400_000)
    command = [sys.executable, "-m", "joule_cli", "--url", f"file:{disk.node}", "--json"]
    with file.open("rb") as source:
        done = subprocess.run(
            [*command, "data", "write", "/a/s"], stdin=source, capture_output=True, text=True
        )
    assert done.returncode == 3, done
    assert "no space left on the disk" in done.stderr
    async with FileNode("n", disk.node) as node:
        n_stored = await node.data_count("/a/s") - 1000
    assert f"{n_stored:,} rows" in done.stderr or f'"rows": {n_stored}' in done.stderr, n_stored
    assert not disk.node.with_name("node.db-wal").exists()
    # there is room for what gives room back
    assert disk.run("stream", "delete", "--yes", "/a/s").status == 0
    assert disk.node.stat().st_size < 300_000
    check(disk)


async def test_events_that_do_not_fit_are_counted_truly(disk: SmallDisk):
    await fill(disk.node)
    file = jsonl(disk.elsewhere / "in.jsonl", 60_000)
    done = disk.run("event", "write", "/a/e", file)
    assert done.status == 3, done
    assert done.err.startswith(f"Error: no space left on the disk: {disk.node}\n")
    async with FileNode("n", disk.node) as node:
        n_stored = await node.event_stream_count("/a/e") - 1
    assert n_stored > 0
    assert f"{n_stored:,} events" in done.err
    assert not disk.node.with_name("node.db-wal").exists()
    assert disk.run("event", "delete", "--yes", "/a/e").status == 0
    check(disk)


async def test_a_node_that_is_open_before_the_disk_is_full(disk: SmallDisk):
    """Its index of the log was made with holes, which only writing fills."""
    await fill(disk.node)
    async with FileNode("n", disk.node) as node:
        await node.folder_root()
        disk.fill()
        for number in range(3):
            with pytest.raises(DiskFullError):
                await node.event_stream_write("/a/e", [Event(FIRST + i) for i in range(10_000)])
            assert await node.event_stream_count("/a/e") == 1, number
            assert disk.run(*READS["rows"]).status == 0
        disk.make_room()
        await node.event_stream_write("/a/e", [Event(FIRST + 5)])
        assert (await node.storage.maintenance.check()).problems == []


async def test_a_node_that_was_opened_on_a_full_disk_writes_when_there_is_room(disk: SmallDisk):
    await fill(disk.node)
    disk.fill()
    async with FileNode("n", disk.node) as node, asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(node.data_count("/a/s"))
        with pytest.raises(DiskFullError):
            await node.event_stream_write("/a/e", [Event(FIRST + 5)])
        disk.make_room()
        await node.event_stream_write("/a/e", [Event(FIRST + 5)])
