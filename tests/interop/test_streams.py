"""Data streams and their annotations, through the calls and the commands of the original."""

from __future__ import annotations

import pytest

from joule_cli.model import Annotation, DataStream, Element
from tests.interop.original import OriginalError

T = 1_700_000_000_000_000


@pytest.fixture
async def flow(site):
    """A node with a stream of three rows."""
    elements = [Element("rate", units="l/s"), Element("level", default_min=-1, default_max=25)]
    stream = DataStream("flow", description="coolant", elements=elements, keep_us=10**15)
    await site.node.data_stream_create(stream, "/plant")
    async with await site.node.data_write("/plant/flow") as pipe:
        await pipe.write([[T, 1, 2], [T + 10, 3, 4], [T + 20, 5, 6]])
    return site


async def test_create_and_get(site):
    script = """
        made = []
        for datatype in ("float32", "float64", "int16", "int32", "int64"):
            elements = [joule.api.Element("α", "m³"), joule.api.Element("b", plottable=False)]
            elements[1].display_type = "discrete"
            elements[1].offset, elements[1].scale_factor = 2.5, 0.5
            elements[1].default_min, elements[1].default_max = -1, 9.5
            stream = joule.api.DataStream(datatype, "of " + datatype, datatype, 1000, elements)
            stream.decimate = datatype != "int64"
            made.append(await node.data_stream_create(stream, "/types"))
        folder = await node.folder_get("/types")
        extra = joule.api.DataStream("extra", elements=[joule.api.Element("x")])
        await node.data_stream_create(extra, folder)
        extra.name = "by id"
        await node.data_stream_create(extra, folder.id)
        got = [await node.data_stream_get(s) for s in (made[0], made[1].id, "/types/int16")]
        return made, got, [s.name for s in (await node.folder_get("/types")).data_streams]
    """
    made, got, names = await site.run(script)
    assert [stream["datatype"] for stream in made] == [stream["name"] for stream in made]
    assert [stream["decimate"] for stream in made] == [True] * 4 + [False]
    assert got == made[:3]
    assert sorted(names) == ["by id", "extra", "float32", "float64", "int16", "int32", "int64"]
    for stream in made:
        own = await site.node.data_stream_get(f"/types/{stream['name']}")
        assert own.id == stream["id"]
        assert (own.description, own.keep_us) == (f"of {own.name}", 1000)
        assert [(e.name, e.units, e.plottable) for e in own.elements] == [
            ("α", "m³", True),
            ("b", "", False),
        ]
        last = stream["elements"][1]
        assert (last["display_type"], last["offset"], last["scale_factor"]) == (
            "DISCRETE",
            2.5,
            0.5,
        )
        assert (last["default_min"], last["default_max"]) == (-1, 9.5)


