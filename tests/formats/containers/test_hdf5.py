from __future__ import annotations

import random

import h5py
import numpy as np
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import WriteOptions, open_writer
from joule_cli.formats.containers.hdf5 import open_hdf5
from joule_cli.model.data_stream import Element
from joule_cli.series.intervals import Interval
from tests.contracts.format_contract import make_head, make_rows
from tests.formats.containers.support import close_all, failure, kept, names, options, read


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def opened(path, **given):
    return kept(open_hdf5(path, options(**given)))


def make(path, attrs=None, **datasets):
    """Writes a file with datasets by name; `__` stands for a slash."""
    close_all()
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file.create_dataset(name.replace("__", "/"), data=values)
        for name, (key, value) in (attrs or {}).items():
            file[name].attrs[key] = value
    return path


def own(path, head, *items, **given):
    with open_writer(path, head, options=WriteOptions(**given)) as writer:
        for item in items:
            if item is None:
                writer.interval_break()
            else:
                writer.write(item)
    return path


# files of Joule


def test_the_file_of_a_stream(path):
    elements = [Element("x", units="V", scale_factor=2, index=0), Element("x", index=1)]
    rows = make_rows(3, layout="int16_2")
    own(path, make_head("int16_2", elements=elements, start=1, end=9), rows[:1], None, rows[1:])
    container = opened(path)
    told = container.told
    assert names(container) == ["timestamp", "x#0", "x#1"]
    assert [c.units for c in container.columns] == ["", "V", ""]
    assert [c.dtype.name for c in container.columns] == ["int64", "int16", "int16"]
    assert (told.own, told.time_column, told.time_format) == (True, "timestamp", "us")
    assert told.intervals == [Interval(1000, 1001), Interval(2000, 3001)]
    assert (told.path, told.datatype, told.start, told.end) == ("/lab/s", "int16", 1, 9)
    assert {name: e.scale_factor for name, e in told.elements.items()} == {"x#0": 2, "x#1": 1}
    assert told.stream.name == "s"
    assert read(container) == [[t, *values] for t, values in rows.tolist()]


def test_the_objects_of_joule_1(path):
    make(path, timestamp=[[1], [2]], data=np.array([[1, 2], [3, 4]], "<f4"))
    with h5py.File(path, "a") as file:
        file.attrs["path"] = "/lab/s"
        file.attrs["elements"] = '["a", "b"]'
        file.attrs["node_name"] = "lab"
    container = opened(path)
    assert names(container) == ["timestamp", "a", "b"]
    assert (container.told.own, container.told.intervals) == (True, None)
    assert container.told.stream.decimate
    assert read(container) == [[1, 1, 2], [2, 3, 4]]


def test_elements_of_another_number_do_not_count(path):
    make(path, timestamp=[1], data=[[1, 2]])
    with h5py.File(path, "a") as file:
        file.attrs["element_json"] = '[{"name": "a"}]'
    assert names(opened(path)) == ["timestamp", "", ""]
    close_all()
    with h5py.File(path, "a") as file:
        file.attrs["element_json"] = "[{"
    assert failure(lambda: opened(path), path) == "the description of the stream cannot be read"


def test_one_of_several_streams_is_chosen_by_its_group(path):
    make(path, lab__a__timestamp=[1], lab__a__data=[[5]], lab__b__timestamp=[1], lab__b__data=[[6]])
    said = "the file holds several tables: lab/a, lab/b"
    assert failure(lambda: opened(path), path) == said
    assert read(opened(path, dataset="lab/b")) == [[1, 6]]
    assert read(opened(path, dataset="lab/b/data")) == [[1, 6]]


def test_the_only_pair_is_found_in_a_group(path):
    make(path, lab__a__timestamp=[1, 2], lab__a__data=[[5], [6]])
    assert read(opened(path)) == [[1, 5], [2, 6]]


# files of other programs


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3)])
def test_times_and_values_of_any_shape(path, shape):
    make(path, timestamp=np.array([1.5, 2, 3]).reshape(shape), data=np.arange(3).reshape(shape))
    container = opened(path)
    assert not container.told.own
    assert names(container) == ["timestamp", ""]
    assert read(container) == [[1.5, 0], [2, 1], [3, 2]]


def test_values_that_lie_across(path):
    make(path, timestamp=[1, 2, 3], data=[[1, 2, 3], [4, 5, 6]])
    assert read(opened(path)) == [[1, 1, 4], [2, 2, 5], [3, 3, 6]]


def test_only_the_chosen_columns_and_the_last_row(path):
    make(path, timestamp=[1, 2], data=[[1, 2, 3], [4, 5, 6]])
    assert read(opened(path), [0, 2]) == [[1, 2], [2, 5]]
    container = opened(path)
    container.choose([0])
    assert container.last().column(0).tolist() == [2]


