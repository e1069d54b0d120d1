"""Rows over HTTP: what the recordings do not show."""

from __future__ import annotations

import asyncio
import io
import math
from typing import TYPE_CHECKING

import aiohttp
import numpy as np
import pytest
from yarl import URL

from joule_cli.model import DataStream, Element
from joule_cli.model.data_stream import KEEP_NONE
from joule_cli.wire.frames import FrameDecoder
from tests.serving import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from joule_cli.api.node import Node
    from joule_cli.series.layout import Rows
    from tests.server.conftest import Client
    from tests.serving import Served

T0 = 1_700_000_000_000_000
DTYPE = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
TOKEN = bytes(DTYPE.itemsize)
WHOLE = {"path": "/a/flow"}


def rows_at(*times: int) -> Rows:
    rows = np.zeros(len(times), DTYPE)
    rows["timestamp"] = np.array(times) + T0
    rows["data"] = 1 + np.arange(2 * len(times)).reshape(-1, 2)
    return rows


def many(n: int, first: int = 0) -> Rows:
    rows = np.zeros(n, DTYPE)
    rows["timestamp"] = T0 + first + np.arange(n)
    rows["data"] = np.random.default_rng(n).random((n, 2))
    return rows


async def create(node: Node, name: str = "flow", **values: object) -> None:
    stream = DataStream(name, datatype="float32", elements=[Element("a"), Element("b")])
    for attribute, value in values.items():
        setattr(stream, attribute, value)
    await node.data_stream_create(stream, "/a")


async def post(client: Client, body: object, **query: str) -> tuple[int, str]:
    url = URL(client.served.url + "/data").with_query(WHOLE | query)
    headers = {"X-API-KEY": client.served.key}
    data = io.BytesIO(body) if isinstance(body, bytes) else body
    async with client.session.post(url, data=data, headers=headers) as response:
        return response.status, await response.text()


async def get(client: Client, **query: str) -> tuple[int, bytes]:
    url = URL(client.served.url + "/data").with_query(WHOLE | query)
    async with client.session.get(url, headers={"X-API-KEY": client.served.key}) as response:
        return response.status, await response.read()


@pytest.fixture
async def flow(node: Node) -> Node:
    await create(node)
    return node


async def test_rows_come_back_as_they_were_sent(flow: Node, client: Client):
    rows = many(300_000)
    body = rows[:100_001].tobytes() + TOKEN + rows[100_001:].tobytes() + TOKEN

    async def cut() -> AsyncIterator[bytes]:
        for index in range(0, len(body), 77_777):
            yield body[index : index + 77_777]

    assert await post(client, cut()) == (200, "ok")
    status, found = await get(client)
    assert status == 200
    assert found == body.removesuffix(TOKEN)


async def test_rows_are_counted(flow: Node, client: Client):
    await post(client, rows_at(0, 10, 20).tobytes())
    assert await client.get("/data/count.json", id="1", end=str(T0 + 20)) == {"count": 2}


async def test_empty_answers(flow: Node, client: Client):
    assert await get(client) == (200, b"")
    assert await post(client, b"") == (200, "ok")
    await post(client, rows_at(0, 10).tobytes())
    no_data = (400, b"this stream has no data")
    assert await get(client, start=str(T0 + 11)) == no_data
    assert (await get(client, start=str(T0 + 11), **{"max-rows": "5"})) == (200, b"")
    await flow.data_delete("/a/flow")
    assert await get(client) == no_data
    assert (await get(client, **{"decimation-level": "5"})) == (200, b"")


async def test_a_window_that_ends_in_a_gap_ends_with_a_token(flow: Node, client: Client):
    await post(client, rows_at(0, 10).tobytes() + TOKEN + rows_at(1000).tobytes())
    _, found = await get(client, end=str(T0 + 500))
    assert found == rows_at(0, 10).tobytes() + TOKEN
    # the gap begins where the window ends, and no rows follow the whole
    assert (await get(client, end=str(T0 + 11)))[1] == rows_at(0, 10).tobytes()
    assert not (await get(client))[1].endswith(TOKEN)
    _, level = await get(client, end=str(T0 + 500), **{"decimation-level": "4"})
    assert len(level) == 2 * (8 + 6 * 4)


