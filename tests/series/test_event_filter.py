"""Event filters in the form of the API."""

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from joule_cli.errors import DataError, FilterError
from joule_cli.series.event_filter import (
    MAX_GROUPS,
    Condition,
    Operator,
    both,
    like_to_glob,
    parse_filter,
    point_at,
    to_json,
)

TEXT_OPERATORS = [Operator.IS, Operator.NOT, Operator.LIKE, Operator.UNLIKE]
NUMERIC_OPERATORS = [operator for operator in Operator if operator.is_numeric]
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PATTERNS = st.text().filter(lambda text: (len(text) - len(text.rstrip("\\"))) % 2 == 0)
CONDITIONS = st.one_of(
    st.builds(Condition, st.text(), st.sampled_from(TEXT_OPERATORS), PATTERNS),
    st.builds(Condition, st.text(), st.sampled_from(NUMERIC_OPERATORS), NUMBERS),
)
FILTERS = st.lists(st.lists(CONDITIONS, min_size=1, max_size=4).map(tuple), max_size=4).map(tuple)

#: Few characters, so that patterns meet texts; wildcards of both languages among them.
SOME_TEXT = st.text(alphabet="ab%_*?[]^-\\é😀", max_size=8)
SOME_PATTERN = st.lists(
    st.sampled_from([*"ab%_*?[]^-é😀%_", "\\%", "\\_", "\\\\", "\\a", "\\*", "\\["]), max_size=8
).map("".join)


def refused(json_filter) -> tuple[str, str | None]:
    with pytest.raises(FilterError) as caught:
        parse_filter(json_filter)
    return caught.value.message, caught.value.hint


def group(*conditions) -> str:
    return json.dumps([list(conditions)])


@pytest.mark.parametrize("nothing", [None, "", [], "[]", " [ ] "])
def test_no_filter(nothing):
    assert parse_filter(nothing) == ()


def test_outer_lists_are_or_and_inner_lists_and():
    text = '[[["name","like","%pump%"]], [["power","gt",0],["power","lt","10"]]]'
    assert parse_filter(text) == (
        (Condition("name", Operator.LIKE, "%pump%"),),
        (Condition("power", Operator.GT, 0.0), Condition("power", Operator.LT, 10.0)),
    )


def test_a_list_says_the_same_as_its_text():
    groups = [[["name", "is", "x"], ["power", "neq", 3]], [("a", "lte", -1.5)]]
    assert parse_filter(groups) == parse_filter(json.dumps(groups))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (2**53 + 1, 2.0**53),
        (10**300, 1e300),
        (-0.5, -0.5),
        ("3", 3.0),
        (" 1e3 ", 1000.0),
        ("+.5", 0.5),
        ("5.", 5.0),
    ],
)
def test_numeric_values_become_floats(value, number):
    (((_, _, found),),) = parse_filter(group(["x", "gt", value]))
    assert (found, type(found)) == (number, float)


def test_text_operators_keep_numeric_text():
    assert parse_filter(group(["x", "is", "3"])) == ((Condition("x", Operator.IS, "3"),),)


@pytest.mark.parametrize(
    ("json_filter", "message"),
    [
        # Joule 1.0.1 has these texts
        ("nope", "invalid filter string, must be valid JSON"),
        (" ", "invalid filter string, must be valid JSON"),
        ("[" * 100_000, "invalid filter string, must be valid JSON"),
        ("[1]", "invalid filter string, must be a list of lists"),
        ("[[1]]", "invalid filter string, must be a list of lists"),
        ('[["power","gt",1]]', "invalid filter string, must be a list of lists"),
        (
            group(["a", "gt"]),
            "invalid filter string, boolean expression must have 3 elements",
        ),
        (
            group(["a", "GT", 1]),
            "invalid filter string, boolean expression must have a valid operation",
        ),
        (
            group(["a", ["gt"], 1]),
            "invalid filter string, boolean expression must have a valid operation",
        ),
        (
            group(["a", "is", 1]),
            "invalid filter string, is/not/like/unlike operation must have a string value",
        ),
        (
            group([1, "is", 2]),
            "invalid filter string, is/not/like/unlike operation must have a string value",
        ),
        (
            group([1, "gt", 1]),
            "invalid filter string, first element of boolean expression must be a string label",
        ),
        (
            group(["a", "gt", "x"]),
            "invalid filter value, x be numeric in filter clause [['a', 'gt', 'x']]",
        ),
        (
            group(["b", "is", "q"], ["a", "gt", ""]),
            "invalid filter value,  be numeric in filter clause "
            "[['b', 'is', 'q'], ['a', 'gt', '']]",
        ),
        # and fails in another way on these
        ("{}", "invalid filter string, must be a list of groups"),
        ("null", "invalid filter string, must be a list of groups"),
        (
            "[[]]",
            "invalid filter string, a group must have at least one boolean expression",
        ),
        *(
            (
                group(["a", "gt", value]),
                "invalid filter value, gt/gte/lt/lte/eq/neq operation must have a number",
            )
            for value in (None, True, [1], {"a": 1})
        ),
        *(
            (f'[[["a","eq",{value}]]]', "invalid filter value, must be a finite number")
            for value in ("NaN", "-Infinity", "1e999", '"inf"', '"1e999"', "1" * 399, "1" * 9999)
        ),
        (
            group(["a", "eq", "1_0"]),
            "invalid filter value, 1_0 be numeric in filter clause [['a', 'eq', '1_0']]",
        ),
        (
            group(["a", "like", "x\\\\\\"]),
            "invalid filter value, the pattern ends in a lone backslash",
        ),
        ('[[["a","is","\\ud800"]]]', "invalid filter string, must be valid Unicode"),
        ('[[["\\udfff","gt",1]]]', "invalid filter string, must be valid Unicode"),
    ],
)
def test_refused(json_filter, message):
    assert refused(json_filter)[0] == message


