"""Streams into files, one and many, and back again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from joule_cli.errors import FormatError, StorageError, StreamNotFound
from joule_cli.formats.base import WriteOptions
from joule_cli.formats.registry import open_reader, open_writer
from joule_cli.model import Annotation
from joule_cli.ops import rows as rows_module
from joule_cli.ops.errors import OperationError, PartialError
from joule_cli.ops.export import ExportOptions, export_stream
from joule_cli.ops.export_tree import TreeExportOptions, export_tree, plan_tree_export
from joule_cli.ops.ingest_source import IngestOptions
from joule_cli.ops.ingest_tree import ingest_tree
from joule_cli.ops.manifest import Manifest, file_stem
from joule_cli.ops.streams import FoundStream
from joule_cli.series.intervals import Interval
from tests.ops.helpers import T0, fill, read, rows_at, same

SOURCE = "/a/s"


async def export(node, path, *args):
    return await export_stream(FoundStream(node, path, await node.data_stream_get(path)), *args)


async def pairs(node, paths):
    return [(path, await node.data_stream_get(path)) for path in paths]


async def export_all(node, paths, *args):
    return await export_tree(node, await pairs(node, paths), *args)


async def plan_all(node, paths, options):
    return await plan_tree_export(node, await pairs(node, paths), options)


def to(file, **options):
    return lambda head: open_writer(file, head, None, WriteOptions(**options))


def back(file):
    with open_reader(file) as reader:
        return [None if item is None else item.copy() for item in reader.blocks()]


def times(file):
    found = []
    for item in back(file):
        found += [None] if item is None else (item["timestamp"] - T0).tolist()
    return found


async def test_rows_and_breaks(node, tmp_path):
    await fill(node, SOURCE, [range(5), range(10, 12)])
    file = tmp_path / "f.csv"
    result = await export(node, SOURCE, to(file, mark_intervals=True), ExportOptions())
    assert (result.rows, result.intervals, result.start, result.end) == (7, 2, T0, T0 + 12)
    assert times(file) == [0, 1, 2, 3, 4, None, 10, 11]
    assert file.read_text().startswith("timestamp,x,y\n")


async def test_parts_of_rows_and_elements(node, tmp_path):
    stream = await fill(node, SOURCE, [range(100)], "int16")
    stream.elements[1].scale_factor = 0.5
    await node.data_stream_update(stream)
    file = tmp_path / "f.h5"
    options = ExportOptions(start=T0 + 10, end=T0 + 50, elements=[1], scale=True, limit=7)
    result = await export(node, SOURCE, to(file), options)
    assert result.rows == 7
    [rows] = back(file)
    expected = rows_at(range(10, 17), "int16_2")
    assert (rows["data"][:, 0] == expected["data"][:, 1] * 0.5).all()
    assert result.model.layout == "float64_1"


async def test_pieces_have_breaks_between_them(node, tmp_path):
    await fill(node, SOURCE, [range(30)])
    pieces = [Interval(T0 + 1, T0 + 3), Interval(T0 + 20, T0 + 22)]
    file = tmp_path / "f.txt"
    await export(node, SOURCE, to(file, mark_intervals=True), ExportOptions(intervals=pieces))
    assert times(file) == [1, 2, None, 20, 21]
    with pytest.raises(OperationError):
        await export(node, SOURCE, to(file), ExportOptions(intervals=pieces, max_rows=10))


@pytest.mark.parametrize("last", [3, 4, 9, 11])
@pytest.mark.parametrize("suffix", [".csv", ".h5", ".jsonl"])
async def test_a_file_is_continued(node, tmp_path, last, suffix):
    await fill(node, SOURCE, [range(5), range(7, 12)])
    file = tmp_path / f"f{suffix}"
    await export(node, SOURCE, to(file, mark_intervals=True), ExportOptions(end=T0 + last + 1))
    await export(
        node,
        SOURCE,
        to(file, mark_intervals=True, append=True),
        ExportOptions(after=T0 + last),
    )
    assert times(file) == [0, 1, 2, 3, 4, None, 7, 8, 9, 10, 11]


async def test_decimated_rows(node, tmp_path):
    await fill(node, SOURCE, [range(1000)])
    file = tmp_path / "f.csv"
    result = await export(
        node, SOURCE, to(file), ExportOptions(max_rows=100, bounds=True, elements=[1])
    )
    assert result.decimation_level == 16
    assert file.read_text().splitlines()[0] == "timestamp,y,y_min,y_max"
    values = np.concatenate(back(file))["data"]
    assert (values[:, 1] <= values[:, 0]).all()
    assert (values[:, 0] <= values[:, 2]).all()


async def test_nothing_to_give_makes_a_complete_file(node, tmp_path):
    await fill(node, SOURCE, [])
    for name in ("f.csv", "f.h5", "f.json"):
        result = await export(node, SOURCE, to(tmp_path / name), ExportOptions())
        assert result.rows == 0
        assert times(tmp_path / name) == []


async def test_a_failure_leaves_no_file(node, tmp_path, monkeypatch):
    await fill(node, SOURCE, [range(5), range(10, 15)])

    monkeypatch.setattr(rows_module, "BLOCK_ROWS", 5)

    def stop(progress):
        raise StorageError("gone")

    file = tmp_path / "f.csv"
    file.write_text("old")
    with pytest.raises(PartialError) as caught:
        await export(node, SOURCE, to(file), ExportOptions(), stop)
    assert (caught.value.rows, caught.value.last) == (5, T0 + 4)
    assert file.read_text() == "old"
    with pytest.raises(StreamNotFound):
        await export(node, "/a/none", to(file), ExportOptions())
    with pytest.raises(FormatError):
        await export(node, SOURCE, to(tmp_path / "no" / "f.csv"), ExportOptions())


def open_file(path, head):
    return open_writer(path, head, None, WriteOptions(mark_intervals=True))


def open_back(path, options):
    return open_reader(path, None, options)


@pytest.fixture
async def tree(node):
    await fill(node, "/a/one", [range(0, 100, 3), range(200, 300)])
    await fill(node, "/a/b/two", [range(0, 500, 7)], "int64")
    await fill(node, "/a/b/empty", [], "float64")
    await node.annotation_create(Annotation("note", T0 + 5, T0 + 9, "text"), "/a/one")
    return node


PATHS = ["/a/one", "/a/b/two", "/a/b/empty"]


@pytest.mark.parametrize("suffix", [".h5", ".csv", ".jsonl", ".csv.gz"])
@pytest.mark.parametrize("split", [None, 64])
async def test_a_directory_comes_back_as_it_was(tree, fresh_node, tmp_path, suffix, split):
    options = TreeExportOptions(suffix=suffix, split=split, jobs=2)
    plan = await plan_all(tree, PATHS, options)
    outcomes = await export_all(tree, PATHS, tmp_path / "out", open_file, options)
    assert [o.error for o in outcomes if o.error] == []
    assert {o.file: o.rows for o in outcomes} == {o.file: o.rows for o in plan}
    assert sum(o.rows for o in outcomes) == 134 + 72
    async with fresh_node() as other:
        done = await ingest_tree(tmp_path / "out", other, "/back", open_back, IngestOptions())
        assert [o.error for o in done if o.error] == []
        for path in PATHS:
            assert await same((tree, path), (other, f"/back{path}"))
            old, new = await tree.data_stream_get(path), await other.data_stream_get(f"/back{path}")
            assert (old.layout, [e.units for e in old.elements]) == (
                new.layout,
                [e.units for e in new.elements],
            )
        [note] = await other.annotation_get("/back/a/one")
        assert (note.title, note.start, note.end, note.content) == ("note", T0 + 5, T0 + 9, "text")


async def test_a_repeated_export_writes_what_is_new(tree, tmp_path):
    options = TreeExportOptions(suffix=".csv", split=100, resume=True)
    await export_all(tree, PATHS, tmp_path, open_file, options)
    again = await export_all(tree, PATHS, tmp_path, open_file, options)
    assert all(o.kept for o in again)
    await fill(tree, "/a/one", [range(310, 320)])
    changed = next(o.file for o in again if o.path == "/a/b/two")
    (tmp_path / changed).write_text("cut")
    third = await export_all(tree, PATHS, tmp_path, open_file, options)
    written = {o.file for o in third if not o.kept}
    assert len(written) == 2
    assert changed in written
    # other rows are asked for: nothing can be kept
    other = replace(options, rows=ExportOptions(scale=True))
    fourth = await export_all(tree, PATHS, tmp_path, open_file, other)
    assert not any(o.kept for o in fourth)


async def test_names_that_would_leave_the_directory(node, tmp_path):
    names = ["/..", "/manifest", "/x", "/x%2E", "/.", "/a\nb"]
    stems = {file_stem(name) for name in names}
    assert len(stems) == len(names)
    assert not {"..", "."} & stems
    await fill(node, "/manifest", [range(3)])
    await export_all(node, ["/manifest"], tmp_path, open_file, TreeExportOptions(suffix=".json"))
    assert Manifest.load(tmp_path).entries["/manifest"].parts[0].file == "manifest~2.json"


async def test_one_failure_does_not_stop_the_others(tree, tmp_path):
    await fill(tree, "/a/gone", [range(3)])
    streams = await pairs(tree, ["/a/gone", "/a/one"])
    await tree.data_stream_delete("/a/gone")
    outcomes = await export_tree(tree, streams, tmp_path, open_file, TreeExportOptions())
    assert [type(o.error) for o in outcomes] == [StreamNotFound, type(None)]
    assert list(Manifest.load(tmp_path).entries) == ["/a/one"]


@pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 9}', '{"format_version": 1}'])
async def test_bad_manifests(node, tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(FormatError):
        await ingest_tree(tmp_path, node, "/", open_back, IngestOptions())


@pytest.mark.parametrize("kept", [0, 1, 10, 40, 0.5, 0.9, -2])
@pytest.mark.parametrize("zeros", [0, 4096])
async def test_a_cut_manifest_is_made_anew(tree, fresh_node, tmp_path, kept, zeros):
    """As a power cut leaves it that came before everything was on the disk."""
    options = TreeExportOptions(suffix=".csv", split=100, resume=True)
    await export_all(tree, PATHS, tmp_path, open_file, options)
    file = tmp_path / "manifest.json"
    whole = file.read_bytes()
    size = int(kept * len(whole)) if isinstance(kept, float) else kept
    file.write_bytes(whole[:size] + bytes(zeros))
    assert Manifest.load(tmp_path).cut
    # what it lists is not all that was exported
    with pytest.raises(FormatError, match="cut"):
        await ingest_tree(tmp_path, tree, "/", open_back, IngestOptions())
    outcomes = await export_all(tree, PATHS, tmp_path, open_file, options)
    assert [o.error for o in outcomes if o.error] == []
    assert any(o.kept for o in outcomes) == (kept in (0.9, -2))
    assert file.read_bytes() == whole
    assert all(o.kept for o in await export_all(tree, PATHS, tmp_path, open_file, options))


async def test_a_file_of_another_program_is_no_cut_manifest(tree, tmp_path):
    for text in ("name = mine\n", '{"name": "a web application"', "\ufeff"):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(FormatError, match="not a manifest"):
            await export_all(tree, PATHS, tmp_path, open_file, TreeExportOptions(resume=True))
        assert (tmp_path / "manifest.json").read_text() == text


async def test_a_directory_without_a_manifest(node, tmp_path):
    with pytest.raises(FormatError, match=r"manifest\.json"):
        await ingest_tree(tmp_path, node, "/", open_back, IngestOptions())


async def test_the_manifest_is_readable(tree, tmp_path):
    await export_all(tree, PATHS, tmp_path, open_file, TreeExportOptions(suffix=".csv"))
    data = json.loads((tmp_path / "manifest.json").read_text())
    entry = next(e for e in data["streams"] if e["path"] == "/a/one")
    [part] = entry["parts"]
    assert part["file"] == "a/one.csv"
    assert part["bytes"] == (tmp_path / "a/one.csv").stat().st_size
    assert rows_module.BLOCK_ROWS >= part["rows"] == 134
    assert len(await read(tree, "/a/one")) == 134


def test_a_manifest_that_cannot_be_saved_leaves_nothing_behind(tmp_path):
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(FormatError, match="directory"):
        Manifest("demo", {}).save(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]
