"""Files into streams: conflicts, bad input, resumption."""

from __future__ import annotations

import asyncio
import io
import os

import h5py
import numpy as np
import pytest

from joule_cli.errors import DiskFullError, FormatError, LayoutMismatchError, StreamNotFound
from joule_cli.formats import source as source_module
from joule_cli.formats.base import StreamHead
from joule_cli.formats.registry import open_reader, open_writer
from joule_cli.formats.table import order
from joule_cli.formats.table.options import ReadOptions
from joule_cli.model import DataStream, Element
from joule_cli.ops import ingest_source
from joule_cli.ops import rows as rows_module
from joule_cli.ops.errors import OperationError, OverlapError, PartialError
from joule_cli.ops.ingest import ingest, plan_ingest
from joule_cli.ops.ingest_source import IngestOptions
from joule_cli.series.layout import Layout
from tests.ops.helpers import T0, fill, model, read, rows_at

PATH = "/a/s"


def opener(place, format=None):
    return lambda options: open_reader(place, format, options)


@pytest.fixture
def csv_of(tmp_path):
    """Writes a CSV file with one interval for each piece of times."""

    def write(pieces, name="rows.csv", extra=""):
        lines = ["timestamp,x,y"]
        for at, piece in enumerate(pieces):
            lines += ["# interval break"] if at else []
            lines += [f"{r['timestamp']},{r['data'][0]},{r['data'][1]}" for r in rows_at(piece)]
        (tmp_path / name).write_text("\n".join(lines) + f"\n{extra}")
        return tmp_path / name

    return write


async def paths(node):
    return [path for path, _ in (await node.folder_root()).streams()]


async def test_a_new_stream_is_made_from_the_file(node, csv_of):
    file = csv_of([range(0, 50, 5), range(100, 120)])
    result = await ingest(opener(file), node, PATH, IngestOptions())
    assert (result.created, result.rows, result.intervals) == (True, 30, 2)
    assert (result.start, result.end) == (T0, T0 + 120)
    stream = await node.data_stream_get(PATH)
    assert (stream.layout, [e.name for e in stream.elements]) == ("float64_2", ["x", "y"])
    assert await node.data_intervals(PATH) == [[T0, T0 + 46], [T0 + 100, T0 + 120]]


async def test_the_type_of_a_new_stream_can_be_chosen(node, csv_of):
    options = IngestOptions(read=ReadOptions(datatype="int16"), keep_us=10**18)
    await ingest(opener(csv_of([range(10)])), node, PATH, options)
    stream = await node.data_stream_get(PATH)
    assert (stream.datatype, stream.keep_us) == ("int16", 10**18)
    assert (await read(node, PATH) == rows_at(range(10), "int16_2")).all()
    with pytest.raises(LayoutMismatchError):
        await ingest(
            opener(csv_of([range(20, 30)])),
            node,
            PATH,
            IngestOptions(read=ReadOptions(datatype="float32")),
        )


async def test_text_is_read_as_the_stream_stores_it(node, tmp_path):
    await node.data_stream_create(model("s", "int64", names=("x",)), "/a")
    (tmp_path / "f.csv").write_text("1,9007199254740993\n2,-9223372036854775808\n")
    await ingest(opener(tmp_path / "f.csv"), node, PATH, IngestOptions())
    assert (await read(node, PATH))["data"][:, 0].tolist() == [2**53 + 1, -(2**63)]


async def test_hdf5_brings_the_whole_stream_along(node, tmp_path):
    elements = [Element("x", "A", offset=1.5), Element("y", "B", plottable=False)]
    stream = DataStream("src", "noted", "int32", 10**18, elements, decimate=False)
    head = StreamHead(
        layout=Layout("int32", 2), elements=elements, path="/from/the/file", stream=stream
    )
    with open_writer(tmp_path / "f.h5", head) as writer:
        writer.write(rows_at(range(10), "int32_2"))
        writer.interval_break()
        writer.write(rows_at(range(10, 20), "int32_2"))
    result = await ingest(opener(tmp_path / "f.h5"), node, None, IngestOptions())
    assert result.stream == "/from/the/file"
    made = await node.data_stream_get("/from/the/file")
    assert (made.description, made.datatype, made.keep_us, made.decimate) == (
        "noted",
        "int32",
        10**18,
        False,
    )
    assert [(e.units, e.offset, e.plottable) for e in made.elements] == [
        ("A", 1.5, True),
        ("B", 0, False),
    ]
    assert len(await node.data_intervals("/from/the/file")) == 2
    with pytest.raises(OverlapError):
        await ingest(opener(tmp_path / "f.h5"), node, None, IngestOptions())
    await node.data_stream_create(model("small", "int16"), "/a")
    with pytest.raises(LayoutMismatchError):
        await ingest(opener(tmp_path / "f.h5"), node, "/a/small", IngestOptions())