async def test_decimated_rows_are_float32_unless_asked_otherwise(node: Node, client: Client):
    await create(node, datatype="float64")
    dtype = np.dtype([("timestamp", "<i8"), ("data", "<f8", (2,))])
    rows = np.zeros(8, dtype)
    rows["timestamp"] = T0 + np.arange(8)
    rows["data"] = 1 / 3
    await post(client, rows.tobytes())
    url = URL(client.served.url + "/data").with_query(WHOLE | {"decimation-level": "4"})
    for extra, datatype, digits in (({}, "float32", 7), ({"joule-precise": "1"}, "float64", 15)):
        headers = {"X-API-KEY": client.served.key} | extra
        async with client.session.get(url, headers=headers) as response:
            assert response.headers["joule-layout"] == f"{datatype}_6"
            (found,) = FrameDecoder(f"{datatype}_6").decode(await response.read())
            assert found is not None
            assert round(float(found["data"][0, 0]), digits) == round(1 / 3, digits)


async def test_json_tells_infinities_in_words(flow: Node, client: Client):
    rows = rows_at(0, 10)
    rows["data"] = [[math.inf, -math.inf], [1, 2]]
    assert (await post(client, rows.tobytes()))[0] == 200
    answer = await client.send("GET", "/data.json", WHOLE)
    assert answer.text == (
        f'{{"data": [[[{T0}.0, Infinity, -Infinity], [{T0 + 10}.0, 1.0, 2.0]]], '
        '"decimation_factor": 1}'
    )
    answer = await client.send("GET", "/data.json", WHOLE | {"decimation-level": "4"})
    ((row,),) = answer.json["data"]
    assert row[1:] == [math.inf, -math.inf, 1.0, -math.inf, math.inf, 2.0]


async def test_large_json_is_sent_as_it_is_made(flow: Node, client: Client):
    rows = many(30_000)
    await post(client, rows[:20_000].tobytes() + TOKEN + rows[20_000:].tobytes())
    answer = await client.send("GET", "/data.json", WHOLE)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert [len(segment) for segment in answer.json["data"]] == [20_000, 10_000]
    assert answer.json["data"][1][-1] == [float(rows["timestamp"][-1]), *rows["data"][-1].tolist()]


async def test_refused_rows_leave_those_before_their_interval(flow: Node, client: Client):
    bad = rows_at(30, 20)
    status, text = await post(client, rows_at(0, 10).tobytes() + TOKEN + bad.tobytes())
    assert (status, text) == (400, "400: Non-monotonic timestamps in new data")
    assert (await get(client))[1] == rows_at(0, 10).tobytes()
    nan = rows_at(40)
    nan["data"][0, 0] = np.nan
    assert await post(client, nan.tobytes()) == (400, "400: Invalid values (NaN) in new data")
    status, text = await post(client, rows_at(10).tobytes())
    assert status == 400
    assert text.endswith('DETAIL:  Key ("time")=(2023-11-14 22:13:20.00001) already exists.')
    assert not (await flow.data_stream_get("/a/flow")).is_destination


async def test_missing_values_are_stored_for_clients_that_say_so(flow: Node, client: Client):
    parts = [rows_at(0, 10), rows_at(20), rows_at(30, 40)]
    for rows in parts:
        rows["data"][-1, 0] = np.nan
    body = TOKEN.join(rows.tobytes() for rows in parts)
    assert (await post(client, body))[0] == 400
    assert await flow.data_count("/a/flow") == 0
    assert await post(client, body, missing="1") == (200, "ok")
    assert (await get(client))[1] == body
    assert (await post(client, parts[0].tobytes(), missing="0"))[0] == 400
    assert "missing-values" in (await client.get("/version.json"))["capabilities"]


