from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joule_cli.errors import FormatError
from joule_cli.formats import ReadOptions, WriteOptions, column_names, open_reader, open_writer
from joule_cli.model.data_stream import DATATYPES, DataStream, Element
from joule_cli.series.layout import Layout
from tests.contracts.format_contract import (
    SMALL,
    FormatContract,
    any_rows,
    joined,
    make_head,
    make_rows,
    spans,
)

T0 = 1_700_000_000_000_000
NUMBERS = [1, 2, 3]


class TestParquet(FormatContract):
    suffix = ".parquet"
    has_end = True

    def read_options(self, layout: Layout) -> ReadOptions:
        return ReadOptions()


def write(path, head, *items, **options) -> None:
    with open_writer(path, head, "parquet", WriteOptions(**options)) as writer:
        for item in items:
            if item is None:
                writer.interval_break()
            else:
                writer.write(item)


def read(path, **options) -> list:
    with open_reader(path, "parquet", ReadOptions(**options)) as reader:
        return list(reader)


def values(path, **options) -> list:
    (rows,) = read(path, **options)
    return [[stamp, *row.tolist()] for stamp, row in rows.tolist()]


def failure(path, **options) -> str:
    with pytest.raises(FormatError) as caught:
        read(path, **options)
    return caught.value.sentence().replace(f"{path}: ", "")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.parquet"


@pytest.fixture
def foreign(path):
    """Writes a file as other programs do."""

    def make(metadata=None, row_group_size=None, **columns):
        table = pa.table(columns)
        if metadata:
            table = table.replace_schema_metadata(metadata)
        pq.write_table(table, path, row_group_size=row_group_size)
        return path

    return make


# what is written


def test_the_columns_and_the_description(path):
    elements = [Element("x", units="V", offset=0.5, index=3, id=7), Element("y", index=1)]
    stream = DataStream("s", description="d", datatype="int16", keep_us=5, decimate=False)
    head = make_head("int16_2", elements=elements, stream=stream, start=1, end=9, node_name="lab")
    rows = make_rows(3, layout="int16_2")
    write(path, head, rows[:2], None, rows[2:], None)
    file = pq.ParquetFile(io.BytesIO(path.read_bytes()))
    assert [(f.name, str(f.type), f.nullable) for f in file.schema_arrow] == [
        ("timestamp", "timestamp[us, tz=UTC]", False),
        ("x", "int16", False),
        ("y", "int16", False),
    ]
    told = json.loads(file.metadata.metadata[b"joule"])
    assert (told["path"], told["layout"], told["intervals"]) == (
        "/lab/s", "int16_2", [[1000, 2001], [3000, 3001]])  # fmt: skip
    column = file.metadata.row_group(0).column(1)
    assert column.compression == "ZSTD"
    with open_reader(path) as reader:
        head = reader.head
        assert reader.last_timestamp() == 3000
    assert (head.path, head.start, head.end, head.node_name) == ("/lab/s", 1, 9, "lab")
    assert (head.stream.description, head.stream.keep_us, head.stream.decimate) == ("d", 5, False)
    told = [element.to_json() | {"index": at} for at, element in enumerate(elements)]
    assert [element.to_json() for element in head.elements] == told


@pytest.mark.parametrize("datatype", DATATYPES)
def test_duckdb_reads_the_same_values(tmp_path_factory, datatype):
    path = tmp_path_factory.mktemp("duck") / "a.parquet"

    @settings(max_examples=25)
    @given(any_rows(datatype))
    def check(drawn):
        layout, rows = drawn
        # beyond these DuckDB has no timestamps
        rows = rows[np.abs(rows["timestamp"].astype(float)) < 9e18]
        write(path, make_head(layout), rows)
        found = duckdb.sql(f"SELECT * REPLACE (epoch_us(timestamp) AS timestamp) FROM '{path}'")
        assert found.columns == ["timestamp", *column_names(make_head(layout))]
        columns = found.fetchnumpy()
        assert columns.pop("timestamp").tolist() == rows["timestamp"].tolist()
        for i, column in enumerate(columns.values()):
            assert column.dtype == layout.element
            assert np.asarray(column).tobytes() == rows["data"][:, i].tobytes()

    check()


