"""Event filters as a person types them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import FilterError
from joule_cli.series.event_filter import Condition, Operator
from joule_cli.series.where import parse_where

from .test_event_filter import CONDITIONS, FILTERS

SYMBOLS = {
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
    Operator.EQ: "==",
    Operator.NEQ: "<>",
    Operator.LIKE: "~",
    Operator.UNLIKE: "!~",
}
QUOTES = st.sampled_from("'\"")
#: Words that need no quotes: no blanks, no operators, nothing that begins a quote.
PLAIN_WORDS = st.from_regex(r"[A-Za-zäΩ水._/-][A-Za-zäΩ水0-9._/'-]*", fullmatch=True).filter(
    lambda word: word.lower() not in ("and", "or")
)


def quoted(text: str, quote: str) -> str:
    return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote


def rendered(condition: Condition, quote: str, operator: str | None = None) -> str:
    key, word, value = condition
    shown = quoted(value, quote) if isinstance(value, str) else repr(value)
    return f"{quoted(key, quote)}{operator or f' {word} '}{shown}"


def one(text: str) -> tuple[str, str, str | float]:
    ((condition,),) = parse_where([text])
    return condition.key, condition.operator.value, condition.value


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("power > 100", ("power", "gt", 100.0)),
        ("power>=-1.5e3", ("power", "gte", -1500.0)),
        ("power<.5", ("power", "lt", 0.5)),
        ("power <= 5.", ("power", "lte", 5.0)),
        ("power GT 100", ("power", "gt", 100.0)),
        ("power gt '100'", ("power", "gt", 100.0)),
        ("power eq 3", ("power", "eq", 3.0)),
        ("power neq 3", ("power", "neq", 3.0)),
        ("name like %water pump%", ("name", "like", "%water pump%")),
        ("name ~ %pump%", ("name", "like", "%pump%")),
        ("name !~ %pump%", ("name", "unlike", "%pump%")),
        ("name UnLike x", ("name", "unlike", "x")),
        ("name is 5", ("name", "is", "5")),
        ("name not heat", ("name", "not", "heat")),
        # = and != look at the value
        ("power = 5", ("power", "eq", 5.0)),
        ("power == +5", ("power", "eq", 5.0)),
        ("power != 5", ("power", "neq", 5.0)),
        ("power <> 5e0", ("power", "neq", 5.0)),
        ("power = '5'", ("power", "is", "5")),
        ("name = heat", ("name", "is", "heat")),
        ("name != heat", ("name", "not", "heat")),
        ("name <> 5 W", ("name", "not", "5 W")),
        ("name = inf", ("name", "is", "inf")),
        ("name = 1_000", ("name", "is", "1_000")),
        # blanks and quotes
        ("  name   is   a  b  ", ("name", "is", "a  b")),
        ("'water temp' > 5", ("water temp", "gt", 5.0)),
        ('"a>b"is"c<d"', ("a>b", "is", "c<d")),
        ("name is '  x '", ("name", "is", "  x ")),
        ("name is ''", ("name", "is", "")),
        ("'' is x", ("", "is", "x")),
        (r"name is 'it\'s \"so\" \\'", ("name", "is", 'it\'s "so" \\')),
        (r"name is 'C:\new'", ("name", "is", r"C:\new")),
        (r"name like '100\%'", ("name", "like", r"100\%")),
        (r"name like 100\%", ("name", "like", r"100\%")),
        (r"name like '%\\\\'", ("name", "like", r"%\\")),
        (r"name is \'", ("name", "is", r"\'")),
        ("it's is it's", ("it's", "is", "it's")),
        ("name is a=b", ("name", "is", "a=b")),
        ("name is 'salt and pepper'", ("name", "is", "salt and pepper")),
        # fields
        ("a.b-c/d[0] > 1", ("a.b-c/d[0]", "gt", 1.0)),
        ("Größe > 1", ("Größe", "gt", 1.0)),
        ("is is is", ("is", "is", "is")),
        ("'and' = 1", ("and", "eq", 1.0)),
        ("android is sandy", ("android", "is", "sandy")),
        ("'(a' is (b)", ("(a", "is", "(b)")),
        # a value may be the word of an operator, if nothing follows
        ("state is not", ("state", "is", "not")),
        ("state is 'not ready'", ("state", "is", "not ready")),
        ("state is nothing new", ("state", "is", "nothing new")),
        ("state like not ready", ("state", "like", "not ready")),
    ],
)
def test_one_condition(text, condition):
    assert one(text) == condition


A, B, C, D = (Condition(name, Operator.GT, 1.0) for name in "abcd")


@pytest.mark.parametrize(
    ("texts", "groups"),
    [
        ([], ()),
        (["a > 1", "b > 1"], ((A, B),)),
        (["a > 1 and b > 1"], ((A, B),)),
        (["a > 1 or b > 1"], ((A,), (B,))),
        (["a > 1 AND b > 1 Or c > 1"], ((A, B), (C,))),
        (["a > 1 or b > 1 and c > 1"], ((A,), (B, C))),
        (["a > 1\tand\nb > 1"], ((A, B),)),
        (["a > '1'and 'b' > 1"], ((A, B),)),
        (["a > 1 or b > 1", "c > 1"], ((A, C), (B, C))),
        (["a > 1 or b > 1", "c > 1 or d > 1"], ((A, C), (A, D), (B, C), (B, D))),
    ],
)
def test_joined_conditions(texts, groups):
    assert parse_where(texts) == groups


def test_a_value_ends_before_the_joint():
    text = "name is salt  and state is not or x is oregano"
    assert [[tuple(c) for c in group] for group in parse_where([text])] == [
        [("name", "is", "salt"), ("state", "is", "not")],
        [("x", "is", "oregano")],
    ]


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 1, "expected a field"),
        ("   ", 4, "expected a field"),
        ("> 5", 1, "expected a field"),
        (" or > 5", 2, "expected a field"),
        ("a > 5 and", 10, "expected a field"),
        ("a > 5 and or b > 1", 11, "expected a field"),
        ("(a > 1 or b > 1)", 1, "expected a field, parentheses do not group"),
        ("power", 6, "expected an operator"),
        ("power >> 100", 7, "expected an operator"),
        ("power => 100", 7, "expected an operator"),
        ("power ! 100", 7, "expected an operator"),
        ("power between 1", 7, "expected an operator"),
        ("power gt100", 7, "expected an operator"),
        ("power '>' 1", 7, "expected an operator"),
        ("water temp > 1", 7, "expected an operator"),
        ("not power > 5", 5, "expected an operator"),
        ("name is salt and pepper", 24, "expected an operator"),
        ("power >", 8, "expected a value"),
        ("power > ", 9, "expected a value"),
        ("power > = 5", 9, "expected a value"),
        ("state is or", 10, "expected a value"),
        ("a is and b is c", 6, "expected a value"),
        ("name is not pump", 9, "expected a value, not a second operator"),
        ("name NOT LIKE %pump%", 10, "expected a value, not a second operator"),
        ("power > big", 9, "expected a number"),
        ("power > 5 W", 9, "expected a number"),
        ("power > ''", 9, "expected a number"),
        ("a is x and power > 'y'", 20, "expected a number"),
        ("power > nan", 9, "expected a finite number"),
        ("power = 1e999", 9, "expected a finite number"),
        ("name is 'x", 9, "the quote is not closed"),
        ("name is 'x\\'", 9, "the quote is not closed"),
        ('"name is x', 1, "the quote is not closed"),
        ("name is 'x' y", 13, "expected [and], [or] or the end"),
        ("name is 'x''y'", 12, "expected [and], [or] or the end"),
        ("name like x\\", 12, "the pattern ends in a lone backslash"),
        ("name like x\\ and a > 1", 12, "the pattern ends in a lone backslash"),
        ("name !~ 'x\\\\'", 12, "the pattern ends in a lone backslash"),
        ("name is \udc80", 9, "the text is not valid Unicode"),
    ],
)
def test_refused(text, column, reason):
    with pytest.raises(FilterError) as caught:
        parse_where(["fine = 1", text])
    assert caught.value.message == f"invalid condition at column {column}: {reason}"
    mark = (caught.value.hint or "").split("\n")[1]
    assert mark == " " * (column + 1) + "^"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "power >> 100",
            "  power >> 100\n"
            "        ^\n"
            "  the operators are = != > >= < <= ~ !~ is not like unlike gt gte lt lte eq neq;\n"
            "  quote a field with blanks, and a value that has the word [and] or [or] in it",
        ),
        ("a ~ x\\", "  a ~ x\\\n       ^"),
        ("power >", "  power >\n         ^\n  write FIELD OP VALUE, as in power > 100"),
        (
            "a is not b",
            "  a is not b\n"
            "       ^\n"
            "  write [not] for is not, [unlike] for not like, or quote the value",
        ),
        ("水温 > x", "  水温 > x\n         ^"),
    ],
)
def test_the_hint_shows_the_place(text, hint):
    with pytest.raises(FilterError) as caught:
        parse_where([text])
    assert caught.value.hint == hint


@given(CONDITIONS, QUOTES)
def test_a_rendered_condition_is_read_back(condition, quote):
    expected = ((condition,),)
    assert parse_where([rendered(condition, quote)]) == expected
    symbol = SYMBOLS.get(condition.operator)
    if symbol:
        assert parse_where([rendered(condition, quote, symbol)]) == expected
        assert parse_where([rendered(condition, quote, f"\t{symbol} ")]) == expected


@given(FILTERS.filter(bool), QUOTES)
def test_a_rendered_filter_is_read_back(filter, quote):
    text = " or ".join(" and ".join(rendered(c, quote) for c in group) for group in filter)
    assert parse_where([text]) == filter


@given(PLAIN_WORDS, st.lists(PLAIN_WORDS, min_size=1, max_size=3))
def test_plain_words_need_no_quotes(field, words):
    value = " ".join(words)
    assert one(f"{field} like {value}") == (field, "like", value)


@given(st.text())
def test_any_text_is_read_or_refused_at_a_column_of_it(text):
    try:
        groups = parse_where([text])
    except FilterError as exc:
        column = int(exc.message.removeprefix("invalid condition at column ").split(":")[0])
        assert 1 <= column <= len(text) + 1
    else:
        assert all(groups)