async def test_hdf5_without_rows_makes_the_stream(node, tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["timestamp"] = np.empty((0, 1), np.int64)
        file["data"] = np.empty((0, 3), np.float32)
    result = await ingest(opener(tmp_path / "f.h5"), node, PATH, IngestOptions())
    assert (result.created, result.rows, result.start) == (True, 0, None)
    assert (await node.data_stream_get(PATH)).layout == "float32_3"


@pytest.mark.parametrize(
    "bad",
    [
        f"{T0 + 500},1\n",
        f"{T0 + 500},1,x\n",
        f"{T0 + 499},1,2\n",
        f"{T0 + 3},1,2\n",
        f"{T0 + 500},1,1e999\n",
    ],
)
@pytest.mark.parametrize("existing", [False, True])
async def test_a_bad_line_leaves_nothing_behind(node, csv_of, monkeypatch, bad, existing):
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 10)
    if existing:
        await fill(node, PATH, [range(-20, -10), range(1000, 1010)])
    reports = []
    # a break makes the reader give the first rows before it meets the bad one
    file = csv_of([range(100), range(200, 500)], extra=bad)
    with pytest.raises(FormatError) as caught:
        await ingest(opener(file), node, PATH, IngestOptions(), reports.append)
    assert caught.value.line is not None
    if existing:
        assert await node.data_intervals(PATH) == [
            [T0 - 20, T0 - 10],
            [T0 + 1000, T0 + 1010],
        ]
    else:
        assert await paths(node) == []


async def test_rows_written_before_a_bad_one_are_taken_back(node, csv_of, monkeypatch):
    """The stream's rows lie before the file, so that nothing is checked beforehand."""
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 10)
    await fill(node, PATH, [range(-20, -10)])
    reports = []
    file = csv_of([range(100), range(200, 500)], extra="broken\n")
    with pytest.raises(FormatError):
        await ingest(opener(file), node, PATH, IngestOptions(), reports.append)
    assert await node.data_intervals(PATH) == [[T0 - 20, T0 - 10]]


async def test_bad_lines_can_be_left_out(node, csv_of):
    rejects = []
    file = csv_of([range(10)], extra=f"bad,1,2\n{T0 + 20},1,2\n{T0 + 20},1,3\n{T0 + 20},1,2\n")

    def note(line, text, reason):
        rejects.append((line, text))

    await fill(node, PATH, [[900]])  # so that the file is read twice
    options = IngestOptions(skip_bad=True, on_reject=note)
    result = await ingest(opener(file), node, PATH, options)
    assert (result.rows, result.tally.rejected, result.tally.equal) == (11, 2, 1)
    assert rejects == [(12, "bad,1,2"), (14, f"{T0 + 20},1,3")]
    with pytest.raises(FormatError, match="more than 1 bad"):
        await ingest(opener(file), node, "/a/n", IngestOptions(skip_bad=True, max_errors=1))
    assert await paths(node) == [PATH]


async def test_rows_in_the_way(node, csv_of):
    await fill(node, PATH, [range(5, 8), range(20, 30), range(50, 60)])
    file = csv_of([range(0, 10, 2), range(40, 55)])
    plan = await plan_ingest(opener(file), node, PATH, IngestOptions())
    assert (plan.rows, plan.conflicts, plan.creates) == (20, 8, False)
    with pytest.raises(OverlapError) as caught:
        await ingest(opener(file), node, PATH, IngestOptions())
    assert (caught.value.start, caught.value.end, caught.value.rows) == (T0, T0 + 55, 8)
    assert await node.data_count(PATH) == 23


async def test_replacing_deletes_only_inside_the_intervals_of_the_file(node, csv_of):
    await fill(node, PATH, [range(5, 8), range(20, 30), range(50, 60)])
    file = csv_of([range(0, 10, 2), range(40, 55)])
    result = await ingest(opener(file), node, PATH, IngestOptions(on_conflict="replace"))
    assert (result.rows, result.replaced) == (20, 8)
    assert await node.data_intervals(PATH) == [
        [T0, T0 + 9],
        [T0 + 20, T0 + 30],
        [T0 + 40, T0 + 55],
        [T0 + 55, T0 + 60],
    ]


