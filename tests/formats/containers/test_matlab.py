from __future__ import annotations

import h5py
import numpy as np
import pytest

from joule_cli.formats.containers.hdf5 import open_hdf5
from tests.formats.containers.support import close_all, failure, kept, names, options, read


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.mat"


def opened(path, **given):
    return kept(open_hdf5(path, options(**given)))


def save(path, **variables):
    """Writes variables as MATLAB does, behind 512 bytes of its own: matrices are transposed."""
    close_all()
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in variables.items():
            put(file, name, values)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    return path


def put(group, name, values):
    if isinstance(values, dict):
        group = group.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_(b"struct")
        for key, value in values.items():
            put(group, key, value)
        return
    kind = "double"
    if isinstance(values, str):
        values, kind = np.array([[ord(c)] for c in values], "u2"), "char"
    values = np.atleast_2d(np.asarray(values))
    if values.dtype == bool:
        values, kind = values.astype("u1"), "logical"
    stored = group.create_dataset(name, data=values.T)
    stored.attrs["MATLAB_class"] = np.bytes_(kind.encode())


def test_rows_and_columns_and_a_matrix(path):
    save(path, x=[[1.5], [2.5], [3.5]], t=[[10.0, 20, 30]], m=[[3, 4], [1, 2], [5, 6]],
         on=np.array([True, False, True]), label="abc", fs=50.0)  # fmt: skip
    container = opened(path)
    assert names(container) == ["t", "m 1", "m 2", "on", "x"]
    assert container.told.time_column == "t"
    assert read(container) == [
        [10, 3, 4, True, 1.5], [20, 1, 2, False, 2.5], [30, 5, 6, True, 3.5]]  # fmt: skip
    assert "variables of another length are left out: fs" in container.notes


def test_names_of_times_decide_where_several_variables_rise(path):
    save(path, energy=[1.0, 2, 3], Time=[10.0, 20, 30])
    assert opened(path).told.time_column == "Time"
    save(path, a=[1.0, 2, 3], b=[10.0, 20, 30])
    container = opened(path)
    assert container.told.time_column is None
    assert names(container) == ["a", "b"]


def test_day_numbers_say_so(path):
    save(path, t=[739252.0, 739252.5], x=[1.0, 0])
    assert [c.units for c in opened(path).columns] == ["datenum", ""]
    save(path, t=[1.7e9, 1.8e9], x=[1.0, 0])
    assert [c.units for c in opened(path).columns] == ["", ""]


def test_variables_that_the_options_name(path):
    save(path, t=[1.0, 2, 3], u=[[2.0], [3], [4]], x=[7.0, 8, 9], y=[1.0, 1, 1], z=[1.0, 2])
    assert read(opened(path, dataset="x", time_dataset="u")) == [[2, 7], [3, 8], [4, 9]]
    assert names(opened(path, time_dataset="u")) == ["u", "t", "x", "y"]
    assert names(opened(path, dataset="z")) == ["z"]
    assert failure(lambda: opened(path, dataset="q"), path) == (
        "there is no variable 'q' of numbers; the file holds t (3, 1) float64, u (1, 3) float64, "
        "x (3, 1) float64, y (3, 1) float64, z (2, 1) float64"
    )
    said = failure(lambda: opened(path, dataset="z", time_dataset="t"), path)
    assert said.startswith("the variable 'z' has 2 values for 3 times; the file holds")


def test_a_structure(path):
    save(path, rec={"time": [1.0, 2], "x": [5.0, 5]})
    container = opened(path)
    assert names(container) == ["time", "x"]
    assert read(container) == [[1, 5], [2, 5]]


def test_a_file_without_arrays(path):
    save(path, label="abc")
    assert failure(lambda: opened(path), path) == (
        "the MATLAB file has no variable that is an array of numbers; the file holds "
        "label (1, 3) uint16"
    )
