import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import ApiError
from joule_cli.wire.params import bounds_params, key_params, read_bounds, read_int, read_key


def test_a_path_wins_over_an_id():
    assert read_key({"id": "5", "path": "/a"}) == "/a"
    assert read_key({"id": "5"}) == 5
    assert read_key({"stream_id": "7"}, "stream_") == 7


def test_neither_path_nor_id():
    with pytest.raises(ApiError, match=r"^specify an id or a path \[400\]$"):
        read_key({})
    with pytest.raises(ApiError, match=r"^specify a source id or a path \[400\]$"):
        read_key({}, "src_", "specify a source id or a path")


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), (" -3 ", -3), ("+1_000", 1000), ("0007", 7)]
)
def test_integers_as_python_reads_them(text, number):
    assert read_int({"start": text}, "start") == number == int(text)


@pytest.mark.parametrize("text", ["", "2.5", "1e6", "1__0", "_1", "٣", "0x1", "9" * 41])
def test_other_texts_are_refused(text):
    with pytest.raises(ApiError, match=r"^parameter start must be an int \[400\]$"):
        read_int({"start": text}, "start")


def test_bounds_must_be_in_order():
    assert read_bounds({"start": "1"}) == (1, None)
    with pytest.raises(ApiError, match=r"^\[start\] must be before \[end\] \[400\]$"):
        read_bounds({"start": "2", "end": "2"})


@given(st.one_of(st.none(), st.integers(-(2**63), 2**63)), st.text() | st.integers(0, 2**62))
def test_what_is_written_is_read_back(start, key):
    assert read_bounds(bounds_params(start, None)) == (start, None)
    assert read_key(key_params(key)) == key
