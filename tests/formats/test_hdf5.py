from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from itertools import pairwise

import h5py
import numpy as np
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import ReadOptions, WriteOptions, open_reader, open_writer
from joule_cli.model.data_stream import DataStream, Element
from joule_cli.series.layout import Layout
from tests.contracts.format_contract import (
    SMALL,
    FormatContract,
    joined,
    make_head,
    make_rows,
    spans,
)


class TestHdf5(FormatContract):
    suffix = ".h5"
    has_end = True

    def read_options(self, layout: Layout) -> ReadOptions:
        return ReadOptions()


class TestUncompressed(TestHdf5):
    write_options = WriteOptions(compression="none")


def write(path, head, *items, **options) -> None:
    with open_writer(path, head, "hdf5", WriteOptions(**options)) as writer:
        for item in items:
            if item is None:
                writer.interval_break()
            else:
                writer.write(item)


def foreign(path, data, stamps, name="data", time_name="timestamp") -> None:
    """A file as other programs write it."""
    with h5py.File(path, "w") as file:
        file[name] = data
        file[time_name] = stamps


def read(path, **options) -> list:
    with open_reader(path, "hdf5", ReadOptions(**options)) as reader:
        return list(reader)


def failure(path, **options) -> str:
    with pytest.raises(FormatError) as caught:
        read(path, **options)
    return caught.value.sentence().replace(f"{path}: ", "")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def test_the_objects_that_joule_1_0_1_reads(path):
    elements = [Element("x", units="V", index=3, id=7), Element("y", index=1)]
    head = make_head("int16_2", elements=elements, node_name="lab", node_url="http://lab")
    write(path, head, make_rows(70_000, layout="int16_2"))
    with h5py.File(path) as file:
        data, stamps = file["data"], file["timestamp"]
        assert (data.shape, data.dtype, data.maxshape) == ((70_000, 2), np.dtype("<i2"), (None, 2))
        assert (stamps.shape, stamps.dtype) == ((70_000, 1), np.dtype("<i8"))
        assert (data.compression, data.shuffle, data.chunks) == ("gzip", True, (65536, 2))
        attrs = file.attrs
        assert (attrs["path"], attrs["node_name"], attrs["node_url"]) == (
            "/lab/s", "lab", "http://lab")  # fmt: skip
        assert json.loads(attrs["elements"]) == ["x", "y"]
        told = json.loads(attrs["element_json"])
        assert list(told[0]) == [
            "id", "index", "name", "units", "plottable", "display_type", "offset",
            "scale_factor", "default_max", "default_min",
        ]  # fmt: skip
        assert (told[0]["id"], told[0]["index"], told[0]["display_type"]) == (7, 3, "CONTINUOUS")


def test_what_is_added(path):
    stream = DataStream("s", description="d", datatype="int16", keep_us=5, decimate=False)
    head = make_head("float32_2", stream=stream, decimation_level=4, start=1, end=9)
    write(path, head, make_rows(2), None, make_rows(1, 3), None)
    with h5py.File(path) as file:
        assert file["intervals"][()].tolist() == [[1000, 2001], [3000, 3001]]
        assert file["intervals"].dtype == np.dtype("<i8")
        attrs = dict(file.attrs)
    assert attrs["format_version"] == 1
    assert (attrs["datatype"], attrs["description"], attrs["keep_us"]) == ("int16", "d", 5)
    assert (attrs["decimate"], attrs["decimation_level"]) == (False, 4)
    assert (attrs["start"], attrs["end"]) == (1, 9)


def test_the_head_comes_back(path):
    stream = DataStream("s", description="d", datatype="float32", keep_us=5, decimate=False)
    write(path, make_head(stream=stream, start=1, end=9, node_name="n"), make_rows(2))
    with open_reader(path) as reader:
        head = reader.head
        assert (head.path, head.layout, head.start, head.end) == ("/lab/s", SMALL, 1, 9)
        assert [(e.name, e.units) for e in head.elements] == [("e0", "V"), ("e1", "V")]
        assert head.stream is not None
        assert (head.stream.description, head.stream.keep_us, head.stream.decimate) == (
            "d", 5, False)  # fmt: skip
        assert head.intervals == [(1000, 2001)]
        assert reader.last_timestamp() == 2000


def test_bounds_have_their_own_datasets(path):
    elements = [Element("x"), Element("y")]
    head = make_head("float32_6", elements=elements, bounds=True, decimation_level=4)
    rows = make_rows(3, layout="float32_6")
    write(path, head, rows)
    with h5py.File(path) as file:
        for i, name in enumerate(("data", "minimum", "maximum")):
            assert (file[name][()] == rows["data"][:, 2 * i : 2 * i + 2]).all()
        assert json.loads(file.attrs["elements"]) == ["x", "y"]
    assert joined(read(path), SMALL)["data"].tolist() == rows["data"][:, :2].tolist()


