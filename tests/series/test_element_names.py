"""Names decide which column goes to which element."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import ElementNamesError
from joule_cli.series.element_names import match, parse_renames


def refused(*args, **kwargs):
    with pytest.raises(ElementNamesError) as caught:
        match(*args, **kwargs)
    return caught.value


@given(st.lists(st.text(min_size=1), unique=True, min_size=1), st.randoms())
def test_every_element_gets_the_column_of_its_name(wanted, random):
    found = random.sample(wanted, len(wanted))
    assert [found[at] for at in match(found, wanted)] == wanted


def test_names_decide_and_not_positions():
    assert match(["amps", "volts"], ["volts", "amps"]) == [1, 0]
    assert match(["Element 1", "Element 0"], ["Element 0", "Element 1"]) == [1, 0]


def test_positions_decide_when_asked():
    assert match(["amps", "volts"], ["volts", "amps"], by_position=True) == [0, 1]
    assert match(["x", "x"], ["x", "x"], by_position=True) == [0, 1]


def test_positions_need_equally_many():
    error = refused(["a"], ["a", "b"], by_position=True)
    assert error.message == "1 column for 2 elements: the columns are a, the elements a, b"
    assert error.hint is None
    error = refused(["a", "b"], ["a"], by_position=True, noun="element", leave_out="--elements")
    assert error.hint == "--elements chooses the elements to take"


def test_positions_and_renames_exclude_each_other():
    assert "positions" in refused(["a"], ["b"], {"a": "b"}, by_position=True).message


def test_other_names_are_refused_with_both_lists_and_the_remedy():
    error = refused(["temp", "hum"], ["volts", "amps"])
    assert error.message == (
        "the names differ: the columns are temp, hum, the elements volts, amps; "
        "nothing for volts, amps; no place for temp, hum"
    )
    assert error.hint == (
        "use --map temp=volts if they are the same, or --by-position if the order is the same"
    )


def test_the_nearest_names_are_offered():
    error = refused(["Volts", "other"], ["volts"])
    assert error.hint == "use --map Volts=volts if Volts is volts"
    assert refused(["Vol t", "a"], ["a", "volt"]).hint.startswith("use --map 'Vol t=volt' if")


def test_additional_columns_are_refused_with_the_option_that_leaves_them_out():
    error = refused(["a", "b", "c"], ["a", "b"], leave_out="--columns")
    assert error.message.endswith("the elements a, b; no place for c")
    assert error.hint == "use --columns with the columns to take"
    assert refused(["a", "b", "c"], ["a", "b"]).hint is None


def test_a_missing_column_is_refused():
    assert refused(["a"], ["a", "b"]).message.endswith("; nothing for b")


def test_renamed():
    assert match(["u", "amps"], ["amps", "volts"], {"u": "volts"}) == [1, 0]
    assert match(["a", "b"], ["a", "b"], {"a": "b", "b": "a"}) == [1, 0]


def test_a_rename_of_or_to_what_there_is_not():
    error = refused(["volts"], ["u"], {"vols": "u"})
    assert (error.message, error.hint) == ("there is no column vols", "did you mean volts?")
    error = refused(["volts"], ["u"], {"volts": "x"})
    assert (error.message, error.hint) == ("there is no element x", "the elements are u")


def test_two_columns_of_one_name_are_refused_unless_chosen_by_index():
    error = refused(["x", "x"], ["x"], leave_out="--columns")
    assert error.message == "two columns are for the element x: x#0 and x#1"
    assert error.hint == "--columns chooses one by its index"
    error = refused(["x", "x"], ["x", "y"], {"x": "y"})
    assert (error.message, error.hint) == ("2 columns are called x", "write x#0 or x#1")
    assert match(["x", "x"], ["x", "y"], {"x#0": "y"}) == [1, 0]


def test_two_columns_for_one_element():
    error = refused(["a", "b"], ["a"], {"b": "a"})
    assert error.message == "two columns are for the element a: a#0 and b#1"


def test_two_elements_of_one_name():
    assert refused(["x", "x"], ["x", "x"]).message == "two elements are called x"


def test_a_name_that_ends_like_an_index_is_a_name():
    assert match(["x#0", "y"], ["x", "y"], {"x#0": "x"}) == [0, 1]


def test_long_lists_are_cut():
    names = [f"c{i}" for i in range(30)]
    assert "c19 and 10 more, the elements" in refused(names, ["a"]).message


def test_renames_are_read():
    assert parse_renames(["a=b", "c d=e=f"]) == {"a": "b", "c d": "e=f"}
    for texts in (["a"], ["=b"], ["a="], ["a=b", "a=c"]):
        with pytest.raises(ElementNamesError):
            parse_renames(texts)
