"""Rows, through the commands of the original."""

from __future__ import annotations

import asyncio
import json

import h5py
import pytest

from joule_cli.model import Annotation, DataStream, Element

T = 1_700_000_000_000_000
LINES = "".join(f"{T + i * 1000} {i:f} {-i:f}\n" for i in range(2000))


@pytest.fixture
async def flow(site):
    """A node with 2000 rows, and a break in the middle."""
    stream = DataStream("flow", elements=[Element("rate"), Element("level")])
    await site.node.data_stream_create(stream, "/plant")
    async with await site.node.data_write("/plant/flow") as pipe:
        for begin in (0, 1000):
            await pipe.write([[T + i * 1000, i, -i] for i in range(begin, begin + 1000)])
            await pipe.close_interval()
    return site


async def done(site, *arguments, text=""):
    """Return what a command printed that has to end well."""
    shown = await site.joule(*arguments, text=text)
    assert shown.code == 0, shown
    return shown.out


async def read_until(site, wanted, *arguments):
    """Return what a read printed; now and then the original loses what follows the last break."""
    for _ in range(5):
        found = await done(site, "data", "read", *arguments, "/plant/flow")
        if found == wanted:
            break
    return found


async def array(site, path):
    found = await site.node.data_read_array(path, max_rows=10_000)
    return [[t, *values] for t, values in zip(found["timestamp"], found["data"], strict=True)]


async def test_read(flow):
    assert await read_until(flow, LINES) == LINES
    lines = LINES.splitlines(keepends=True)
    marked = "".join([*lines[:1000], "# interval break\n", *lines[1000:]])
    assert await read_until(flow, marked, "--mark-intervals") == marked
    bounds = ("--start", T + 5000, "--end", T + 8000)
    some = await done(flow, "data", "read", *bounds, "-i", "1", "/plant/flow")
    assert some == "".join(f"{T + i * 1000} {-i:f}\n" for i in range(5, 8))
    when = ("--start", "14 Nov 2023 22:13:20 UTC", "--end", "2023-11-14T22:13:20.002Z")
    assert (
        await done(flow, "data", "read", *when, "/plant/flow")
        == LINES[: LINES.index(f"{T + 2000}")]
    )


async def test_decimated_read(flow):
    pipe = await flow.node.data_read("/plant/flow", max_rows=100)
    async with pipe:
        own = [
            f"{row['timestamp']} " + " ".join(f"{value:f}" for value in row["data"])
            async for rows, _ in pipe.blocks()
            for row in rows
        ]
    assert len(own) == 32
    with_bounds = "".join(f"{line}\n" for line in own)
    asked = ("--max-rows", 100, "--show-bounds")
    assert await read_until(flow, with_bounds, *asked) == with_bounds
    means = "".join(" ".join(line.split()[:3]) + "\n" for line in own)
    assert await read_until(flow, means, "-r", 100) == means


async def test_read_to_a_file_and_ingest(flow, tmp_path):
    file = tmp_path / "flow.h5"
    # as far as the break
    await done(flow, "data", "read", "-e", T + 1000 * 1000, "--file", file, "/plant/flow")
    with h5py.File(file) as root:
        assert root["data"].shape == (1000, 2)
        assert json.loads(root.attrs["elements"]) == ["rate", "level"]
    await done(flow, "data", "ingest", "--stream", "/plant/again", file)
    assert await array(flow, "/plant/again") == (await array(flow, "/plant/flow"))[:1000]
    # over what is there, and refusing to
    kept = await done(flow, "data", "ingest", file, text="n\n")
    assert "This will remove existing data" in kept
    assert "Cancelled" in kept
    await done(flow, "data", "ingest", file, text="y\n")
    assert await read_until(flow, LINES) == LINES


async def test_live_read(flow):
    """It ends after the producer: a subscription without one has an end."""
    async with await flow.node.data_write("/plant/flow") as pipe:
        await pipe.write([[T + 10**9, 1, 2]])
        reading = asyncio.create_task(flow.joule("data", "read", "--live", "/plant/flow"))
        for beat in range(1, 60):
            await pipe.write([[T + 10**9 + beat, beat, beat]])
            await asyncio.sleep(0.02)
    shown = await reading
    assert shown.code == 0
    times = [int(line.split()[0]) for line in shown.out.splitlines()]
    assert times
    assert times == [*range(times[0], times[0] + len(times))]


async def test_intervals_consolidate_and_delete(flow):
    middle = "Tue, 14 Nov 2023 22:13:"
    assert await done(flow, "data", "intervals", "/plant/flow") == (
        f"[{middle}20  - {middle}20 ]\n[{middle}21  - {middle}21 ]\n"
    )
    none = await done(flow, "data", "consolidate", "--max-gap", 10, "/plant/flow")
    assert none == "No intervals less than 10 us\n"
    done_ = await done(flow, "data", "consolidate", "--redecimate", "/plant/flow")
    assert done_ == "Consolidated 1 intervals\nRecomputing decimations...OK\n"
    assert len(await flow.node.data_intervals("/plant/flow")) == 1
    await done(flow, "data", "delete", "-s", T + 1000, "-e", T + 1999_000, "/plant/flow")
    assert await array(flow, "/plant/flow") == [[T, 0, 0], [T + 1999_000, 1999, -1999]]
    await done(flow, "data", "delete", "--all", "/plant/flow")
    assert await done(flow, "data", "intervals", "/plant/flow") == "no stream data\n"
    empty = await flow.joule("data", "read", "/plant/flow")
    assert (empty.code, empty.err.splitlines()[-1]) == (1, "Error: This stream has no data")


