"""Event streams and events, through the calls and the commands of the original."""

from __future__ import annotations

import json

import pytest

from joule_cli.model import Event, EventStream
from tests.interop.original import OriginalError

T = 1_700_000_000_000_000
FIELDS = {"kind": 'category:["cold","hot"]', "note": "string", "power": "numeric"}


@pytest.fixture
async def faults(site):
    """A node with an empty stream."""
    await site.node.event_stream_create(EventStream("faults", event_fields=FIELDS), "/plant")
    return site


async def own_events(site, path="/plant/faults"):
    """Return start, end and content of all events as the node has them."""
    found = [event async for event in site.node.event_stream_read(path)]
    return [(event.start_time, event.end_time, event.content) for event in found]


async def test_streams(site):
    script = """
        EventStream = joule.api.EventStream
        stream = EventStream("faults", "what fails", "1h", event_fields=fields, keep_us=10**17)
        made = await node.event_stream_create(stream, "/plant")
        folder = await node.folder_get("/plant")
        await node.event_stream_create(EventStream("two"), folder)
        await node.event_stream_create(EventStream("three"), folder.id)
        got = [await node.event_stream_get(s) for s in (made, made.id, "/plant/faults")]
        new = await node.event_stream_get(
            "/new/place/made", create=True, description="d", chunk_duration_us=5,
            event_fields={"a": "string"},
        )
        made.name, made.description = "trips", ""
        made.event_fields = {"b": "numeric"}
        await node.event_stream_update(made)
        await node.event_stream_move("/plant/trips", "/store")
        await node.event_stream_move(new, folder)
        moved = await node.event_stream_get("/store/trips")
        info = await node.event_stream_info(moved)
        await node.event_stream_delete(moved)
        await node.event_stream_delete("/plant/two")
        left = [s.name for s in (await node.folder_get(folder)).event_streams]
        return made.id, got, new, moved, info, sorted(left)
    """
    number, got, new, moved, info, left = await site.run(script, fields=FIELDS)
    assert got[0] == got[1] == got[2]
    assert got[0]["event_fields"] == FIELDS
    assert (got[0]["chunk_duration_us"], got[0]["keep_us"]) == (3_600_000_000, 10**17)
    assert (new["chunk_duration_us"], new["event_fields"]) == (5, {"a": "string"})
    assert (moved["id"], moved["description"], moved["event_fields"]) == (
        number,
        "",
        {"b": "numeric"},
    )
    assert info == {"start": None, "end": None, "event_count": 0, "bytes": 0, "total_time": 0}
    assert left == ["made", "three"]


async def test_events_come_back(faults):
    script = """
        events = [
            joule.api.Event(T, T + 5, {"power": 3.5, "kind": "hot"}),
            joule.api.Event(T + 10, T + 11, {"note": "später", "deep": {"list": [1, None, "x"]}}),
            joule.api.Event(T + 20, T + 100, {}),
        ]
        written = await node.event_stream_write("/plant/faults", events)
        info = await node.event_stream_info("/plant/faults")
        read = [e async for e in node.event_stream_read("/plant/faults")]
        read[1].content = {"note": "changed"}
        read[1].end_time = T + 19
        await node.event_stream_write("/plant/faults", [read[1]])
        stream = await node.event_stream_get("/plant/faults")
        again = [e async for e in node.event_stream_read(stream.id)]
        return written, info, read, again
    """
    written, info, read, again = await faults.run(script, T=T)
    assert [event["id"] for event in written] == [event["id"] for event in read]
    assert (info["start"], info["end"], info["event_count"]) == (T, T + 100, 3)
    # the script has changed the second of them
    assert [event["content"] for event in read] == [
        {"kind": "hot", "power": 3.5},
        {"note": "changed"},
        {},
    ]
    assert again == read
    assert await own_events(faults) == [
        (T, T + 5, {"kind": "hot", "power": 3.5}),
        (T + 10, T + 19, {"note": "changed"}),
        (T + 20, T + 100, {}),
    ]


