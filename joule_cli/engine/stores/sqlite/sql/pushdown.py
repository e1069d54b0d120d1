"""What a query needs of each table, read from a plan of it.

DuckDB passes neither columns nor conditions down to a source of Arrow batches. It does to tables of
its own: so the query is planned against empty ones first, with those optimizers switched off that
look at the rows of a table. That plan is right for any content. What its scans of a table do not
read cannot change the result, and the source may leave it out; all conditions are still checked
when the query runs.

Conditions are shown as text, and only what is understood completely narrows a scan. A scan that a
plan hides, or a text that is not understood, costs time and never rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from joule_cli.series.intervals import Interval, intersection, union
from joule_cli.series.zones import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Optimizers that may use what a table holds at present, or that scan a table more than once.
DATA_DEPENDENT: Final = (
    "statistics_propagation",
    "empty_result_pullup",
    "compressed_materialization",
    "late_materialization",
    "row_group_pruner",
    "join_filter_pushdown",
)
_MIN, _MAX = -(2**63), 2**63
EVERYTHING: Final = (Interval(_MIN, _MAX),)
#: Operators that show all that they read as children. Another one may hide a scan.
_TRANSPARENT: Final = frozenset(
    {
        "ASOF_JOIN",
        "BLOCKWISE_NL_JOIN",
        "COLUMN_DATA_SCAN",
        "CROSS_PRODUCT",
        "CTE",
        "CTE_SCAN",
        "DELIM_JOIN",
        "DELIM_SCAN",
        "DUMMY_SCAN",
        "EMPTY_RESULT",
        "EXPRESSION_SCAN",
        "FILTER",
        "GENERATE_SERIES",
        "HASH_GROUP_BY",
        "HASH_JOIN",
        "IE_JOIN",
        "LEFT_DELIM_JOIN",
        "LIMIT",
        "LIMIT_PERCENT",
        "NESTED_LOOP_JOIN",
        "ORDER_BY",
        "PARTITIONED_AGGREGATE",
        "PERFECT_HASH_GROUP_BY",
        "PIECEWISE_MERGE_JOIN",
        "POSITIONAL_SCAN",
        "PROJECTION",
        "RANGE",
        "REC_CTE",
        "REC_CTE_SCAN",
        "RESERVOIR_SAMPLE",
        "RIGHT_DELIM_JOIN",
        "SEQ_SCAN",
        "SIMPLE_AGGREGATE",
        "STREAMING_LIMIT",
        "STREAMING_SAMPLE",
        "STREAMING_WINDOW",
        "TOP_N",
        "UNGROUPED_AGGREGATE",
        "UNION",
        "UNNEST",
        "WINDOW",
    }
)
_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*"|[A-Za-z_]\w*)
    |(?P<other>[0-9.]+(?:[eE][+-]?[0-9]+)?|::|[<>!=]+|\S)
    )""",
    re.VERBOSE,
)
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?"
    r"([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?"
)
_TYPE: Final = ["::", "TIMESTAMP", "WITH", "TIME", "ZONE"]

#: Tokens, with what parentheses hold as lists.
_Tree: TypeAlias = "list[str | _Tree]"


@dataclass(slots=True)
class Needs:
    """What a query reads of a table: positions of columns, and when."""

    columns: set[int]
    times: Sequence[Interval]

    def add(self, columns: Iterable[int], times: Sequence[Interval]) -> None:
        """Add what another scan of the table reads."""
        self.columns.update(columns)
        self.times = union([*self.times, *times])


def read_plan(plan: Sequence[dict[str, Any]], widths: dict[str, int]) -> dict[str, Needs]:
    """Return what the scans of each table need.

    Parameters
    ----------
    plan
        What ``EXPLAIN (FORMAT JSON)`` gives for empty tables with the columns ``c0``, ``c1``, ...,
        of which ``c0`` is the time.
    widths
        Number of columns of each table.
    """
    whole = {name: Needs(set(range(width)), EVERYTHING) for name, width in widths.items()}
    found: dict[str, Needs] = {}
    waiting = list(plan)
    while waiting:
        node = waiting.pop()
        info = node.get("extra_info", {})
        waiting += node.get("children", [])
        if node.get("name", "").strip() not in _TRANSPARENT and "Function" not in info:
            return whole
        name = str(info.get("Table", "")).rpartition(".")[2]
        if name in widths:
            columns, times = _scan(info, widths[name])
            found.setdefault(name, Needs(set(), ())).add(columns, times)
    return whole | found


