"""What every store does, whatever it keeps its data in."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joule_cli.api.event_reading import Window
from joule_cli.engine.event_validation import CheckedEvent
from joule_cli.engine.stores.base import StoredStream
from joule_cli.errors import (
    AnnotationNotFound,
    ApiError,
    ConflictError,
    DuplicateTimestampError,
    FolderNotFound,
    InvalidValuesError,
    LockedError,
    NameTakenError,
    NonMonotonicError,
    StreamInUseError,
    StreamNotFound,
)
from joule_cli.model import Annotation, DataStream, EventStream, Joining
from joule_cli.series.event_filter import parse_filter
from tests.contracts.streams import flow, starts_stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.engine.stores.storage import Storage


async def made(storage: Storage, **attributes: Any) -> StoredStream:
    """Make the stream /a/flow."""
    return StoredStream.of(await storage.metadata.create_stream(flow(**attributes), "/a"))


def rows_at(stream: StoredStream, times: Iterable[int]) -> np.ndarray:
    """Return rows whose values tell their times."""
    stamps = np.fromiter(times, np.int64)
    rows = np.zeros(len(stamps), stream.layout.dtype)
    rows["timestamp"] = stamps
    rows["data"] = stamps[:, None]
    return rows


async def store(storage: Storage, stream: StoredStream, *blocks: Iterable[int]) -> None:
    """Write an interval for each block of times."""
    session = storage.rows.session(stream, 0)
    for block in blocks:
        await session.write([rows_at(stream, block), None])
    await session.close()


async def items_of(batches: Any) -> list[list[int] | None]:
    """Return the times of each interval, with the breaks between and behind them."""
    found: list[list[int] | None] = []
    async with aclosing(batches):
        async for items in batches:
            for item in items:
                if item is None:
                    found.append(None)
                elif found and found[-1] is not None:
                    found[-1] += item["timestamp"].tolist()
                else:
                    found.append(item["timestamp"].tolist())
    return found


class FolderStorageContract:
    """Folders and streams."""

    async def test_new_store_is_a_root_folder(self, storage: Storage):
        root = await storage.metadata.folder("/")
        assert (root.children, root.data_streams, root.event_streams) == ([], [], [])
        assert root.locked
        assert (await storage.metadata.folder(root.id or 0)).id == root.id

    async def test_folders_are_found_by_path_and_id_and_come_by_name(self, storage: Storage):
        for path in ("/b/z", "/b/y/x", "/a"):
            await storage.metadata.create_folder(path, None)
        root = await storage.metadata.folder("/")
        assert [path for path, _ in root.walk()] == ["/", "/a", "/b", "/b/y", "/b/y/x", "/b/z"]
        y = await storage.metadata.folder("/b/y")
        assert (await storage.metadata.folder(y.id or 0)).children[0].name == "x"
        for key in ("/b/y/q", "/c", 999):
            with pytest.raises(FolderNotFound) as failure:
                await storage.metadata.folder(key)
            assert failure.value.object == str(key)

    async def test_description_of_a_folder_stays_unless_another_is_given(self, storage: Storage):
        await storage.metadata.create_folder("/a", "first")
        assert (await storage.metadata.create_folder("/a", None)).description == "first"
        assert (await storage.metadata.create_folder("/a", "other")).description == "other"

    async def test_change_shows_in_all_folders_above(self, storage: Storage):
        await storage.metadata.create_folder("/a/b/c", None)
        before = {p: f.updated_at for p, f in (await storage.metadata.folder("/")).walk()}
        await storage.metadata.update_folder("/a/b", "d", "text")
        after = {p: f.updated_at for p, f in (await storage.metadata.folder("/")).walk()}
        changed = {path for path in after if after[path] != before.get(path)}
        assert changed == {"/", "/a", "/a/d", "/a/d/c"}
        assert after["/a/d/c"] == before["/a/b/c"]
        assert after["/"] == after["/a"] == after["/a/d"]

    async def test_folder_moves_with_what_is_in_it(self, storage: Storage):
        await storage.metadata.create_stream(flow(), "/a/b")
        await storage.metadata.move_folder("/a/b", "/new/place")
        assert (await storage.metadata.stream(DataStream, "/new/place/b/flow")).name == "flow"
        assert (await storage.metadata.folder("/a")).children == []

    async def test_folder_that_may_not_move_stays_and_nothing_is_made(self, storage: Storage):
        await storage.metadata.create_folder("/a/b", None)
        await storage.metadata.create_folder("/c/b", None)
        await storage.metadata.create_folder("/d" * 100, None)
        for source, destination, kind in (
            ("/a/b", "/c", NameTakenError),
            ("/a", "/a/b/x", ConflictError),
            ("/a", "/a", ConflictError),
            ("/a", "/d" * 99, ConflictError),
            ("/", "/a", LockedError),
            ("/no", "/e/f", FolderNotFound),
        ):
            before = await self.tree(storage)
            with pytest.raises(kind):
                await storage.metadata.move_folder(source, destination)
            assert await self.tree(storage) == before

    async def tree(self, storage: Storage) -> list[Any]:
        root = await storage.metadata.folder("/")
        return [
            (path, f.to_json() | {"children": [], "streams": [], "event_streams": []})
            for path, f in root.walk()
        ] + [(p, s.to_json()) for p, s in [*root.streams(), *root.events()]]

    async def test_folder_with_folders_is_deleted_only_with_them(self, storage: Storage):
        await storage.metadata.create_stream(flow(), "/a/b")
        with pytest.raises(ConflictError):
            await storage.metadata.delete_folder("/a", recursive=False)
        await storage.metadata.delete_folder("/a", recursive=True)
        assert await self.tree(storage) == (await self.tree(storage))[:1]
        with pytest.raises(LockedError):
            await storage.metadata.delete_folder("/", recursive=True)

    @pytest.mark.parametrize("stream", [flow("s", width=3), starts_stream("s")])
    async def test_stream_comes_back_as_it_was_stored(self, storage: Storage, stream: Any):
        stored = await storage.metadata.create_stream(stream, "/a")
        assert stored.id
        found = await storage.metadata.stream(type(stream), "/a/s")
        by_id = await storage.metadata.stream(type(stream), stored.id)
        assert found.to_json() == by_id.to_json() == stored.to_json()
        stream.id, stream.updated_at = stored.id, stored.updated_at
        for element, other in zip(
            getattr(stream, "elements", ()), getattr(stored, "elements", ()), strict=True
        ):
            element.id, element.index = other.id, other.index
        assert stored.to_json() == stream.to_json()

    async def test_kinds_of_streams_share_names_but_not_references(self, storage: Storage):
        stored = await storage.metadata.create_stream(flow("s"), "/a")
        with pytest.raises(NameTakenError):
            await storage.metadata.create_stream(starts_stream("s"), "/a")
        for key in ("/a/s", "/a", "/b/s", (stored.id or 0) + 1000):
            with pytest.raises(StreamNotFound):
                await storage.metadata.stream(EventStream, key)

    async def test_stream_that_may_not_be_made_leaves_no_folder(self, storage: Storage):
        await storage.metadata.create_stream(flow("s"), "/a")
        await storage.metadata.create_stream(starts_stream("t"), "/b")
        before = await self.tree(storage)
        for change in (
            storage.metadata.create_stream(flow("s"), "/a"),
            storage.metadata.create_stream(flow("u"), 999),
            storage.metadata.update_stream("/a/s", flow("s", width=5)),
            storage.metadata.update_stream("/b/no", starts_stream("no")),
            storage.metadata.move_stream(DataStream, "/a/no", "/new"),
            storage.metadata.move_stream(DataStream, "/a/s", "/a"),
            storage.metadata.move_stream(EventStream, "/b/t", 999),
            storage.metadata.delete_stream(EventStream, "/a/s"),
        ):
            with pytest.raises(ApiError):
                await change
        assert await self.tree(storage) == before

    async def test_attributes_of_a_stream_change(self, storage: Storage):
        await storage.metadata.create_stream(flow("s"), "/a")
        stream = flow("t", description="text", keep_us=5, decimate=False)
        stream.elements[1].units, stream.elements[1].default_max = "V", 2.5
        await storage.metadata.update_stream("/a/s", stream)
        found = await storage.metadata.stream(DataStream, "/a/t")
        assert (found.description, found.keep_us, found.decimate) == ("text", 5, False)
        assert (found.elements[1].units, found.elements[1].default_max) == ("V", 2.5)
        await storage.metadata.create_stream(starts_stream("u"), "/a")
        events = starts_stream("v", event_fields={"a": "numeric"}, chunk_duration_us=7)
        await storage.metadata.update_stream("/a/u", events)
        other = await storage.metadata.stream(EventStream, "/a/v")
        assert (other.event_fields, other.chunk_duration_us) == ({"a": "numeric"}, 7)

    async def test_what_is_claimed_stays_as_it_is(self, storage: Storage):
        stream = await made(storage)
        await storage.metadata.create_folder("/b", None)
        await storage.claims.acquire(stream.id, stream.name)
        for change in (
            lambda: storage.metadata.update_stream("/a/flow", flow("x")),
            lambda: storage.metadata.move_stream(DataStream, stream.id, "/b"),
            lambda: storage.metadata.delete_stream(DataStream, "/a/flow"),
            lambda: storage.metadata.update_folder("/a", "x", None),
            lambda: storage.metadata.move_folder("/a", "/b"),
            lambda: storage.metadata.delete_folder("/a", recursive=True),
        ):
            with pytest.raises(LockedError):
                await change()
        await storage.metadata.delete_folder("/b", recursive=False)
        await storage.claims.release(stream.id)
        await storage.metadata.delete_stream(DataStream, "/a/flow")

    async def test_name_and_identity_stay(self, storage: Storage):
        await storage.metadata.create_folder("/a", None)
        uuid = await storage.uuid()
        await storage.metadata.create_folder("/b", None)
        assert uuid
        info = await storage.info()
        assert info.uuid == uuid == await storage.uuid()
        assert info.path in storage.url
        assert info.size_db > 0


class AnnotationStorageContract:
    """Annotations and peers."""

    async def test_annotations_come_by_start_and_change(self, storage: Storage):
        stream = await made(storage)
        some = [Annotation(title=f"t{start}", start=start) for start in (30, -5, 10)]
        stored = await storage.annotations.create(some, "/a/flow")
        assert [a.stream_id for a in stored] == [stream.id] * 3
        found = await storage.annotations.within(stream.id, -(2**63), 2**63 - 1)
        assert [a.start for a in found] == [-5, 10, 30]
        assert [a.start for a in await storage.annotations.within("/a/flow", -5, 10)] == [-5, 10]
        info = await storage.annotations.info("/a/flow")
        assert (info.start, info.end, info.count) == (-5, 30, 3)
        changed = await storage.annotations.update(stored[0].id or 0, "new", "text")
        assert changed.to_json() == (await storage.annotations.get(changed.id or 0)).to_json()
        assert (changed.title, changed.content, changed.start) == ("new", "text", 30)

    async def test_annotations_that_are_gone(self, storage: Storage):
        await made(storage)
        some = [Annotation(title="t", start=start) for start in range(4)]
        stored = await storage.annotations.create(some, "/a/flow")
        await storage.annotations.delete_within("/a/flow", 0, 1)
        await storage.annotations.delete(stored[2].id or 0)
        assert (await storage.annotations.info("/a/flow")).count == 1
        await storage.metadata.delete_stream(DataStream, "/a/flow")
        for change in (
            lambda: storage.annotations.get(stored[3].id or 0),
            lambda: storage.annotations.delete(stored[0].id or 0),
            lambda: storage.annotations.update(stored[2].id or 0, "x", None),
        ):
            with pytest.raises(AnnotationNotFound):
                await change()
        for call in (
            lambda: storage.annotations.info("/a/flow"),
            lambda: storage.annotations.within("/a/flow", 0, 1),
            lambda: storage.annotations.delete_within("/a/flow", 0, 1),
            lambda: storage.annotations.create(some, "/a/flow"),
        ):
            with pytest.raises(StreamNotFound):
                await call()

    async def test_masters_are_known_by_their_keys(self, storage: Storage):
        first = await storage.peers.add_master("USER", "ann", "k" * 32)
        assert await storage.peers.holder("k" * 32) == first.id
        assert await storage.peers.holder("q" * 32) is None
        assert [(m.name, m.key) for m in await storage.peers.masters()] == [("ann", None)]
        with pytest.raises(NameTakenError):
            await storage.peers.add_master("USER", "ann", "n" * 32)
        with pytest.raises(ConflictError):
            await storage.peers.add_master("JOULE_NODE", "ann", "k" * 32)
        await storage.peers.add_master("USER", "ann", "n" * 32, replace=True)
        assert await storage.peers.holder("k" * 32) is None
        assert await storage.peers.delete_master("USER", "ann")
        assert not await storage.peers.delete_master("USER", "ann")
        assert await storage.peers.holder("n" * 32) is None

    async def test_follower_takes_the_place_of_one_at_its_location(self, storage: Storage):
        await storage.peers.store_follower("a", "key a", "http://a")
        await storage.peers.store_follower("b", "key b", "http://b")
        for name, key in (("a", "other"), ("other", "key a")):
            with pytest.raises(ConflictError):
                await storage.peers.store_follower(name, key, "http://c")
        await storage.peers.store_follower("c", "key c", "http://a")
        assert [f.name for f in await storage.peers.followers()] == ["b", "c"]
        assert await storage.peers.delete_follower("c")
        assert not await storage.peers.delete_follower("c")

    async def test_time_to_join_is_remembered(self, storage: Storage):
        assert await storage.peers.joining() is None
        for joining in (Joining(5, False), Joining(7, True)):
            await storage.peers.set_joining(joining)
            assert await storage.peers.joining() == joining


class RowStorageContract:
    """Rows, claims and changes."""

    async def test_rows_and_breaks_come_back(self, storage: Storage):
        stream = await made(storage)
        assert not (await storage.metadata.opened("/a/flow")).written
        await store(storage, stream, range(5), range(10, 12), [20])
        rows = storage.rows
        assert await items_of(rows.read(stream, None, None)) == [
            [0, 1, 2, 3, 4], None, [10, 11], None, [20]
        ]  # fmt: skip
        # a break is given behind the last row, if rows follow that are not asked for
        assert await items_of(rows.read(stream, 3, 11)) == [[3, 4], None, [10]]
        assert await items_of(rows.read(stream, 3, 10)) == [[3, 4], None]
        assert await items_of(rows.read(stream, 3, 5)) == [[3, 4]]
        assert await items_of(rows.read(stream, 5, 10)) == []
        assert await rows.count(stream, 2, 11) == 4
        assert await rows.intervals(stream, None, 11) == [(0, 5), (10, 11)]
        opened = await storage.metadata.opened(stream.id)
        assert opened.written
        info = await storage.metadata.data_stream_info("/a/flow")
        assert (info.start, info.end, info.rows, info.total_time) == (0, 20, 8, 20)

    async def test_values_are_kept_to_the_bit(self, storage: Storage):
        stream = await made(storage, datatype="float64")
        rows = rows_at(stream, range(1000))
        rows["data"] = np.random.default_rng(0).normal(size=rows["data"].shape)
        session = storage.rows.session(stream, 0)
        await session.write([rows[:300], rows[300:]])
        await session.close()
        found = [item async for items in storage.rows.read(stream, None, None) for item in items]
        assert np.concatenate(found).tobytes() == rows.tobytes()

    @pytest.mark.parametrize(
        ("times", "kind"),
        [
            ([5, 5], NonMonotonicError),
            ([9, 3], NonMonotonicError),
            ([2], DuplicateTimestampError),
            ([1, 9], DuplicateTimestampError),
            ([2**63 - 1], InvalidValuesError),
        ],
    )
    async def test_rows_that_cannot_be_stored_change_nothing(self, storage: Storage, times, kind):
        stream = await made(storage)
        await store(storage, stream, range(5))
        session = storage.rows.session(stream, 0)
        with pytest.raises(kind):
            await session.write([rows_at(stream, times)])
        await session.close()
        assert await items_of(storage.rows.read(stream, None, None)) == [[0, 1, 2, 3, 4]]

    async def test_missing_values_are_to_be_announced(self, storage: Storage):
        stream = await made(storage)
        rows = rows_at(stream, [1])
        rows["data"][0, 0] = np.nan
        with pytest.raises(InvalidValuesError):
            await storage.rows.session(stream, 0).write([rows])
        await storage.rows.session(stream, 0, missing=True).write([rows])
        assert await storage.rows.count(stream, None, None) == 1

    async def test_rows_within_the_merge_gap_join_an_interval(self, storage: Storage):
        stream = await made(storage)
        await store(storage, stream, range(5))
        session = storage.rows.session(stream, 10)
        await session.write([rows_at(stream, [12])])
        await session.close(end_interval=False)
        assert await storage.rows.intervals(stream, None, None) == [(0, 13)]

    async def test_intervals_are_joined_and_split(self, storage: Storage):
        stream = await made(storage)
        await store(storage, stream, [0, 1, 5], [8], [100])
        assert await storage.rows.consolidate(stream, 10, None, None) == 1
        assert await storage.rows.intervals(stream, None, None) == [(0, 9), (100, 101)]
        for dry_run in (True, False):
            gaps = await storage.rows.split(stream, 2, None, None, dry_run=dry_run)
            assert gaps == [(2, 5)] or gaps == [(2, 5), (6, 8)][: len(gaps)]
        assert (await storage.rows.intervals(stream, None, None))[0] == (0, 2)

    async def test_deletion_leaves_a_break(self, storage: Storage):
        stream = await made(storage)
        await store(storage, stream, range(10))
        await storage.rows.delete(stream, 3, 6)
        await storage.release_space()
        assert await storage.rows.intervals(stream, None, None) == [(0, 3), (6, 10)]
        await storage.rows.delete(stream, None, None)
        assert await items_of(storage.rows.read(stream, None, None)) == []

    async def test_levels_stand_for_all_rows(self, storage: Storage):
        stream = await made(storage)
        await store(storage, stream, range(1000), range(2000, 2100))
        level, batches = await storage.rows.read_at_most(stream, None, None, 100)
        found = [item async for items in batches for item in items]
        assert level > 1
        assert [rows is None for rows in found].count(True) == 1
        rows = np.concatenate([item for item in found if item is not None])
        assert len(rows) <= 100
        assert (rows["data"][0, 2], rows["data"][-1, 4]) == (0, 2099)
        level, batches = await storage.rows.read_at_most(stream, 0, 50, 100)
        assert (level, await items_of(batches)) == (1, [list(range(50))])
        await storage.rows.drop_levels(stream)
        await storage.rows.decimate(stream)
        found = [
            item async for items in storage.rows.read_level(stream, 0, 64, 16) for item in items
        ]
        assert len(found[0]) == 4

    async def test_stream_that_keeps_nothing_stores_nothing(self, storage: Storage):
        stream = await made(storage, keep_us=0)
        await store(storage, stream, range(5))
        assert await storage.rows.count(stream, None, None) == 0

    async def test_rows_of_a_deleted_stream_are_refused(self, storage: Storage):
        stream = await made(storage)
        session = storage.rows.session(stream, 0)
        await session.write([rows_at(stream, [1])])
        await storage.metadata.delete_stream(DataStream, "/a/flow")
        with pytest.raises(StreamNotFound):
            await session.write([rows_at(stream, [2])])
        assert await storage.rows.count(stream, None, None) == 0

    async def test_stream_has_one_producer(self, storage: Storage):
        stream = await made(storage)
        claims = storage.claims
        assert await claims.active() == frozenset()
        await claims.acquire(stream.id, stream.name)
        with pytest.raises(StreamInUseError):
            await claims.acquire(stream.id, stream.name)
        assert claims.owns(stream.id)
        assert await claims.is_active(stream.id)
        assert await claims.active() == {stream.id}
        await claims.release(stream.id)
        await claims.release(stream.id)
        assert not claims.owns(stream.id)
        assert not await claims.is_active(stream.id)

    async def test_follower_gets_what_comes_once(self, storage: Storage):
        stream = await made(storage)
        await store(storage, stream, range(5))
        follower = await storage.rows.follow(stream)
        assert await items_of(follower.new_rows()) == []
        await store(storage, stream, [10, 11], [20])
        assert await items_of(follower.new_rows()) == [[10, 11], None, [20]]
        await store(storage, stream, [7], [30])
        assert await items_of(follower.new_rows()) == [None, [30]]
        await storage.metadata.delete_stream(DataStream, stream.id)
        with pytest.raises(StreamNotFound):
            await items_of(follower.new_rows())

    async def test_changes_are_noticed(self, storage: Storage):
        await storage.metadata.create_folder("/a", None)
        async with aclosing(storage.changes.ticks()) as ticks, asyncio.timeout(20):
            assert await anext(ticks)
            await asyncio.sleep(0)
            while await anext(ticks):
                pass
            await storage.metadata.create_folder("/b", None)
            while not await anext(ticks):
                pass


class EventStorageContract:
    """Events."""

    async def events(self, storage: Storage, **attributes: Any) -> int:
        stream = await storage.metadata.create_stream(starts_stream(**attributes), "/a")
        return stream.id or 0

    async def test_events_come_by_start_with_new_ids(self, storage: Storage):
        stream = await self.events(storage)
        some = [CheckedEvent(t, t + 5, f'{{"n":{t}}}', None) for t in (30, 10, 20)]
        assert await storage.events.write(stream, some) == [1, 2, 3]
        blocks = [b async for b in storage.events.read(stream, Window(), None, 2)]
        assert [[e.id for e in block] for block in blocks] == [[2, 3], [1]]
        assert blocks[1][0] == (1, 30, 35, '{"n":30}')
        assert await storage.events.last_id(stream) == 3
        info = await storage.events.info(stream)
        assert (info.start, info.end, info.event_count) == (10, 35, 3)

    async def test_known_ids_replace_and_others_are_given_anew(self, storage: Storage):
        stream = await self.events(storage)
        await storage.events.write(stream, [CheckedEvent(1, 2, "{}", None)])
        some = [CheckedEvent(5, 6, "{}", 1), CheckedEvent(7, None, "{}", 9)]
        assert await storage.events.write(stream, some) == [1, 2]
        found = [
            e for b in [b async for b in storage.events.read(stream, Window(), None, 9)] for e in b
        ]
        assert found == [(1, 5, 6, "{}"), (2, 7, None, "{}")]

    async def test_windows_and_filters_choose(self, storage: Storage):
        stream = await self.events(storage)
        some = [CheckedEvent(t, t + 15, f'{{"n":{t}}}', None) for t in range(0, 100, 10)]
        await storage.events.write(stream, some)
        large = parse_filter([[["n", "gte", 50]]])
        for window, expected in (
            (Window(20, 50), [10, 20, 30, 40]),
            (Window(20, 50, ongoing=False), [20, 30, 40]),
            (Window(None, 70, large), [50, 60]),
        ):
            assert await storage.events.count(stream, window) == len(expected)
            blocks = [b async for b in storage.events.read(stream, window, None, 100)]
            assert [e.start for b in blocks for e in b] == expected
        latest = Window(latest=True)
        blocks = [b async for b in storage.events.read(stream, latest, 2, 100)]
        assert [e.start for b in blocks for e in b] == [80, 90]
        found = await storage.events.with_ids(stream, 2, 4, Window(25, ongoing=False))
        assert [e.id for e in found] == [4]
        buckets = await storage.events.histogram(stream, Window(0, 99), 50)
        assert sum(bucket.count for bucket in buckets) == 10
        assert await storage.events.remove(stream, Window(filter=large)) == 5
        assert await storage.events.count(stream, Window()) == 5

    async def test_events_of_a_deleted_stream_are_gone(self, storage: Storage):
        stream = await self.events(storage)
        await storage.metadata.delete_stream(EventStream, stream)
        for call in (
            lambda: storage.events.write(stream, [CheckedEvent(1, 2, "{}", None)]),
            lambda: storage.events.last_id(stream),
        ):
            with pytest.raises(StreamNotFound):
                await call()


class StorageContract(
    FolderStorageContract, AnnotationStorageContract, RowStorageContract, EventStorageContract
):
    """Subclass it in the tests of a store, with the fixture `storage`."""
