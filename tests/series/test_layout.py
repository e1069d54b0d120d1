"""Row layouts, and what programs may hand to a pipe."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import LayoutMismatchError, MissingValuesError
from joule_cli.model.data_stream import DATATYPES
from joule_cli.series.layout import Layout
from joule_cli.series.rows import as_rows

LAYOUTS = st.builds(Layout, st.sampled_from(DATATYPES), st.integers(1, 200))
INT64_MAX = 2**63 - 1


@given(LAYOUTS)
def test_parse_reads_back_what_str_writes(layout):
    assert Layout.parse(str(layout)) == layout


@given(LAYOUTS)
def test_rows_are_packed_little_endian(layout):
    dtype = layout.dtype
    assert dtype.names == ("timestamp", "data")
    assert dtype["timestamp"] == np.dtype("<i8")
    assert dtype["data"].shape == (layout.width,)
    assert dtype["data"].base == np.dtype(layout.datatype).newbyteorder("<")
    assert dtype.itemsize == layout.row_bytes == 8 + layout.width * layout.element.itemsize


@pytest.mark.parametrize(
    "text",
    [
        *("", "float32", "float32_", "float32_0", "float32_-1", "float32_1.5", "float16_1", "_3"),
        *("Float32_3", "float32_٣", "float32_+3", "float32_3 ", "float32 3", "uint_3"),
    ],
)
def test_bad_layouts(text):
    with pytest.raises(ValueError, match="bad layout"):
        Layout.parse(text)


@pytest.mark.parametrize(
    ("layout", "decimated"),
    [
        ("float32_4", "float32_12"),
        ("float64_1", "float64_3"),
        ("int16_2", "float32_6"),
        ("uint8_2", "float32_6"),
        ("int32_1", "float64_3"),
        ("uint64_1", "float64_3"),
    ],
)
def test_decimated_layout(layout, decimated):
    assert Layout.parse(layout).decimated == Layout.parse(decimated)


def test_rows_of_the_layout_are_not_copied():
    layout = Layout("float32", 2)
    rows = np.zeros(3, layout.dtype)
    assert np.shares_memory(as_rows(rows, layout), rows)


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("width", [1, 3])
def test_every_shape_gives_the_same_rows(datatype, width):
    layout = Layout(datatype, width)
    matrix = [[100 + i, *range(i, i + width)] for i in range(4)]
    expected = np.zeros(4, layout.dtype)
    expected["timestamp"] = [100, 101, 102, 103]
    expected["data"] = [row[1:] for row in matrix]
    scalar = np.zeros(4, [("timestamp", "<i8"), ("data", datatype)])
    scalar["timestamp"] = expected["timestamp"]
    scalar["data"] = expected["data"][:, 0]
    big_endian = expected.astype(
        [("timestamp", ">i8"), ("data", f">{layout.element.str[1:]}", width)]
    )
    shapes = [matrix, [tuple(row) for row in matrix], np.array(matrix), np.array(matrix, float)]
    shapes += [expected, big_endian]
    for data in shapes + ([scalar] if width == 1 else []):
        rows = as_rows(data, layout)
        assert rows.dtype == layout.dtype
        assert rows.tobytes() == expected.tobytes()


@given(
    st.lists(
        st.tuples(st.integers(-(2**63), INT64_MAX), st.floats(width=32, allow_nan=False)),
        min_size=1,
    )
)
def test_lists_keep_timestamps_and_values_to_the_last_bit(data):
    rows = as_rows(data, Layout("float32", 1))
    assert rows["timestamp"].tolist() == [t for t, _ in data]
    assert rows["data"][:, 0].tolist() == [v for _, v in data]


def test_infinities_are_no_overflow():
    layout = Layout("float32", 2)
    rows = [[1, float("inf"), 1.0], [2, float("-inf"), 3.4e38]]
    stored = as_rows(rows, layout)["data"].tolist()
    assert stored == [[np.inf, 1], [-np.inf, np.float32(3.4e38)]]
    with pytest.raises(LayoutMismatchError, match="do not fit"):
        as_rows([*rows, [3, float("inf"), 3.5e38]], layout)


def test_integers_beyond_2_to_53_are_kept():
    values = [2**53 + 1, -(2**63), INT64_MAX]
    rows = as_rows([[i, v] for i, v in enumerate(values)], Layout("int64", 1))
    assert rows["data"][:, 0].tolist() == values
    rows = as_rows([[0, 2**64 - 1], [1, 0]], Layout("uint64", 1))
    assert rows["data"][:, 0].tolist() == [2**64 - 1, 0]


@pytest.mark.parametrize(
    "data",
    [
        [],
        np.empty((0, 3)),
        np.empty(0),
        np.empty(0, Layout("int16", 2).dtype),
        np.empty(0, [("timestamp", "<i8"), ("data", "<f4", (2, 1))]),
    ],
)
def test_no_rows(data):
    rows = as_rows(data, Layout("float32", 2))
    assert (rows.shape, rows.dtype) == ((0,), Layout("float32", 2).dtype)


def test_one_structured_row_may_stand_alone():
    layout = Layout("float32", 2)
    row = np.zeros(1, layout.dtype)[0]
    assert as_rows(np.asarray(row), layout).shape == (1,)


STRUCTURED = {
    "three elements": np.zeros(2, Layout("float32", 3).dtype),
    "other names": np.zeros(2, [("time", "<i8"), ("data", "<f4", 2)]),
    "one more field": np.zeros(2, [("timestamp", "<i8"), ("data", "<f4", 2), ("x", "<i8")]),
    "float timestamps": np.zeros(2, [("timestamp", "<f8"), ("data", "<f4", 2)]),
    "matrix of rows": np.zeros((2, 2), Layout("float32", 2).dtype),
    "matrix of other rows": np.zeros((2, 2), Layout("float64", 2).dtype),
}


@pytest.mark.parametrize("data", STRUCTURED.values(), ids=STRUCTURED.keys())
def test_structured_arrays_refused(data):
    with pytest.raises(LayoutMismatchError):
        as_rows(data, Layout("float32", 2))


@pytest.mark.parametrize(
    "data",
    [
        [[1, 2]],
        [[1, 2, 3, 4]],
        [[1, 2, 3], [1, 2]],
        [1, 2, 3],
        np.zeros(3),
        np.zeros((2, 4)),
        np.zeros((2, 3, 1)),
        [["a", "b", "c"]],
        [[1, "x", 3]],
        [[None, 1, 2]],
        [[1, [2], 3]],
        [[float("nan"), 1, 2]],
        [[float("inf"), 1, 2]],
        np.array([[2**63, 1, 2]], np.uint64),
        "abc",
        None,
        5,
        np.array([["a", "b", "c"]]),
        np.zeros((2, 3), complex),
        [[2**63, 1, 2]],
    ],
    ids=repr,
)
def test_other_data_refused(data):
    with pytest.raises(LayoutMismatchError):
        as_rows(data, Layout("float32", 2))


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("int32", 2**31),
        ("int32", -(2**31) - 1),
        ("int32", 2**70),
        ("uint8", -1),
        ("int8", 128.0),
        ("int64", 2**63),
        ("uint64", 2.0**64),
        ("int16", float("inf")),
        ("float32", 1e39),
        ("float32", -1e300),
        ("float32", 2**200),
    ],
)
def test_values_that_would_wrap_around_are_refused(datatype, value):
    layout = Layout(datatype, 1)
    with pytest.raises(LayoutMismatchError, match="do not fit"):
        as_rows([[0, value], [1, 0]], layout)
    if not isinstance(value, int) or value < 2**64:
        matrix = np.array([[0, value]])
        with pytest.raises(LayoutMismatchError, match="do not fit"):
            as_rows(matrix, layout)


@pytest.mark.parametrize(
    "data", [[[0, 1], [1, float("nan")]], [[0, None]], [[0, 2**70], [1, None]]]
)
def test_integers_cannot_be_missing(data):
    with pytest.raises(MissingValuesError, match="int16"):
        as_rows(data, Layout("int16", 1))


def test_missing_values_become_nan():
    rows = as_rows([[0, None, 1.5], [1, float("nan"), None]], Layout("float32", 2))
    assert np.isnan(rows["data"]).tolist() == [[True, False], [True, True]]


def test_wide_structured_values_that_would_wrap_around_are_refused():
    data = np.zeros(2, [("timestamp", "<i8"), ("data", "<i8", 1)])
    data["data"][1] = 300
    with pytest.raises(LayoutMismatchError, match="do not fit"):
        as_rows(data, Layout("uint8", 1))


def test_fractions_are_cut_off_for_integer_streams():
    rows = as_rows([[0, 127.9], [1, -0.5]], Layout("int8", 1))
    assert rows["data"][:, 0].tolist() == [127, 0]