@pytest.mark.parametrize("count", [520, 2500])
async def test_many_events(faults, count):
    """More than one request of the original takes, and more than one page."""
    script = """
        events = [joule.api.Event(T + i * 10, T + i * 10 + 5, {"n": i}) for i in range(count)]
        await node.event_stream_write("/plant/faults", events)
        one_by_one = [e.content["n"] async for e in node.event_stream_read("/plant/faults")]
        blocks = [len(b) async for b in node.event_stream_read("/plant/faults", block_size=200)]
        listed = await node.event_stream_read_list("/plant/faults")
        limited = await node.event_stream_read_list("/plant/faults", limit=501)
        bounded = await node.event_stream_read_list(
            "/plant/faults", start=T + 1000, end=T + 4000, include_on_going_events=False
        )
        number = await node.event_stream_count("/plant/faults")
        for event in listed:
            event.content["again"] = True
        await node.event_stream_write("/plant/faults", listed)
        return (
            one_by_one, blocks, len(listed), len(limited), [e.content["n"] for e in bounded], number
        )
    """
    every, blocks, listed, limited, bounded, number = await faults.run(script, T=T, count=count)
    assert every == [*range(count)]
    assert blocks == [200] * (count // 200) + [count % 200] * bool(count % 200)
    assert (listed, limited, number) == (count, 501, count)
    assert bounded == [*range(100, 400)]
    # those that were read are updated, and not written once more
    own = await own_events(faults)
    assert [content for _, _, content in own] == [{"n": i, "again": True} for i in range(count)]


async def test_ties(faults):
    """The original skips events that start together where a page ends between them."""
    script = """
        events = [joule.api.Event(T, T + 1 + i, {"n": i}) for i in range(700)]
        await node.event_stream_write("/plant/faults", events)
        page = await node.event_stream_read_list("/plant/faults")
        paged = [e.content["n"] async for e in node.event_stream_read("/plant/faults")]
        small = [len(b) async for b in node.event_stream_read("/plant/faults", block_size=50)]
        return len(page), sorted(paged), small, await node.event_stream_count("/plant/faults")
    """
    page, paged, small, count = await faults.run(script, T=T)
    assert (page, count) == (700, 700)
    assert paged == [*range(700)]
    assert small == [50]
    own = await own_events(faults)
    assert sorted(content["n"] for _, _, content in own) == [*range(700)]


async def test_windows_and_filters(faults):
    await faults.node.event_stream_write(
        "/plant/faults",
        [
            Event(T, T + 1000, {"kind": "cold", "power": 1, "note": "long"}),
            Event(T + 100, T + 110, {"kind": "hot", "power": 2}),
            Event(T + 200, T + 210, {"kind": "hot", "power": 10.5, "note": "100% load"}),
        ],
    )
    script = """
        async def starts(**arguments):
            if "json_filter" in arguments:
                arguments["json_filter"] = json.dumps(arguments["json_filter"])
            listed = await node.event_stream_read_list("/plant/faults", **arguments)
            number = await node.event_stream_count("/plant/faults", **arguments)
            assert number == len(listed)
            return [event.start_time - T for event in listed]
        return [
            await starts(start=T + 50, end=T + 150),
            await starts(start=T + 50, end=T + 150, include_on_going_events=False),
            await starts(json_filter=[[["kind", "is", "hot"]]]),
            await starts(json_filter=[[["kind", "is", "hot"], ["power", "gt", 5]]]),
            await starts(json_filter=[[["power", "lt", 2]], [["note", "like", "%load"]]]),
            await starts(json_filter=[[["note", "unlike", "long"]]], start=T),
        ]
    """
    assert await faults.run(script, T=T) == [
        [0, 100],
        [100],
        [100, 200],
        [200],
        [0, 200],
        [200],
    ]
    await faults.run(
        "await node.event_stream_remove('/plant/faults', json_filter=filter)",
        filter=json.dumps([[["power", "eq", 2]]]),
    )
    assert [start for start, _, _ in await own_events(faults)] == [T, T + 200]
    await faults.run("await node.event_stream_remove('/plant/faults', T + 150, T + 250)", T=T)
    # it overlaps the window, too
    assert await own_events(faults) == []


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("await node.event_stream_get('/plant/none')", "404: stream does not exist [404]"),
        ("await node.event_stream_info('/plant/none')", "404: stream does not exist [404]"),
        ("await node.event_stream_delete(99)", "404: stream does not exist [404]"),
        ("await node.event_stream_move('/none', '/x')", "404: stream does not exist [404]"),
        ("await node.event_stream_write('/none', [])", None),
        (
            "await node.event_stream_write('/none/x', [joule.api.Event(1, 2)])",
            "404: stream does not exist [404]",
        ),
        ("await node.event_stream_count('/none/x')", "404: stream does not exist [404]"),
        ("await node.event_stream_remove('/none/x')", "404: stream does not exist [404]"),
        ("await node.event_stream_read_list('/none/x')", "404: stream does not exist [404]"),
        (
            "await node.event_stream_read_list('/plant/faults', json_filter='x')",
            "400: invalid filter string, must be valid JSON [400]",
        ),
        (
            """await node.event_stream_count('/plant/faults', json_filter='[[["a","b"]]]')""",
            "400: invalid filter string, boolean expression must have 3 elements [400]",
        ),
        (
            "await node.event_stream_read_list('/plant/faults', start=5, end=5)",
            "400: [start] must be before [end] [400]",
        ),
        (
            "await node.event_stream_create(joule.api.EventStream('faults'), '/plant')",
            "Invalid stream specification: stream with the same name exists in the folder [400]",
        ),
        (
            "await node.event_stream_create(joule.api.EventStream(''), '/plant')",
            "Invalid stream specification: missing name [400]",
        ),
        (
            "s = await node.event_stream_get('/plant/faults'); s.keep_us = -2; "
            "await node.event_stream_update(s)",
            "400: Invalid stream specification: invalid keep_us, must be -1 (KEEP_ALL) or >= 0 "
            "[400]",
        ),
    ],
)
async def test_refusals(faults, script, text):
    if text is None:
        assert await faults.run(script) is None
        return
    with pytest.raises(OriginalError) as caught:
        await faults.run(script)
    assert (caught.value.kind, caught.value.text) == ("ApiError", text)


