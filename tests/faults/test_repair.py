"""Damaged nodes are repaired: what is whole is taken, and what is not is listed."""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from joule_cli.engine.stores.sqlite import pages
from joule_cli.engine.stores.sqlite.page_file import PageFile
from joule_cli.engine.stores.sqlite.repair import Loss, Repaired, repair
from joule_cli.errors import IncompatibleFileError, StorageError
from joule_cli.model import Annotation, DataStream, Element, Event, EventStream
from tests.edited import edit, opened
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

#: Streams of several layouts, and the rows of each of their chunks.
STREAMS = {"f": ("float32", 2), "i": ("int32", 2), "d": ("float64", 1), "s": ("int16", 3)}
N_CHUNKS, CHUNK = 120, 300
N_EVENTS, N_NOTES = 1500, 200


async def fill(path: Path) -> None:
    async with FileNode("demo", path) as node:
        for name, (datatype, width) in STREAMS.items():
            elements = [Element(f"{name}{i}") for i in range(width)]
            await node.data_stream_create(
                DataStream(name, "described", datatype, elements=elements), f"/a/{name}"
            )
            async with await node.data_write(f"/a/{name}/{name}") as pipe:
                for number in range(N_CHUNKS):
                    ts = np.arange(CHUNK) + number * 1000
                    rows = np.zeros(CHUNK, pipe.dtype)
                    rows["timestamp"] = ts
                    rows["data"] = (ts[:, None] * 7919 + np.arange(width)) % 30011
                    await pipe.write(rows)
                    await pipe.close_interval()
            for i in range(N_NOTES):
                note = Annotation(title=f"note {i}", start=i, content="x" * 50)
                await node.annotation_create(note, f"/a/{name}/{name}")
        for name in ("runs", "faults"):
            await node.event_stream_create(EventStream(name), "/b")
            events = [Event(i * 10, i * 10 + 1 + i % 300, {"n": i}) for i in range(N_EVENTS)]
            await node.event_stream_write(f"/b/{name}", events)
        await node.master_add("user", "bob")


class Contents(NamedTuple):
    """All that a node holds, by the path of the stream."""

    rows: dict[str, dict[int, list[Any]]]
    events: dict[str, dict[int | None, Any]]
    notes: dict[str, dict[int, Any]]
    streams: dict[str, Any]


async def contents(path: Path) -> Contents:
    found = Contents({}, {}, {}, {})
    async with FileNode("demo", path) as node:
        root = await node.folder_root()
        for at, stream in root.streams("/"):
            found.streams[at] = stream.layout
            async with await node.data_read(at) as pipe:
                blocks = [rows async for rows, _ in pipe.blocks() if len(rows)]
            rows = np.concatenate(blocks) if blocks else np.zeros(0, pipe.dtype)
            found.rows[at] = dict(
                zip(rows["timestamp"].tolist(), rows["data"].tolist(), strict=True)
            )
            found.notes[at] = {n.start: n.title for n in await node.annotation_get(at)}
        for at, _ in root.events("/"):
            found.events[at] = {
                e.id: (e.start_time, e.end_time, e.content)
                async for e in node.event_stream_read(at)
            }
    return found


