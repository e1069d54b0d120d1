"""The examples of the Joule API reference, as they stand there, and the calls it names.

Where the reference shows what is printed, the same text must be printed; only ids differ, since a
node gives them out. The examples talk to the node that `get_node` returns without arguments.
"""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import joule_cli as joule
from joule_cli.api import Annotation
from joule_cli.api.node import Node

START = 1551730769556442


@pytest.fixture
async def node(tmp_path, monkeypatch):
    for name in ("JOULE_NODE", "JOULE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JOULE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("JOULE_USER_CONFIG_DIR", str(tmp_path / "config"))
    my_node = joule.api.get_node()
    async with my_node:
        yield my_node


async def create(node, path, *, datatype="int32"):
    """Create what the examples take for granted: a stream with one element."""
    folder, _, name = path.rpartition("/")
    stream = joule.api.DataStream(name=name, datatype=datatype)
    stream.elements = [joule.api.Element(name="Element1", units=None)]
    return await node.data_stream_create(stream, folder)


async def fill(node, path, timestamps):
    async with await node.data_write(path) as pipe:
        await pipe.write([[ts, 10 * i] for i, ts in enumerate(timestamps)])


def printed(value):
    """What a console prints, with blanks and ids as they do not matter."""
    return " ".join(re.sub(r"\bid=\d+", "id=0", repr(value)).split())


def reads(text):
    """The text of the reference, in the form of `printed`."""
    return " ".join(re.sub(r"\bid=\d+", "id=0", text).split())


def told(caught):
    """What the last line of a traceback says, with the name of the class from the reference."""
    assert isinstance(caught.value, joule.errors.ApiError)
    return f"joule.errors.ApiError: {caught.value}"


# Folder Actions


async def test_folder_root(node):
    for path in ("/tmp", "/archive", "/live"):
        await node.folder_create(path)
    root = await node.folder_root()
    assert printed(root) == reads(
        "<joule.api.Folder id=2728 name='root' description=None locked=True>"
    )
    assert sorted(printed(child) for child in root.children) == [
        reads("<joule.api.Folder id=2729 name='archive' description=None locked=False>"),
        reads("<joule.api.Folder id=2730 name='live' description=None locked=False>"),
        reads("<joule.api.Folder id=3123 name='tmp' description=None locked=False>"),
    ]


async def test_root_children_are_locked_while_a_stream_in_them_is_written(node):
    stream = await create(node, "/live/stream")
    async with await node.data_write(stream):
        root = await node.folder_root()
    assert printed(root.children) == reads(
        "[<joule.api.Folder id=2730 name='live' description=None locked=True>]"
    )


async def test_folder_get(node):
    await node.folder_create("/parent/my_folder")
    folder = await node.folder_get("/parent/my_folder")  # query by path
    expected = reads("<joule.api.Folder id=2730 name='my_folder' description=None locked=False>")
    assert printed(folder) == expected
    live = await node.folder_get(folder.id)  # query by ID
    assert printed(live) == expected
    assert printed(await node.folder_get(live)) == expected


async def test_folder_get_raises(node):
    with pytest.raises(joule.errors.ApiError) as caught:
        await node.folder_get("/does/not/exist")  # raises ApiError
    assert told(caught) == "joule.errors.ApiError: folder does not exist [404]"


async def test_folder_move(node):
    await node.folder_create("/parent1/my_folder")
    await node.folder_move("/parent1/my_folder", "/parent2")
    parent2 = await node.folder_get("/parent2")
    assert printed(parent2.children) == reads(
        "[<joule.api.Folder id=3321 name='my_folder' description=None locked=False>]"
    )


async def test_folder_move_raises(node):
    await node.folder_create("/parent1")
    with pytest.raises(joule.errors.ApiError) as caught:
        await node.folder_move("/parent1/missing_folder", "/parent2")  # raises ApiError
    assert told(caught) == "joule.errors.ApiError: folder does not exist [404]"


async def test_folder_update(node):
    await node.folder_create("/parent/my_folder")
    folder = await node.folder_get("/parent/my_folder")
    before = folder.id
    folder.name = "new name"
    await node.folder_update(folder)  # save the change
    parent = await node.folder_get("/parent")
    assert printed(parent.children) == reads(
        "[<joule.api.Folder id=3329 name='new name' description=None locked=False>]"
    )
    assert [child.id for child in parent.children] == [before]


async def test_folder_delete(node):
    await node.folder_create("/parent/my_folder")
    folder = await node.folder_get("/parent")
    assert printed(folder.children) == reads(
        "[<joule.api.Folder id=3331 name='my_folder' description=None locked=False>]"
    )
    with pytest.raises(joule.errors.ApiError) as caught:
        await node.folder_delete(folder, False)  # raises ApiError because of child folder
    assert told(caught) == (
        "joule.errors.ApiError: specify [recursive] or remove child folders first [400]"
    )
    await node.folder_delete(folder, True)  # successfully removes /parent
    with pytest.raises(joule.errors.ApiError):
        await node.folder_get("/parent")


# DataStream Actions

STREAM = """<joule.api.DataStream id=2627 name='stream' description='' datatype='int32'
         is_configured=False is_source=False is_destination=False locked=False decimate=True>"""


async def test_data_stream_get(node):
    await create(node, "/parent/my_folder/stream")
    stream = await node.data_stream_get("/parent/my_folder/stream")
    assert printed(stream) == reads(STREAM)
    stream = await node.data_stream_get(stream.id)
    assert printed(stream) == reads(STREAM)


async def test_data_stream_get_raises(node):
    with pytest.raises(joule.errors.ApiError) as caught:
        await node.data_stream_get("/does/not/exist")  # raises ApiError
    assert told(caught) == "joule.errors.ApiError: stream does not exist [404]"
    assert isinstance(caught.value, joule.errors.StreamNotFound)


async def test_data_stream_move(node):
    await create(node, "/parent1/my_folder/stream")
    await node.data_stream_move("/parent1/my_folder/stream", "/parent2")
    parent2 = await node.folder_get("/parent2")
    assert printed(parent2.data_streams) == reads(f"[{STREAM}]")


async def test_data_stream_move_raises(node):
    with pytest.raises(joule.errors.ApiError) as caught:
        await node.data_stream_move("/does/not/exist", "/parent2")  # raises ApiError
    assert told(caught) == "joule.errors.ApiError: stream does not exist [404]"


async def test_data_stream_update(node):
    await create(node, "/parent/my_folder/stream")
    stream = await node.data_stream_get("/parent/my_folder/stream")
    # Element name is "Element1"
    assert printed(stream.elements) == reads(
        """[<joule.api.Element id=3192 index=0, name='Element1' units=None
         plottable=True display_type='CONTINUOUS'>]"""
    )
    stream.elements[0].name = "New Name"
    await node.data_stream_update(stream)  # send updated values to Joule
    updated_stream = await node.data_stream_get(stream)  # refresh local copy
    # Element name is now "New Name"
    assert printed(updated_stream.elements) == reads(
        """[<joule.api.Element id=3192 index=0, name='New Name' units=None
         plottable=True display_type='CONTINUOUS'>]"""
    )
    assert updated_stream.elements[0].id == stream.elements[0].id


async def test_data_stream_delete(node):
    await create(node, "/parent/my_folder/stream")
    folder = await node.folder_get("/parent/my_folder")
    assert printed(folder.data_streams) == reads(f"[{STREAM}]")  # my_folder has one stream
    await node.data_stream_delete("/parent/my_folder/stream")  # delete the stream
    folder = await node.folder_get("/parent/my_folder")
    assert printed(folder.data_streams) == "[]"  # my_folder is now empty


async def test_data_stream_create(node):
    new_stream = joule.api.DataStream(name="New Stream")
    new_stream.elements = [joule.api.Element(name="Element1")]
    created = await node.data_stream_create(new_stream, "/parent/new_folder")
    assert printed(created) == reads(
        """<joule.api.DataStream id=2628 name='New Stream' description='' datatype='float32'
         is_configured=False is_source=False is_destination=False locked=False decimate=True>"""
    )


async def test_data_stream_info(node):
    await create(node, "/parent/my_folder/stream")
    end = 1551751402742424
    await fill(node, "/parent/my_folder/stream", [START, START + 100_000, end - 1])
    info = await node.data_stream_info("/parent/my_folder/stream")
    assert (info.start, info.rows) == (START, 3)
    assert printed(info) == reads(
        f"""<joule.api.DataStreamInfo start=1551730769556442 end={info.end}
         rows=3, total_time={info.end - info.start}>"""
    )


async def test_data_stream_annotation_delete(node):
    stream = await create(node, "/path/to/stream")
    for start in (10, 20, 30):
        await node.annotation_create(Annotation(title=f"at {start}", start=start), stream)
    await node.data_stream_annotation_delete("/path/to/stream", start=15, end=25)
    left = await node.annotation_get("/path/to/stream")
    assert [note.title for note in left] == ["at 10", "at 30"]
    await node.data_stream_annotation_delete("/path/to/stream")
    assert await node.annotation_get("/path/to/stream") == []


# Data Actions


async def test_data_read(node):
    await create(node, "/parent/my_folder/stream")
    await fill(node, "/parent/my_folder/stream", range(START, START + 300, 100))
    pipe = await node.data_read("/parent/my_folder/stream")
    data = await pipe.read()  # for large data run in a loop
    assert data["timestamp"].tolist() == [START, START + 100, START + 200]
    assert data["data"].ravel().tolist() == [0, 10, 20]
    assert data.dtype["timestamp"] == np.dtype("<i8")
    assert data.dtype["data"].base == np.dtype("<i4")
    pipe.consume(len(data))  # flush the pipe
    await pipe.close()  # close the data connection


async def test_data_subscribe(node):
    await create(node, "/live/stream")
    producer = await node.data_write("/live/stream")
    pipe = await node.data_subscribe("/live/stream")
    await producer.write([[START, 1], [START + 100, 2]])
    data = await pipe.read()  # run in a loop for continuous updates
    assert data["timestamp"].tolist() == [START, START + 100]
    pipe.consume(len(data))  # flush the pipe
    await pipe.close()  # close the data connection
    await producer.close()


async def test_data_subscribe_raises_without_a_producer(node):
    await create(node, "/live/stream")
    with pytest.raises(joule.errors.SubscriptionError):
        await node.data_subscribe("/live/stream")


async def test_data_write(node, monkeypatch):
    await create(node, "/parent/my_folder/stream", datatype="float32")
    times = iter([1551758297114942, 1551758297115062, 1551758297115090, 1551758297115111])
    monkeypatch.setattr(joule.utilities, "time_now", lambda: next(times))
    pipe_out = await node.data_write("/parent/my_folder/stream")
    for i in range(4):
        await pipe_out.write(np.array([[joule.utilities.time_now(), i]]))
    await pipe_out.close()
    pipe_in = await node.data_read("/parent/my_folder/stream")  # read the data back
    data = await pipe_in.read()
    await pipe_in.close()
    assert list(zip(data["timestamp"].tolist(), data["data"].ravel().tolist(), strict=True)) == [
        (1551758297114942, 0.0),
        (1551758297115062, 1.0),
        (1551758297115090, 2.0),
        (1551758297115111, 3.0),
    ]
    assert data.dtype["data"].base == np.dtype("<f4")


async def test_data_delete(node):
    await create(node, "/parent/my_folder/stream")
    first, left, right = 1551759387204004, 1551795387204004, 1551831387204004
    hour = 3_600_000_000
    await fill(node, "/parent/my_folder/stream", range(first, 1551863787204004, hour))
    before = await node.data_intervals("/parent/my_folder/stream")
    assert [start for start, _ in before] == [first]
    await node.data_delete("/parent/my_folder/stream", start=left, end=right)
    after = await node.data_intervals("/parent/my_folder/stream")
    assert [start for start, _ in after] == [first, right]
    assert after[0][1] <= left
    assert after[1][1] == before[0][1]


async def test_data_intervals(node):
    await create(node, "/parent/my_folder/stream")
    assert await node.data_intervals("/parent/my_folder/stream") == []  # no stream data
    await fill(node, "/parent/my_folder/stream", [1551730769556442, 1551757125630200])
    unbroken = await node.data_intervals("/parent/my_folder/stream")  # unbroken data stream
    assert unbroken == [[1551730769556442, 1551757125630201]]
    await fill(node, "/parent/my_folder/stream", [1551758221956119, 1551811071052710])
    # one segment of missing data
    assert await node.data_intervals("/parent/my_folder/stream") == [
        [1551730769556442, 1551757125630201],
        [1551758221956119, 1551811071052711],
    ]


# Annotation Actions


async def test_annotation_create(node):
    await create(node, "/path/to/stream")
    utilities = joule.utilities
    event_note = Annotation(title="Event Annotation", start=utilities.human_to_timestamp("now"))
    await node.annotation_create(event_note, "/path/to/stream")
    range_note = Annotation(
        title="Range Annotation",
        start=utilities.human_to_timestamp("1 minute ago"),
        end=utilities.human_to_timestamp("now"),
    )
    await node.annotation_create(range_note, "/path/to/stream")
    notes = await node.annotation_get("/path/to/stream")
    assert [note.title for note in notes] == ["Range Annotation", "Event Annotation"]
    assert notes[1].end is None


async def test_annotation_delete(node):
    await create(node, "/path/to/stream")
    notes = [
        await node.annotation_create(Annotation(title="note", start=i), "/path/to/stream")
        for i in range(2)
    ]
    await node.annotation_delete(notes[0].id)
    await node.annotation_delete(notes[1])
    assert await node.annotation_get("/path/to/stream") == []


async def test_annotation_update(node):
    await create(node, "/path/to/stream")
    annotation = await node.annotation_create(Annotation(title="old", start=1), "/path/to/stream")
    annotation.title = "new"
    annotation.content = "more to say"
    await node.annotation_update(annotation)
    (stored,) = await node.annotation_get("/path/to/stream")
    assert (stored.id, stored.title, stored.content) == (annotation.id, "new", "more to say")


async def test_annotation_get(node, capsys):
    await create(node, "/path/to/stream")
    note = Annotation(title="Demo Annotation", start=5)
    await node.annotation_create(note, "/path/to/stream")
    annotations = await node.annotation_get("/path/to/stream")
    print(annotations[0].name)
    assert capsys.readouterr().out == "Demo Annotation\n"


# The calls: parameters in order, with their defaults. The first group is in the reference, the
# second is offered by Joule 1.0.1 without being described there.

NO = inspect.Parameter.empty
CALLS = {
    "folder_root": {},
    "folder_get": {"folder": NO},
    "folder_move": {"source": NO, "destination": NO},
    "folder_update": {"folder": NO},
    "folder_delete": {"folder": NO, "recursive": False},
    "data_stream_get": {"stream": NO, "info": False},
    "data_stream_move": {"stream": NO, "folder": NO},
    "data_stream_update": {"stream": NO},
    "data_stream_delete": {"stream": NO},
    "data_stream_create": {"stream": NO, "folder": NO},
    "data_stream_info": {"stream": NO},
    "data_stream_annotation_delete": {"stream": NO, "start": None, "end": None},
    "data_read": {
        "stream": NO,
        "start": None,
        "end": None,
        "max_rows": None,
        "decimation_level": None,
    },
    "data_subscribe": {"stream": NO, "follow": False},
    "data_write": {
        "stream": NO,
        "start": None,
        "end": None,
        "merge_gap": 0,
        "end_interval": True,
        "missing": False,
    },
    "data_delete": {"stream": NO, "start": None, "end": None},
    "data_intervals": {"stream": NO, "start": None, "end": None},
    "annotation_create": {"annotation": NO, "stream": NO},
    "annotation_delete": {"annotation": NO},
    "annotation_update": {"annotation": NO},
    "annotation_get": {"stream": NO, "start": None, "end": None},
    "module_list": {"statistics": False},
    "module_get": {"module": NO, "statistics": False},
    "module_logs": {"module": NO},
    "proxy_list": {},
    "proxy_get": {"proxy": NO},
    "master_add": {
        "master_type": NO,
        "identifier": NO,
        "lumen_parameters": None,
        "api_key": None,
    },
    "master_list": {},
    "master_remove": {"master": NO, "name": None},
    "follower_list": {},
    "follower_remove": {"follower": NO},
    "info": {},
    "close": {},
    #
    "master_delete": {"master_type": NO, "name": NO},
    "follower_delete": {"node": NO},
    "archive_upload": {"path": NO},
    "data_read_array": {
        "stream": NO,
        "start": None,
        "end": None,
        "max_rows": 10000,
        "flatten": False,
    },
    "data_consolidate": {"stream": NO, "max_gap": NO, "start": None, "end": None},
    "data_split": {
        "stream": NO,
        "max_gap": NO,
        "start": None,
        "end": None,
        "dry_run": False,
    },
    "data_decimate": {"stream": NO},
    "data_drop_decimations": {"stream": NO},
    "annotation_info": {"stream": NO},
    "db_connect": {},
    "db_connection_info": {},
}


#: Parameters that the reference does not have; they are given by name.
EXTENSIONS = {"decimation_level", "dry_run", "end_interval", "follow", "info", "missing"}


@pytest.mark.parametrize("name", CALLS)
def test_calls_take_what_the_reference_says(name):
    method = getattr(Node, name)
    assert inspect.iscoroutinefunction(method)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    assert {p.name: p.default for p in parameters} == CALLS[name]
    assert [p.name for p in parameters] == list(CALLS[name])
    kinds = {p.kind for p in parameters if p.name not in EXTENSIONS}
    assert kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}


async def test_a_node_has_every_call(node):
    assert [name for name in CALLS if not callable(getattr(node, name, None))] == []
