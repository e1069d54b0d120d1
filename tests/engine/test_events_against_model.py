"""Events under random operations, compared with a plain model."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from joule_cli.model import Event, EventStream
from tests.contracts.events_model import Bounds, EventsModel, Groups
from tests.nodes import FileNode

times = st.one_of(st.integers(-20, 60), st.integers(-5000, 5000), st.integers(-(10**12), 10**12))
lengths = st.sampled_from([1, 1, 2, 15, 16, 17, 40, 255, 256, 257, 4096, 10**6, 10**12, None])
bounds = st.tuples(st.none() | times, st.none() | times).map(
    lambda pair: pair if None in pair or pair[0] < pair[1] else (pair[1], pair[0] + 1)
)
streams = st.sampled_from([0, 0, 0, 1])

names = st.sampled_from(["a", "b", 'c."d'])
texts = st.sampled_from(
    ["", "x", "X", "xy", "x%y", "5", "5.0", " -1e1 ", "ü\\", "null", "*", "[x]"]
)
values = st.one_of(
    texts,
    st.integers(-3, 8),
    st.sampled_from([0.5, 5.0, -1.25, 2**53 + 1, 2**64, None, True, False, [1, "x"], {"a": None}]),
)
contents = st.one_of(
    *[st.dictionaries(names, values, max_size=3)] * 4, st.sampled_from([[], "a", 5])
)
numbers = st.integers(-3, 8) | st.sampled_from([0.5, "5", "-1.25", 2**53, 1e300])
patterns = st.text(r"x%_y5*[", max_size=3) | st.sampled_from([r"\%", r"x\%%", r"%\\", "nu__", "t%"])
conditions = st.one_of(
    st.tuples(
        names, st.sampled_from(["is", "not"]), texts | st.sampled_from(["true", "5.0", "0.5"])
    ),
    st.tuples(names, st.sampled_from(["like", "unlike"]), patterns),
    st.tuples(names, st.sampled_from(["gt", "gte", "lt", "lte", "eq", "neq"]), numbers),
).map(list)
filters = st.just([]) | st.lists(st.lists(conditions, min_size=1, max_size=2), max_size=3)
new_events = st.lists(st.tuples(times, lengths, contents), min_size=1, max_size=8)


def made(start: int, length: int | None, content: Any) -> Event:
    return Event(start, None if length is None else start + length, content)


class Events(RuleBasedStateMachine):
    """Two streams that lie side by side in the file, and all that can happen to their events."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "node.db"
        self.now = 0
        self.node = self.open()
        self.models = [EventsModel(), EventsModel()]
        #: Events that were read at any time, with the number of their stream.
        self.held: list[tuple[int, Event]] = []

    def open(self) -> FileNode:
        return FileNode("local", self.path, clock=lambda: self.now)

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    @initialize()
    def create(self) -> None:
        self.streams = [
            self.run(self.node.event_stream_create(EventStream(name), "/a")) for name in "xy"
        ]

    def teardown(self) -> None:
        async def finish() -> None:
            report = await self.node.storage.maintenance.check()
            await self.node.close()
            assert report.problems == []

        try:
            self.run(finish())
        finally:
            self.runner.close()
            self.folder.cleanup()

    # -- changes

    def store(self, which: int, events: list[Event], ids: list[int | None]) -> None:
        """Write events to a stream; `ids` are those that mean something there."""
        expected = self.models[which].write(
            [
                (number, event.start_time, event.end_time, event.content)
                for number, event in zip(ids, events, strict=True)
            ],
            self.now,
        )
        self.run(self.node.event_stream_write(self.streams[which], events))
        assert [event.id for event in events] == expected

    @rule(which=streams, new=new_events)
    def write(self, which: int, new: list[tuple[int, int | None, Any]]) -> None:
        self.store(which, [made(*event) for event in new], [None] * len(new))

    @rule(which=streams, start=times, n=st.sampled_from([50, 300]), content=contents)
    def write_many_with_one_start(self, which: int, start: int, n: int, content: Any) -> None:
        self.store(which, [made(start, 1 + i, content) for i in range(n)], [None] * n)

    @rule(which=streams, data=st.data(), new=new_events)
    def write_what_was_read(
        self, which: int, data: st.DataObject, new: list[tuple[int, int | None, Any]]
    ) -> None:
        """Update events, of which some may be gone or belong to the other stream."""
        events, ids = [], []
        for change in new:
            events.append(made(*change))
            ids.append(None)
            if self.held and data.draw(st.booleans()):
                source, old = data.draw(st.sampled_from(self.held))
                events[-1].id = old.id
                events[-1].event_stream_id = old.event_stream_id
                events[-1].node_uuid = old.node_uuid
                ids[-1] = old.id if source == which else None
        self.store(which, events, ids)

    @rule(which=streams, window=bounds, groups=filters)
    def remove(self, which: int, window: Bounds, groups: Groups) -> None:
        removed = self.run(self.node.event_stream_remove(self.streams[which], *window, groups))
        assert removed == self.models[which].remove(window, groups)

    @rule(which=streams, keep=st.sampled_from([-1, -1, 0, 10, 1000, 10**6]))
    def set_keep(self, which: int, keep: int) -> None:
        self.streams[which].keep_us = self.models[which].keep_us = keep
        self.run(self.node.event_stream_update(self.streams[which]))

    @rule(step=st.sampled_from([1, 10, 100, 3000, 10**6]))
    def pass_time(self, step: int) -> None:
        self.now += step

    @rule()
    def reopen(self) -> None:
        self.run(self.node.close())
        self.node = self.open()

    @rule()
    def compact(self) -> None:
        self.run(self.node.storage.maintenance.compact())

    # -- comparisons

    @rule(
        which=streams,
        window=bounds,
        groups=filters,
        ongoing=st.booleans(),
        limit=st.sampled_from([None, None, 1, 3, 40]),
        size=st.sampled_from([1, 7, 100, 5000]),
        latest=st.booleans(),
    )
    def read(
        self,
        which: int,
        window: Bounds,
        groups: Groups,
        ongoing: bool,
        limit: int | None,
        size: int,
        latest: bool,
    ) -> None:
        self.run(self.compare(which, window, groups, ongoing, limit, size, latest=latest))

    async def compare(
        self,
        which: int,
        window: Bounds,
        groups: Groups,
        ongoing: bool,
        limit: int | None,
        size: int,
        *,
        latest: bool = False,
    ) -> None:
        stream, model = self.streams[which], self.models[which]
        expected = model.select(window, groups, ongoing=ongoing)
        n_events = await self.node.event_stream_count(stream, *window, groups, ongoing)
        assert n_events == len(expected)
        chosen = expected[-(limit or 0) :] if latest else expected[:limit]
        wanted = [(e.id, e.start, e.end, repr(e.content)) for e in chosen]
        found = []
        reading = self.node.event_stream_read(
            stream, *window, limit, groups, ongoing, size, latest=latest
        )
        async for block in reading:
            assert len(block) == min(size, len(wanted) - len(found))
            found += [(e.id, e.start_time, e.end_time, repr(e.content)) for e in block]
            self.held = [*self.held, *((which, event) for event in block[:3])][-20:]
        assert found == wanted

    @rule(which=streams, window=bounds, groups=filters, width=st.sampled_from([1, 7, 60, 10**4]))
    def histogram(self, which: int, window: Bounds, groups: Groups, width: int) -> None:
        model, stream = self.models[which], self.streams[which]
        low, high = (w if w is not None else r for w, r in zip(window, model.range(), strict=True))
        if low is not None and high is not None and high - low > 1000 * width:
            width = (high - low) // 100
        buckets = self.run(self.node.event_stream_histogram(stream, *window, groups, width))
        found = [(bucket.start, bucket.end, bucket.count) for bucket in buckets]
        assert found == model.histogram(window, groups, width)

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "streams"):
            self.run(self.compare_all())

    async def compare_all(self) -> None:
        for which, (stream, model) in enumerate(zip(self.streams, self.models, strict=True)):
            await self.compare(which, (None, None), [], True, None, 5000)
            info = await self.node.event_stream_info(stream)
            assert (info.start, info.end) == model.range()
            assert info.event_count == len(model.events)


def test_events_agree_with_a_plain_model():
    run_state_machine_as_test(
        Events, settings=settings(settings(), max_examples=40, stateful_step_count=30)
    )