async def test_a_bad_file_replaces_nothing(node, csv_of):
    await fill(node, PATH, [range(10)])
    file = csv_of([range(100)], extra="broken\n")
    with pytest.raises(FormatError):
        await ingest(opener(file), node, PATH, IngestOptions(on_conflict="replace"))
    assert (await read(node, PATH) == rows_at(range(10))).all()


async def test_skipping_keeps_what_is_there(node, csv_of):
    await fill(node, PATH, [range(5, 8), range(20, 30)])
    result = await ingest(
        opener(csv_of([range(40)])), node, PATH, IngestOptions(on_conflict="skip")
    )
    assert (result.rows, result.skipped, result.intervals) == (27, 13, 3)
    assert [b - a for a, b in await node.data_intervals(PATH)] == [5, 3, 12, 10, 10]


async def test_skipping_takes_rows_between_stored_ones(node, csv_of):
    await fill(node, PATH, [range(0, 40, 10)])
    file = csv_of([range(0, 45, 5)])
    result = await ingest(opener(file), node, PATH, IngestOptions(on_conflict="skip"))
    assert (result.rows, result.skipped) == (5, 4)
    assert (await read(node, PATH) == rows_at(range(0, 45, 5))).all()
    # those between the stored ones are in their interval
    assert await node.data_intervals(PATH) == [[T0, T0 + 31], [T0 + 35, T0 + 41]]


async def test_a_file_fills_a_hole(node, csv_of):
    await fill(node, PATH, [range(10), range(50, 60)])
    await ingest(opener(csv_of([range(20, 30)])), node, PATH, IngestOptions())
    assert len(await node.data_intervals(PATH)) == 3


async def test_rows_around_existing_ones_are_in_the_way(node, csv_of):
    await fill(node, PATH, [[5, 7]])
    with pytest.raises(OverlapError):
        await ingest(opener(csv_of([range(0, 20, 10)])), node, PATH, IngestOptions())


async def test_input_that_cannot_be_read_twice(node, csv_of):
    await fill(node, PATH, [range(5, 8), range(50, 60)])
    text = csv_of([range(3), range(20, 30), range(40, 70)]).read_bytes()
    for on_conflict, error in [("replace", OperationError), ("fail", OverlapError)]:
        options = IngestOptions(on_conflict=on_conflict, repeatable=False)
        with pytest.raises(error):
            await ingest(opener(io.BytesIO(text), "csv"), node, PATH, options)
        assert await node.data_intervals(PATH) == [[T0 + 5, T0 + 8], [T0 + 50, T0 + 60]]
    options = IngestOptions(on_conflict="skip", repeatable=False)
    result = await ingest(opener(io.BytesIO(text), "csv"), node, PATH, options)
    assert result.rows == 3 + 10 + 20


async def test_long_pauses_end_the_interval(node, csv_of):
    file = csv_of([[*range(10), *range(100, 110), *range(150, 160)]])
    result = await ingest(opener(file), node, PATH, IngestOptions(max_gap=50))
    assert result.intervals == 2
    assert await node.data_intervals(PATH) == [[T0, T0 + 10], [T0 + 100, T0 + 160]]


@pytest.mark.parametrize("stop", [1, 10, 40, 55])
async def test_an_interrupted_ingestion_is_resumed(node, csv_of, monkeypatch, stop):
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 1)
    file = csv_of([range(0, 80, 2), range(100, 120)])

    def cancel(progress):
        if progress.rows >= stop:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ingest(opener(file), node, PATH, IngestOptions(), cancel)
    done = await node.data_count(PATH)
    assert done >= stop
    result = await ingest(opener(file), node, PATH, IngestOptions(resume=True))
    assert (result.rows, result.skipped) == (60 - done, done)
    assert await node.data_intervals(PATH) == [[T0, T0 + 79], [T0 + 100, T0 + 120]]


async def test_a_failing_node_is_told_apart_from_bad_input(node, csv_of, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 10)

    def full(progress):
        raise DiskFullError("no space is left")

    with pytest.raises(DiskFullError):
        await ingest(opener(csv_of([range(100)])), node, PATH, IngestOptions(), full)
    assert await paths(node) == []


async def test_when_rows_cannot_be_taken_back_it_is_said(node, csv_of):
    file = csv_of([range(100), range(200, 300)])
    await fill(node, PATH, [range(50, 60)])

    def full(progress):
        if not progress.checking:
            raise DiskFullError("no space is left")

    options = IngestOptions(on_conflict="replace")
    with pytest.raises(PartialError) as caught:
        await ingest(opener(file), node, PATH, options, full)
    assert isinstance(caught.value.cause, DiskFullError)