@pytest.mark.parametrize(
    ("text", "stored"), [("gzip:9", ("gzip", 9)), ("lzf", ("lzf", None)), ("none", (None, None))]
)
def test_compressions(path, text, stored):
    write(path, make_head(), make_rows(10), compression=text)
    with h5py.File(path) as file:
        assert (file["data"].compression, file["data"].compression_opts) == stored
    assert joined(read(path), SMALL).tobytes() == make_rows(10).tobytes()


@pytest.mark.parametrize("text", ["zip", "gzip:0", "gzip:10", "lzf:3", "zstd"])
def test_unknown_compressions(path, text):
    with pytest.raises(FormatError, match="compression"):
        write(path, make_head(), compression=text)
    assert not path.exists()


def test_blocks_of_any_size_fill_whole_chunks(path):
    rows = make_rows(200_000)
    cuts = [0, 1, 65_000, 65_536, 70_000, 140_000, 200_000]
    write(path, make_head(), *(rows[a:b] for a, b in pairwise(cuts)))
    assert joined(read(path), SMALL).tobytes() == rows.tobytes()
    write(path, make_head(), make_rows(100_000, 200_001), append=True)
    assert joined(read(path), SMALL).tobytes() == make_rows(300_000).tobytes()
    assert len(spans(read(path))) == 1


def test_a_file_of_other_rows_cannot_be_continued(path):
    write(path, make_head(), make_rows(1))
    before = path.read_bytes()
    for head in (make_head("float32_3"), make_head("int16_2"), make_head(decimation_level=4)):
        with pytest.raises(FormatError, match="cannot be continued"):
            write(path, head, append=True)
    path.write_bytes(b"text")
    with pytest.raises(FormatError):
        write(path, make_head(), append=True)
    path.write_bytes(before)
    assert list(path.parent.iterdir()) == [path]


# files of other programs


def test_one_dimension(path):
    foreign(path, np.array([1.5, 2.5]), np.array([1, 2]))
    with open_reader(path) as reader:
        assert reader.head.layout == Layout("float64", 1)
        assert reader.head.path is None
        assert joined(reader, reader.head.layout)["data"].tolist() == [[1.5], [2.5]]


@pytest.mark.parametrize("dtype", [">f4", "<u2", ">i8", "float16"])
def test_other_types(path, dtype):
    foreign(path, np.array([[1, 2], [3, 4]], dtype), np.array([[1.0], [2.0]]))
    (rows,) = read(path)
    assert rows["data"].tolist() == [[1, 2], [3, 4]]
    assert rows["timestamp"].tolist() == [1, 2]
    (rows,) = read(path, datatype="int32")
    assert rows["data"].dtype == np.dtype("<i4")


def test_other_names(path):
    foreign(path, np.array([1, 2]), np.array([1, 2]), "run/values", "run/t")
    (rows,) = read(path, dataset="run/values", time_dataset="run/t")
    assert rows["data"].tolist() == [[1], [2]]
    assert read(path, dataset="run")[0].tolist() == read(path)[0].tolist() == rows.tolist()
    assert failure(path, dataset="other") == (
        "there is no dataset 'other' in the file; the file holds run/t (2,) int64, "
        "run/values (2,) int64"
    )
    foreign(path, np.array([1, 2]), np.array([1, 2]), "one", "two/data")
    assert failure(path) == (
        "there is no table in the file, such as 'data' and 'timestamp'; "
        "the file holds one (2,) int64, two/data (2,) int64"
    )


def test_no_rows(path):
    foreign(path, np.empty((0, 3), "f4"), np.empty((0, 1), "i8"))
    assert read(path) == []
    with open_reader(path) as reader:
        assert reader.last_timestamp() is None


def test_without_intervals_the_file_is_one(path):
    foreign(path, np.array([1, 2]), np.array([1, 10**15]))
    assert len(spans(read(path))) == 1


@pytest.mark.parametrize(
    ("data", "stamps", "sentence"),
    [
        ([1, 2], [1], "there are 1 times for 2 rows of data"),
        ([1, 2], [1, 1],
         "row 2: the time '1' (1970-01-01 00:00:00.000001+00:00) is repeated with other values"),
        ([1, 2], [5, 1],
         "row 2: the time '1' (1970-01-01 00:00:00.000001+00:00) is before "
         "1970-01-01 00:00:00.000005+00:00, the one above it"),
        ([1, 2], [1, 1.5],
         "row 2: rows 1 and 2 differ only below a microsecond: 1.0 and 1.5 are both "
         "1970-01-01 00:00:00.000001+00:00"),
        ([1, 2], [1, np.nan], "row 2: the time is missing"),
        ([1, 2], [1, 1e300], "row 2: the time 1e+300 is out of range"),
        ([1, 2], [[1, 2], [3, 4]],
         "the times are not one column; the file holds data (2,) int64, timestamp (2, 2) int64"),
        ([b"a", b"b"], [1, 2], "the column 1 holds text, such as 'a'"),
        ([[[1]]], [1],
         "'data' is not a table; the file holds data (1, 1, 1) int64, timestamp (1,) int64"),
        (np.empty((1, 0)), [1], "the data has no columns"),
    ],
)  # fmt: skip
def test_bad_contents(path, data, stamps, sentence):
    foreign(path, np.array(data), np.array(stamps))
    assert failure(path) == sentence