def test_a_huge_integer_of_a_program_is_refused():
    message, _ = refused([[["a", "gt", 10**400]]])
    assert message == "invalid filter value, must be a finite number"


def test_a_lone_backslash_is_an_ordinary_end_of_a_text_to_compare():
    assert parse_filter(group(["a", "is", "\\"])) == ((Condition("a", Operator.IS, "\\"),),)


def test_the_hint_points_at_the_place_in_the_json():
    _, hint = refused('[\n  [["a" "gt", 1]]\n]')
    assert hint == (
        'Expecting \',\' delimiter at line 2, column 9\n    [["a" "gt", 1]]\n          ^'
    )


def test_the_hint_names_the_condition():
    _, hint = refused([[["a", "gt", 1]], [["a", "gt", 1], ["b", "lt", "x"]]])
    assert hint == "condition 2 of group 2"


def test_a_filter_error_is_a_bad_request_about_data():
    assert issubclass(FilterError, DataError)
    assert (FilterError.status, FilterError.code) == (400, "filter_error")


@given(FILTERS)
def test_the_api_form_is_read_back(filter):
    assert parse_filter(to_json(filter)) == filter
    assert parse_filter(json.loads(to_json(filter))) == filter


def test_the_api_form_is_short():
    filter = parse_filter([[["naïve", "is", "1"], ["x", "gt", 100]], [["x", "lt", 0.5]]])
    assert to_json(filter) == '[[["naïve","is","1"],["x","gt",100]],[["x","lt",0.5]]]'


@given(FILTERS, FILTERS, st.sets(CONDITIONS))
def test_both_matches_what_each_matches(a, b, holding):
    # the conditions that hold for an event are all that a filter knows of it
    holding = holding | {condition for filter in (a, b) for g in filter[:1] for condition in g[:2]}

    def matches(filter):
        return not filter or any(all(c in holding for c in group) for group in filter)

    assert matches(both(a, b)) == (matches(a) and matches(b))


def test_both_refuses_to_grow_without_bounds():
    wide = tuple((Condition("x", Operator.EQ, float(n)),) for n in range(40))
    with pytest.raises(FilterError, match=f"more than {MAX_GROUPS} combinations"):
        both(wide, wide)


@pytest.mark.parametrize(
    ("pattern", "glob"),
    [
        ("", ""),
        ("%pump%", "*pump*"),
        ("a_c", "a?c"),
        ("%%a", "*a"),
        (r"100\%", "100%"),
        (r"a\_b\\", "a_b\\"),
        ("[x]*?", "[[]x][*][?]"),
        (r"\*\a", "[*]a"),
        ("%\n_", "*\n?"),
    ],
)
def test_like_to_glob(pattern, glob):
    assert like_to_glob(pattern) == glob


def test_a_pattern_that_ends_in_a_lone_backslash_has_no_glob():
    with pytest.raises(FilterError):
        like_to_glob("a\\")


@pytest.fixture(scope="module")
def database():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA case_sensitive_like=ON")
        yield connection


@given(pattern=SOME_PATTERN, text=SOME_TEXT)
@example(pattern="A", text="a")
@example(pattern="\\[a]", text="[a]")
@example(pattern="[^a]", text="b")
def test_the_glob_matches_what_like_matches(database, pattern, text):
    # texts made from the pattern are near enough to match now and then
    for candidate in (text, pattern, pattern.replace("%", text), pattern.replace("\\", "")):
        ((like, glob),) = database.execute(
            "SELECT ?1 LIKE ?2 ESCAPE '\\', ?1 GLOB ?3", (candidate, pattern, like_to_glob(pattern))
        )
        assert like == glob, candidate


@pytest.mark.parametrize(
    ("text", "position", "lines"),
    [
        ("abc", 1, "  abc\n   ^"),
        ("abc", 3, "  abc\n     ^"),
        ("", 0, "\n  ^"),
        ("a\tb\x1b", 2, "  a b\n    ^"),
        ("水x", 1, "  水x\n    ^"),
        ("e\u0301x", 2, "  e\u0301x\n   ^"),
        ("\udc80x", 1, "  �x\n   ^"),
        ("x" * 50 + "!" + "y" * 50, 50, f"  …{'x' * 40}!{'y' * 31}…\n  {' ' * 41}^"),
    ],
)
def test_point_at(text, position, lines):
    assert point_at(text, position) == lines
