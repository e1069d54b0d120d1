"""Decimated rows against a plain model, with missing values and without."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.model.data_stream import DATATYPES
from joule_cli.series.decimation import FACTOR, decimate, group_counts, regroup
from joule_cli.series.layout import Layout

LAYOUT = Layout("float64", 2)
#: Few values are missing, or many, or those of a whole stretch.
values = st.one_of(st.integers(-1000, 1000).map(float), st.just(math.nan))
columns = st.lists(
    st.one_of(st.tuples(values, values), st.just((math.nan, math.nan))), min_size=1, max_size=80
)


def rows_of(pairs: list[tuple[float, float]], layout: Layout = LAYOUT) -> np.ndarray:
    rows = np.empty(len(pairs), layout.dtype)
    rows["timestamp"] = np.arange(len(pairs)) * 10
    rows["data"] = pairs
    return rows


def model(pairs: list[tuple[float, float]], size: int) -> list[tuple[float, ...]]:
    """Return mean, minimum and maximum of what is there in each group."""
    found = []
    for i in range(0, len(pairs), size):
        there = [
            [v for v in column if not math.isnan(v)]
            for column in zip(*pairs[i : i + size], strict=True)
        ]
        kinds = (lambda c: math.fsum(c) / len(c), min, max)
        found.append(tuple(kind(c) if c else math.nan for kind in kinds for c in there))
    return found


def agrees(rows: np.ndarray, expected: list[tuple[float, ...]]) -> bool:
    return np.allclose(rows["data"], expected, rtol=1e-12, atol=1e-9, equal_nan=True)


@given(columns, st.sampled_from([1, 4, 16, 64]))
def test_a_level_leaves_missing_values_out(pairs: list[tuple[float, float]], size: int):
    level = decimate(rows_of(pairs), size, LAYOUT)
    assert agrees(level.rows, model(pairs, size))
    if level.present is not None:
        there = ~np.isnan(np.array(pairs))
        assert level.present.sum(axis=0).tolist() == there.sum(axis=0).tolist()
    assert (level.present is None) == (not np.isnan(np.array(pairs)).any())


@given(columns, st.sampled_from([1, 4, 16]))
def test_the_next_level_is_the_same_from_a_level_and_from_the_rows(
    pairs: list[tuple[float, float]], size: int
):
    rows = rows_of(pairs)
    level = decimate(rows, size, LAYOUT)
    counts = group_counts(len(rows), size)
    following = regroup(level, counts, np.arange(0, len(counts), FACTOR))
    direct = decimate(rows, size * FACTOR, LAYOUT)
    assert agrees(following.rows, model(pairs, size * FACTOR))
    assert np.allclose(following.rows["data"], direct.rows["data"], equal_nan=True)
    assert (following.present is None) == (direct.present is None)
    if direct.present is not None:
        assert following.present.tolist() == direct.present.tolist()


@pytest.mark.parametrize("missing", [False, True])
def test_infinities_are_values(missing: bool):
    pairs = [(math.inf, 1.0), (-math.inf, math.inf), (2.0, 3.0)]
    if missing:
        pairs.append((math.nan, math.nan))
    level = decimate(rows_of(pairs), 4, LAYOUT)
    [row] = level.rows["data"].tolist()
    # no mean of infinities of both signs
    assert math.isnan(row[0])
    assert row[1:] == [math.inf, -math.inf, 1.0, math.inf, math.inf]
    assert level.present is None if not missing else level.present.tolist() == [[3, 3]]


def test_integers_have_no_missing_values():
    layout = Layout("int16", 2)
    level = decimate(rows_of([(1, 2), (3, 5)], layout), 4, layout)
    assert level.rows["data"].tolist() == [[2.0, 3.5, 1.0, 2.0, 3.0, 5.0]]
    assert level.present is None


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("n", [1, 10, 63])
def test_few_rows_give_what_they_give_among_others(datatype: str, n: int):
    layout = Layout(datatype, 3)
    rng = np.random.default_rng(n)
    rows = rng.integers(0, 2, 8 * n * layout.row_bytes, np.uint8).view(layout.dtype)
    if layout.element.kind == "f":
        rows["data"] = rng.normal(size=rows["data"].shape)
    rows["timestamp"] = np.sort(rng.integers(-(2**63), 2**63, len(rows), endpoint=False))
    few = decimate(rows[:n], n, layout).rows
    [of_many, *_] = decimate(rows, n, layout).rows
    assert few[0]["timestamp"] == of_many["timestamp"]
    assert np.allclose(few[0]["data"], of_many["data"], rtol=1e-12)
    few["data"] = 0  # belongs to the caller
