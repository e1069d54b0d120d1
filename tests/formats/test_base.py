from __future__ import annotations

import numpy as np
import pytest

from joule_cli.formats import column_names, split_at_gaps
from joule_cli.model.data_stream import Element
from tests.contracts.format_contract import make_head, make_rows, spans


def named(*elements: str | Element, width: int = 0, **fields):
    elements = [Element(e) if isinstance(e, str) else e for e in elements]
    return make_head(f"float32_{width or len(elements)}", elements=elements, **fields)


@pytest.mark.parametrize(
    ("elements", "names"),
    [
        (["x", "y"], ["x", "y"]),
        (["timestamp", "y"], ["timestamp#0", "y"]),
        (["x", "y", "x"], ["x#0", "y", "x#2"]),
        ([Element("x", index=3), Element("x", index=9)], ["x#3", "x#9"]),
        (["x", "x", "x#1"], ["x#0", "x#1", "x#1#2"]),
        (["", ""], ["#0", "#1"]),
    ],
)
def test_every_column_has_its_own_name(elements, names):
    assert column_names(named(*elements)) == names


def test_names_of_bounds():
    head = named("x", "y", width=6, bounds=True)
    assert column_names(head) == ["x", "y", "x_min", "y_min", "x_max", "y_max"]
    assert column_names(head, "element") == ["x", "x_min", "x_max", "y", "y_min", "y_max"]


def test_elements_without_names():
    assert column_names(named(width=2)) == ["Element 0", "Element 1"]


def test_gaps_become_breaks():
    rows = make_rows(6)
    rows["timestamp"] = [1, 2, 10, 11, 30, 31]
    items = [rows[:3], rows[3:], None, make_rows(1, 1)]
    assert [tuple(s) for s in spans(list(split_at_gaps(items, 5)))] == [
        (1, 3), (10, 12), (30, 32), (1000, 1001)]  # fmt: skip
    assert [len(s) for s in split_at_gaps([rows], 1000) if s is not None] == [6]
    one_by_one = [rows[i : i + 1] for i in range(6)]
    assert np.array_equal(spans(list(split_at_gaps(one_by_one, 8))), [(1, 12), (30, 32)])
