"""Events are read whole from a node that pages as Joule 1.0.1 does."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.remote import event_paging
from joule_cli.remote.node import RemoteNode

#: Short, so that few events make many pages.
PAGE = 4


class Store:
    """Answers reads of events; where starts are equal, in another order each time."""

    def __init__(self, events: list[dict[str, Any]], seed: int) -> None:
        self.events = events
        self.limits: list[int] = []
        self._random = random.Random(seed)

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": "1.0.1", "name": "peer", "uuid": "u"})

    async def stream(self, request: web.Request) -> web.Response:
        starts = [event["start_time"] for event in self.events]
        ends = [event["end_time"] for event in self.events]
        info = {
            "start": min(starts, default=None),
            "end": max(ends, default=None),
            "event_count": len(starts),
            "bytes": 0,
            "total_time": 0,
        }
        stream = {"id": 1, "name": "s", "event_fields": {}, "data_info": info}
        return web.json_response(stream)

    async def read(self, request: web.Request) -> web.Response:
        query = request.query
        start, end = (int(query[k]) if k in query else None for k in ("start", "end"))
        limit = int(query["limit"])
        self.limits.append(limit)
        ongoing = query["include-ongoing-events"] == "1"
        found = [e for e in self.events if _inside(e, start, end, ongoing)]
        self._random.shuffle(found)
        found.sort(key=lambda event: event["start_time"])
        # with an end alone these are the last ones
        found = found[-limit:] if start is None and end is not None else found[:limit]
        body = {"count": len(found), "events": found, "type": "events"}
        return web.Response(text=json.dumps(body), content_type="application/json")


def _inside(event: dict[str, Any], start: int | None, end: int | None, ongoing: bool) -> bool:
    if end is not None and event["start_time"] >= end:
        return False
    if start is None or event["start_time"] >= start:
        return True
    return ongoing and event["end_time"] >= start


spans = st.tuples(st.integers(0, 12), st.integers(1, 12))
bounds = st.none() | st.integers(0, 14)


@given(
    st.lists(spans, max_size=40), bounds, bounds, st.booleans(), st.integers(1, 9), st.integers(0)
)
def test_nothing_is_lost_and_nothing_comes_twice(spans, start, end, ongoing, size, seed):
    if start is not None and end is not None and start >= end:
        start, end = end, start + 1
    events = [
        {"id": i, "event_stream_id": 1, "start_time": s, "end_time": s + n, "content": i}
        for i, (s, n) in enumerate(spans, 1)
    ]
    wanted = sorted((e["start_time"], e["id"]) for e in events if _inside(e, start, end, ongoing))

    async def run() -> None:
        store = Store(events, seed)
        app = web.Application()
        app.router.add_get("/version.json", store.version)
        app.router.add_get("/event.json", store.stream)
        app.router.add_get("/event/data.json", store.read)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with RemoteNode("peer", f"http://127.0.0.1:{runner.addresses[0][1]}") as node:
            reading = node.event_stream_read(
                "/s", start, end, include_on_going_events=ongoing, block_size=size
            )
            blocks = [block async for block in reading]
            limited = await node.event_stream_read(
                "/s", start, end, 3, include_on_going_events=ongoing
            )
        await runner.cleanup()
        assert all(len(block) == size for block in blocks[:-1])
        assert [(e.start_time, e.id) for block in blocks for e in block] == wanted
        assert [e.start_time for e in limited] == [begin for begin, _ in wanted[:3]]

    before, event_paging._LEAST = event_paging._LEAST, PAGE
    try:
        asyncio.run(run())
    finally:
        event_paging._LEAST = before
