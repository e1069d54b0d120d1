"""Files that are written to a full disk, the node being elsewhere, and nodes that are served."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING

import aiohttp
import pytest

from joule_cli.wire.status import CODE_HEADER
from tests.faults.test_full_disk import FIRST, NO_ROOM, csv, fill, noise
from tests.nodes import FileNode
from tests.serving import KEY, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.small_disk import SmallDisk


@pytest.fixture
def full(disk: SmallDisk) -> SmallDisk:
    """A disk without room, and a node that is not on it."""
    disk.fill(left=8 * 1024)
    disk.node = disk.elsewhere / "node.db"
    return disk


NO_ROOM_HERE = (
    "Error: {file}: no space left on device\nMake room on the disk, or choose another place.\n"
)
EXPORTS = [
    ("data", "export", "/a/s", "--to", "out.csv"),
    ("data", "export", "/a/s", "--to", "out.csv.gz"),
    ("data", "export", "/a/s", "--to", "out.jsonl"),
    ("data", "export", "/a/s", "--to", "out.h5"),
    ("data", "export", "/a/s", "--to", "out.parquet"),
    ("data", "export", "/a/s", "--to", "out.arrow"),
    ("data", "plot", "/a/s", "--png", "out.png"),
]
COPIES = [("admin", "backup", "copy.db"), ("admin", "repair", "--to", "copy.db")]


@pytest.mark.parametrize("words", [*EXPORTS, *COPIES], ids=" ".join)
async def test_no_part_of_a_file_is_left(full: SmallDisk, words: tuple[str, ...]):
    await fill(full.node, 20_000)
    *first, name = words
    target = full.place / name
    before = set(full.place.iterdir())
    done = full.run(*first, target)
    expected = (NO_ROOM if words in COPIES else NO_ROOM_HERE).format(file=target)
    assert (done.status, done.out) == (1, "")
    assert done.err.endswith(expected), done
    assert set(full.place.iterdir()) == before


async def test_an_export_of_many_streams_is_resumed(full: SmallDisk):
    await fill(full.node, 20_000)
    words = ("data", "export", "/a/*", "--to", f"{full.place}/tree/")
    done = full.run(*words)
    assert done.status in (1, 3), done
    assert "no space left on device" in done.err, done
    assert not list(full.place.rglob("*.part"))
    full.make_room()
    done = full.run(*words, "--resume")
    assert done.status == 0, done
    assert (full.place / "tree/a/s.h5").exists()


async def test_bad_rows_that_find_no_room_undo_the_import(full: SmallDisk):
    await fill(full.node)
    file, bad = csv(full.elsewhere / "in.csv", 30_000), full.place / "bad.csv"
    lines = file.read_text().splitlines(keepends=True)
    lines[5_000:25_000] = [f"{line.strip()}x\n" for line in lines[5_000:25_000]]
    file.write_text("".join(lines))
    words = ("--time-format", "us", "--on-error", "skip", "--rejects")
    done = full.run("data", "ingest", file, "--stream", "/a/new", *words, bad)
    assert done.status == 1, done
    assert f"Error: {bad}: no space left on device\n" in done.err, done
    assert not bad.exists()
    assert "new" not in full.run("folder", "list").out


async def test_a_restoration_that_finds_no_room_changes_nothing(disk: SmallDisk):
    await fill(disk.elsewhere / "large.db", 100_000)
    await fill(disk.node)
    disk.fill(left=600_000)
    before = disk.run("data", "intervals", "/a/s")
    done = disk.run("admin", "restore", "--yes", disk.elsewhere / "large.db")
    assert (done.status, done.out) == (1, "")
    assert done.err.endswith(NO_ROOM.format(file=disk.node)), done
    assert disk.run("data", "intervals", "/a/s") == before
    assert (await whole(disk.node)) == []


async def whole(path: Path) -> list[object]:
    async with FileNode("n", path) as node:
        return list((await node.storage.maintenance.check()).problems)


async def test_a_served_node_tells_it_once(disk: SmallDisk, caplog: pytest.LogCaptureFixture):
    """To every request that writes; it goes on reading, and writes when there is room."""
    await fill(disk.node)
    async with (
        FileNode("n", disk.node) as node,
        serve(node) as served,
        aiohttp.ClientSession(headers={"X-API-KEY": KEY}) as session,
    ):
        disk.fill()

        async def write(first: int, size: int) -> tuple[int, str | None, str]:
            url, body = f"{served.url}/data?path=/a/s", noise(first, size).tobytes()
            async with session.post(url, data=io.BytesIO(body)) as response:
                text = await response.text()
                return response.status, response.headers.get(CODE_HEADER), text

        caplog.clear()
        # more than 500 would make the original client repeat it
        expected = (500, "disk_full_error", "500: no space left on the disk")
        assert await write(10_000, 300_000) == expected
        while not (lines := told(caplog)):
            await asyncio.sleep(0)
        assert len(lines) == 1, lines
        assert lines[0].endswith(f"no space left on the disk: {disk.node}")
        async with session.get(f"{served.url}/data.json?path=/a/s&max-rows=10") as response:
            assert response.status == 200
        stream = (await node.event_stream_get("/a/e")).id
        events = [event(i) | {"event_stream_id": stream} for i in range(3_000)]
        kind = {"Content-Type": "application/json"}
        body = io.BytesIO(json.dumps({"path": "/a/e", "events": events}).encode())
        async with session.post(
            f"{served.url}/event/data.json", data=body, headers=kind
        ) as response:
            found = response.status, response.headers.get(CODE_HEADER), await response.text()
            assert found == expected
        disk.make_room()
        assert (await write(20_000, 10))[0] == 200


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def event(number: int) -> dict[str, object]:
    content = {"n": number, "text": "x" * 200}
    return {"start_time": FIRST + number, "end_time": None, "content": content}
