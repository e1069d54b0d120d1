"""Parquet and Arrow, whose columns have types."""

from __future__ import annotations

import io
import os
import threading
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import FormatError
from joule_cli.formats import WriteOptions, open_writer
from joule_cli.formats.containers.arrow import ArrowContainer
from joule_cli.formats.containers.base import SAMPLE_ROWS
from joule_cli.formats.containers.parquet import ParquetContainer
from joule_cli.model.data_stream import Element
from joule_cli.series.intervals import Interval
from tests.contracts.format_contract import make_head, make_rows
from tests.formats.containers.support import failure, kept, names, options, read

CONTAINERS = {
    "a.parquet": ParquetContainer,
    "a.arrow": ArrowContainer,
    "a.arrows": ArrowContainer,
}


@pytest.fixture(params=CONTAINERS)
def path(request, tmp_path):
    return tmp_path / request.param


def opened(path, **given):
    return kept(CONTAINERS[path.name](path, options(**given)))


def foreign(path, table, rows=None, compression=None):
    """Writes a file as other programs do."""
    if path.suffix == ".parquet":
        given = {"compression": compression, "use_dictionary": False} if compression else {}
        pq.write_table(table, path, row_group_size=rows, **given)
        return path
    create = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
    given = pa.ipc.IpcWriteOptions(compression=compression)
    with create(str(path), table.schema, options=given) as writer:
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
    return path


def own(path, head, *items, **given):
    with open_writer(path, head, options=WriteOptions(**given)) as writer:
        for item in items:
            if item is None:
                writer.interval_break()
            else:
                writer.write(item)
    return path


T = datetime(2024, 5, 1, 12, 30, 0, 5)

#: A type, cells of it, what the container gives, and what its heading says.
TYPES = [
    (pa.int8(), [1, None, -3], [1, None, -3], ("number", "i1")),
    (pa.uint64(), [2**64 - 1, None], [2**64 - 1, None], ("number", "u8")),
    (pa.int64(), [2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)], ("number", "i8")),
    (pa.float16(), [np.float16(1.5), None], [1.5, None], ("number", "f4")),
    (pa.float32(), [0.5, None], [0.5, None], ("number", "f4")),
    (pa.float64(), [0.1, 1e300], [0.1, 1e300], ("number", "f8")),
    (pa.bool_(), [True, None, False], [True, None, False], ("number", "?")),
    (pa.decimal128(20, 2), [Decimal("1.10"), None], [Decimal("1.10"), None], ("number", None)),
    (pa.string(), ["a", None, "ß"], ["a", None, "ß"], ("text", None)),
    (pa.large_string(), ["a", None], ["a", None], ("text", None)),
    (pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"], ["a", None, "a"], ("text", None)),
    (pa.timestamp("us"), [T, None], ["2024-05-01T12:30:00.000005", None], ("time", None)),
    (pa.date32(), [date(2024, 5, 1), None], ["2024-05-01", None], ("time", None)),
    (pa.time64("us"), [time(12, 30), None], ["12:30:00", None], ("text", None)),
    (pa.duration("ms"), [timedelta(seconds=2), None], [2000, None], ("number", "i8")),
    (pa.list_(pa.int8()), [[1]], ["list<element: int8>"], ("other", None)),
    (pa.null(), [None, None], [None, None], ("any", None)),
]


@pytest.mark.parametrize(("kind", "cells", "wanted", "told"), TYPES, ids=lambda v: str(v)[:30])
def test_each_type_has_its_cells(path, kind, cells, wanted, told):
    table = pa.table({"x": pa.array(cells, kind)})
    container = opened(foreign(path, table))
    (heading,) = container.columns
    dtype = None if heading.dtype is None else heading.dtype.newbyteorder("=")
    assert (heading.name, heading.kind) == ("x", told[0])
    assert dtype == (None if told[1] is None else np.dtype(told[1]))
    assert not heading.hidden
    found = [row[0] for row in read(container)]
    assert [str(x).replace("item", "element") for x in found] == [str(x) for x in wanted]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_keep_their_unit_and_say_whether_they_are_instants(path, unit):
    if path.suffix == ".parquet" and unit == "s":
        pytest.skip("Parquet has no timestamps in seconds")
    stamps = pa.array([1_714_566_600, None], pa.timestamp(unit))
    table = pa.table({"t": stamps, "u": stamps.cast(pa.timestamp(unit, tz="Europe/London"))})
    container = opened(foreign(path, table))
    assert [c.aware for c in container.columns] == [False, True]
    container.sample()
    container.choose([0, 1])
    (batch,) = container.batches()
    for at in (0, 1):
        cells = batch.column(at)
        assert cells.dtype == np.dtype(f"M8[{unit}]")
        assert cells.view("i8").tolist() == [1_714_566_600, None]


