"""Choosing elements."""

from __future__ import annotations

import numpy as np
import pytest

from joule_cli.model import Element
from joule_cli.ops.select import Projection, SelectionError, parse_elements
from joule_cli.series.layout import Layout

ELEMENTS = [Element(n) for n in ("a", "x", "b,c", "x", "0-1")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2,0", [2, 0]),
        ("a", [0]),
        ("x#3, a", [3, 0]),
        ('"b,c",1', [2, 1]),
        ("1-3", [1, 2, 3]),
        ("0-1", [4]),  # an element of that name exists
        ("-1", [4]),
    ],
)
def test_lists(text, expected):
    assert parse_elements(text, ELEMENTS) == expected


@pytest.mark.parametrize("text", ["", "a,", "5", "-6", "y", "x", "3-1", "2-5", "a,0", "a#1", "x#2"])
def test_refused_lists(text):
    with pytest.raises(SelectionError):
        parse_elements(text, ELEMENTS)


def _rows(layout):
    kind = Layout.parse(layout)
    rows = np.zeros(3, kind.dtype)
    rows["timestamp"] = [1, 2, 3]
    rows["data"] = np.arange(3 * kind.width).reshape(3, -1)
    return kind, rows


def test_all_elements_are_the_rows_themselves():
    kind, rows = _rows("int16_2")
    assert Projection(kind, ELEMENTS[:2])(rows) is rows
    assert Projection(kind, ELEMENTS[:2], columns=[0, 1], scale=True)(rows) is rows


def test_order_and_type_are_kept():
    kind, rows = _rows("int64_3")
    project = Projection(kind, ELEMENTS[:3], columns=[2, 0])
    assert str(project.layout) == "int64_2"
    assert [e.index for e in project.elements] == [2, 0]
    assert project(rows)["data"].tolist() == [[2, 0], [5, 3], [8, 6]]


def test_decimated_rows_give_means_or_all():
    kind, rows = _rows("float32_6")
    elements = ELEMENTS[:2]
    means = Projection(kind, elements, decimated=True)
    assert means(rows)["data"].tolist()[0] == [0, 1]
    assert not means.bounds
    both = Projection(kind, elements, columns=[1], decimated=True, bounds=True)
    assert both(rows)["data"].tolist()[0] == [1, 3, 5]


def test_scaling_keeps_minima_below_maxima():
    kind, rows = _rows("float32_6")
    elements = [Element("p", offset=1, scale_factor=-2), Element("q", scale_factor=0.5)]
    project = Projection(kind, elements, decimated=True, bounds=True, scale=True)
    assert str(project.layout) == "float64_6"
    # p: mean 0, min 2, max 4; q: 1, 3, 5
    assert project(rows)["data"].tolist()[0] == [2, 0.5, -6, 1.5, -2, 2.5]
    assert project.elements[0].scale_factor == 1


def test_infinities_are_scaled_without_a_warning():
    elements = [Element("p", offset=1, scale_factor=-2), Element("q", scale_factor=0)]
    rows = np.zeros(2, Layout("float32", 2).dtype)
    rows["data"] = [[np.inf, np.inf], [-np.inf, 1]]
    scaled = Projection(Layout("float32", 2), elements, scale=True)(rows)["data"]
    assert scaled[:, 0].tolist() == [-np.inf, np.inf]
    assert np.isnan(scaled[0, 1])
    assert scaled[1, 1] == 0
