from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from joule_cli.formats.containers.hdf5 import open_hdf5
from joule_cli.formats.containers.pickled import Unread, read_pickled
from tests.formats.containers.support import failure, kept, names, options, read

FILES = Path(__file__).parent / "files"
MICRO = ["2024-01-01T00:00:00.000000", "2024-01-01T00:00:01.000000", "2024-01-01T00:00:02.000000"]
NANO = [f"{text}000" for text in MICRO]


def opened(path, **given):
    return kept(open_hdf5(path, options(**given)))


@pytest.mark.parametrize("layout", ["table", "fixed"])
def test_columns_of_several_levels(layout):
    container = opened(FILES / f"meter_{layout}.h5")
    assert names(container) == ["index", "power active", "voltage"]
    index, power, _ = container.columns
    assert (index.kind, index.aware, power.dtype) == ("time", True, np.dtype("f4"))
    assert container.told.time_column == "index"
    assert read(container) == [
        [MICRO[0], 1.5, 230],
        [MICRO[1], 2.5, 231],
        [MICRO[2], 3.5, 232],
    ]


@pytest.mark.parametrize("layout", ["table", "data_columns", "fixed"])
def test_columns_of_all_types_in_their_order(layout):
    container = opened(FILES / f"mixed_{layout}.h5")
    wanted = ["at", "a", "n", "w", "when", "s", "c"]
    assert names(container) == (wanted[:5] if layout == "fixed" else wanted)
    assert [c.kind for c in container.columns][:5] == ["time", *["number"] * 3, "time"]
    assert not container.columns[0].aware
    rows = read(container)
    assert [row[0] for row in rows] == NANO
    assert str([row[1:4] for row in rows]) == "[[1.5, 1, 4.5], [nan, 2, 5.0], [3.0, 3, 6.0]]"
    assert [row[4] for row in rows] == [
        "2024-05-01T00:00:00.000000", None, "2024-05-02T00:00:00.000000"]  # fmt: skip
    if layout != "fixed":
        assert [row[5:] for row in rows] == [["x", "u"], ["y", None], ["z", "u"]]


@pytest.mark.parametrize("layout", ["table", "fixed"])
def test_a_series(layout):
    container = opened(FILES / f"series_{layout}.h5")
    assert names(container) == ["index", "p"]
    assert read(container) == [[MICRO[0], 1.5], [MICRO[1], 2.5], [MICRO[2], 3.5]]


def test_row_numbers_are_hidden():
    container = opened(FILES / "rows_fixed.h5")
    assert [(c.name, c.hidden) for c in container.columns] == [("index", True), ("a", False)]
    assert container.told.time_column is None


def test_a_frame_without_rows():
    assert read(opened(FILES / "empty_fixed.h5")) == []


def test_one_of_several_tables_is_chosen():
    path = FILES / "two.h5"
    assert failure(lambda: opened(path), path) == (
        "the file holds several tables: house/a, house/b"
    )
    for name in ("house/b", "/house/b", "house/b/table"):
        assert len(read(opened(path, dataset=name))) == 3


def test_arrays_of_the_fixed_layout_by_name():
    container = opened(
        FILES / "meter_fixed.h5", dataset="lab/df/block0_values", time_dataset="lab/df/axis1"
    )
    assert read(container)[0] == [1_704_067_200_000_000, 1.5, 230]


def test_objects_of_python_are_named_but_not_read(tmp_path):
    path = tmp_path / "a.h5"
    shutil.copy(FILES / "mixed_fixed.h5", path)
    with h5py.File(path, "a") as file:
        frame = file["lab/df"]
        del frame["block0_values"]
        kind = h5py.vlen_dtype(np.uint8)
        objects = frame.create_dataset("block0_values", (1,), kind)
        objects[0] = np.frombuffer(pickle.dumps(["x"] * 3), np.uint8)
        objects.attrs["CLASS"] = np.bytes_(b"VLARRAY")
        gone = [name.decode() for name in frame["block0_items"][()].tolist()]
    container = opened(path)
    kinds = {c.name: c.kind for c in container.columns}
    assert [name for name, kind in kinds.items() if kind == "other"] == sorted(gone)
    assert len(read(container)) == 3


def test_a_file_of_nilmtk(tmp_path):
    """As Python 2 wrote them: names pickled as bytes, the zone an object."""
    path = tmp_path / "redd.h5"
    table = np.array(
        [(1_303_132_929_000_000_000, (222.0, 5.0)), (1_303_132_930_000_000_000, (np.nan, 6.0))],
        [("index", "<i8"), ("values_block_0", "<f4", (2,))],
    )
    with h5py.File(path, "w") as file:
        file.attrs["PYTABLES_FORMAT_VERSION"] = np.bytes_(b"2.1")
        meter = file.create_group("building1/elec/meter1")
        meter.attrs["pandas_type"] = np.bytes_(b"frame_table")
        meter.attrs["info"] = np.bytes_(
            b"(dp1\nI1\n(dp2\nS'names'\np3\n(lp4\nS'physical_quantity'\np5\naS'type'\np6\nassS'index'"
            b"\np7\n(dp8\nS'tz'\np9\ncpytz\n_p\np10\n(S'US/Eastern'\np11\nI-18000\nI0\nS'EST'\np12\n"
            b"tp13\nRp14\nsS'index_name'\np15\nNss."
        )
        stored = meter.create_dataset("table", data=table)
        stored.attrs["index_kind"] = np.bytes_(b"datetime64")
        stored.attrs["values_block_0_kind"] = np.bytes_(
            b"(lp1\n(S'power'\np2\nS'apparent'\np3\ntp4\na(g2\nS'active'\np5\ntp6\na."
        )
        stored.attrs["values_block_0_dtype"] = np.bytes_(b"float32")
    container = opened(path)
    assert names(container) == ["index", "power apparent", "power active"]
    assert container.columns[0].aware
    assert str(read(container)) == (
        "[['2011-04-18T13:22:09.000000000', 222.0, 5.0], "
        "['2011-04-18T13:22:10.000000000', nan, 6.0]]"
    )


def test_several_labels_for_each_row_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    shutil.copy(FILES / "meter_fixed.h5", path)
    with h5py.File(path, "a") as file:
        del file["lab/df/axis1"]
    assert failure(lambda: opened(path), path) == "the rows of 'lab/df' have several labels each"


# pickles


@pytest.mark.parametrize("protocol", range(5))
def test_pickled_lists_are_read(protocol):
    value = [
        ("power", "active"),
        {"tz": None, "n": 3, "x": 1.5},
        [],
        {},
        (),
        True,
        "ß",
        ["a"],
        2**40,
    ]
    assert read_pickled(np.bytes_(pickle.dumps(value, protocol))) == value


class Calls:
    def __reduce__(self):
        return (print, ("called",))


@pytest.mark.parametrize("protocol", range(5))
def test_pickles_call_nothing(capsys, protocol):
    found = read_pickled(np.bytes_(pickle.dumps(["a", Calls(), "b"], protocol)))
    assert found[::2] == ["a", "b"]
    assert isinstance(found[1], Unread)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", [b"(lp0\n", b"abc.", b"a.", b"0.", b"(l.", b"\x80\x05.", b"t."])
def test_what_is_no_pickle_is_text(text):
    assert read_pickled(np.bytes_(text)) in (text.decode("utf-8", "replace"), [], None)
