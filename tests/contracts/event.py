"""Writing, reading, counting and removing events on every `Node`."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.errors import ApiError, InvalidEventError
from joule_cli.model import Event, EventBucket
from tests.contracts.streams import starts_stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from joule_cli.api.node import Node
    from joule_cli.model import EventStream

PATH = "/a/starts"


async def filled(node: Node, *spans: tuple[int, int | None]) -> EventStream:
    """Create the stream /a/starts with events over `spans`, numbered by their content."""
    stream = await node.event_stream_create(starts_stream(), "/a")
    await node.event_stream_write(stream, [Event(*span, n) for n, span in enumerate(spans)])
    return stream


async def found(node: Node, *window: Any, **options: Any) -> list[Any]:
    """Return the contents of a window; reading, counting and iterating must agree."""
    events = await node.event_stream_read(PATH, *window, **options)
    ongoing = options.get("include_on_going_events", True)
    assert events == await node.event_stream_read_list(PATH, *window, **options)
    assert events == [event async for event in node.event_stream_read(PATH, *window, **options)]
    count = await node.event_stream_count(PATH, *window, include_on_going_events=ongoing)
    assert count == len(events)
    return [event.content for event in events]


async def lose(events: Any, number: int) -> list[Any]:
    """Return the first items of an iteration that is then broken off."""
    items = []
    async for item in events:
        items.append(item)
        if len(items) == number:
            break
    return items


class EventContract:
    async def test_written_events_are_read_back(self, node: Node):
        stream = await node.event_stream_create(starts_stream(), "/a")
        events = [Event(20, 30, {"power": 3.5}), Event(-10, 5, {"note": "ü"}), Event(20, 21)]
        written = await node.event_stream_write(PATH, events)
        assert all(a is b for a, b in zip(written, events, strict=True))
        assert len({event.id for event in events}) == 3
        read = await node.event_stream_read(stream)
        assert read == [events[1], events[0], events[2]]
        assert [event.id for event in read] == [events[i].id for i in (1, 0, 2)]
        assert {event.event_stream_id for event in read} == {stream.id}
        assert {event.node_uuid for event in read} == {(await node.info()).uuid}

    async def test_writing_nothing_is_fine(self, node: Node):
        await filled(node)
        assert await node.event_stream_write(PATH, []) == []
        assert await found(node) == []

    @pytest.mark.parametrize(
        "content",
        [
            {"a": {"b": [1, [2, {"c": None}]], "d": {}}, "e": []},
            {"big": 2**53 + 1, "max": 2**63 - 1, "min": -(2**63), "unsigned": 2**64 - 1},
            {"beyond": 2**64, "far": -(10**40), "digits": int("7" * 4000)},
            {"tenth": 0.1, "tiny": 5e-324, "huge": 1.7976931348623157e308, "zero": -0.0},
            {"one": 1, "real": 1.0, "yes": True, "no": False, "null": None},
            {"ключ": "значение", "\N{GRINNING FACE}": "\N{GRINNING FACE}", "": ""},
            {"controls": "\0\x01\n\r\t\x7f\u2028", "quote\"'": '\\"'},
            {"text": "null", "nan": "NaN", "number": "1234567890123456789012"},
            {"order": 1, "of": 2, "keys": 3, "a": 4},
            [1, "two", None],
            "text",
            0,
            False,
            12345678901234567890123,
        ],
        ids=lambda content: str(content)[:20].encode("ascii", "replace").decode(),
    )
    async def test_content_is_lossless(self, node: Node, content: Any):
        await filled(node)
        await node.event_stream_write(PATH, [Event(1, 2, content), Event(3, 4, {"next": 1})])
        read = await node.event_stream_read(PATH)
        assert repr(read[0].content) == repr(content)
        assert read[1].content == {"next": 1}

    async def test_nested_content_is_lossless(self, node: Node):
        await filled(node)
        content: Any = "innermost"
        for _ in range(300):
            content = {"in": [content]}
        await node.event_stream_write(PATH, [Event(1, 2, content)])
        assert (await node.event_stream_read(PATH))[0].content == content
        assert await node.event_stream_count(PATH, json_filter=[[["in", "unlike", "x"]]]) == 1

    @pytest.mark.parametrize(
        ("event", "text"),
        [
            (Event(5, 5), r"event 1: end \[5\] must be after start \[5\]"),
            (Event(5, 4), r"event 1: end \[4\] must be after start \[5\]"),
            (Event(None, 4), "event 1: .*start_time"),
            (Event("1", 4), "event 1: .*start_time"),
            (Event(True, 4), "event 1: .*start_time"),
            (Event(1, math.inf), "event 1: .*end_time"),
            (Event(math.nan, 4), "event 1: .*start_time"),
            (Event(1, 2**63), "event 1: .*end_time"),
            (Event(1, 2, {"a": math.nan}), "event 1: the content is not JSON"),
            (Event(1, 2, {"a": [None, math.inf]}), "event 1: the content is not JSON"),
            (Event(1, 2, -math.inf), "event 1: the content is not JSON"),
            (Event(1, 2, {"a": object()}), "event 1: the content is not JSON"),
            (Event(1, 2, {"a": b"bytes"}), "event 1: the content is not JSON"),
            (Event(1, 2, {"a": {1, 2}}), "event 1: the content is not JSON"),
            (Event(1, 2, {"a": datetime(2026, 1, 1, tzinfo=UTC)}), "the content is not JSON"),
            (Event(1, 2, {"a": Event(1, 2)}), "event 1: the content is not JSON"),
            (Event(1, 2, {"a": "\udcff"}), "event 1: the content is not JSON"),
            (Event(1, 2, {"\udcff": 1}), "event 1: the content is not JSON"),
        ],
    )
    async def test_one_wrong_event_keeps_all_from_being_stored(
        self, node: Node, event: Event, text: str
    ):
        await filled(node, (1, 2))
        (old,) = await node.event_stream_read(PATH)
        old.content = "changed"
        new = Event(1, 2)
        with pytest.raises(InvalidEventError, match=text) as caught:
            await node.event_stream_write(PATH, [new, event, old])
        assert str(caught.value).endswith("[400]")
        assert new.id is None
        assert await found(node) == [0]

    async def test_circular_content_is_refused(self, node: Node):
        await filled(node)
        content: dict[str, Any] = {}
        content["self"] = content
        deep: Any = 1
        for _ in range(100_000):
            deep = [deep]
        for wrong in (content, deep):
            with pytest.raises(InvalidEventError, match="the content is not JSON"):
                await node.event_stream_write(PATH, [Event(1, 2, wrong)])
        assert await found(node) == []

    async def test_fractions_of_microseconds_are_rounded(self, node: Node):
        await filled(node)
        await node.event_stream_write(PATH, [Event(1.6, 4.4)])
        assert await node.event_stream_read(PATH) == [Event(2, 4)]

    async def test_extreme_times(self, node: Node):
        low, high = -(2**63), 2**63 - 1
        await filled(node, (low, low + 1), (0, 1), (low, high), (high - 1, high))
        assert await found(node) == [0, 2, 1, 3]
        assert await found(node, 0) == [2, 1, 3]
        assert await found(node, 0, high, include_on_going_events=False) == [1, 3]
        assert await found(node, None, 0) == [0, 2]
        info = await node.event_stream_info(PATH)
        assert (info.start, info.end, info.event_count) == (low, high, 4)
        assert await node.event_stream_remove(PATH, high) == 2
        assert await found(node) == [0, 1]

    # -- updates

    async def test_events_that_were_read_are_updated(self, node: Node):
        await filled(node, (10, 20), (30, 40))
        first, second = await node.event_stream_read(PATH)
        ids = [first.id, second.id]
        first.start_time, first.end_time, first.content = 50, 60, {"new": True}
        await node.event_stream_write(PATH, [first])
        read = await node.event_stream_read(PATH)
        assert read == [Event(30, 40, 1), Event(50, 60, {"new": True})]
        assert [event.id for event in read] == [ids[1], ids[0]]
        assert first.id == ids[0]

    async def test_events_of_another_stream_are_new(self, node: Node):
        await filled(node, (10, 20), (30, 40))
        other = await node.event_stream_create(starts_stream("other"), "/a")
        await node.event_stream_write(other, [Event(1, 2, "other"), Event(3, 4, "more")])
        read = await node.event_stream_read(PATH)
        await node.event_stream_write(other, read)
        assert await node.event_stream_count(other) == 4
        assert await found(node) == [0, 1]

    async def test_events_of_another_node_are_new(
        self, node: Node, fresh_node: Callable[[], AbstractAsyncContextManager[Node]]
    ):
        stream = await filled(node, (10, 20))
        async with fresh_node() as elsewhere:
            far = await filled(elsewhere, (1, 2))
            assert (await elsewhere.info()).uuid != (await node.info()).uuid
            (event,) = await node.event_stream_read(stream)
            event.event_stream_id = far.id
            await elsewhere.event_stream_write(far, [event])
            assert await found(elsewhere) == [0, 0]

    async def test_event_that_was_never_read_is_new_each_time(self, node: Node):
        await filled(node)
        event = Event(1, 2)
        await node.event_stream_write(PATH, [event])
        first = event.id
        await node.event_stream_write(PATH, [event])
        assert event.id != first
        assert await node.event_stream_count(PATH) == 2

    async def test_event_that_is_gone_is_new(self, node: Node):
        await filled(node, (10, 20), (30, 40))
        gone, kept = await node.event_stream_read(PATH)
        former = gone.id
        await node.event_stream_remove(PATH, 0, 15)
        await node.event_stream_write(PATH, [kept, gone])
        assert gone.id > max(former, kept.id)
        assert await found(node) == [0, 1]

    @pytest.mark.parametrize("number", [0, -1, 4711, 2**40, 2**63, 2**70])
    async def test_unknown_id_is_new(self, node: Node, number: int):
        await filled(node, (10, 20), (30, 40))
        first, _ = await node.event_stream_read(PATH)
        first.id, first.content = number, "new"
        await node.event_stream_write(PATH, [first])
        assert await found(node) == [0, "new", 1]
        assert first.id != number

    async def test_same_id_twice_in_one_call(self, node: Node):
        await filled(node, (10, 20))
        (first,), (again,) = [await node.event_stream_read(PATH) for _ in range(2)]
        first.content, again.content = "first", "again"
        await node.event_stream_write(PATH, [first, again])
        assert await found(node) == ["again"]
        assert first.id == again.id

    async def test_ids_ascend_and_are_not_used_again(self, node: Node):
        await filled(node, (10, 20), (30, 40), (50, 60))
        old = await node.event_stream_read(PATH)
        ids = [event.id for event in old]
        assert ids == sorted(set(ids))
        await node.event_stream_remove(PATH, 30)
        unknown, known = old[2], old[0]
        new = [Event(1, 2), unknown, Event(3, 4), known]
        await node.event_stream_write(PATH, new)
        numbers = [event.id for event in new]
        assert numbers[3] == ids[0]
        # first those without an id, then those with an unknown one
        assert ids[2] < numbers[0] < numbers[2] < numbers[1]
        await node.event_stream_remove(PATH)
        (last,) = await node.event_stream_write(PATH, [Event(1, 2)])
        assert last.id > max(numbers)

    # -- windows

    async def test_window_with_events_that_go_on(self, node: Node):
        await filled(
            node, (0, 99), (0, 100), (0, 101), (99, 100), (100, 101), (199, 300), (200, 201)
        )
        assert await found(node, 100, 200) == [1, 2, 3, 4, 5]
        assert await found(node, 101) == [2, 4, 5, 6]
        assert await found(node, None, 99) == [0, 1, 2]
        assert await found(node, 301) == []
        assert await found(node, None, -1) == []

    async def test_window_of_events_that_start_in_it(self, node: Node):
        await filled(
            node, (0, 99), (0, 100), (0, 101), (99, 100), (100, 101), (199, 300), (200, 201)
        )
        options = {"include_on_going_events": False}
        assert await found(node, 100, 200, **options) == [4, 5]
        assert await found(node, 101, **options) == [5, 6]
        assert await found(node, None, 99, **options) == [0, 1, 2]
        assert await found(node, 199, 200, **options) == [5]

    async def test_events_of_every_length_reach_into_a_window(self, node: Node):
        now = 10**17
        lengths = sorted({16**k + d for k in range(15) for d in (-1, 0, 1)} - {0})
        spans = [(now - length + d, now + d) for length in lengths for d in (-1, 0)]
        await filled(node, *spans)
        expected = [i for i, (start, end) in enumerate(spans) if start < now + 5 and end >= now]
        assert sorted(await found(node, now, now + 5)) == expected
        ended = [i for i in range(len(spans)) if i not in set(expected)]
        assert await node.event_stream_remove(PATH, now) == len(expected)
        assert sorted(await found(node)) == ended

    @pytest.mark.parametrize("bounds", [(5, 5), (6, 5)])
    async def test_bounds_must_be_in_order(self, node: Node, bounds: tuple[int, int]):
        await filled(node, (1, 9))
        text = rf"\[start\] {bounds[0]} must be < \[end\] 5"
        for call in (
            node.event_stream_read,
            node.event_stream_read_list,
            node.event_stream_count,
            node.event_stream_remove,
        ):
            with pytest.raises(ApiError, match=text):
                await call(PATH, *bounds)
        assert await node.event_stream_count(PATH) == 1

    @pytest.mark.parametrize("bound", ["1", math.nan, True, 2**63])
    async def test_bounds_are_timestamps(self, node: Node, bound: Any):
        await filled(node, (1, 9))
        for window in ((bound,), (None, bound)):
            with pytest.raises(ApiError, match="microsecond"):
                await node.event_stream_read(PATH, *window)
            with pytest.raises(ApiError, match="microsecond"):
                await node.event_stream_remove(PATH, *window)
        assert await node.event_stream_count(PATH) == 1

    async def test_remove_takes_what_reading_gives(self, node: Node):
        await filled(node, (0, 10), (0, 20), (15, 30), (25, 26), (40, 50))
        assert await node.event_stream_remove(PATH, 20, 40) == 3
        assert await found(node) == [0, 4]
        assert await node.event_stream_remove(PATH, 100) == 0
        assert await node.event_stream_remove(PATH, None, 40) == 1
        assert await node.event_stream_remove(PATH) == 1
        assert await found(node) == []

    async def test_streams_have_their_own_events(self, node: Node):
        await filled(node, (1, 9), (2, 30))
        other = await node.event_stream_create(starts_stream("other"), "/a")
        await node.event_stream_write(other, [Event(0, 100)])
        assert await found(node, 20) == [1]
        assert await node.event_stream_remove(other) == 1
        assert await found(node) == [0, 1]

    # -- ways to read

    async def test_arguments_as_1_0_1_has_them(self, node: Node):
        await filled(node)
        await node.event_stream_write(PATH, [Event(i, i + 9, {"n": i}) for i in range(5)])
        chosen = '[[["n", "gt", 1]]]'
        assert len(await node.event_stream_read(PATH, None, None, chosen)) == 3
        assert len(await node.event_stream_read(PATH, 4, None, chosen)) == 3
        assert len(await node.event_stream_read(PATH, 4, None, chosen, False)) == 1
        assert len(await node.event_stream_read(PATH, 4, None, None, False)) == 1
        for condition, expected in ((chosen, [2, 1]), (None, [2, 2, 1])):
            reading = node.event_stream_read(PATH, None, None, condition, True, 2)
            assert [len(block) async for block in reading] == expected
        assert len(await node.event_stream_read_list(PATH, None, None, chosen, True, 2)) == 2
        assert len(await node.event_stream_read(PATH, None, None, 2, chosen)) == 2

    async def test_shared_start_in_blocks_of_every_size(self, node: Node):
        n_events = 10_500
        await filled(node)
        events = [Event(1000, 1001 + i % 5000, i) for i in range(n_events)]
        await node.event_stream_write(PATH, events)
        wanted = [event.id for event in events]
        for size in (1000, 1, 10_000, n_events, 20_000):
            sizes, ids = [], []
            async for block in node.event_stream_read(PATH, block_size=size):
                sizes.append(len(block))
                ids += [event.id for event in block]
            assert ids == wanted
            assert set(sizes[:-1]) <= {size}
            assert 0 < sizes[-1] <= size
        assert [event.id async for event in node.event_stream_read(PATH)] == wanted
        begun = [event.id async for event in node.event_stream_read(PATH, 2000)]
        assert begun == [event.id for event in events if event.end_time >= 2000]
        assert [e.id for e in await node.event_stream_read(PATH)] == wanted[:10_000]
        assert [e.id for e in await node.event_stream_read(PATH, limit=10_400)] == wanted[:10_400]

    async def test_limit_and_blocks(self, node: Node):
        await filled(node, *((i // 2, i + 10) for i in range(20)))
        for limit in (1, 2, 7, 20, 100):
            expected = list(range(min(limit, 20)))
            assert [e.content for e in await node.event_stream_read(PATH, limit=limit)] == expected
            for size in (1, 3, 7, 20, 50):
                blocks = [
                    [event.content for event in block]
                    async for block in node.event_stream_read(PATH, limit=limit, block_size=size)
                ]
                assert blocks == [expected[i : i + size] for i in range(0, len(expected), size)]
            # some go on, some start inside
            window = [e.content for e in await node.event_stream_read(PATH, 5, limit=limit)]
            assert window == expected

    @pytest.mark.parametrize("number", [0, -1, 1.5, "3"])
    async def test_wrong_limit_and_block_size(self, node: Node, number: Any):
        await filled(node, (1, 2))
        with pytest.raises(ApiError, match=r"\[block_size\] must be an integer > 0"):
            async for _ in node.event_stream_read(PATH, block_size=number):
                pass
        if not isinstance(number, str):
            with pytest.raises(ApiError, match=r"\[limit\] must be an integer > 0"):
                await node.event_stream_read(PATH, limit=number)

    async def test_iteration_may_be_broken_off(self, node: Node):
        await filled(node, *((i, i + 1) for i in range(100)))
        before = asyncio.all_tasks()
        assert len(await lose(node.event_stream_read(PATH), 3)) == 3
        blocks = await lose(node.event_stream_read(PATH, block_size=7), 2)
        assert [len(block) for block in blocks] == [7, 7]
        reading = aiter(node.event_stream_read(PATH, block_size=10))
        assert len(await anext(reading)) == 10
        await reading.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(reading)
        assert asyncio.all_tasks() == before

    async def test_blocks_of_an_empty_window(self, node: Node):
        await filled(node, (1, 2))
        assert [b async for b in node.event_stream_read(PATH, 50, block_size=10)] == []
        assert [e async for e in node.event_stream_read(PATH, None, 1)] == []

    async def test_reading_while_events_are_written_and_removed(self, node: Node):
        await filled(node, *((i, i + 1) for i in range(1000)))
        seen = []
        async for block in node.event_stream_read(PATH, block_size=100):
            seen += [event.content for event in block]
            first = block[0].start_time
            await node.event_stream_write(PATH, [Event(first + 500, first + 501, "new")])
            await node.event_stream_remove(PATH, None, first + 50)
        numbers = [content for content in seen if content != "new"]
        assert numbers == list(range(1000))
        assert seen.count("new") <= 10

    # -- what a stream holds

    async def test_info_of_events(self, node: Node):
        await filled(node)
        info = await node.event_stream_info(PATH)
        assert (info.start, info.end, info.event_count, info.total_time) == (None, None, 0, 0)
        spans = [Event(10, 500), Event(-5, 3), Event(400, 401)]
        await node.event_stream_write(PATH, spans)
        info = await node.event_stream_info(PATH)
        assert (info.start, info.end, info.event_count, info.total_time) == (-5, 500, 3, 505)

    async def test_histogram_counts_by_start(self, node: Node):
        origin = 946_857_600_000_000
        await filled(node, *((origin + s, origin + 99) for s in (3, 10, 19, 20, 41)))
        buckets = await node.event_stream_histogram(PATH, origin + 3, origin + 41, width=10)
        assert [(b.start - origin, b.end - origin, b.count) for b in buckets] == [
            (0, 10, 1),
            (10, 20, 2),
            (20, 30, 1),
            (30, 40, 0),
            (40, 50, 1),
        ]
        part = await node.event_stream_histogram(PATH, origin + 10, origin + 20, width=10)
        assert [b.count for b in part] == [2, 1]
        whole = await node.event_stream_histogram(PATH)
        assert sum(b.count for b in whole) == 5
        assert len(whole) <= 102
        assert whole[0].start <= origin + 3 < whole[0].end
        assert all(a.end == b.start for a, b in pairwise(whole))
        weeks = await node.event_stream_histogram(PATH, width=7 * 86_400_000_000)
        assert weeks == [EventBucket(origin, origin + 7 * 86_400_000_000, 5)]

    async def test_histogram_of_nothing(self, node: Node):
        await filled(node)
        assert await node.event_stream_histogram(PATH) == []
        empty = await node.event_stream_histogram(PATH, 0, 99, width=50)
        assert [bucket.count for bucket in empty] == [0] * len(empty)

    @pytest.mark.parametrize("width", [0, -1, 1.5, "1"])
    async def test_wrong_width_of_a_histogram(self, node: Node, width: Any):
        await filled(node, (1, 2))
        with pytest.raises(ApiError, match=r"\[width\] must be an integer > 0"):
            await node.event_stream_histogram(PATH, width=width)

    async def test_histogram_of_too_many_buckets(self, node: Node):
        await filled(node, (0, 10**9))
        with pytest.raises(ApiError, match="more than 100,000"):
            await node.event_stream_histogram(PATH, width=1)


class OpenEventContract:
    """Events that have not ended, for the nodes that take them."""

    async def test_event_without_an_end_goes_on(self, node: Node):
        await filled(node, (10, None), (20, 30), (40, None))
        assert await found(node) == [0, 1, 2]
        assert await found(node, 35) == [0, 2]
        assert await found(node, 10**15) == [0, 2]
        assert await found(node, 10**15, include_on_going_events=False) == []
        assert await found(node, 5, 15) == [0]
        assert await found(node, None, 10) == []
        assert [event.end_time for event in await node.event_stream_read(PATH)] == [None, 30, None]

    async def test_event_gets_its_end_later(self, node: Node):
        await filled(node, (10, None))
        (event,) = await node.event_stream_read(PATH)
        event.end_time = 20
        await node.event_stream_write(PATH, [event])
        assert await node.event_stream_read(PATH) == [Event(10, 20, 0)]
        assert await found(node, 21) == []
        (event,) = await node.event_stream_read(PATH)
        event.end_time = None
        await node.event_stream_write(PATH, [event])
        assert await found(node, 21) == [0]

    async def test_info_and_removal_of_open_events(self, node: Node):
        await filled(node, (10, None), (2, 5))
        info = await node.event_stream_info(PATH)
        assert (info.start, info.end, info.event_count) == (2, 10, 2)
        assert await node.event_stream_remove(PATH, 1000) == 1
        assert await found(node) == [1]

    async def test_new_events_are_followed_each_once(self, node: Node):
        await filled(node, (10, None))
        await node.event_stream_write(PATH, [Event(20, 30, {"n": 5})])
        following = node.event_stream_follow(PATH, 15, [[["n", "gt", 0]]])
        async with asyncio.timeout(20), aclosing(following) as blocks:
            assert await anext(blocks) == []
            assert [event.start_time for event in await anext(blocks)] == [20]
            (first, *_) = await node.event_stream_read(PATH)
            # a change, an event that does not match, one that is too early, one that is wanted
            first.end_time = 18
            await node.event_stream_write(PATH, [first, Event(50, 60, {"n": 0})])
            await node.event_stream_write(PATH, [Event(1, 2, {"n": 7}), Event(40, None, {"n": 8})])
            (event,) = await anext(blocks)
            assert (event.start_time, event.end_time, event.content) == (40, None, {"n": 8})
            assert event.event_stream_id == first.event_stream_id
