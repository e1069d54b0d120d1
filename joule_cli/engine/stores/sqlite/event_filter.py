"""Event filters and windows as SQL conditions on the table of events.

Values are compared as Joule 1.0.1 does: texts through their text form, numbers in double
precision. What has no such form (a missing key, null, text that is not a number) matches nothing.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from joule_cli.errors import FilterError
from joule_cli.series.event_filter import Operator, like_to_glob

if TYPE_CHECKING:
    import apsw

    from joule_cli.series.event_filter import Condition, Filter

Binding = str | int | float | None

_NUMBER = (
    "CASE json_type(content, {path}) WHEN 'integer' THEN CAST(content ->> {path} AS REAL) "
    "WHEN 'real' THEN content ->> {path} WHEN 'text' THEN joule_number(content ->> {path}) END"
)
_TEXT = (
    "CASE json_type(content, {path}) WHEN 'text' THEN content ->> {path} WHEN 'null' THEN NULL "
    "WHEN 'object' THEN joule_text(content -> {path}) "
    "WHEN 'array' THEN joule_text(content -> {path}) ELSE content -> {path} END"
)
_COMPARISONS = {
    Operator.IS: f"{_TEXT} = {{value}}",
    Operator.NOT: f"{_TEXT} != {{value}}",
    Operator.LIKE: f"{_TEXT} GLOB {{value}}",
    Operator.UNLIKE: f"NOT ({_TEXT} GLOB {{value}})",
    Operator.GT: f"{_NUMBER} > {{value}}",
    Operator.GTE: f"{_NUMBER} >= {{value}}",
    Operator.LT: f"{_NUMBER} < {{value}}",
    Operator.LTE: f"{_NUMBER} <= {{value}}",
    Operator.EQ: f"{_NUMBER} = {{value}}",
    Operator.NEQ: f"{_NUMBER} != {{value}}",
}
#: SQLite bounds the length of a statement.
_MOST_CONDITIONS = 1000
_NUMERIC_TEXT = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def condition_sql(event_filter: Filter) -> tuple[str, dict[str, Binding]]:
    """Return an SQL condition with its named bindings; ``1`` for an empty filter."""
    bindings: dict[str, Binding] = {}
    if sum(map(len, event_filter)) > _MOST_CONDITIONS:
        raise FilterError(f"the filter has more than {_MOST_CONDITIONS} conditions")
    groups = [
        _joined("AND", [f"({_comparison(c, bindings)})" for c in group]) for group in event_filter
    ]
    return _joined("OR", groups) if groups else "1", bindings


def _joined(operator: str, terms: list[str]) -> str:
    """Join terms as a balanced tree: SQLite bounds the depth of an expression."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_joined(operator, terms[:half])} {operator} {_joined(operator, terms[half:])})"


def _comparison(condition: Condition, bindings: dict[str, Binding]) -> str:
    path, value = f"path{len(bindings)}", f"value{len(bindings)}"
    # a quoted label: keys may have dots and brackets
    bindings[path] = f"$.{json.dumps(condition.key, ensure_ascii=False)}"
    text = condition.value
    if condition.operator in {Operator.LIKE, Operator.UNLIKE}:
        text = like_to_glob(str(text))
    bindings[value] = text
    return _COMPARISONS[condition.operator].format(path=f":{path}", value=f":{value}")


def register_functions(connection: apsw.Connection) -> None:
    """Add what the conditions need to a connection."""
    connection.create_scalar_function("joule_number", _number, 1, deterministic=True)
    connection.create_scalar_function("joule_text", _text, 1, deterministic=True)


def _number(*texts: Any) -> float | None:
    (text,) = texts
    return float(text) if _NUMERIC_TEXT.fullmatch(text) else None


def _text(*texts: Any) -> str:
    """Return nested JSON as PostgreSQL prints it."""
    return json.dumps(json.loads(*texts), ensure_ascii=False)