async def test_update_move_delete_and_info(flow):
    script = """
        info = await node.data_stream_info("/plant/flow")
        stream = await node.data_stream_get("/plant/flow")
        stream.name, stream.keep_us, stream.decimate = "water", -1, False
        stream.elements[0].units = "m³/h"
        await node.data_stream_update(stream)
        await node.data_stream_move("/plant/water", "/store")
        moved = await node.data_stream_get(stream)
        again = await node.data_stream_info(stream.id)
        await node.data_stream_delete(moved)
        try:
            await node.data_stream_get("/store/water")
        except joule.errors.ApiError as exc:
            return info, moved, again, str(exc)
    """
    info, moved, again, text = await flow.run(script)
    assert (info["start"], info["end"], info["rows"], info["total_time"]) == (T, T + 20, 3, 20)
    assert again == info
    assert (moved["name"], moved["keep_us"], moved["decimate"]) == ("water", -1, False)
    assert moved["elements"][0]["units"] == "m³/h"
    assert text == "404: stream does not exist [404]"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("await node.data_stream_get('/plant/none')", "404: stream does not exist [404]"),
        ("await node.data_stream_info(99)", "404: stream does not exist [404]"),
        ("await node.data_stream_delete('/plant/none')", "404: stream does not exist [404]"),
        ("await node.data_stream_move('/none', '/x')", "404: stream does not exist [404]"),
        (
            "await node.data_stream_move('/plant/flow', '/plant')",
            "400: stream with the same name exists in the destination folder [400]",
        ),
        (
            "await node.data_stream_create(joule.api.DataStream('x'), '/plant')",
            "400: Invalid stream specification: stream must have at least one element [400]",
        ),
        (
            "await node.data_stream_create(joule.api.DataStream('x', datatype='uint24', "
            "elements=[joule.api.Element('a')]), '/plant')",
            "400: Invalid stream specification: invalid datatype [UINT24], "
            "choose from [float64, float32, int64, int32, int16, "
            "int8, uint64, uint32, uint16, uint8] [400]",
        ),
        (
            "await node.data_stream_create(joule.api.DataStream('flow', "
            "elements=[joule.api.Element('a')]), '/plant')",
            "400: Invalid stream specification: stream with the same name exists in the folder "
            "[400]",
        ),
        (
            "s = await node.data_stream_get('/plant/flow'); s.elements.pop(); "
            "await node.data_stream_update(s)",
            "400: Invalid stream specification: incorrect number of elements [400]",
        ),
        (
            "s = await node.data_stream_get('/plant/flow'); s.name = ''; "
            "await node.data_stream_update(s)",
            "400: Invalid stream specification: missing name [400]",
        ),
    ],
)
async def test_refusals(flow, script, text):
    with pytest.raises(OriginalError) as caught:
        await flow.run(script)
    assert (caught.value.kind, caught.value.text) == ("ApiError", text)


async def test_commands(flow):
    info = await flow.joule("stream", "info", "--elements", "/plant/flow")
    assert info.code == 0
    told = [line.strip() for line in info.out.splitlines() if line.startswith("\t")]
    assert told == [
        "Name:         flow",
        "Description:  coolant",
        "Datatype:     float32",
        "Keep:         11574 days, 1:46:40",
        "Decimate:     yes",
        "Status:       [idle]",
        "Start:        2023-11-14 22:13:20",
        "End:          2023-11-14 22:13:20.000020",
        "Rows:         3",
        "Annotation:   0",
    ]
    table = [line.split("│") for line in info.out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in line[1:-1]] for line in table] == [
        ["Name", "Units", "Display", "Min,Max"],
        ["rate", "l/s", "continuous", "auto"],
        ["level", "—", "continuous", "-1,25"],
    ]
    for arguments in (("rename", "/plant/flow", "water"), ("move", "/plant/water", "/store")):
        shown = await flow.joule("stream", *arguments)
        assert (shown.code, shown.out) == (0, "OK\n"), shown
    kept = await flow.joule("stream", "delete", "/store/water", text="n\n")
    assert kept.out.endswith("Cancelled\n")
    gone = await flow.joule("stream", "delete", "/store/water", text="y\n")
    assert gone.out.endswith("OK\n")
    for arguments in (
        ("info", "/store/water"),
        ("rename", "/store/water", "x"),
        ("move", "/store/water", "/x"),
        ("annotations", "/store/water"),
    ):
        shown = await flow.joule("stream", *arguments)
        assert (shown.code, shown.err) == (
            1,
            "--connecting to [pump]--\nError: 404: stream does not exist [404]\n",
        )
    shown = await flow.joule("stream", "delete", "/store/water")
    assert shown.err.endswith("Error: Stream does not exist\n")


