from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import ReadOptions, WriteOptions, open_reader, open_writer
from tests.contracts.format_contract import (
    SMALL,
    FormatContract,
    joined,
    make_head,
    make_rows,
    spans,
)

if TYPE_CHECKING:
    from joule_cli.series.layout import Layout


class TestFile(FormatContract):
    suffix = ".arrow"
    has_end = True

    def read_options(self, layout: Layout) -> ReadOptions:
        return ReadOptions()


class TestStream(TestFile):
    suffix = ".arrows"


def write(place, head, *items, **options) -> None:
    with open_writer(place, head, "arrow", WriteOptions(**options)) as writer:
        for item in items:
            if item is None:
                writer.interval_break()
            else:
                writer.write(item)


def read(place, **options) -> list:
    with open_reader(place, "arrow", ReadOptions(**options)) as reader:
        return list(reader)


def failure(path, **options) -> str:
    with pytest.raises(FormatError) as caught:
        read(path, **options)
    return caught.value.sentence().replace(f"{path}: ", "")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.arrow"


def test_other_programs_see_a_table(path):
    rows = make_rows(3)
    write(path, make_head(), rows)
    table = pyarrow.feather.read_table(path)
    assert [str(kind) for kind in table.schema.types] == ["timestamp[us, tz=UTC]"] + ["float"] * 2
    assert table.column("e1").to_numpy().tolist() == rows["data"][:, 1].tolist()
    assert json.loads(table.schema.metadata[b"joule"])["path"] == "/lab/s"


def test_the_suffix_tells_files_from_streams(tmp_path):
    for name, begin in (("a.arrow", b"ARROW1"), ("a.feather", b"ARROW1"), ("a.arrows", b"\xff")):
        write(tmp_path / name, make_head(), make_rows(2))
        assert (tmp_path / name).read_bytes().startswith(begin)
        assert joined(read(tmp_path / name), SMALL).tobytes() == make_rows(2).tobytes()


@pytest.mark.parametrize("compression", ["zstd", "lz4", "none"])
def test_compressions_and_a_column_of_intervals(tmp_path, compression):
    path = tmp_path / "a.feather"
    items = [make_rows(70_000), None, make_rows(3, 70_001)]
    write(path, make_head(), *items, compression=compression, interval_column=True)
    assert spans(read(path)) == spans(items)
    assert pyarrow.feather.read_table(path).column("interval").to_pylist()[-4:] == [0, 1, 1, 1]
    with pytest.raises(FormatError, match="there is no compression 'gzip' here"):
        write(path, make_head(), compression="gzip")


def test_rows_come_through_a_pipe_while_they_are_written():
    first, second = make_rows(3), make_rows(2, 4)
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb") as target:
        writer = open_writer(target, make_head(), "arrow")
        writer.write(first)
        writer.flush()
        with open_reader(source) as reader:
            blocks = reader.blocks()
            assert next(blocks).tobytes() == first.tobytes()
            writer.interval_break()
            writer.write(second)
            writer.close()
            assert next(blocks) is None
            assert next(blocks).tobytes() == second.tobytes()
            assert list(blocks) == []
        assert not source.closed


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_comes_through_a_pipe(path, pack):
    items = [make_rows(70_000), None, make_rows(9, 70_001)]
    write(path, make_head(), *items)
    data = pack(path.read_bytes())
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb", buffering=0) as target:
        feeder = threading.Thread(target=lambda: (target.write(data), target.close()))
        feeder.start()
        back = read(source)
        feeder.join()
    assert spans(back) == spans(items)
    assert joined(back, SMALL).tobytes() == joined(items, SMALL).tobytes()


def test_a_stream_that_was_cut_between_batches(tmp_path):
    path = tmp_path / "a.arrows"
    write(path, make_head(), make_rows(3))
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    assert failure(path) == "the file is cut: it has no end"
    # other programs may leave the end out
    target = io.BytesIO()
    with pa.ipc.new_stream(target, pa.schema({"t": pa.int64(), "x": pa.int8()})) as writer:
        writer.write_batch(pa.record_batch({"t": [1], "x": pa.array([2], pa.int8())}))
    with open_reader(io.BytesIO(target.getvalue()[:-8]), "arrow") as reader:
        assert len(list(reader)) == 1
        assert reader.tally.warnings == ["-: the stream has no end, it may be cut"]