async def test_copy(flow, open_site):
    await flow.node.annotation_create(Annotation("valve", T + 5000), "/plant/flow")
    copied = await done(flow, "data", "copy", "/plant/flow", "/copy/flow")
    assert "creating destination stream" in copied
    assert await array(flow, "/copy/flow") == await array(flow, "/plant/flow")
    assert [a.title for a in await flow.node.annotation_get("/copy/flow")] == ["valve"]
    again = await done(flow, "data", "copy", "/plant/flow", "/copy/flow")
    assert "Nothing to copy, syncing annotations" in again
    other = await open_site("other")
    flow.add_node("other", other.served.url, other.served.key)
    half = ("-e", T + 1000 * 1000)
    await done(flow, "data", "copy", "-d", "other", *half, "/plant/flow", "/far/flow")
    assert len(await array(other, "/far/flow")) == 1000
    new = await done(flow, "data", "copy", "--new", "-d", "other", "/plant/flow", "/far/flow")
    assert "Starting copy at" in new
    assert await array(other, "/far/flow") == await array(flow, "/plant/flow")


async def test_copy_into_a_gap(flow):
    await flow.node.data_stream_create(
        DataStream("flow", elements=[Element("rate"), Element("level")]), "/gap"
    )
    async with await flow.node.data_write("/gap/flow") as pipe:
        await pipe.write([[T + i * 1000, i, -i] for i in range(500)])
        await pipe.close_interval()
        await pipe.write([[T + i * 1000, i, -i] for i in range(700, 1000)])
    await done(flow, "data", "copy", "/plant/flow", "/gap/flow")
    assert await array(flow, "/gap/flow") == await array(flow, "/plant/flow")


@pytest.mark.parametrize(("filter_name", "window"), [("mean", 5), ("median", 5)])
async def test_filters(flow, filter_name, window):
    shown = await done(
        flow, "data", "filter", filter_name, "-w", window, "/plant/flow", "/made/flow", text="y\n"
    )
    assert shown.count("Processing") == 2
    rows = await array(flow, "/made/flow")
    assert len(rows) == 2 * (1000 - window + 1)
    source = {row[0]: row[1:] for row in await array(flow, "/plant/flow")}
    # of a straight line, both are the line
    assert all(values == pytest.approx(source[t]) for t, *values in rows)


async def test_merge(flow):
    other = DataStream("other", elements=[Element("x")])
    await flow.node.data_stream_create(other, "/plant")
    # an interval of less than a second is not merged
    async with await flow.node.data_write("/plant/other") as pipe:
        await pipe.write([[T + i * 1000, i / 2] for i in range(4000)])
    async with await flow.node.data_write("/plant/flow") as pipe:
        await pipe.write([[T + i * 1000, i, -i] for i in range(2500, 4000)])
    merging = ("-p", "/plant/flow:f", "-s", "/plant/other", "-d", "/made/merged")
    shown = await done(flow, "data", "merge", *merging, text="y\n")
    assert "Merging from" in shown
    made = await flow.node.data_stream_get("/made/merged")
    assert [e.name for e in made.elements] == ["f rate", "f level", "other x"]
    rows = await array(flow, "/made/merged")
    assert len(rows) >= 1490
    assert all(row == [row[0], row[1], -row[1], row[1] / 2] for row in rows)


async def test_refused_commands(flow):
    for arguments, text in (
        (("read", "/none/x"), "404: stream does not exist [404]"),
        (("intervals", "/none/x"), "404: stream does not exist [404]"),
        (("delete", "--all", "/none/x"), "404: stream does not exist [404]"),
        (("consolidate", "/none/x"), "404: stream does not exist [404]"),
        (("copy", "/none/x", "/y/z"), "404: stream does not exist [404]"),
        (
            ("read", "--live", "/plant/flow"),
            "DataStream [flow] is not being produced, specify time bounds for historic execution",
        ),
        (
            ("intervals", "-s", "5", "-e", "5", "/plant/flow"),
            "400: [start] must be before [end] [400]",
        ),
        (
            ("copy", "-d", "nowhere", "/plant/flow", "/y/z"),
            "Error: cannot connect to destination node [nowhere]",
        ),
        (
            ("merge", "-p", "/none/x", "-s", "/plant/flow", "-d", "/y/z"),
            "Primary stream /none/x: 404: stream does not exist [404]",
        ),
        (
            ("filter", "mean", "-w", "3", "/none/x", "/y/z"),
            "Source stream /none/x: 404: stream does not exist [404]",
        ),
    ):
        shown = await flow.joule("data", *arguments)
        assert (shown.code, shown.err.splitlines()[-1]) == (1, f"Error: {text}")