def test_row_numbers_of_pandas_are_hidden_but_times_are_not(path):
    table = pa.table(
        {
            "x": pa.array([1.5]),
            "__index_level_0__": pa.array([0]),
            "__index_level_1__": pa.array([0], pa.timestamp("us")),
        }
    )
    assert [c.hidden for c in opened(foreign(path, table)).columns] == [False, True, False]


def test_only_the_chosen_columns_are_given(path):
    table = pa.table({"t": [1, 2], "x": [3, 4], "y": [5, 6]})
    container = opened(foreign(path, table))
    assert read(container, [0, 2]) == [[1, 5], [2, 6]]


def test_columns_of_one_name_keep_their_places(path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["x", "y", "x"])
    container = opened(foreign(path, table))
    assert names(container) == ["x", "y", "x"]
    assert read(container, [0, 2]) == [[1, 3]]


def test_a_sample_gathers_small_batches_and_rows_are_counted(path):
    table = pa.table({"t": range(2500), "s": [str(i) for i in range(2500)]})
    container = opened(foreign(path, table, 300))
    sample = container.sample()
    assert sample.size == (300 if path.suffix == ".arrows" else SAMPLE_ROWS)
    assert read(container) == [[i, str(i)] for i in range(2500)]


def test_no_rows_and_no_columns(path):
    assert read(opened(foreign(path, pa.table({"t": pa.array([], pa.int64())})))) == []
    foreign(path, pa.table({}))
    assert failure(lambda: opened(path), path) == "the file has no columns"


def test_the_file_of_a_stream(path):
    elements = [Element("x", units="V", index=0), Element("x", index=1)]
    head = make_head("int16_2", elements=elements, start=1, end=9, node_name="lab")
    rows = make_rows(4, layout="int16_2")
    own(path, head, rows[:1], None, rows[1:3], None, rows[3:], interval_column=True)
    container = opened(path)
    told = container.told
    assert names(container) == ["timestamp", "x#0", "x#1", "interval"]
    assert [c.units for c in container.columns] == ["", "V", "", ""]
    assert (told.own, told.path, told.datatype, told.interval_column) == (
        True, "/lab/s", "int16", "interval")  # fmt: skip
    assert (told.time_column, told.time_format, told.start, told.end) == ("timestamp", "us", 1, 9)
    assert (told.stream.name, told.node_name) == ("s", "lab")
    assert {n: e.index for n, e in told.elements.items()} == {"x#0": 0, "x#1": 1}
    wanted = [
        [f"1970-01-01T00:00:00.00{stamp // 1000}000", *values, i]
        for (stamp, values), i in zip(rows.tolist(), [0, 1, 1, 2], strict=True)
    ]
    if path.suffix == ".parquet":
        assert told.intervals == [Interval(1000, 1001), Interval(2000, 3001), Interval(4000, 4001)]
        assert read(container) == wanted
    else:
        assert told.intervals is None
        assert read(container) == [wanted[0], None, *wanted[1:3], None, wanted[3]]


@pytest.mark.parametrize("order", ["column", "element"])
def test_a_continued_file_keeps_values_in_their_columns(path, order):
    head = make_head("float32_6", elements=[Element("x"), Element("y")], bounds=True)
    rows = make_rows(4, layout="float32_6")
    own(path, head, rows[:2], None, rows[2:3], bounds_order=order)
    before = read(opened(path))
    own(path, head, rows[3:], bounds_order=order, append=True)
    after = [row for row in read(opened(path)) if row is not None]
    assert after[:3] == [row for row in before if row is not None]
    assert [row[1:] for row in after] == [
        [row[i] for i in ((0, 2, 4, 1, 3, 5) if order == "element" else range(6))]
        for row in rows["data"].tolist()
    ]


def test_the_last_row_without_the_others(path):
    if path.suffix == ".arrows":
        foreign(path, pa.table({"t": [1]}))
        assert opened(path).last() is None
        return
    foreign(path, pa.table({"t": range(900), "x": range(900)}), 100)
    container = opened(path)
    container.sample()
    container.choose([0])
    assert container.last().column(0).tolist() == [899]
    foreign(path, pa.table({"t": pa.array([], pa.int64())}))
    assert opened(path).last() is None


