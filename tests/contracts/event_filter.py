"""Which events a filter selects, on every `Node`."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from joule_cli.errors import FilterError
from joule_cli.model import Event
from tests.contracts.streams import starts_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from joule_cli.api.node import Node

PATH = "/a/starts"
CONTENTS: list[Any] = [
    {"name": "pump A", "power": 12},  # 0
    {"name": "Pump B", "power": 12.5},  # 1
    {"name": "fan", "power": "13"},  # 2: a text that is a number
    {"name": "", "power": -3},  # 3
    {"name": None, "power": None},  # 4
    {"name": True, "power": False},  # 5
    {"name": 12, "power": "much"},  # 6
    {"name": ["a", 1], "power": [12]},  # 7
    {"name": {"a": 1}, "power": {"x": 12}},  # 8
    {"other": {"name": "pump A", "power": 12}},  # 9: only the top level counts
    ["name", "pump A"],  # 10
    "name",  # 11
    {},  # 12
    {"name": "50%_\\", "power": 2**53 + 1},  # 13
    {"name": "ÄÖ\N{GRINNING FACE}", "power": " 1e1 "},  # 14
    {"name": "pump\nA", "power": 0.1},  # 15
]

#: Everything that has a name or a power in a form that texts or numbers are compared with.
NAMED = [0, 1, 2, 3, 5, 6, 7, 8, 13, 14, 15]
NUMBERED = [0, 1, 2, 3, 13, 14, 15]


def but(numbers: Sequence[int], *left_out: int) -> list[int]:
    return [n for n in numbers if n not in left_out]


CASES: list[tuple[list[Any], list[int]]] = [
    (["name", "is", "pump A"], [0]),
    (["name", "is", "pump a"], []),
    (["name", "is", ""], [3]),
    (["name", "is", "null"], []),
    (["name", "is", "true"], [5]),
    (["name", "is", "12"], [6]),
    (["name", "is", '["a", 1]'], [7]),
    (["name", "is", '{"a": 1}'], [8]),
    (["name", "is", "ÄÖ\N{GRINNING FACE}"], [14]),
    (["name", "not", "pump A"], but(NAMED, 0)),
    (["name", "not", "nothing"], NAMED),
    (["missing", "not", "x"], []),
    (["name", "like", "%"], NAMED),
    (["name", "like", "pump%"], [0, 15]),
    (["name", "like", "%ump _"], [0, 1]),
    (["name", "like", "pump_A"], [0, 15]),
    (["name", "like", "pump"], []),
    (["name", "like", ""], [3]),
    (["name", "like", "__\N{GRINNING FACE}"], [14]),
    (["name", "like", "Ä%"], [14]),
    (["name", "like", "ä%"], []),
    (["name", "like", r"50\%\_\\"], [13]),
    (["name", "like", r"%\%%"], [13]),
    (["name", "like", r"\f\a\n"], [2]),
    (["name", "like", "1_"], [6]),
    (["name", "like", "t%e"], [5]),
    (["name", "like", "[%]"], [7]),
    (["name", "like", "*"], []),
    (["name", "like", "?????"], []),
    (["name", "unlike", "%ump%"], but(NAMED, 0, 1, 15)),
    (["missing", "unlike", "x"], []),
    (["power", "gt", 12], [1, 2, 13]),
    (["power", "gte", 12], [0, 1, 2, 13]),
    (["power", "lt", 10], [3, 15]),
    (["power", "lte", 10], [3, 14, 15]),
    (["power", "eq", 12], [0]),
    (["power", "eq", "12.0"], [0]),
    (["power", "eq", 13], [2]),
    (["power", "eq", 10], [14]),
    (["power", "eq", 0.1], [15]),
    (["power", "eq", " 1e-1 "], [15]),
    (["power", "eq", 2**53], [13]),  # double precision
    (["power", "neq", 12], but(NUMBERED, 0)),
    (["power", "neq", 0], NUMBERED),
    (["missing", "neq", 0], []),
    (["name", "gt", -1e308], [6]),
]

BAD: list[tuple[Any, str]] = [
    ("nope", "invalid filter string, must be valid JSON"),
    ('[[["a","is"', "invalid filter string, must be valid JSON"),
    ("{}", "invalid filter string"),
    ("[1]", "invalid filter string, must be a list of lists"),
    ("[[1]]", "invalid filter string, must be a list of lists"),
    ("[[]]", "invalid filter string"),
    ('[[["a","gt"]]]', "invalid filter string, boolean expression must have 3 elements"),
    ('[[["a","x",1]]]', "invalid filter string, boolean expression must have a valid operation"),
    ('[[["a","GT",1]]]', "invalid filter string, boolean expression must have a valid operation"),
    (
        '[[["a","is",1]]]',
        "invalid filter string, is/not/like/unlike operation must have a string value",
    ),
    (
        '[[["a","gt","x"]]]',
        r"invalid filter value, x be numeric in filter clause \[\['a', 'gt', 'x'\]\]",
    ),
    ('[[["a","gt",null]]]', "invalid filter value"),
    ('[[["a","gt",true]]]', "invalid filter value"),
    ('[[["a","gt",[1]]]]', "invalid filter value"),
    ('[[["a","gt",NaN]]]', "invalid filter value"),
    (
        '[[[1,"gt",1]]]',
        "invalid filter string, first element of boolean expression must be a string label",
    ),
    ('[[["a","like","x\\\\"]]]', "invalid filter"),
    ([["a", "is", "x"]], "invalid filter string, must be a list of lists"),
]

# a Joule 1.0.1 node stores no NUL, and patterns of SQLite end at one
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6
) | st.text("a.\"'[]\\$# %_\n/*?^-u0041", max_size=6)


async def matching(node: Node, json_filter: Any) -> list[int]:
    """Return the starts of the matching events, as every call finds them."""
    found = [e.start_time for e in await node.event_stream_read(PATH, json_filter=json_filter)]
    assert await node.event_stream_count(PATH, json_filter=json_filter) == len(found)
    buckets = await node.event_stream_histogram(PATH, json_filter=json_filter, width=1)
    assert [b.start for b in buckets if b.count] == found
    return found


class EventFilterContract:
    async def test_operators_and_types(self, node: Node):
        await node.event_stream_create(starts_stream(), "/a")
        await node.event_stream_write(
            PATH, [Event(i, i + 1, content) for i, content in enumerate(CONTENTS)]
        )
        for condition, expected in CASES:
            assert await matching(node, [[condition]]) == expected, condition
            assert await matching(node, json.dumps([[condition]])) == expected, condition
        for everything in (None, "", "[]", []):
            assert await matching(node, everything) == list(range(len(CONTENTS)))

    async def test_groups_are_alternatives_and_their_conditions_all_hold(self, node: Node):
        await node.event_stream_create(starts_stream(), "/a")
        await node.event_stream_write(PATH, [Event(i, i + 1, {"n": i}) for i in range(10)])
        low, high, middle = ["n", "lt", 2], ["n", "gt", 7], ["n", "gte", 5]
        assert await matching(node, [[low], [high]]) == [0, 1, 8, 9]
        assert await matching(node, [[low, high]]) == []
        assert await matching(node, [[middle, ["n", "neq", 6]], [low]]) == [0, 1, 5, 7, 8, 9]
        assert await matching(node, [[low], [low], [["n", "lte", 1]]]) == [0, 1]
        many = [[["n", "eq", i]] for i in range(1, 1000, 2)]
        assert await matching(node, many) == [1, 3, 5, 7, 9]

    @pytest.mark.parametrize(("json_filter", "text"), BAD)
    async def test_wrong_filter_is_refused_and_nothing_removed(
        self, node: Node, json_filter: Any, text: str
    ):
        await node.event_stream_create(starts_stream(), "/a")
        await node.event_stream_write(PATH, [Event(1, 2)])
        for call in (
            node.event_stream_read,
            node.event_stream_read_list,
            node.event_stream_count,
            node.event_stream_remove,
            node.event_stream_histogram,
        ):
            with pytest.raises(FilterError, match=text) as caught:
                await call(PATH, json_filter=json_filter)
            assert str(caught.value).endswith("[400]")
        assert await node.event_stream_count(PATH) == 1

    async def test_removal_by_filter(self, node: Node):
        await node.event_stream_create(starts_stream(), "/a")
        await node.event_stream_write(PATH, [Event(i, i + 1, {"n": i}) for i in range(10)])
        assert await node.event_stream_remove(PATH, 3, json_filter=[[["n", "lt", 5]]]) == 3
        assert await matching(node, None) == [0, 1, 5, 6, 7, 8, 9]
        assert await node.event_stream_remove(PATH, json_filter=[[["missing", "lt", 5]]]) == 0
        assert await node.event_stream_remove(PATH, json_filter='[[["n", "gte", 5]]]') == 5
        assert await matching(node, None) == [0, 1]

    def test_keys_and_texts_are_any(
        self, fresh_node: Callable[[], AbstractAsyncContextManager[Node]]
    ):
        @settings(max_examples=60)
        @given(key=texts, other=texts, text=texts)
        @example(key="", other="a", text="")
        @example(key='a"b', other="a", text='x"y')
        @example(key="a.b", other="a", text="a.b")
        @example(key="a[0]", other="a", text="[0]")
        @example(key="a\\", other="a\\\\", text="\\")
        @example(key="a b", other="a", text=" b ")
        @example(key="\u2028é", other="e\u0301", text="\x1f")
        def check(key: str, other: str, text: str) -> None:
            # numbers are compared by their text, too
            assume(other != key and text != "7")

            async def run() -> None:
                async with fresh_node() as node:
                    await node.event_stream_create(starts_stream(), "/a")
                    contents: list[Any] = [
                        {other: 7, key: text},
                        {key: f"{text}x"},
                        {key: 7},
                        {f"{key}x": text},
                    ]
                    events = [Event(i, i + 1, content) for i, content in enumerate(contents)]
                    await node.event_stream_write(PATH, events)
                    assert await node.event_stream_read(PATH) == events
                    escaped = "".join(f"\\{c}" if c in "%_\\" else c for c in text)
                    assert await matching(node, [[[key, "is", text]]]) == [0]
                    assert await matching(node, [[[key, "like", escaped]]]) == [0]
                    assert await matching(node, [[[key, "not", text]]]) == [1, 2]
                    assert await matching(node, [[[key, "unlike", escaped]]]) == [1, 2]
                    assert 0 in await matching(node, [[[other, "eq", 7]]])

            asyncio.run(run())

        check()