def test_values_outside_of_the_type(path):
    foreign(path, np.array([[1, np.inf], [-np.inf, 1e39]]), np.array([1, 2]))
    assert failure(path, datatype="float32") == (
        "row 2: column 2: 1e+39 is out of the range of float32"
    )
    foreign(path, np.array([[1, -np.inf]]), np.array([1]))
    assert failure(path, datatype="int8") == "row 1: column 2: -inf is not a value of int8"
    foreign(path, np.array([[1, 300], [2, 3]]), np.array([1, 2]))
    assert failure(path, datatype="uint8") == "row 1: column 2: 300 is not a value of uint8"
    foreign(path, np.array([[0.5]]), np.array([1]))
    assert failure(path, datatype="int64") == "row 1: column 1: 0.5 is not a value of int64"
    foreign(path, np.array([2**63], np.uint64), np.array([1]))
    assert failure(path, datatype="int64").startswith("row 1: column 1: 9223372036854775808")


def test_rows_far_down_are_counted(path):
    stamps = np.arange(200_000)
    stamps[150_000] = 7
    foreign(path, np.zeros(200_000, "f4"), stamps)
    assert failure(path) == (
        "row 150001: the time '7' (1970-01-01 00:00:00.000007+00:00) is before "
        "1970-01-01 00:00:00.149999+00:00, the one above it"
    )


@pytest.mark.parametrize("bad", ["[", "5", '[{"units": "V"}]', "[5]"])
def test_a_description_that_cannot_be_read(path, bad):
    write(path, make_head(), make_rows(1))
    with h5py.File(path, "r+") as file:
        file.attrs["element_json"] = bad
    assert failure(path) == "the description of the stream cannot be read"


def test_missing_values(path):
    foreign(path, np.array([[1, np.nan], [np.nan, np.nan], [3, 4]]), np.array([1, 2, 3]))
    with open_reader(path) as reader:
        rows = joined(reader, reader.head.layout)
        assert reader.tally.missing == {"Element 0": 1, "Element 1": 2}
    assert np.isnan(rows["data"]).tolist() == [[False, True], [True, True], [False, False]]
    assert failure(path, datatype="int16") == (
        "row 1: column 2: the value is missing, and int16 cannot hold that"
    )


def test_bad_intervals(path):
    write(path, make_head(), make_rows(1))
    with h5py.File(path, "r+") as file:
        del file["intervals"]
        file["intervals"] = [1.5]
    assert failure(path) == "the description of the stream cannot be read"


def test_damaged_compressed_rows(path):
    write(path, make_head(), make_rows(60_000))
    data = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        where = file["data"].id.get_chunk_info(0)
    data[where.byte_offset : where.byte_offset + where.size] = b"\xaa" * where.size
    path.write_bytes(data)
    assert failure(path) == "the file is cut or damaged"


def test_a_file_that_is_not_hdf5(path):
    path.write_bytes(b"timestamp,x\n1,2\n")
    assert failure(path) == "the file is not HDF5, or cut"


def test_an_open_file_and_a_pipe(path):
    write(path, make_head(), make_rows(3))
    with path.open("rb") as file:
        assert joined(read(file), SMALL).tobytes() == make_rows(3).tobytes()
        assert not file.closed
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb") as target:
        target.write(path.read_bytes())
        target.close()
        with pytest.raises(FormatError, match="not from a pipe"):
            open_reader(source, "hdf5")
        with pytest.raises(FormatError, match="not from a pipe"):
            open_reader(source)


def test_only_named_files_are_written():
    with pytest.raises(FormatError, match="named file"):
        open_writer(io.BytesIO(), make_head(), "hdf5")
    with pytest.raises(FormatError, match="regular file"):
        open_writer("/dev/null", make_head(), "hdf5")


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
try:
    with open_writer({str(path)!r}, make_head()) as writer:
        writer.write(rows)
except FormatError as exc:
    print(exc.sentence())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{path}: file too large\n"
    assert done.stderr == ""
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_wide_rows_get_smaller_chunks(path):
    write(path, make_head("float64_5000"), make_rows(3, layout="float64_5000"))
    with h5py.File(path) as file:
        assert file["data"].chunks == (64, 5000)