@given(names=st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_any_names(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("names") / "a.parquet"
    elements = [Element(name, units="V") for name in names]
    rows = make_rows(2, layout=f"float32_{len(names)}")
    write(path, make_head(f"float32_{len(names)}", elements=elements), rows)
    with open_reader(path) as reader:
        assert [e.name for e in reader.head.elements] == names
        assert joined(reader, reader.head.layout).tobytes() == rows.tobytes()


def test_columns_can_be_chosen_whose_names_begin_alike(path):
    head = make_head("float32_3", elements=[Element("a.b", units="A"), Element("a"), Element("b")])
    write(path, head, make_rows(1, layout="float32_3"))
    assert values(path, use_columns=["a"]) == [[1000, 6]]
    assert values(path, use_columns=["b", "a.b"]) == [[1000, 7, 5]]
    with open_reader(path, options=ReadOptions(use_columns=["a.b"])) as reader:
        assert [e.units for e in reader.head.elements] == ["A"]


def test_bounds_are_columns_of_their_own(path):
    head = make_head("float32_6", elements=[Element("x"), Element("y")], bounds=True)
    rows = make_rows(3, layout="float32_6")
    write(path, head, rows, bounds_order="element")
    names = ["timestamp", "x", "x_min", "x_max", "y", "y_min", "y_max"]
    assert pq.read_schema(path).names == names
    assert joined(read(path), head.layout)["data"].tolist() == (
        rows["data"][:, [0, 2, 4, 1, 3, 5]].tolist()
    )


def test_intervals_are_numbered_in_a_column(path):
    head = make_head(elements=[Element("interval"), Element("y")])
    write(path, head, make_rows(2), None, make_rows(1, 3), interval_column=True)
    table = pq.read_table(path)
    assert table.column("interval#").to_pylist() == [0, 0, 1]
    pq.write_table(table.replace_schema_metadata(None), path)
    items = read(path, interval_column="interval#")
    assert spans(items) == [(1000, 2001), (3000, 3001)]


def test_row_groups_hold_a_million_rows_or_less_of_wide_ones(path):
    rows = np.zeros(1_100_000, Layout("int8", 1).dtype)
    rows["timestamp"] = np.arange(len(rows))
    write(path, make_head("int8_1"), rows[:7], *np.array_split(rows[7:], 3))
    file = pq.read_metadata(path)
    assert [file.row_group(i).num_rows for i in range(2)] == [1 << 20, 1_100_000 - (1 << 20)]
    assert joined(read(path), Layout("int8", 1)).tobytes() == rows.tobytes()
    wide = make_rows(5000, layout="float64_1000")
    write(path, make_head("float64_1000"), wide)
    file = pq.read_metadata(path)
    assert file.row_group(0).num_rows * wide.itemsize <= 1 << 25


def test_breaks_at_the_edges_of_row_groups(path):
    rows = np.zeros((1 << 20) + 5, Layout("int8", 1).dtype)
    rows["timestamp"] = np.arange(len(rows))
    items = [rows[: 1 << 20], None, rows[1 << 20 :]]
    write(path, make_head("int8_1"), *items)
    assert spans(read(path)) == spans(items)


def test_many_intervals(path):
    rows = make_rows(30_000)
    write(path, make_head(), *(x for i in range(30_000) for x in (rows[i : i + 1], None)))
    assert len(spans(read(path))) == 30_000


@pytest.mark.parametrize("text", ["zstd", "gzip:9", "snappy", "lz4", "none"])
def test_compressions(path, text):
    write(path, make_head(), make_rows(10), compression=text)
    assert joined(read(path), SMALL).tobytes() == make_rows(10).tobytes()


@pytest.mark.parametrize("text", ["zip", "gzip:0", "zstd:3", "lzf"])
def test_unknown_compressions(path, text):
    with pytest.raises(FormatError, match="compression"):
        write(path, make_head(), compression=text)
    assert not path.exists()


def test_a_file_of_other_rows_cannot_be_continued(path):
    write(path, make_head(), make_rows(1))
    before = path.read_bytes()
    for head in (
        make_head("float32_3"),
        make_head("int16_2"),
        make_head(decimation_level=4),
        make_head(elements=[Element("e0"), Element("other")]),
    ):
        with pytest.raises(FormatError, match="cannot be continued"):
            write(path, head, append=True)
    assert path.read_bytes() == before
    path.write_bytes(before[:-9])
    with pytest.raises(FormatError, match="cut or damaged"):
        write(path, make_head(), append=True)
    assert path.read_bytes() == before[:-9]
    assert list(path.parent.iterdir()) == [path]


def test_a_continued_file_keeps_its_intervals(path):
    write(path, make_head(), make_rows(3), None, make_rows(2, 4), interval_column=True)
    write(path, make_head(), make_rows(2, 6), None, make_rows(1, 8),
          interval_column=True, append=True)  # fmt: skip
    assert spans(read(path)) == [(1000, 3001), (4000, 7001), (8000, 8001)]
    assert pq.read_table(path).column("interval").to_pylist() == [0, 0, 0, 1, 1, 1, 1, 2]


def test_open_files_and_pipes():
    target = io.BytesIO()
    write(target, make_head(), make_rows(3))
    source = io.BytesIO(target.getvalue())
    assert joined(read(source), SMALL).tobytes() == make_rows(3).tobytes()
    assert not source.closed
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb") as sink:
        sink.write(target.getvalue())
        sink.close()
        for format in ("parquet", None):
            with pytest.raises(FormatError, match="Parquet can only be read from a file, not fr"):
                open_reader(source, format)


def test_what_is_cut_has_no_end():
    target = io.BytesIO()
    writer = open_writer(target, make_head(), "parquet")
    writer.write(make_rows(10))
    writer.close(complete=False)
    del writer
    assert target.getvalue() == b"PAR1"


def test_a_broken_pipe_stays_a_broken_pipe():
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb", buffering=0) as target, pytest.raises(BrokenPipeError):
        open_writer(target, make_head(), "parquet")


def test_a_disk_that_fills_up(path):
    path.write_bytes(b"old")
    program = f"""
import resource, signal
from tests.contracts.format_contract import make_head, make_rows
from joule_cli.errors import FormatError
from joule_cli.formats import open_writer
import numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
rows = make_rows(1_000_000)
rows["data"] = np.random.default_rng(1).random(rows["data"].shape)
for name in ({str(path)!r}, {str(path.with_suffix(".arrow"))!r}):
    try:
        with open_writer(name, make_head()) as writer:
            writer.write(rows)
    except FormatError as exc:
        print(exc.sentence())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    other = path.with_suffix(".arrow")
    assert done.stdout == f"{path}: file too large\n{other}: file too large\n"
    assert done.stderr == ""
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


# files of other programs


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (pa.timestamp("us"), T0),
        (pa.timestamp("us", "Europe/Berlin"), T0),
        (pa.timestamp("ns", "UTC"), T0 * 1000 + 999),
        (pa.timestamp("ms", "+03:00"), T0 // 1000),
        (pa.timestamp("s"), T0 // 1_000_000),
    ],
)
def test_timestamps_of_any_unit_and_zone(foreign, kind, count):
    path = foreign(x=NUMBERS[:1], t=pa.array([count], kind))
    assert values(path) == [[T0, 1]]


def test_timestamps_without_a_zone_are_local(foreign):
    stamps = [datetime(2024, 3, 31, 1, 59, 59), datetime(2024, 3, 31, 3, 0, 0, 5)]
    path = foreign(t=pa.array(stamps, pa.timestamp("ns")), x=NUMBERS[:2])
    zone = ZoneInfo("Europe/Berlin")
    found = [int(row[0]) for row in values(path, tz=zone)]
    assert found[1] - found[0] == 1_000_005
    assert found[0] == int(datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC).timestamp()) * 1_000_000


def test_dates(foreign):
    path = foreign(day=pa.array([datetime(2024, 5, 1).date()]), x=[1.5])
    assert values(path) == [[1_714_521_600_000_000, 1.5]]


@pytest.mark.parametrize(
    ("times", "form"),
    [
        ([T0], "us"),
        ([T0], "auto"),
        ([T0 // 1_000_000], "auto"),
        ([T0 // 1_000_000], "s"),
        (pa.array([T0 * 1000], pa.uint64()), "ns"),
        ([T0 / 1_000_000], "s"),
        ([float(T0)], "us"),
        (["2023-11-14T22:13:20Z"], "auto"),
        (["14.11.2023 22:13:20"], "%d.%m.%Y %H:%M:%S"),
        (pa.array(["2023-11-14T22:13:20"]).dictionary_encode(), "iso"),
    ],
)
def test_times_that_are_numbers_and_texts(foreign, times, form):
    assert values(foreign(t=times, x=[1]), time_format=form) == [[T0, 1]]


def test_fractions_of_seconds(foreign):
    assert [v[0] for v in values(foreign(t=[1.25, 2.0, 2.5], x=NUMBERS), time_format="s")] == [
        1_250_000, 2_000_000, 2_500_000]  # fmt: skip


def test_which_column_holds_the_times(foreign):
    stamp = pa.array([5], pa.timestamp("us"))
    assert values(foreign(a=[1], timestamp=[7], t=stamp), use_columns=["a"]) == [[7, 1]]
    path = foreign(a=[1], b=[2], t=stamp)
    assert values(path) == [[5, 1, 2]]
    assert values(path, time_column="a", use_columns=["b", "0"]) == [[1, 2, 1]]
    assert values(path, time_column="1", use_columns=["a"]) == [[2, 1]]
    assert failure(path, time_column="c") == "there is no column 'c', only 'a', 'b', 't'"
    assert failure(path, use_columns=["3"]) == (
        "there is no column 3, the file has 3 columns, counted from 0"
    )


def test_what_pandas_writes(foreign):
    columns = ["power", "count"]
    index = {"name": "when", "field_name": "when", "pandas_type": "datetimetz"}
    metadata = {"pandas": json.dumps({"index_columns": ["when"], "columns": [index]})}
    data = {"power": [1.5, 2.5], "count": pa.array([1, 2], pa.int32())}
    when = pa.array([T0 * 1000, T0 * 1000 + 1000], pa.timestamp("ns", "UTC"))
    path = foreign(metadata, **data, when=when)
    with open_reader(path) as reader:
        assert reader.head.layout == Layout("float64", 2)
        assert [e.name for e in reader.head.elements] == columns
    assert values(path) == [[T0, 1.5, 1], [T0 + 1, 2.5, 2]]
    # an index without a name: of times, and of row numbers
    assert values(foreign(metadata, **data, __index_level_0__=when))[0] == [T0, 1.5, 1]
    path = foreign(timestamp=when, x=[1, 2], __index_level_0__=[4, 9])
    assert values(path) == [[T0, 1], [T0 + 1, 2]]


@pytest.mark.parametrize(
    ("columns", "datatype"),
    [
        ({"a": pa.array([1], pa.int8())}, "int8"),
        ({"a": pa.array([1], pa.uint64())}, "uint64"),
        ({"a": pa.array([1], pa.int8()), "b": pa.array([200], pa.uint8())}, "int16"),
        ({"a": pa.array([1], pa.int16()), "b": pa.array([0.5], pa.float32())}, "float32"),
        ({"a": pa.array([np.float16(0.5)])}, "float32"),
        ({"a": pa.array([True])}, "uint8"),
        ({"a": pa.array([Decimal("1.1")])}, "float64"),
        ({"a": pa.array([2.5]).dictionary_encode()}, "float64"),
    ],
)
def test_types_of_values(foreign, columns, datatype):
    (rows,) = read(foreign(t=[1], **columns))
    assert rows.dtype == Layout(datatype, len(columns)).dtype
    expected = [[float(column.to_pylist()[0]) for column in columns.values()]]
    assert rows["data"].astype(float).tolist() == expected
    (rows,) = read(foreign(t=[1], **columns), datatype="float64")
    assert rows["data"].tolist() == expected


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (["a", "b"], "text, such as 'a'"),
        ([{"x": 1}, {"x": 2}], "struct<x: int64>, not numbers"),
        ([[1], [2]], "list<element: int64>, not numbers"),
    ],
)
def test_columns_that_hold_no_numbers(foreign, column, kind):
    path = foreign(t=[1, 2], note=column, x=[1, 2])
    with pytest.raises(FormatError) as caught:
        read(path)
    assert caught.value.sentence() == f"{path}: the column 'note' holds {kind}"
    assert caught.value.hint.startswith("use --use-columns x to leave it out")
    assert values(path, use_columns=["x"]) == [[1, 1], [2, 2]]
    if "text" not in kind:
        sentence = f"the column 'note' holds {kind.replace('numbers', 'times')}"
        assert failure(path, time_column="note") == sentence


def test_durations_are_numbers_of_their_unit(foreign):
    path = foreign(t=[1, 2], run=pa.array([3, 4], pa.duration("ms")))
    assert values(path) == [[1, 3], [2, 4]]
    with open_reader(path) as reader:
        assert [(e.name, e.units) for e in reader.head.elements] == [("run", "ms")]


@pytest.mark.parametrize(
    ("columns", "options", "sentence"),
    [
        ({"x": [1, None, 3]}, {},
         "row 2: column 'x': the value is missing, and int64 cannot hold that"),
        ({"x": [1.5, 2, np.nan]}, {"missing": "error"}, "row 3: the value of 'x' is missing"),
        ({"x": [1.5, None, 3]}, {"missing": "refuse"},
         "row 2: the value of 'x' is missing, and the node cannot hold that"),
        ({"x": [1.5, np.inf, 1e39]}, {"datatype": "float32"},
         "row 3: column 'x': 1e+39 is out of the range of float32"),
        ({"x": [1, 2**53 + 1, 3]}, {"datatype": "float64"},
         "row 2: column 'x': 9007199254740993 has more digits than float64 can hold"),
        ({"x": [1, 2, 0.5]}, {"datatype": "int64"},
         "row 3: column 'x': 0.5 is not a value of int64"),
        ({"x": [1, 300, -1]}, {"datatype": "uint8"},
         "row 2: column 'x': 300 is not a value of uint8"),
        ({"x": [1, -1, 3]}, {"datatype": "uint64"},
         "row 2: column 'x': -1 is not a value of uint64"),
        ({"x": pa.array([1, 2**63, 3], pa.uint64())}, {"datatype": "int64"},
         "row 2: column 'x': 9223372036854775808 is not a value of int64"),
        ({"x": [1.0, 2.0**63, 3]}, {"datatype": "int64"},
         "row 2: column 'x': 9.223372036854776e+18 is not a value of int64"),
        ({"x": [Decimal("1.5"), Decimal(2), Decimal(3)]}, {"datatype": "int8"},
         "row 1: column 'x': '1.5' is not a whole number"),
        ({"t": [1, None, 3]}, {}, "row 2: the time is missing"),
        ({"t": [1, 1, 3]}, {},
         "row 2: the time '1' (1970-01-01 00:00:00.000001+00:00) is repeated with other values"),
        ({"t": [1, 5, 3]}, {},
         "row 3: the time '3' (1970-01-01 00:00:00.000003+00:00) is before "
         "1970-01-01 00:00:00.000005+00:00, the one above it"),
        ({"t": [1, 1.5, 3]}, {},
         "row 2: rows 1 and 2 differ only below a microsecond: 1.0 and 1.5 are both "
         "1970-01-01 00:00:00.000001+00:00"),
        ({"t": ["a", "b", "c"]}, {"time_format": "iso"}, "row 1: 'a' is not an ISO 8601 time"),
        ({"t": pa.array([1, 2, 2**62 // 1000], pa.timestamp("s"))}, {},
         "row 3: the time is out of range"),
        ({"t": pa.array([1, 2, 2**62], pa.timestamp("us"))}, {"tz": ZoneInfo("Asia/Tokyo")},
         "row 3: the time is out of range"),
    ],
)  # fmt: skip
def test_bad_rows(foreign, columns, options, sentence):
    assert failure(foreign(**{"t": NUMBERS, "x": NUMBERS, **columns}), **options) == sentence


def test_bad_rows_can_be_left_out(foreign):
    rejected = []
    path = foreign(
        t=[1, 2, 2, None, 5, 6, 7],
        x=[1.5, None, 2.5, 3.5, 5.5, np.nan, 7.5],
        part=[0, 0, 0, 0, 1, 2, 2],
    )
    with open_reader(
        path,
        options=ReadOptions(
            interval_column="part", missing="error", on_reject=lambda *bad: rejected.append(bad)
        ),
    ) as reader:
        items = list(reader)
        assert (reader.tally.rows, reader.tally.rejected) == (4, 3)
    assert spans(items) == [(1, 3), (5, 6), (7, 8)]
    assert [item["data"].tolist() for item in items if item is not None] == [
        [[1.5], [2.5]], [[5.5]], [[7.5]]]  # fmt: skip
    assert rejected == [
        (2, "2,,0", "the value of 'x' is missing"),
        (4, ",3.5,0", "the time is missing"),
        (6, "6,nan,2", "the value of 'x' is missing"),
    ]


def test_missing_values_are_kept_and_counted(foreign):
    path = foreign(t=[1, 2, 3], x=[1.5, None, np.nan], y=pa.array([None, 2, 3], pa.float32()))
    with open_reader(path) as reader:
        rows = joined(reader, reader.head.layout)
        assert reader.tally.missing == {"x": 2, "y": 1}
    assert np.isnan(rows["data"]).tolist() == [[False, True], [True, False], [True, False]]
    assert rows["data"][0, 0] == 1.5


def test_rows_far_down_are_counted(foreign):
    stamps = np.arange(200_000)
    stamps[150_000] = 7
    path = foreign(t=stamps, x=np.zeros(200_000, "f4"), row_group_size=9999)
    assert failure(path) == (
        "row 150001: the time '7' (1970-01-01 00:00:00.000007+00:00) is before "
        "1970-01-01 00:00:00.149999+00:00, the one above it"
    )


def test_files_without_rows_and_columns(foreign, path):
    assert read(foreign(t=pa.array([], pa.int64()), x=pa.array([], pa.float32()))) == []
    with open_reader(path) as reader:
        assert reader.last_timestamp() is None
    assert failure(foreign(t=[1])) == "expected a timestamp and at least one value"


def test_a_description_that_cannot_be_read(foreign):
    for bad in ("{", "5", "{}", '{"elements": [], "layout": "x"}'):
        path = foreign({"joule": bad}, t=[1], x=[1])
        assert failure(path) == "the description of the stream cannot be read"


# damage


def test_another_kind_of_file(path):
    path.write_bytes(b"timestamp,x\n1,2\n")
    assert failure(path) == "the file is not Parquet"


def test_damage_is_found_wherever_it_is(path):
    """Pages have checksums; what is left of the file is read by a careful library."""
    rows = make_rows(2000)
    write(path, make_head(), rows)
    whole = path.read_bytes()
    start = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    found = set()
    for at in range(start, len(whole), 61):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            with open_reader(path) as reader:
                back = joined(reader, reader.head.layout)
        except FormatError as exc:
            found.add(exc.sentence())
        else:
            assert back["data"].shape[1:] == (2,)
    assert f"{path}: the file is cut or damaged" in found
    assert all(sentence.startswith(f"{path}: ") for sentence in found)
    middle = start + 2000
    path.write_bytes(whole[:middle] + b"\xaa\xaa" + whole[middle + 2 :])
    assert failure(path) == "the file is cut or damaged"