async def test_an_active_stream(flow):
    async with await flow.node.data_write("/plant/flow") as pipe:
        await pipe.write([[T + 30, 7, 8]])
        info = await flow.joule("stream", "info", "/plant/flow")
        assert "[active]" in info.out
        listed = await flow.joule("folder", "list", "-s", "/plant")
        assert "● flow" in listed.out
        for script in (
            "await node.data_stream_delete('/plant/flow')",
            "await node.data_stream_move('/plant/flow', '/x')",
        ):
            with pytest.raises(OriginalError, match=r"^ApiError: 400: stream is locked \[400\]"):
                await flow.run(script)
        with pytest.raises(OriginalError, match=r"400: folder is locked \[400\]"):
            await flow.run("await node.folder_delete('/plant')")
        with pytest.raises(
            OriginalError, match=r"^ApiError: DataStream \[flow\] is already being produced"
        ):
            await flow.run("await node.data_write('/plant/flow')")


async def test_annotations(flow):
    script = """
        Annotation = joule.api.Annotation
        stream = await node.data_stream_get("/plant/flow")
        point = await node.annotation_create(Annotation("valve", T, content="see log"), stream)
        other = await node.annotation_create(Annotation("range", T + 5, T + 15), stream.id)
        await node.annotation_create(Annotation("später", T + 20), "/plant/flow")
        info = await node.annotation_info("/plant/flow")
        point.title, point.content = "valves", ""
        updated = await node.annotation_update(point)
        listed = [
            await node.annotation_get(stream),
            await node.annotation_get(stream.id, start=T + 5, end=T + 20),
            await node.annotation_get("/plant/flow", end=T),
        ]
        await node.annotation_delete(other)
        await node.annotation_delete(updated.id)
        left = await node.annotation_get(stream)
        await node.data_stream_annotation_delete(stream, start=T + 21)
        same = await node.annotation_get(stream)
        await node.data_stream_annotation_delete("/plant/flow")
        return info, updated, listed, left == same, await node.annotation_info(stream)
    """
    info, updated, listed, kept, last = await flow.run(script, T=T)
    assert info == {"start": T, "end": T + 20, "count": 3}
    assert (updated["title"], updated["content"], updated["end"]) == ("valves", "", None)
    titles = [[annotation["title"] for annotation in each] for each in listed]
    assert titles == [["valves", "range", "später"], ["range", "später"], ["valves"]]
    assert (listed[0][1]["start"], listed[0][1]["end"]) == (T + 5, T + 15)
    assert kept
    assert last == {"start": None, "end": None, "count": 0}


async def test_refused_annotations(flow):
    create = "await node.annotation_create(joule.api.Annotation({}), {!r})"
    for script, text in (
        (create.format(f"'a', {T}", "/none/x"), "404: stream does not exist [404]"),
        (create.format(f"'', {T}", "/plant/flow"), "400: title is reqiured [400]"),
        (
            create.format(f"'a', {T}, {T}", "/plant/flow"),
            "400: [start] must be before [end] [400]",
        ),
        ("await node.annotation_delete(99)", "404: annotation does not exist [404]"),
        ("await node.annotation_get('/none/x')", "404: stream does not exist [404]"),
        ("await node.annotation_info('/none/x')", "404: stream does not exist [404]"),
    ):
        with pytest.raises(OriginalError) as caught:
            await flow.run(script)
        assert caught.value.text == text


async def test_annotation_commands(flow):
    for annotation in (
        Annotation("valve", T, content="see log"),
        Annotation("range", T + 5, T + 15),
    ):
        await flow.node.annotation_create(annotation, "/plant/flow")
    shown = await flow.joule("stream", "annotations", "--csv", "/plant/flow")
    assert shown.out == f"valve,see log,{T}\nrange,,{T + 5},{T + 15}\n"
    shown = await flow.joule("stream", "annotations", "-s", str(T + 1), "/plant/flow")
    assert "range" in shown.out
    assert "valve" not in shown.out
    shown = await flow.joule("stream", "annotations", "--delete", "-e", str(T), "/plant/flow")
    assert shown.out == "OK\n"
    assert [a.title for a in await flow.node.annotation_get("/plant/flow")] == ["range"]