async def test_missing_values_are_null_in_json(flow: Node, client: Client):
    rows = rows_at(0, 10, 20, 30)
    rows["data"][1] = np.nan
    rows["data"][2] = [np.nan, np.inf]
    await post(client, rows.tobytes(), missing="1")
    answer = await client.send("GET", "/data.json", WHOLE)
    assert answer.text == (
        f'{{"data": [[[{T0}.0, 1.0, 2.0], [{T0 + 10}.0, null, null], [{T0 + 20}.0, null, Infinity],'
        f' [{T0 + 30}.0, 7.0, 8.0]]], "decimation_factor": 1}}'
    )
    answer = await client.send("GET", "/data.json", WHOLE | {"decimation-level": "4"})
    ((row,),) = answer.json["data"]
    assert row[1:] == [4.0, math.inf, 1.0, 2.0, 7.0, math.inf]


async def test_an_upload_without_a_token_leaves_its_interval_open(flow: Node, client: Client):
    await post(client, rows_at(100).tobytes() + TOKEN)
    await post(client, rows_at(0, 10).tobytes())
    assert await flow.data_intervals("/a/flow") == [[T0, T0 + 101]]
    await post(client, rows_at(20).tobytes() + TOKEN)
    assert await flow.data_intervals("/a/flow") == [
        [T0, T0 + 11],
        [T0 + 20, T0 + 21],
        [T0 + 100, T0 + 101],
    ]