def test_output_that_was_cut_has_no_end():
    target = io.BytesIO()
    writer = open_writer(target, make_head(), "arrow")
    writer.write(make_rows(3))
    writer.flush()
    writer.close(complete=False)
    del writer
    with pytest.raises(FormatError, match="has no end"):
        read(io.BytesIO(target.getvalue()))


def test_a_broken_pipe_and_a_full_disk():
    read_end, write_end = os.pipe()
    os.close(read_end)
    for target, error in ((write_end, BrokenPipeError), ("/dev/full", FormatError)):
        with open(target, "wb", buffering=0) as file:  # noqa: PTH123  (of a number, too)
            writer = open_writer(file, make_head(), "arrow")
            with pytest.raises(error) as caught:
                writer.write(make_rows(70_000))
            writer.close(complete=False)
    assert caught.value.message == "no space left on device"


# files of other programs


def test_feather_with_other_columns(path):
    table = pa.table(
        {
            "label": pa.array(["a", "b"]).dictionary_encode(),
            "x": [1.5, 2.5],
            "nested": [[1], [2]],
            "when": pa.array([5, 6], pa.timestamp("ms", "UTC")),
        }
    )
    pyarrow.feather.write_feather(table, str(path))
    assert failure(path) == ("the column 'label' holds text, such as 'a'")
    (rows,) = read(path, use_columns=["x"])
    assert rows.tolist() == [(5000, [1.5]), (6000, [2.5])]
    (rows,) = read(io.BytesIO(path.read_bytes()), use_columns=["x"])
    assert rows["timestamp"].tolist() == [5000, 6000]
    with open_reader(path, options=ReadOptions(use_columns=["x"])) as reader:
        assert reader.last_timestamp() == 6000


def test_nulls_and_columns_that_are_called_the_same(path):
    columns = [pa.array([1, 2, 3]), pa.array([1, None, 3]), pa.array([4, 5, 6])]
    table = pa.Table.from_arrays(columns, ["t", "x", "x"])
    with path.open("wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    assert failure(path) == "several columns are called 'x'"
    assert failure(path, use_columns=["x"]) == "several columns are called 'x'"
    both = ["1", "2"]
    assert failure(path, use_columns=both) == (
        "row 2: column 'x': the value is missing, and int64 cannot hold that"
    )
    assert [rows["data"].tolist() for rows in read(path, use_columns=["2"])] == [[[4], [5]], [[6]]]
    rejected = []
    read(path, use_columns=both, on_reject=lambda *bad: rejected.append(bad))
    assert rejected == [(2, "2,,5", "column 'x': the value is missing, and int64 cannot hold that")]


def test_one_batch_of_everything_is_read_piece_by_piece(path):
    """As Polars writes it: the memory that reading takes does not grow with the batch."""
    n = 6_000_000
    batch = pa.record_batch({"t": np.arange(n), "x": np.zeros(n), "y": np.ones(n)})
    with path.open("wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    program = f"""
import pyarrow
from joule_cli.formats import open_reader
with open_reader({str(path)!r}) as reader:
    print(sum(map(len, reader)), pyarrow.default_memory_pool().max_memory() < 1 << 24)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == f"{n} True\n", done.stderr


def test_feather_of_version_1(path):
    path.write_bytes(b"FEA1" + bytes(20))
    assert failure(path) == "the file is Feather of version 1, only 2 can be read"


@pytest.mark.parametrize("bad", ["[", "{}", '{"breaks": [9]}', '{"breaks": [-1]}', '{"breaks": 0}'])
def test_intervals_that_cannot_be_read(path, bad):
    write(path, make_head(), make_rows(1))
    file = pa.ipc.open_file(path.read_bytes())
    batch, schema = file.get_batch(0), file.schema
    with path.open("wb") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_batch(batch, custom_metadata={"joule": bad})
    assert failure(path) == "the intervals cannot be read"


def test_damage_never_ends_the_process(path):
    write(path, make_head(), make_rows(500), compression="lz4")
    whole = path.read_bytes()
    found = set()
    for at in range(0, len(whole), 13):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            read(path)
        except FormatError as exc:
            found.add(exc.sentence())
    assert f"{path}: the file is cut or damaged" in found
    assert all(sentence.startswith(f"{path}: ") for sentence in found)


def test_names_that_are_no_text(path):
    table = pa.table({"t": [1], "wxyz": [1]})
    with path.open("wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    path.write_bytes(path.read_bytes().replace(b"wxyz", b"\xff\xfe\xfd\xfc"))
    assert failure(path) == "the file is cut or damaged"