def check_repaired(result: Repaired, whole: Contents, found: Contents) -> None:
    """Nothing is taken that was not there, and all that was is taken or listed."""
    for known, taken in zip(whole[:3], found[:3], strict=True):
        for at, items in taken.items():
            # a stream whose name is lost is one of those that were there
            former = [known[at]] if at in known else known.values()
            assert any(items.items() <= each.items() for each in former)
    renamed = not found.streams.keys() | found.events.keys() <= whole.streams.keys() | (
        whole.events.keys()
    )
    listed: dict[str | None, list[Any]] = {}
    for loss in result.losses:
        listed.setdefault(loss.path, []).append(loss)
    for at, rows in whole.rows.items():
        if renamed and at not in found.rows:
            continue
        ranges = [bounds(o) for o in listed.get(at, []) if "rows" in o.text]
        for time in rows.keys() - found.rows.get(at, {}).keys():
            listed_so = any(low <= time < high for low, high in ranges)
            assert listed_so or unknown(listed), f"{at} at {time}"
    for at, events in whole.events.items():
        if renamed and at not in found.events:
            continue
        ranges = [bounds(o) for o in listed.get(at, []) if "event" in o.text]
        for number in events.keys() - found.events.get(at, {}).keys():
            start = events[number][0]
            listed_so = any(low <= start < high for low, high in ranges)
            assert listed_so or unknown(listed), f"event {number} of {at}"
    for at, notes in whole.notes.items():
        if renamed and at not in found.notes:
            continue
        starts = [o.start for o in listed.get(at, []) if "annotation" in o.text]
        missing = notes.keys() - found.notes.get(at, {}).keys()
        assert missing <= set(starts) or unknown(listed)
    n_rows = sum(map(len, found.rows.values()))
    n_events = sum(map(len, found.events.values()))
    assert (result.n_rows, result.n_events) == (n_rows, n_events)


def bounds(loss: Loss) -> tuple[int, int]:
    return (
        -(2**63) if loss.start is None else loss.start,
        2**63 if loss.end is None else loss.end,
    )


def unknown(listed: dict[str | None, list[Any]]) -> bool:
    """Tell whether something is lost of which nothing but that is known."""
    return None in listed


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Contents]:
    import asyncio

    path = tmp_path_factory.mktemp("repair") / "node.db"
    asyncio.run(fill(path))
    return path.read_bytes(), asyncio.run(contents(path))


async def test_a_sound_node_is_copied(tmp_path: Path, example: tuple[bytes, Contents]):
    path, new = tmp_path / "node.db", tmp_path / "new.db"
    path.write_bytes(example[0])
    result = await repair(path, new)
    assert result.losses == []
    assert await contents(new) == example[1]
    assert path.read_bytes() == example[0]
    async with FileNode("new", new) as node, FileNode("old", path) as old:
        assert (await node.info()).uuid == (await old.info()).uuid
        assert len(await node.master_list()) == 1
        stream = await node.data_stream_get("/a/f/f")
        before = await old.data_stream_get("/a/f/f")
        assert stream.to_json() == before.to_json()


async def spoil_trees(path: Path, whole: bytes, names: tuple[str, ...], rng: random.Random) -> None:
    """Damage the first page of some tables and indexes."""
    path.write_bytes(whole)
    with closing(opened(path)) as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema"))
    spoilt = bytearray(path.read_bytes())
    for name in names:
        start = (roots[name] - 1) * 4096
        spoilt[start : start + 512] = rng.randbytes(512)
    path.write_bytes(spoilt)


@pytest.mark.parametrize(
    ("names", "n_lost"),
    [
        (("chunk",), 0),
        (("body",), 0),
        (("event",), 0),
        (("event_start", "event_reach"), 0),
        (("annotation",), 0),
        (("data_stream",), 4),
        (("element",), 8),
        (("folder",), 6),
        (("event_stream",), 2),
        (("data_stream", "element", "folder"), 18),
        (("node",), 1),
        (("sqlite_sequence",), 0),
    ],
)
async def test_a_tree_without_its_root_is_read_by_its_leaves(
    tmp_path: Path, example: tuple[bytes, Contents], names: tuple[str, ...], n_lost: int
):
    """All rows and events are whole; of small tables, whose root is all, names are told."""
    path, new = tmp_path / "node.db", tmp_path / "new.db"
    await spoil_trees(path, example[0], names, random.Random(1))
    result = await repair(path, new)
    assert len(result.losses) == n_lost, result.losses
    found = await contents(new)
    assert found.rows == example[1].rows
    assert found.events == example[1].events
    assert found.notes == example[1].notes


