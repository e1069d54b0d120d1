"""The care for a node file knows events: check, backup, restore, compact, erase, older files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw
import pytest

from joule_cli.engine.stores.sqlite import event_check
from joule_cli.engine.stores.sqlite.migrations import APPLICATION_ID, MIGRATIONS
from joule_cli.model import Event, EventStream
from tests.edited import edit
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

N = 1000


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A node with events in two streams."""
    path = tmp_path / "node.db"
    async with FileNode("demo", path) as node:
        for name in ("one", "two"):
            await node.event_stream_create(EventStream(name), "/a/b")
            events = [Event(i, i + 1 + i % 300, {"n": i}) for i in range(N - 1)]
            await node.event_stream_write(f"/a/b/{name}", [*events, Event(5, None, 2**70)])
    return path


async def contents(node: FileNode) -> dict[str, list[Any]]:
    found = (await node.folder_root()).events()
    return {
        at: [(e.id, e.start_time, e.end_time, e.content) async for e in node.event_stream_read(at)]
        for at, _ in found
    }


async def problems(path: Path) -> list[tuple[str | None, int | None, str]]:
    async with FileNode("demo", path) as node:
        return [tuple(each) for each in (await node.storage.maintenance.check()).problems]


@pytest.mark.parametrize("batch", [7, N, 5000])
async def test_a_sound_file_is_counted(path: Path, monkeypatch: pytest.MonkeyPatch, batch: int):
    monkeypatch.setattr(event_check, "_BATCH", batch)
    seen = []
    async with FileNode("demo", path) as node:
        report = await node.storage.maintenance.check(lambda r: seen.append(r.n_events))
    assert (report.n_event_streams, report.n_events, report.problems) == (2, 2 * N, [])
    assert seen == sorted(seen)
    assert len(seen) >= 2 * N / batch


@pytest.mark.parametrize(
    ("query", "time", "text"),
    [
        ("UPDATE event SET reach = 9 WHERE key = {key}", 10, "event 11 is not found by its length"),
        ("UPDATE event SET reach = 0 WHERE key = {open}", 5, "event 1000 is not found by"),
        ('UPDATE event SET "end" = start WHERE key = {key}', 10, "event 11 does not end after"),
        ("UPDATE event SET \"end\" = 'x' WHERE key = {key}", 10, "event 11 has a time that is not"),
        ("UPDATE event SET content = '[1' WHERE key = {key}", 10, "event 11 has a content"),
        ("UPDATE event SET content = 'NaN' WHERE key = {key}", 10, "event 11 has a content"),
        ("UPDATE event SET content = x'ff22' WHERE key = {key}", 10, "event 11 has a content"),
        ("UPDATE event SET stream_id = 2 WHERE key = {key}", 10, "event 11 is found as one of"),
        ("UPDATE event_stream SET last_event_id = 999 WHERE id = 1", None, "has the event 1000"),
        ("UPDATE event_stream SET event_fields = '{{' WHERE id = 1", None, "has event fields that"),
    ],
)
async def test_what_is_wrong_is_named(path: Path, query: str, time: int | None, text: str):
    edit(path, query.format(key=(1 << 40) | 11, open=(1 << 40) | 1000))
    # what is not found where it belongs is missing in the count of its time, too
    problem = next(p for p in await problems(path) if p[2].startswith(text))
    assert problem[:2] == ("/a/b/one", time)


async def test_a_wrong_count_is_named(path: Path):
    edit(path, "UPDATE event_tally SET n_events = n_events + 1")
    found = await problems(path)
    assert found
    assert {text for _, _, text in found} == {"has a wrong number of events on record"}


async def test_events_without_a_stream_are_told(path: Path):
    edit(path, "DELETE FROM event_stream WHERE id = 1")
    assert await problems(path) == [
        (None, None, f"{N} events of a stream that does not exist"),
    ]