def _scan(info: dict[str, Any], width: int) -> tuple[set[int], Sequence[Interval]]:
    every = set(range(width))
    if "Projections" not in info:
        return every, EVERYTHING
    names = [name for name in _texts(info["Projections"]) if name]
    times: Sequence[Interval] = EVERYTHING
    for text in _texts(info.get("Filters", [])):
        tree = _parse(text)
        if tree is None:
            return every, EVERYTHING
        names += _names(tree)
        times = intersection(times, _times(tree))
    positions = {int(name[1:]) for name in names if re.fullmatch(r"c\d+", name)}
    # a column by another name is something that this reading of plans does not know
    known = all(re.fullmatch(r"c\d+", name) for name in _texts(info["Projections"]) if name)
    return (positions if known and positions <= every else every), times


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else [str(value)]


def _names(tree: _Tree) -> list[str]:
    return [
        name
        for item in tree
        for name in (_names(item) if isinstance(item, list) else [item.strip('"')])
    ]


def _parse(text: str) -> _Tree | None:
    """Return the tokens of a condition, `None` if it is cut or its parentheses do not match."""
    if "..." in text:
        return None
    open_lists: list[_Tree] = [[]]
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        position = match.end()
        token = match[match.lastgroup or "other"]
        if token == "(":
            inner: _Tree = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
        elif token == ")":
            if len(open_lists) == 1:
                return None
            open_lists.pop()
        elif token in {"'", '"'}:
            return None
        else:
            open_lists[-1].append(token)
    return open_lists[0] if len(open_lists) == 1 else None


def _times(tree: _Tree) -> Sequence[Interval]:
    """Return when a condition can be true; everything where it is not understood."""
    if tree[:2] == ["optional", ":"]:
        # checked again above the scan
        tree = tree[2:]
    if len(tree) == 1 and isinstance(tree[0], list):
        return _times(tree[0])
    words = {item for item in tree if isinstance(item, str)}
    if words & {"AND", "OR"}:
        return _joined(tree, words)
    match tree:
        case ["c0", str(operator), str(literal), *rest] if rest == _TYPE:
            return _compared(operator, _instant(literal))
        case ["c0", "IN", list(items)]:
            instants = [_listed(item) for item in _split(items, ",")]
            return union(
                span for t in instants for span in ([(t, t + 1)] if t is not None else EVERYTHING)
            )
        case _:
            return EVERYTHING


def _joined(tree: _Tree, words: set[str]) -> Sequence[Interval]:
    connector = "AND" if "AND" in words else "OR"
    parts = _split(tree, connector)
    # anything between the connectors but a comparison or parentheses is left alone
    if {"AND", "OR"} <= words or words & {"BETWEEN", "CASE", "NOT"}:
        return EVERYTHING
    if connector == "OR":
        return union(span for part in parts for span in _times(part))
    times: Sequence[Interval] = EVERYTHING
    for part in parts:
        times = intersection(times, _times(part))
    return times


def _split(tree: _Tree, separator: str) -> list[_Tree]:
    parts: list[_Tree] = [[]]
    for item in tree:
        if item == separator:
            parts.append([])
        else:
            parts[-1].append(item)
    return parts


def _listed(item: _Tree) -> int | None:
    match item:
        case [str(literal), *rest] if rest == _TYPE:
            return _instant(literal)
        case _:
            return None


def _compared(operator: str, time: int | None) -> Sequence[Interval]:
    if time is None:
        return EVERYTHING
    match operator:
        case "=":
            return (Interval(time, time + 1),)
        case "<":
            return (Interval(_MIN, time),)
        case "<=":
            return (Interval(_MIN, time + 1),)
        case ">":
            return (Interval(time + 1, _MAX),)
        case ">=":
            return (Interval(time, _MAX),)
        case _:
            return EVERYTHING


def _instant(literal: str) -> int | None:
    """Return a literal's time in µs; `None` for infinity and for years that have no four digits."""
    match = _TIME.fullmatch(literal[1:-1]) if literal[0] == "'" else None
    if match is None:
        return None
    *numbers, fraction, sign, hours, minutes, seconds = match.groups(default="0")
    offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        year, month, day, hour, minute, second = map(int, numbers)
        dt = datetime(
            year, month, day, hour, minute, second, int(fraction.ljust(6, "0")), tzinfo=zone
        )
        return (dt - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return None