async def test_a_file_without_its_first_page(tmp_path: Path, example: tuple[bytes, Contents]):
    path, new = tmp_path / "node.db", tmp_path / "new.db"
    for source in ("as it was made", "as it was copied"):
        path.write_bytes(example[0])
        if source == "as it was copied":
            async with FileNode("demo", path) as node:
                await node.storage.maintenance.backup(tmp_path / "copy.db")
            (tmp_path / "copy.db").replace(path)
        path.write_bytes(random.randbytes(4096) + path.read_bytes()[4096:])
        result = await repair(path, new)
        assert result.losses == []
        assert await contents(new) == example[1]
        new.unlink()


@pytest.mark.parametrize("n_trials", [8, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("old", [False, True], ids=["checksums", "former"])
async def test_anything_that_is_damaged_is_taken_or_listed(
    tmp_path: Path,
    example: tuple[bytes, Contents],
    monkeypatch: pytest.MonkeyPatch,
    n_trials: int,
    old: bool,
):
    path, new = tmp_path / "node.db", tmp_path / "new.db"
    whole, known = example
    if old:
        with monkeypatch.context() as patch:
            patch.setattr(pages, "RESERVED", 0)
            await fill(path)
        whole = path.read_bytes()
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    for _ in range(n_trials):
        for file in tmp_path.iterdir():
            file.unlink()
        spoilt = bytearray(whole)
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            start, size = rng.randrange(len(whole)), rng.choice([1, 64, 512, 4096, 8192])
            spoilt[start : start + size] = rng.choice([rng.randbytes, bytes])(size)
        if rng.random() < 0.1:
            del spoilt[rng.randrange(len(whole) // 2, len(whole)) :]
        path.write_bytes(spoilt[: len(whole)])
        try:
            result = await repair(path, new)
            if not old:
                check_repaired(result, known, await contents(new))
        except IncompatibleFileError:
            assert old
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


async def test_a_file_that_is_in_use_is_read_as_it_is_at_one_moment(
    tmp_path: Path, example: tuple[bytes, Contents]
):
    path, new = tmp_path / "node.db", tmp_path / "new.db"
    path.write_bytes(example[0])
    async with FileNode("demo", path) as node:
        events = [Event(10**6 + i, 10**6 + i + 1, {"new": i}) for i in range(700)]
        await node.event_stream_write("/b/runs", events)
        await node.data_delete("/a/f/f", 0, 50_000)
        assert path.with_name("node.db-wal").stat().st_size > 0
        result = await repair(path, new)
    assert result.losses == []
    assert await contents(new) == await contents(path)


async def test_ids_that_are_there_are_not_given_again(
    tmp_path: Path, example: tuple[bytes, Contents]
):
    """The number of ids that were given out is damaged."""
    path, new = tmp_path / "node.db", tmp_path / "new.db"
    path.write_bytes(example[0])
    edit(path, "UPDATE event_stream SET last_event_id = 7")
    assert (await repair(path, new)).losses == []
    assert await contents(new) == example[1]
    async with FileNode("demo", new) as node:
        [event] = await node.event_stream_write("/b/runs", [Event(0, 1, {})])
    assert event.id == N_EVENTS + 1


async def test_nothing_is_replaced_and_nothing_left_behind(
    tmp_path: Path, example: tuple[bytes, Contents]
):
    path, new = tmp_path / "node.db", tmp_path / "new.db"
    path.write_bytes(example[0])
    new.write_text("mine")
    with pytest.raises(StorageError, match="exists"):
        await repair(path, new)
    assert new.read_text() == "mine"
    text = tmp_path / "notes.txt"
    text.write_text("no node\n" * 2000)
    with pytest.raises(IncompatibleFileError):
        await repair(text, tmp_path / "other.db")
    with pytest.raises(StorageError):
        await repair(tmp_path / "missing.db", tmp_path / "other.db")
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["new.db", "node.db", "notes.txt"]


async def test_the_new_file_has_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, new = tmp_path / "node.db", tmp_path / "new.db"
    with monkeypatch.context() as patch:
        patch.setattr(pages, "RESERVED", 0)
        await fill(path)
    assert (await repair(path, new)).losses == []
    with PageFile(new) as file:
        assert file.has_checksums
        assert list(file.unsound_pages()) == []