async def test_the_share_that_is_done(node, csv_of, monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 10)
    monkeypatch.setattr(source_module, "BLOCK_BYTES", 500)
    monkeypatch.setattr(ingest_source, "BLOCK_ROWS", 10)
    monkeypatch.setattr(order, "_BLOCK_ROWS", 10)
    file = csv_of([range(500)])
    told = []
    await ingest(opener(file), node, PATH, IngestOptions(), told.append)
    shares = [step.share for step in told]
    assert len(set(shares)) > 5
    assert shares == sorted(shares)
    assert (shares[-1], told[-1].rows) == (1, 500)
    # a share is never told before its rows are stored
    assert all(step.share < 1 for step in told if step.rows < 450)
    for way, stored in (("skip", 0), ("replace", 500)):
        told.clear()
        await ingest(opener(file), node, PATH, IngestOptions(on_conflict=way), told.append)
        checked = [step for step in told if step.checking]
        done = [step for step in told if not step.checking]
        assert (done[-1].share, done[-1].rows) == (1, stored)
        assert bool(checked) == (way == "replace")
        for steps in filter(None, (checked, done)):
            assert [s.share for s in steps] == sorted(s.share for s in steps)
        assert not checked or (checked[-1].share, checked[-1].rows) == (1, 500)


async def test_streams_that_cannot_be_used(node, csv_of):
    file = csv_of([range(3)])
    with pytest.raises(StreamNotFound):
        await ingest(opener(file), node, PATH, IngestOptions(create=False))
    with pytest.raises(OperationError, match="which stream"):
        await ingest(opener(file), node, None, IngestOptions())
    await node.data_stream_create(model("s", names="xyz"), "/a")
    with pytest.raises(FormatError, match="nothing for z"):
        await ingest(opener(file), node, PATH, IngestOptions())


async def test_columns_go_to_the_elements_of_their_names(node, tmp_path):
    await node.data_stream_create(model("s", names="xyz"), "/a")
    file = tmp_path / "f.csv"
    file.write_text(f"z,timestamp,y,x\n3,{T0},2,1\n")
    await ingest(opener(file), node, PATH, IngestOptions())
    assert (await read(node, PATH))["data"].tolist() == [[1, 2, 3]]
    file.write_text(f"z,timestamp,y,X\n3,{T0 + 1},2,1\n")
    with pytest.raises(FormatError, match="nothing for x"):
        await ingest(opener(file), node, PATH, IngestOptions())
    for read_options, row in (
        (ReadOptions(renames={"X": "x"}), [1, 2, 3]),
        (ReadOptions(by_position=True), [3, 2, 1]),
    ):
        options = IngestOptions(read=read_options, on_conflict="replace")
        await ingest(opener(file), node, PATH, options)
        assert (await read(node, PATH))["data"][-1].tolist() == row


async def test_missing_values_are_stored_and_counted(node, csv_of):
    file = csv_of([range(3)], extra=f"{T0 + 5},,2\n{T0 + 6},n/a,NaN\n{T0 + 7},7,8\n")
    result = await ingest(opener(file), node, PATH, IngestOptions())
    assert (result.rows, result.tally.missing) == (6, {"x": 2, "y": 1})
    data = (await read(node, PATH))["data"]
    assert np.isnan(data[3:]).tolist() == [[True, False], [True, True], [False, False]]
    await node.data_stream_create(model("i", "int16"), "/a")
    with pytest.raises(FormatError, match="int16 cannot hold that"):
        await ingest(opener(file), node, "/a/i", IngestOptions())
    options = IngestOptions(read=ReadOptions(missing="skip"))
    result = await ingest(opener(file), node, "/a/i", options)
    assert (result.rows, result.tally.incomplete) == (4, 2)


async def test_live_input_is_stored_when_it_pauses(node):
    """Rows from a pipe are in the stream although the pipe stays open."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", 0) as source, os.fdopen(writer, "wb", 0) as feed:
        stored = asyncio.Event()

        def report(progress):
            stored.set()

        options = IngestOptions(repeatable=False, flush_after=0.01)
        run = asyncio.ensure_future(ingest(opener(source, "text"), node, PATH, options, report))
        feed.write(f"{T0} 1 2\n{T0 + 1} 3 4\n".encode())
        await asyncio.wait_for(stored.wait(), 10)
        assert await node.data_count(PATH) == 2
        feed.write(f"{T0 + 2} 5 6\n".encode())
        feed.close()
        assert (await run).rows == 3
    assert len(await node.data_intervals(PATH)) == 1
