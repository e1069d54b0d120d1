"""Bits and blocks that change on the disk: all of it is told, and no wrong answer given."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joule_cli.engine.stores.sqlite import pages
from joule_cli.errors import ApiError
from joule_cli.model import Annotation, Event, EventStream
from tests.engine.writers import made_stream, read_pieces, rows_at
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

DTYPE = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
N_EVENTS = 2000


async def fill(path: Path) -> None:
    """Make a node with something of everything, and some pages that are free again."""
    async with FileNode("demo", path) as node:
        for name in ("s", "t", "gone"):
            await node.data_stream_create(made_stream(name), "/a")
            async with await node.data_write(f"/a/{name}") as pipe:
                for first in range(0, 60_000, 3000):
                    await pipe.write(rows_at(range(first, first + 2000), pipe.dtype))
                    await pipe.close_interval()
        await node.data_stream_delete("/a/gone")
        await node.event_stream_create(EventStream("e"), "/a")
        events = [Event(i * 10, i * 10 + 1 + i % 300, {"n": i}) for i in range(N_EVENTS)]
        await node.event_stream_write("/a/e", events)
        for i in range(50):
            await node.annotation_create(Annotation(title=f"note {i}", start=i), "/a/s")
        await node.master_add("user", "bob")


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "node.db"
    await fill(path)
    return path


async def problems(path: Path) -> list[str]:
    async with FileNode("demo", path) as node:
        report = await node.storage.maintenance.check()
        return [problem.text for problem in report.problems]


async def everything(path: Path) -> list[Any]:
    """Read all that a node holds, by the calls of a client."""
    async with FileNode("demo", path) as node:
        root = await node.folder_root()
        found: list[Any] = [[at for at, _ in root.streams("/")], [at for at, _ in root.events("/")]]
        for stream in found[0]:
            found.append(await read_pieces(node, stream, DTYPE))
            notes = await node.annotation_get(stream)
            found.append([(note.title, note.start, note.content) for note in notes])
        for stream in found[1]:
            events = [e async for e in node.event_stream_read(stream)]
            found.append([(e.id, e.start_time, e.end_time, e.content) for e in events])
        return found


def put(path: Path, content: bytes | bytearray) -> None:
    """Make a file, without the log of the one before it."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("n_flips", [40, pytest.param(1000, marks=pytest.mark.slow)])
async def test_every_bit_that_changes_is_found_and_never_read_as_if_it_were_right(
    path: Path, n_flips: int
):
    whole, expected = path.read_bytes(), await everything(path)
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    for number in range(n_flips):
        # the header is small and important: every tenth
        bit = rng.randrange(800 if number % 10 == 0 else len(whole) * 8)
        spoilt = bytearray(whole)
        spoilt[bit // 8] ^= 1 << bit % 8
        put(path, spoilt)
        assert await problems(path), f"seed {seed}: bit {bit}"
        put(path, spoilt)
        with suppress(ApiError):
            assert await everything(path) == expected, f"seed {seed}: bit {bit}"
    put(path, whole)
    assert await problems(path) == []


@pytest.mark.parametrize("old", [False, True], ids=["checksums", "old"])
@pytest.mark.parametrize("n_blocks", [40, pytest.param(1000, marks=pytest.mark.slow)])
async def test_damaged_blocks_are_told_in_our_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_blocks: int, old: bool
):
    """Files of former versions have no checksums of pages: what they hold is checked instead."""
    path = tmp_path / "node.db"
    with monkeypatch.context() as patch:
        if old:
            patch.setattr(pages, "RESERVED", 0)
        await fill(path)
    whole, expected = path.read_bytes(), await everything(path)
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    n_found = 0
    for _ in range(n_blocks):
        spoilt = bytearray(whole)
        start, size = rng.randrange(len(spoilt)), rng.choice([1, 16, 64, 512, 4096])
        spoilt[start : start + size] = rng.choice([rng.randbytes, bytes])(size)
        del spoilt[len(whole) :]
        put(path, spoilt)
        try:
            found = await problems(path)
            n_found += bool(found)
            assert old or found or spoilt == whole, f"seed {seed}"
            assert await everything(path) == expected or old, f"seed {seed}"
        except ApiError:
            n_found += 1
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    assert n_found, f"seed {seed}"


@pytest.mark.parametrize("n_flips", [40, pytest.param(1000, marks=pytest.mark.slow)])
async def test_every_bit_that_changes_in_the_log_is_found(path: Path, n_flips: int):
    """While the node is in use: afterwards, the log is in the file."""
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    async with FileNode("demo", path) as node:
        events = [Event(i * 10, i * 10 + 1, {"n": i, "again": True}) for i in range(N_EVENTS)]
        await node.event_stream_write("/a/e", events)
        assert (await node.storage.maintenance.check()).problems == []
        log = path.with_name(f"{path.name}-wal")
        size = log.stat().st_size
        with log.open("r+b", buffering=0) as file:
            for _ in range(n_flips):
                # not the header, which is read only by what opens the file first
                place, bit = rng.randrange(32, size), 1 << rng.randrange(8)
                for spoilt in (True, False):
                    file.seek(place)
                    byte = file.read(1)[0]
                    file.seek(place)
                    file.write(bytes([byte ^ bit]))
                    found = (await node.storage.maintenance.check()).problems
                    assert bool(found) == spoilt, f"seed {seed}: byte {place}, bit {bit}"


@pytest.mark.parametrize("n_flips", [40, pytest.param(1000, marks=pytest.mark.slow)])
async def test_no_change_is_cut_off_by_damage_to_a_log_that_was_left(tmp_path: Path, n_flips: int):
    """But the last one, whose damage is that of a power cut."""
    n_changes, seed = 12, random.randrange(10**9)
    rng, path, place = random.Random(seed), tmp_path / "node.db", tmp_path / "left"
    place.mkdir()
    async with FileNode("demo", path) as node:
        await node.event_stream_create(EventStream("e"), "/a")
        for i in range(n_changes):
            await node.event_stream_write("/a/e", [Event(i, i + 1, {"text": f"{i}" * 3000})])
        whole = path.read_bytes()
        log = path.with_name("node.db-wal").read_bytes()
    known = [list(range(n)) for n in (n_changes, n_changes - 1)]
    n_told = 0
    for _ in range(n_flips):
        put(place / "node.db", whole)
        spoilt, bit = bytearray(log), rng.randrange(32 * 8, len(log) * 8)
        spoilt[bit // 8] ^= 1 << bit % 8
        (place / "node.db-wal").write_bytes(spoilt)
        found: list[int] | str
        try:
            async with FileNode("demo", place / "node.db") as node:
                found = [e.start_time async for e in node.event_stream_read("/a/e")]
        except ApiError as error:
            found = error.message
        if isinstance(found, str):
            assert found == "the log of the file is damaged", f"seed {seed}: bit {bit}"
            if n_told < 100:
                assert "of the log fails its checksum" in (await problems(place / "node.db"))[0]
            assert (place / "node.db-wal").read_bytes() == spoilt
            n_told += 1
        else:
            assert found in known, f"seed {seed}: bit {bit}"
    assert n_told > n_flips / 2