def test_datasets_that_the_options_name(path):
    make(path, t=[1, 2], g__p=[5.5, 6.5], g__m=[[1, 2], [3, 4]])
    container = opened(path, dataset="g/p", time_dataset="t")
    assert names(container) == ["t", "p"]
    assert container.told.time_column == "t"
    assert read(container) == [[1, 5.5], [2, 6.5]]
    assert read(opened(path, dataset="g/m", time_dataset="/t")) == [[1, 1, 2], [2, 3, 4]]
    # the times may be one of the columns
    assert read(opened(path, dataset="g/m")) == [[1, 2], [3, 4]]


def test_names_and_units_from_attributes(path):
    make(path, {"data": ("columns", ["a", "b"])}, timestamp=[1], data=[[1, 2]])
    with h5py.File(path, "a") as file:
        file["timestamp"].attrs["units"] = "ms"
    container = opened(path)
    assert names(container) == ["timestamp", "a", "b"]
    assert container.columns[0].units == "ms"


def test_a_compound_dataset_is_a_table(path):
    kind = [("t", "<i8"), ("v", ">f4"), ("ok", "?"), ("s", "S4"), ("xy", "<i2", (2,)),
            ("in", [("a", "<u1")])]  # fmt: skip
    table = np.array(
        [(1, 1.5, True, b"a", (1, 2), (7,)), (2, 2.5, False, b"b", (3, 4), (8,))], kind
    )
    container = opened(make(path, lab__table=table))
    assert names(container) == ["t", "v", "ok", "s", "xy 0", "xy 1", "in.a"]
    assert [c.kind for c in container.columns] == [*["number"] * 3, "text", *["number"] * 3]
    assert [c.dtype and c.dtype.str for c in container.columns][:3] == ["<i8", "<f4", "|b1"]
    assert read(container) == [[1, 1.5, True, "a", 1, 2, 7], [2, 2.5, False, "b", 3, 4, 8]]
    assert read(opened(path), [1, 6]) == [[1.5, 7], [2.5, 8]]


def test_a_dataset_for_each_column(path):
    make(path, {"lab/p": ("units", "W")}, lab__t=[1, 2], lab__p=[5.5, 6.5], lab__n=["a", "b"],
         rate=50)  # fmt: skip
    container = opened(path)
    assert sorted(names(container)) == ["n", "p", "t"]
    at = {name: i for i, name in enumerate(names(container))}
    assert container.columns[at["p"]].units == "W"
    rows = read(container)
    assert [[row[at[name]] for name in "tpn"] for row in rows] == [[1, 5.5, "a"], [2, 6.5, "b"]]
    assert names(opened(path, dataset="lab", time_dataset="lab/t"))[0] == "t"


@pytest.mark.parametrize(
    ("units", "counts", "wanted"),
    [
        ("seconds since 2024-01-01", np.array([0, 90]),
         ["2024-01-01T00:00:00", "2024-01-01T00:01:30"]),
        ("seconds since 1970-01-01T00:00:00Z", np.array([1.5]), ["1970-01-01T00:00:01.500000"]),
        ("days since 1900-1-1 12:00:00 UTC", np.array([0.5, np.nan]),
         ["1900-01-02T00:00:00", None]),
        ("milliseconds since 2024-01-01 00:00:00.0", np.array([1], "i4"),
         ["2024-01-01T00:00:00.001000"]),
        ("minutes since 2024-01-01 00:00", np.array([1], "u1"), ["2024-01-01T00:01:00"]),
        ("nanoseconds since 1970-01-01", np.array([1_704_067_200_123_456_789]),
         ["2024-01-01T00:00:00.123456"]),
    ],
)  # fmt: skip
def test_times_of_netcdf(path, units, counts, wanted):
    make(path, {"time": ("units", units)}, time=counts, p=np.arange(len(counts)))
    with h5py.File(path, "a") as file:
        file["time"].attrs["calendar"] = "standard"
    container = opened(path, dataset="p", time_dataset="time")
    time = container.columns[0]
    assert (time.name, time.kind, time.aware, time.units) == ("time", "time", True, "")
    found = [row[0] for row in read(container)]
    assert found == [text and f"{text}.000000"[:26] for text in wanted]


def test_units_that_are_no_times_stay(path):
    for units in ("months since 2024-01-01", "seconds since start", "m"):
        make(path, {"time": ("units", units)}, time=[0, 90], p=[1, 2])
        container = opened(path, dataset="p", time_dataset="time")
        assert (container.columns[0].kind, container.columns[0].units) == ("number", units)


