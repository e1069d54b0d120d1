"""What the recordings do not show of events over HTTP."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from joule_cli.model import Event, EventStream
from joule_cli.server import event_data
from joule_cli.server.settings import ServerSettings
from tests.serving import serve

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from tests.server.conftest import Client

NOW = 1_700_000_000_000_000


@pytest.fixture
async def served(node: Node):
    settings = ServerSettings(name="n", stop_timeout_s=1, clock=lambda: NOW)
    async with serve(node, settings=settings) as served:
        yield served


@pytest.fixture
async def stream(node: Node) -> EventStream:
    return await node.event_stream_create(EventStream("e"), "/")


def event(start: Any, end: Any, stream_id: Any = None, **other: Any) -> dict[str, Any]:
    return {"event_stream_id": stream_id, "start_time": start, "end_time": end} | (
        {"content": {"n": start}} | other
    )


async def post(client: Client, *events: Any) -> Any:
    answer = await client.send("POST", "/event/data.json", body={"path": "/e", "events": events})
    assert answer.status == 200, answer.text
    return answer.json["events"]


async def refused(client: Client, *events: Any) -> str:
    answer = await client.send("POST", "/event/data.json", body={"path": "/e", "events": events})
    assert answer.status == 400
    assert (await client.get("/event/data/count.json", path="/e"))["count"] == 0
    return answer.text


async def stored(node: Node) -> list[tuple[int, int | None]]:
    return [(e.start_time, e.end_time) for e in await node.event_stream_read("/e")]


# identity


async def test_ids_belong_to_a_stream(client: Client, node: Node, stream: EventStream):
    other = await node.event_stream_create(EventStream("other"), "/")
    (first,) = await post(client, event(1, 2))
    assert first["event_stream_id"] == stream.id
    # of another stream, of none, and of the stream itself but unknown: all are new ones
    for stream_id, number in ((other.id, first["id"]), (None, first["id"]), (stream.id, 999)):
        (copy,) = await post(client, event(3, 4, stream_id, id=number))
        assert copy["id"] not in {first["id"], number}
        assert copy["event_stream_id"] == stream.id
    (changed,) = await post(client, event(5, 6, stream.id, id=first["id"]))
    assert changed["id"] == first["id"]
    assert await stored(node) == [(3, 4)] * 3 + [(5, 6)]


async def test_new_ids_go_to_those_without_one_first(client: Client, stream: EventStream):
    sent = [event(1, 2, stream.id, id=50), event(1, 2), event(1, 2, stream.id, id=None)]
    assert [e["id"] for e in await post(client, *sent)] == [3, 1, 2]


async def test_everything_else_comes_back_as_it_was_sent(client: Client, stream: EventStream):
    sent = event(1.25, 2.75, note="ü", content=None, nested={"a": [1.0]})
    (found,) = await post(client, sent)
    assert found == sent | {"event_stream_id": stream.id, "id": 1}
    assert list(found) == [*sent, "id"]


# refused


@pytest.mark.parametrize("missing", ["start_time", "end_time", "content"])
async def test_keys_that_are_missing(client: Client, stream: EventStream, missing: str):
    wrong = event(1, 2)
    del wrong[missing]
    text = await refused(client, event(1, 2), wrong)
    assert text == f"400: event 1: missing {missing}"


@pytest.mark.parametrize(
    "wrong",
    [
        event(1, 1),
        event(2, 1),
        event("1", 2),
        event(None, 2),
        event(True, 2),
        event([], 2),
        event(float("nan"), 2),
        event(1, float("inf")),
        event(-(2**63) - 1, 2),
        event(1, 2**63),
        event(1, 1e300),
        event(1, 2, content=float("nan")),
        event(1, 2, content={"a": "\ud800"}),
        5,
        None,
        [],
    ],
)
async def test_values_that_are_no_events(client: Client, stream: EventStream, wrong: Any):
    await refused(client, event(1, 2), wrong)


@pytest.mark.parametrize("number", ["1", 1.5, True, [], {}])
async def test_ids_that_are_no_numbers(client: Client, stream: EventStream, number: Any):
    await refused(client, event(1, 2, stream.id, id=number))


# events without an end


async def test_event_without_an_end(client: Client, node: Node, stream: EventStream):
    (found,) = await post(client, event(5, None))
    assert found["end_time"] is None
    assert await stored(node) == [(5, None)]
    query = {"path": "/e", "limit": "5", "open-ended": "1"}
    own = await client.get("/event/data.json", **query)
    assert own["events"][0]["end_time"] is None


async def test_for_clients_that_know_no_such_event_it_lasts_until_now(
    client: Client, stream: EventStream
):
    await post(client, event(5, None), event(NOW + 9, None))
    found = await client.get("/event/data.json", path="/e", limit="5")
    assert [e["end_time"] for e in found["events"]] == [NOW, NOW + 10]


# pages


async def test_with_an_end_alone_the_last_ones_are_given(client: Client, stream: EventStream):
    await post(client, *(event(n, n + 1) for n in range(50)))

    async def starts(**query: str) -> list[int]:
        query |= {"path": "/e", "return-subset": "1"}
        found = await client.get("/event/data.json", **query)
        assert found["count"] == len(found["events"])
        return [e["start_time"] for e in found["events"]]

    assert await starts(limit="3") == [0, 1, 2]
    assert await starts(limit="3", start="10") == [10, 11, 12]
    assert await starts(limit="3", start="10", end="40") == [10, 11, 12]
    assert await starts(limit="3", end="40") == [37, 38, 39]
    assert await starts(limit="3", end="40", **{"include-ongoing-events": "1"}) == [37, 38, 39]
    assert await starts(limit="3", end="40", filter='[[["n", "lt", 20]]]') == [17, 18, 19]
    assert await starts(limit="300", end="4") == [0, 1, 2, 3]
    assert await starts(limit="9" * 40, end="4") == [0, 1, 2, 3]


async def test_long_answers_are_sent_bit_by_bit(
    client: Client, node: Node, stream: EventStream, monkeypatch: pytest.MonkeyPatch
):
    await node.event_stream_write(stream, [Event(n, n + 1, {"n": n}) for n in range(3000)])
    whole = await client.send("GET", "/event/data.json", {"path": "/e", "limit": "2900"})
    assert whole.json["type"] == "histogram"
    query = {"path": "/e", "limit": "2900", "return-subset": "1"}
    whole = await client.send("GET", "/event/data.json", query)
    assert "content-length" in whole.headers
    monkeypatch.setattr(event_data, "_MOST_AT_ONCE_BYTES", 10_000)
    streamed = await client.send("GET", "/event/data.json", query)
    assert streamed.headers["transfer-encoding"] == "chunked"
    assert streamed.headers["content-type"] == whole.headers["content-type"]
    assert streamed.text == whole.text
    assert len(whole.json["events"]) == 2900


# histograms


async def test_histogram(client: Client, stream: EventStream):
    await post(client, *(event(n * 1000, n * 1000 + 1) for n in range(1, 40)))
    found = await client.get("/event/data.json", path="/e", limit="5")
    assert (found["type"], found["count"]) == ("histogram", 39)
    buckets = found["events"]
    assert list(buckets[0]) == ["id", "start_time", "end_time", "content"]
    for bucket, following in pairwise(buckets):
        assert bucket["end_time"] == following["start_time"]
    assert buckets[-1]["end_time"] == buckets[-1]["start_time"]
    assert sum(bucket["content"]["count"] for bucket in buckets) == 39
    assert {bucket["id"] for bucket in buckets} == {-1}


@pytest.mark.parametrize("span", [1, 2, 50, 99, 9_999])
async def test_histogram_of_a_short_time(client: Client, stream: EventStream, span: int):
    await post(client, *[event(0, 1)] * 3, event(span, span + 1))
    found = await client.get("/event/data.json", path="/e", limit="0")
    assert (found["type"], found["count"]) == ("histogram", 4)
    assert sum(bucket["content"]["count"] for bucket in found["events"]) == 4


async def test_times_too_far_apart_for_a_histogram(client: Client, stream: EventStream):
    await post(client, event(-(2**63), 5), event(2**63 - 2, 2**63 - 1))
    answer = await client.send("GET", "/event/data.json", {"path": "/e", "limit": "1"})
    assert (answer.status, answer.text[:5]) == (400, "400: ")


# numbers in queries


@pytest.mark.parametrize("path", ["/event/data.json", "/event/data/count.json"])
@pytest.mark.parametrize("name", ["start", "end", "include-ongoing-events"])
@pytest.mark.parametrize("text", ["", "2.5", "1e6", "abc", "0x10", "١", "9" * 5000, "--1"])
async def test_numbers_that_are_none(
    client: Client, stream: EventStream, path: str, name: str, text: str
):
    answer = await client.send("GET", path, {"path": "/e", "limit": "5", name: text})
    assert (answer.status, answer.text) == (400, f"400: parameter {name} must be an int")


@pytest.mark.parametrize("text", ["+5", " 5 ", "0_5", "05"])
async def test_numbers_as_python_reads_them(client: Client, stream: EventStream, text: str):
    await post(client, event(4, 9), event(5, 9))
    found = await client.get("/event/data/count.json", path="/e", start=text)
    assert found["count"] == 1