async def test_an_event_that_ends_before_it_starts(faults):
    write = "await node.event_stream_write('/plant/faults', [joule.api.Event(10, 5)])"
    with pytest.raises(OriginalError, match=r"\[400\]$"):
        await faults.run(write)
    assert await own_events(faults) == []


async def test_commands(faults):
    await faults.node.event_stream_write("/plant/faults", [Event(T, T + 5, {"power": 1})])
    info = await faults.joule("event", "info", "/plant/faults")
    assert info.code == 0
    told = [line.strip() for line in info.out.splitlines() if line.startswith("\t")]
    assert told[:4] == [
        "Name:         faults",
        "Start:        2023-11-14 22:13:20",
        "End:          2023-11-14 22:13:20.000005",
        "Events:       1",
    ]
    assert told[6:] == [
        'category:["cold","hot"]\t| kind',
        "string\t| note",
        "numeric\t| power",
    ]
    for arguments in (("rename", "/plant/faults", "trips"), ("move", "/plant/trips", "/store")):
        shown = await faults.joule("event", *arguments)
        assert (shown.code, shown.out) == (0, "OK\n"), shown
    gone = await faults.joule("stream", "delete", "/store/trips", text="y\n")
    assert gone.out.endswith("OK\n")
    for arguments in (
        ("info", "/store/trips"),
        ("rename", "/store/trips", "x"),
        ("move", "/store/trips", "/x"),
        ("copy", "/store/trips", "/x/y"),
    ):
        shown = await faults.joule("event", *arguments)
        assert (shown.code, shown.err) == (
            1,
            "--connecting to [pump]--\nError: 404: stream does not exist [404]\n",
        )


async def test_copy(faults, open_site):
    events = [Event(T + i * 10, T + i * 10 + 5, {"power": i}) for i in range(1200)]
    await faults.node.event_stream_write("/plant/faults", events)
    wanted = await own_events(faults)
    copied = await faults.joule("event", "copy", "/plant/faults", "/copy/faults")
    assert (copied.code, copied.out.splitlines()[-1]) == (0, "OK")
    assert await own_events(faults, "/copy/faults") == wanted
    assert (await faults.node.event_stream_get("/copy/faults")).event_fields == FIELDS
    # what is there is replaced
    again = await faults.joule("event", "copy", "-a", "replace", "/plant/faults", "/copy/faults")
    assert again.code == 0, again
    assert await own_events(faults, "/copy/faults") == wanted
    other = await open_site("other")
    faults.add_node("other", other.served.url, other.served.key)
    for bounds in (("-e", T + 5000), ("--new",)):
        shown = await faults.joule(
            "event", "copy", "-a", "ignore", *bounds, "-d", "other", "/plant/faults", "/far/faults"
        )
        assert shown.code == 0, shown
    far = await own_events(other, "/far/faults")
    assert [content["power"] for _, _, content in far] == [*range(1200)]