def test_a_stream_gives_what_has_arrived():
    out, into = os.pipe()
    schema = pa.schema([("t", pa.int64())])
    rest = threading.Event()

    def write():
        with os.fdopen(into, "wb") as file, pa.ipc.new_stream(file, schema) as writer:
            for value in (1, 2):
                writer.write_batch(pa.record_batch({"t": [value]}))
                file.flush()
                rest.wait()

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(out, "rb", buffering=0) as file:
        container = ArrowContainer(file, options())
        assert container.sample().column(0).tolist() == [1]
        rest.set()
        assert container.share is None
        assert read(container) == [[1], [2]]
    thread.join()


def test_an_open_file_stays_open(path):
    foreign(path, pa.table({"t": [1, 2]}))
    with path.open("rb") as file:
        assert read(CONTAINERS[path.name](file, options())) == [[1], [2]]
        assert not file.closed


@pytest.mark.parametrize("compressed", [None, "zstd", "lz4"])
def test_what_unpacks_to_far_more_than_its_size_is_refused(path, monkeypatch, compressed):
    monkeypatch.setattr("joule_cli.formats.containers.arrow_size.BOUNDS", ((1 << 16, 100),))
    table = pa.table({"t": np.zeros(40_000), "d": pa.array(["x"] * 40_000).dictionary_encode()})
    foreign(path, table, compression=compressed)
    for place in (path, io.BytesIO(path.read_bytes())):

        def act(place=place):
            return read(kept(CONTAINERS[path.name](place, options())))

        if compressed is None:
            assert len(act()) == 40_000
        else:
            assert "would unpack from" in failure(act)


def test_a_hundred_megabytes_in_a_few_kilobytes_are_refused(path):
    table = pa.table({"t": np.zeros(13_000_000)})
    foreign(path, table, len(table), compression="zstd")
    assert path.stat().st_size < 100_000
    assert " would unpack from " in failure(lambda: read(opened(path)))


@pytest.mark.parametrize("compressed", ["zstd", "lz4"])
def test_sizes_that_a_file_only_claims_are_refused(path, compressed):
    if path.suffix == ".parquet":
        pytest.skip("of Parquet the sizes that its index tells are looked at")
    foreign(path, pa.table({"t": np.arange(1000.0) % 7}), compression=compressed)
    content = path.read_bytes()
    assert content.count((8000).to_bytes(8, "little")) == 1
    path.write_bytes(content.replace((8000).to_bytes(8, "little"), (1 << 40).to_bytes(8, "little")))
    assert "would unpack from" in failure(lambda: read(opened(path)))


def test_nested_columns_are_not_loaded(path):
    table = pa.table({"l": [[1], [2]], "t": [1, 2], "s": [{"a": 1}, {"a": 2}]})
    container = opened(foreign(path, table))
    assert [c.kind for c in container.columns] == ["other", "number", "other"]
    assert [row[1] for row in read(container)] == [1, 2]
    assert read(opened(path), [1]) == [[1], [2]]
    container = opened(foreign(path, table.select(["l"])))
    assert len(read(container)) == 2


def test_what_is_no_such_file(path):
    path.write_bytes(b"timestamp,x\n1,2\n")
    kind = "Parquet" if path.suffix == ".parquet" else "Arrow"
    assert failure(lambda: opened(path), path) == f"the file is not {kind}"
    path.write_bytes(b"")
    assert failure(lambda: opened(path), path) == "the file is empty"


@given(data=st.data())
def test_damage_is_an_error_of_the_file(tmp_path_factory, data):
    name = data.draw(st.sampled_from(sorted(CONTAINERS)))
    path = tmp_path_factory.mktemp("damaged") / name
    table = pa.table(
        {
            "t": pa.array([1, 2, None], pa.timestamp("us")),
            "x": [1.5, None, 2.5],
            "s": ["a", None, "b"],
            "d": pa.array(["a", None, "b"]).dictionary_encode(),
        }
    )
    content = bytearray(foreign(path, table).read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        container = opened(path)
        container.sample()
        container.choose(range(len(container.columns)))
        for _ in container.batches():
            pass
        container.last()
        container.close()
    except FormatError:
        pass