def test_packed_numbers_of_netcdf(path):
    make(path, {"p": ("scale_factor", 0.5)}, time=[1, 2, 3], p=np.array([1, -99, 3], ">i2"))
    with h5py.File(path, "a") as file:
        file["p"].attrs["add_offset"] = 10.0
        file["p"].attrs["_FillValue"] = np.int16(-99)
    container = opened(path)
    at = names(container).index("p")
    assert container.columns[at].dtype == np.dtype("f8")
    assert [row[at] for row in read(container)] == [10.5, None, 11.5]


def test_the_only_matrix_is_a_table(path):
    assert read(opened(make(path, m=[[1, 5], [2, 6], [3, 7]]))) == [[1, 5], [2, 6], [3, 7]]


@pytest.mark.parametrize(
    ("datasets", "given", "reason"),
    [
        ({"x": [1]}, {}, "there is no table in the file, such as 'data' and 'timestamp'; "
         "the file holds x (1,) int64"),
        ({}, {}, "there is no table in the file, such as 'data' and 'timestamp'; "
         "the file holds no dataset"),
        ({"x": [1], "s": ["a"]}, {"dataset": "y"}, "there is no dataset 'y' in the file; "
         "the file holds s (1,) text, x (1,) int64"),
        ({"x": [1, 2]}, {"dataset": "x"}, "there is no dataset 'timestamp'; "
         "the file holds x (2,) int64"),
        ({"timestamp": [1], "data": [[[1]]]}, {}, "'data' is not a table; "
         "the file holds data (1, 1, 1) int64, timestamp (1,) int64"),
        ({"timestamp": [1, 2, 3], "data": [[1], [2]]}, {},
         "there are 3 times for 2 rows of data"),
        ({"timestamp": [[1, 2], [3, 4]], "data": [[1], [2]]}, {},
         "the times are not one column; the file holds data (2, 1) int64, "
         "timestamp (2, 2) int64"),
        ({"timestamp": [1, 2], "data": np.empty((2, 0))}, {}, "the data has no columns"),
        ({"a__t": [1, 2], "a__x": [1, 2], "b__t": [1, 2], "b__x": [1, 2]}, {},
         "the file holds several tables: a, b"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_what_there_is(path, datasets, given, reason):
    make(path, **datasets)
    assert failure(lambda: opened(path, **given), path) == reason


def test_a_hint_names_the_options(path):
    with pytest.raises(FormatError) as caught:
        opened(make(path, x=[1]))
    assert caught.value.hint == "choose with --dataset NAME and --time-dataset NAME"


def test_many_datasets_are_not_all_listed(path):
    make(path, **{f"x{i:03}": np.empty((i + 1, 1, 1)) for i in range(40)})
    assert failure(lambda: opened(path), path).endswith("x011 (12, 1, 1) float64, and 28 more")


def test_types_of_numbers(path):
    kinds = ["<f2", ">f8", ">i4", "u8", "?", "longdouble"]
    for kind in kinds:
        make(path, timestamp=[1, 2], data=np.array([1, 0], kind))
        container = opened(path)
        assert container.columns[1].dtype.name in ("float32", "float64", "int32", "uint64", "bool")
        assert read(container) == [[1, 1], [2, 0]]


def test_the_smallest_integers_are_numbers(path):
    low = np.iinfo("i8").min
    make(path, timestamp=[low, low + 1], data=np.array([2**64 - 1, 0], "u8"))
    assert read(opened(path)) == [[low, 2**64 - 1], [low + 1, 0]]


def test_large_chunks_are_read_once_and_rows_counted(path):
    n = 200_000
    with h5py.File(path, "w") as file:
        file.create_dataset("timestamp", data=np.arange(n), chunks=(150_000,), compression="gzip")
        file.create_dataset("data", data=np.arange(n) / 2)
    container = opened(path)
    batches = list(container.batches())
    assert max(batch.size for batch in batches) <= 100_000
    assert [batch.first for batch in batches] == [1, 65537, 131073, 196609]
    assert np.concatenate([b.column(0) for b in batches]).tolist() == list(range(n))
    assert container.share == 1


def test_wide_tables(path):
    make(path, timestamp=[1, 2], data=np.arange(64_000).reshape(2, 32_000))
    container = opened(path)
    assert len(container.columns) == 32_001
    assert read(container)[1][-1] == 63_999
    close_all()
    with h5py.File(path, "w") as file:
        file["timestamp"] = [1]
        file.create_dataset("data", (1, 200_000), "f4")
    said = "the table has more than 100,000 columns"
    assert failure(lambda: opened(path), path) == said


def test_many_datasets_of_one_row_each_column(path):
    make(path, **{f"x{i}": [i, i + 1] for i in range(500)})
    assert len(read(opened(path))[0]) == 500


def test_more_datasets_than_a_table_has_columns(path, monkeypatch):
    monkeypatch.setattr("joule_cli.formats.containers.hdf5._MOST_DATASETS", 5)
    make(path, **{f"x{i}": [i, i + 1] for i in range(6)})
    assert failure(lambda: opened(path), path) == "the group '/' holds more than 5 datasets"


def test_chunks_that_cannot_be_loaded_are_refused(path):
    with h5py.File(path, "w") as file:
        file["timestamp"] = [1, 2]
        file.create_dataset("data", (2,), "f8", chunks=(1 << 28,), maxshape=(None,))
    said = "the chunks of 'data' are too large: 2,048 MB each"
    assert failure(lambda: opened(path), path) == said


@pytest.mark.parametrize("what", ["data", "timestamp", "intervals", "virtual", "external", "soft"])
def test_what_lies_in_other_files_is_not_followed(tmp_path, path, what):
    other = make(tmp_path / "other.h5", timestamp=[1, 2], data=[5, 6], intervals=[[1, 3]])
    close_all()
    with h5py.File(path, "w") as file:
        for name in ("timestamp", "data", "intervals"):
            file[name] = [[1, 3]] if name == "intervals" else [1, 2]
        file.attrs["element_json"] = '[{"name": "a"}]'
        if what in file:
            del file[what]
            file[what] = h5py.ExternalLink(str(other), what)
        elif what == "soft":
            del file["data"]
            file["far"] = h5py.ExternalLink(str(other), "/")
            file["data"] = h5py.SoftLink("/far/data")
        else:
            del file["data"]
            if what == "virtual":
                layout = h5py.VirtualLayout((2,), "i8")
                layout[:] = h5py.VirtualSource(str(other), "data", (2,))
                file.create_virtual_dataset("data", layout)
            else:
                raw = tmp_path / "raw"
                raw.write_bytes(bytes(16))
                file.create_dataset("data", (2,), "i8", external=[(str(raw), 0, 16)])
    said = failure(lambda: opened(path), path)
    names_of = {"virtual": "'data'", "external": "'data'", "soft": "'far'"}
    assert said.startswith(f"{names_of.get(what, repr(what))} points ")
    assert said.endswith("which is not followed")


def test_links_within_the_file_are_followed(path):
    make(path, raw__t=[1, 2], raw__x=[5, 6])
    with h5py.File(path, "a") as file:
        file["timestamp"] = h5py.SoftLink("/raw/t")
        file["data"] = h5py.SoftLink("raw/x")
        file["raw/loop"] = h5py.SoftLink("/raw/loop")
    assert read(opened(path)) == [[1, 5], [2, 6]]
    said = failure(lambda: opened(path, dataset="raw/loop"), path)
    assert said.startswith("there is no dataset 'raw/loop' in the file; the file holds raw/t")


def test_descriptions_that_are_too_large_are_not_loaded(path):
    make(path, timestamp=[1], data=[2])
    with h5py.File(path, "a") as file:
        file.attrs["element_json"] = "[]"
        file.create_dataset("intervals", (1 << 40, 2), "i8", chunks=(1024, 2))
    assert failure(lambda: opened(path), path) == "'intervals' cannot be read"


def test_no_rows(path):
    make(path, timestamp=np.empty((0, 1), "i8"), data=np.empty((0, 2)))
    container = opened(path)
    assert container.share == 1
    assert container.last() is None
    assert read(container) == []


def test_an_open_file_stays_open(path):
    make(path, timestamp=[1], data=[2])
    with path.open("rb") as file:
        assert read(opened(file)) == [[1, 2]]
        assert not file.closed


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"timestamp,x\n", "the file is not HDF5, or cut"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "the file is cut or damaged"),
    ],
)
def test_what_is_no_hdf5(path, content, reason):
    path.write_bytes(content)
    assert failure(lambda: opened(path), path) == reason


@pytest.mark.parametrize("kind", ["own", "compound"])
def test_damage_is_an_error_of_the_file(path, kind):
    # always the same damage: there is some over which the HDF5 library never ends
    draw = random.Random(1)
    if kind == "own":
        own(path, make_head("int16_2"), make_rows(50, layout="int16_2"))
    else:
        table = np.array([(1, 1.5, b"a"), (2, 2.5, b"b")], [("t", "i8"), ("v", "f4"), ("s", "S4")])
        make(path, table=table)
    whole = path.read_bytes()
    for _ in range(200):
        content = bytearray(whole)
        if draw.random() < 0.3:
            del content[draw.randrange(len(content)) :]
        for _ in range(draw.randint(0, 3)):
            if content:
                content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        try:
            container = opened(path)
            container.sample()
            for batch in container.batches():
                if batch.first > 1_000_000:
                    break
        except FormatError:
            pass
        close_all()
