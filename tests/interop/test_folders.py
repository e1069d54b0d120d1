"""Folders, through the calls and the commands of the original."""

from __future__ import annotations

import pytest

from joule_cli.model import DataStream, Element, EventStream
from tests.interop.original import OriginalError

T = 1_700_000_000_000_000


@pytest.fixture
async def plant(site):
    """A node with data and events in two folders."""
    flow = DataStream("flow", elements=[Element("rate"), Element("level")])
    await site.node.data_stream_create(flow, "/plant/pumps")
    await site.node.event_stream_create(EventStream("faults"), "/plant/pumps")
    await site.node.folder_create("/plant/empty")
    return site


async def test_tree(plant):
    script = """
        def names(folder):
            return {
                "name": folder.name,
                "id": folder.id,
                "locked": folder.locked,
                "data": [s.layout for s in folder.data_streams],
                "events": [s.name for s in folder.event_streams],
                "children": [names(child) for child in folder.children],
            }
        return names(await node.folder_root())
    """
    root = await plant.run(script)
    assert (root["name"], root["locked"]) == ("root", True)
    [top] = root["children"]
    below = {child["name"]: child for child in top["children"]}
    assert set(below) == {"pumps", "empty"}
    assert (below["pumps"]["data"], below["pumps"]["events"]) == (["float32_2"], ["faults"])
    assert below["pumps"]["id"] == (await plant.node.folder_get("/plant/pumps")).id


async def test_calls(plant):
    script = """
        by_path = await node.folder_get("/plant/pumps")
        by_id = await node.folder_get(by_path.id)
        again = await node.folder_get(by_id)
        again.name, again.description = "machines", "what runs"
        await node.folder_update(again)
        await node.folder_move("/plant/machines", "/store/new")
        await node.folder_move(await node.folder_get("/plant/empty"), by_id.id)
        moved = await node.folder_get("/store/new/machines")
        await node.folder_delete("/store/new/machines/empty")
        await node.folder_delete(moved, recursive=True)
        return by_path.id, moved.id, moved.description, [c.name for c in moved.children]
    """
    first, last, description, children = await plant.run(script)
    assert (first, description, children) == (last, "what runs", ["empty"])
    store = await plant.node.folder_get("/store/new")
    assert (store.children, store.data_streams, store.event_streams) == ([], [], [])


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("await node.folder_get('/plant/none')", "404: folder does not exist [404]"),
        ("await node.folder_get(9999)", "404: folder does not exist [404]"),
        (
            "await node.folder_delete('/plant')",
            "400: specify [recursive] or remove child folders first [400]",
        ),
        ("await node.folder_move('/none', '/plant')", "404: folder does not exist [404]"),
        (
            "await node.folder_move('/plant', '/plant/pumps')",
            "400: cannot place a parent in a child folder [400]",
        ),
        (
            "f = await node.folder_get('/plant/empty'); f.name = 'a/b'; "
            "await node.folder_update(f)",
            "400: error: invalid name, '\\' not allowed [400]",
        ),
        (
            "f = await node.folder_get('/plant/empty'); f.name = 'pumps'; "
            "await node.folder_update(f)",
            "a folder with this name is in the destination folder [400]",
        ),
    ],
)
async def test_refusals(plant, script, text):
    with pytest.raises(OriginalError) as caught:
        await plant.run(script)
    assert (caught.value.kind, caught.value.text) == ("ApiError", text)


async def test_commands(plant):
    listed = await plant.joule("folder", "list", "--layout", "--status", "--id")
    assert listed.code == 0
    assert "flow (1) (float32_2)" in listed.out
    below = await plant.joule("folder", "list", "/plant/pumps")
    assert below.out.splitlines()[1] == "pumps"
    assert [*sorted(line.strip("├└─ ") for line in below.out.splitlines()[2:4])] == [
        "faults",
        "flow",
    ]
    for arguments in (
        ("move", "/plant/pumps", "/store"),
        ("rename", "/store/pumps", "machines"),
        ("delete", "/plant/empty"),
        ("delete", "/store", "--recursive"),
        ("delete", "/plant"),
    ):
        shown = await plant.joule("folder", *arguments)
        assert (shown.code, shown.out) == (0, "OK\n"), shown
    empty = await plant.joule("folder", "list")
    assert empty.out == "No folders, this node is empty.\n"


async def test_refused_commands(plant):
    for arguments, text in (
        (("move", "/none", "/plant"), "404: folder does not exist [404]"),
        (("rename", "/none", "x"), "404: folder does not exist [404]"),
        (("list", "/none"), "404: folder does not exist [404]"),
        (("copy", "/none", "/new"), "404: folder does not exist [404]"),
        (
            ("delete", "/plant"),
            "400: specify [recursive] or remove child folders first [400]",
        ),
    ):
        shown = await plant.joule("folder", *arguments)
        assert shown.code == 1
        assert shown.err == f"--connecting to [pump]--\nError: {text}\n"


async def test_copy(plant, open_site):
    rows = [[T + i * 1000, float(i), 0.0] for i in range(1000)]
    await plant.run(
        """
        pipe = await node.data_write("/plant/pumps/flow")
        await pipe.write(np.array(rows))
        await pipe.close()
        events = [joule.api.Event(T + i, T + i + 5, {"n": i}) for i in range(3)]
        await node.event_stream_write("/plant/pumps/faults", events)
        """,
        rows=rows,
        T=T,
    )
    copied = await plant.joule("folder", "copy", "/plant/pumps", "/copy/of/pumps")
    assert copied.code == 0, copied
    other = await open_site("other")
    plant.add_node("other", other.served.url, other.served.key)
    copied = await plant.joule("folder", "copy", "-d", "other", "/plant/pumps", "/pumps")
    assert copied.code == 0, copied
    for node, path in ((plant.node, "/copy/of/pumps"), (other.node, "/pumps")):
        array = await node.data_read_array(f"{path}/flow")
        assert array["timestamp"].tolist() == [row[0] for row in rows]
        assert array["data"].tolist() == [row[1:] for row in rows]
        events = [event async for event in node.event_stream_read(f"{path}/faults")]
        assert [(e.start_time, e.content) for e in events] == [(T + i, {"n": i}) for i in range(3)]
    again = await plant.joule("folder", "copy", "/plant/pumps", "/copy/of/pumps")
    assert "Destination folder [/copy/of/pumps] is not empty" in again.err