async def test_a_backup_and_its_restoration_carry_events(path: Path, tmp_path: Path):
    copy = tmp_path / "copy.db"
    async with FileNode("demo", path) as node:
        before = await contents(node)
        await node.storage.maintenance.backup(copy)
        await node.event_stream_remove("/a/b/one")
        await node.event_stream_delete("/a/b/two")
        await node.event_stream_write("/a/b/one", [Event(1, 2, "later")])
        await node.storage.maintenance.restore(copy)
        assert await contents(node) == before
        assert (await node.storage.maintenance.check()).problems == []
        (event,) = await node.event_stream_write("/a/b/one", [Event(1, 2, "new")])
        assert event.id == N + 1
    async with FileNode("copy", copy) as node:
        assert await contents(node) == before


async def test_compacting_keeps_events_and_gives_space_back(path: Path):
    async with FileNode("demo", path) as node:
        await node.event_stream_write(
            "/a/b/two", [Event(10**6 + i, None, "x" * 2000) for i in range(2000)]
        )
        await node.event_stream_remove("/a/b/two", 10**6)
        before = await contents(node)
        sizes = await node.storage.maintenance.compact()
        assert sizes.after < 1_000_000
        assert await contents(node) == before
        assert (await node.storage.maintenance.check()).problems == []


async def test_erasing_takes_events(path: Path):
    async with FileNode("demo", path) as node:
        await node.storage.maintenance.erase()
        root = await node.folder_root()
        assert (root.children, list(root.events())) == ([], [])
        report = await node.storage.maintenance.check()
        assert (report.n_event_streams, report.n_events, report.problems) == (0, 0, [])
        await node.event_stream_create(EventStream("one"), "/a/b")
        assert await node.event_stream_count("/a/b/one") == 0


def make_first_format(path: Path) -> None:
    """A file as it was before there were events."""
    connection = apsw.Connection(str(path))
    connection.execute(MIGRATIONS[0])
    connection.execute("INSERT INTO node VALUES ('uuid', 'the-same-as-ever')")
    connection.execute("INSERT INTO folder (name, updated_at) VALUES ('root', 1)")
    connection.execute("INSERT INTO folder (parent_id, name, updated_at) VALUES (1, 'a', 1)")
    connection.execute(
        "INSERT INTO data_stream (folder_id, name, description, datatype, keep_us, decimate, "
        "updated_at) VALUES (2, 'x', '', 'float32', -1, 1, 1)"
    )
    connection.execute(
        "INSERT INTO element (stream_id, position, name, display_type, offset, scale_factor) "
        "VALUES (1, 0, 'v', 'CONTINUOUS', 0, 1)"
    )
    connection.pragma("application_id", APPLICATION_ID)
    connection.pragma("user_version", 1)
    connection.close()


async def test_a_file_from_before_events_is_brought_up_when_it_is_opened(tmp_path: Path):
    path = tmp_path / "old.db"
    make_first_format(path)
    async with FileNode("old", path) as node:
        assert (await node.info()).uuid == "the-same-as-ever"
        stream = await node.data_stream_get("/a/x")
        async with await node.data_write(stream) as pipe:
            await pipe.write([[1, 2.0], [2, 3.0]])
        await node.event_stream_create(EventStream("events"), "/a")
        await node.event_stream_write("/a/events", [Event(1, 2, {"k": 1})])
        assert (await node.storage.maintenance.check()).problems == []
    async with FileNode("old", path) as node:
        assert await node.data_count("/a/x") == 2
        assert len(await node.event_stream_read("/a/events")) == 1
    connection = apsw.Connection(str(path))
    assert connection.pragma("user_version") == len(MIGRATIONS)
    connection.close()


async def test_a_backup_from_before_events_is_restored(path: Path, tmp_path: Path):
    old = tmp_path / "old.db"
    make_first_format(old)
    async with FileNode("demo", path) as node:
        await node.storage.maintenance.restore(old)
        root = await node.folder_root()
        assert [at for at, _ in root.streams()] == ["/a/x"]
        assert list(root.events()) == []
        await node.event_stream_create(EventStream("events"), "/a")
        assert (await node.storage.maintenance.check()).problems == []