async def raw(served: Served, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = URL(served.url)
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=1024)
    writer.write(f"{head} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {served.key}\r\n".encode())
    return reader, writer


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_an_early_refusal_is_sent_while_the_body_arrives(
    flow: Node, client: Client, served: Served
):
    reader, writer = await raw(served, "POST /data?path=/a/flow")
    half = rows_at(5, 5).tobytes() * 1000
    writer.write(f"Content-Length: {2 * len(half)}\r\n\r\n".encode() + half)
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        text = b"400: Non-monotonic timestamps in new data"
        assert await reader.readexactly(len(text)) == text
        # another one may write, and the connection can be used again
        assert await post(client, rows_at(7).tobytes()) == (200, "ok")
        key = f"X-API-KEY: {served.key}".encode()
        writer.write(half + b"GET /version HTTP/1.1\r\nHost: x\r\n" + key + b"\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()


async def test_rows_are_stored_while_they_arrive_and_kept_when_the_client_goes(
    flow: Node, served: Served
):
    _, writer = await raw(served, "POST /data?path=/a/flow")
    writer.write(b"Content-Length: 100000\r\n\r\n" + rows_at(0, 10).tobytes() + b"cut")

    async def stored() -> bool:
        return await flow.data_count("/a/flow") == 2

    await until(stored)
    stream = await flow.data_stream_get("/a/flow")
    assert (stream.is_destination, stream.active, stream.locked) == (True, True, True)
    writer.close()
    await writer.wait_closed()

    async def free() -> bool:
        return not (await flow.data_stream_get("/a/flow")).is_destination

    await until(free)
    assert await flow.data_count("/a/flow") == 2


async def test_a_busy_stream_takes_no_other_rows(flow: Node, client: Client):
    async with await flow.data_write("/a/flow"):
        text = "400: DataStream [flow] is already being produced"
        assert await post(client, rows_at(0).tobytes()) == (400, text)


async def test_a_reader_that_stands_still_delays_nobody(flow: Node, client: Client, served: Served):
    body = many(500_000).tobytes()
    await post(client, body)
    readers = []
    for _ in range(20):
        _, writer = await raw(served, "GET /data?path=/a/flow")
        writer.write(b"\r\n")
        readers.append(writer)
    for _ in range(2):
        assert (await get(client))[1] == body
    tasks = flow._open_pipes._readers  # type: ignore[attr-defined]
    waiting = [pipe.waiting_bytes for pipe in tasks.values()]
    assert len(waiting) == 20
    assert max(waiting) < 5_000_000
    for writer in readers:
        writer.close()
        await writer.wait_closed()

    async def gone() -> bool:
        return not tasks

    await until(gone)


async def test_damage_behind_the_first_rows_cuts_the_answer(flow: Node, client: Client):
    await post(client, many(400_000).tobytes())
    await flow.storage.database.write(  # type: ignore[attr-defined]
        lambda c: c.execute("UPDATE body SET rows = x'00' WHERE id = (SELECT max(id) FROM body)")
    )
    with pytest.raises(aiohttp.ClientPayloadError):
        await get(client)
    await flow.data_delete("/a/flow", None, T0 + 390_000)
    status, text = await get(client, start=str(T0))
    assert status == 400
    assert text.startswith(b"400: read error: ")


async def test_head_tells_the_layout_only(flow: Node, client: Client):
    answer = await client.send("HEAD", "/data", WHOLE)
    assert answer.headers["joule-layout"] == "float32_2"
    assert answer.headers["joule-decimation"] == "1"
    assert not {"content-type", "transfer-encoding"} & answer.headers.keys()


class Listener:
    """Reads the rows of a subscription."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._content = response.content

    async def expect(self, expected: bytes) -> None:
        async with asyncio.timeout(10):
            assert await self._content.readexactly(len(expected)) == expected


async def subscribe(client: Client, name: str = "flow") -> aiohttp.ClientResponse:
    url = URL(client.served.url + "/data").with_query(path=f"/a/{name}", subscribe="1")
    return await client.session.get(url, headers={"X-API-KEY": client.served.key})


@pytest.mark.parametrize("keep_us", [-1, KEEP_NONE])
async def test_subscribers_get_every_row_and_break_that_is_posted(
    node: Node, client: Client, keep_us: int
):
    await create(node, keep_us=keep_us)
    parts: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        while (part := await parts.get()) is not None:
            yield part

    upload = asyncio.create_task(post(client, body()))
    parts.put_nowait(TOKEN)

    async def produced() -> bool:
        return (await node.data_stream_get("/a/flow")).is_destination

    await until(produced)
    responses = [await subscribe(client) for _ in range(3)]
    listeners = [Listener(response) for response in responses]
    for expected in (rows_at(1, 2), rows_at(3), rows_at(4, 5)):
        parts.put_nowait(expected.tobytes() + TOKEN)
        for listener in listeners:
            await listener.expect(expected.tobytes() + TOKEN)
    responses[0].close()
    parts.put_nowait(rows_at(6).tobytes())
    await listeners[1].expect(rows_at(6).tobytes())
    parts.put_nowait(None)
    assert await upload == (200, "ok")
    await listeners[2].expect(rows_at(6).tobytes())
    assert [await response.read() for response in responses[1:]] == [b"", b""]


async def test_only_what_is_being_written_can_be_subscribed_to(flow: Node, client: Client):
    async with await subscribe(client) as response:
        assert (response.status, await response.text()) == (
            400,
            "400: stream is not being produced",
        )


async def test_a_subscriber_that_leaves_is_forgotten(flow: Node, client: Client):
    async with await flow.data_write("/a/flow") as pipe:
        (await subscribe(client)).close()
        subscribers = flow._subscribers  # type: ignore[attr-defined]

        async def gone() -> bool:
            return not any(subscribers.values())

        await until(gone)
        await pipe.write(rows_at(0))


async def test_a_unix_socket_serves_rows_too(flow: Node, client: Client, tmp_path):
    await post(client, rows_at(0, 10).tobytes())
    path = tmp_path / "api"
    async with serve(flow, unix=path):
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession(connector=connector) as session:
            url = "http://x/data?path=/a/flow"
            async with session.get(url) as response:
                assert await response.read() == rows_at(0, 10).tobytes()
