"""Event filters: which events a read, a count or a removal means, by their content."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from joule_cli.errors import FilterError

#: `both` multiplies numbers of groups; this many are no filter written by hand.
MAX_GROUPS: Final = 1000

_FORM_HINT: Final = (
    'the form is [[["power", "gt", 100], ["kind", "is", "heat"]], [...]]: OR of ANDs'
)
_BACKSLASH_HINT: Final = "a backslash takes the next character as it is; write two for one"

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_LIKE_SPECIAL: Final = re.compile(r"\\(.)|%+|[_*?\[]", re.DOTALL)

#: `float` holds every integer with fewer digits than this or says that it cannot.
_MAX_DIGITS: Final = 400
#: Characters of a text that `point_at` shows, and how many of them before the position.
_SHOWN: Final = 72
_SHOWN_BEFORE: Final = 40


class Operator(StrEnum):
    """How a condition compares; the first four compare texts, the others numbers."""

    IS = "is"
    NOT = "not"
    LIKE = "like"
    UNLIKE = "unlike"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    EQ = "eq"
    NEQ = "neq"

    @property
    def is_numeric(self) -> bool:
        """Whether the value is a number."""
        return self not in _TEXT_OPERATORS

    @property
    def is_pattern(self) -> bool:
        """Whether the value is a LIKE pattern."""
        return self in (Operator.LIKE, Operator.UNLIKE)


_TEXT_OPERATORS: Final = frozenset({Operator.IS, Operator.NOT, Operator.LIKE, Operator.UNLIKE})


class Condition(NamedTuple):
    """One comparison with a top-level key of an event's content.

    The value is a finite float for the numeric operators and a text for the others.
    """

    key: str
    operator: Operator
    value: str | float


#: An event matches if every condition of one of the groups holds; ``()`` matches every event.
Filter: TypeAlias = tuple[tuple[Condition, ...], ...]


def parse_filter(json_filter: str | list[Any] | None) -> Filter:
    """Read a filter in the form that the API gives it.

    Parameters
    ----------
    json_filter
        JSON text, or what it stands for: a list of groups of ``[key, operator, value]``. The
        numeric operators take a number or the text of one. `None`, an empty text and an empty
        list match every event.

    Raises
    ------
    FilterError
        Not of this form; the hint names the place.

    Notes
    -----
    Source: event filters and their error texts as Joule 1.0.1 has them. Where that version fails
    in a way of its own (an empty group, no text at all), the sentence is ours.
    """
    if json_filter is None or json_filter == "":
        return ()
    found = _load(json_filter) if isinstance(json_filter, str) else json_filter
    if not isinstance(found, list | tuple):
        raise FilterError("invalid filter string, must be a list of groups", hint=_FORM_HINT)
    return tuple(_group(group, number) for number, group in enumerate(found, 1))


def _load(text: str) -> Any:
    message = "invalid filter string, must be valid JSON"
    try:
        return json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as exc:
        line = text.split("\n")[exc.lineno - 1]
        where = f"{exc.msg} at line {exc.lineno}, column {exc.colno}"
        raise FilterError(message, hint=f"{where}\n{point_at(line, exc.colno - 1)}") from exc
    except RecursionError as exc:
        raise FilterError(message, hint="the lists are nested too deeply") from exc


def _integer(digits: str) -> float:
    # Python refuses to convert very long integers, and says so with a plain ValueError
    return int(digits) if len(digits) < _MAX_DIGITS else float(digits)


def _group(group: Any, number: int) -> tuple[Condition, ...]:
    if not isinstance(group, list | tuple):
        raise FilterError(
            "invalid filter string, must be a list of lists",
            hint=f"group {number} is not a list; {_FORM_HINT}",
        )
    if not group:
        raise FilterError(
            "invalid filter string, a group must have at least one boolean expression",
            hint=f"group {number} is empty; the filter [] matches every event",
        )
    places = [f"condition {position} of group {number}" for position in range(1, len(group) + 1)]
    for expression, place in zip(group, places, strict=True):
        _check_form(expression, place)
    return tuple(_condition(*pair, group) for pair in zip(group, places, strict=True))


def _check_form(expression: Any, place: str) -> None:
    """Check all but what a value says, so that a whole group can be shown in a message."""
    if not isinstance(expression, list | tuple):
        raise FilterError(
            "invalid filter string, must be a list of lists",
            hint=f"{place} is not a list; {_FORM_HINT}",
        )
    if len(expression) != 3:
        raise FilterError(
            "invalid filter string, boolean expression must have 3 elements",
            hint=f"{place} has {len(expression)}",
        )
    key, name, value = expression
    if not isinstance(name, str) or name not in list(Operator):
        raise FilterError(
            "invalid filter string, boolean expression must have a valid operation",
            hint=f"{place}; the operations are {', '.join(Operator)}",
        )
    if Operator(name).is_numeric:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise FilterError(
                "invalid filter value, gt/gte/lt/lte/eq/neq operation must have a number",
                hint=place,
            )
    elif not isinstance(value, str):
        raise FilterError(
            "invalid filter string, is/not/like/unlike operation must have a string value",
            hint=place,
        )
    if not isinstance(key, str):
        raise FilterError(
            "invalid filter string, first element of boolean expression must be a string label",
            hint=place,
        )
    if _SURROGATE.search(key) or (isinstance(value, str) and _SURROGATE.search(value)):
        raise FilterError("invalid filter string, must be valid Unicode", hint=place)


def _condition(expression: Any, place: str, group: Any) -> Condition:
    key, operator, value = expression[0], Operator(expression[1]), expression[2]
    if not operator.is_numeric:
        if operator.is_pattern and ends_in_backslash(value):
            raise FilterError(
                "invalid filter value, the pattern ends in a lone backslash",
                hint=f"{place}; {_BACKSLASH_HINT}",
            )
        return Condition(key, operator, value)
    number = to_number(value)
    if number is None:
        raise FilterError(
            f"invalid filter value, {value} be numeric in filter clause {group}", hint=place
        )
    if not math.isfinite(number):
        raise FilterError("invalid filter value, must be a finite number", hint=place)
    return Condition(key, operator, number)


def to_number(value: str | float) -> float | None:
    """Return a number or the text of one in double precision; `None` for other texts.

    The result is infinite or NaN if the value is, or does not fit.
    """
    if isinstance(value, str):
        value = value.strip()
        # float() itself reads more than a store does: 1_000 and digits of every script
        readable = _NUMBER.fullmatch(value) or _NOT_FINITE.fullmatch(value)
        return float(value) if readable else None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def is_number(text: str) -> bool:
    """Whether a text is written as a number: ``-1.5e3``, but neither ``nan`` nor ``inf``."""
    return _NUMBER.fullmatch(text) is not None


def to_json(filter: Filter) -> str:
    """Return the API form of a filter; `parse_filter` reads it back."""
    groups = [[[c.key, c.operator.value, _plain(c.value)] for c in group] for group in filter]
    return json.dumps(groups, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: str | float) -> str | float:
    exact = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if exact else value


def both(a: Filter, b: Filter) -> Filter:
    """Return the filter of the events that match `a` and `b`.

    Raises
    ------
    FilterError
        It would have more than `MAX_GROUPS` groups.
    """
    if not a or not b:
        return a or b
    if len(a) * len(b) > MAX_GROUPS:
        raise FilterError(
            f"the conditions have more than {MAX_GROUPS} combinations",
            hint="write fewer conditions with OR",
        )
    return tuple(left + right for left in a for right in b)


def like_to_glob(pattern: str) -> str:
    r"""Return the SQLite GLOB pattern that matches what a LIKE pattern matches.

    Parameters
    ----------
    pattern
        SQL LIKE, case-sensitive: ``%`` any run, ``_`` one character, ``\`` takes the next
        character as it is.

    Raises
    ------
    FilterError
        The pattern ends in a lone backslash.

    Notes
    -----
    Source: the `LIKE and GLOB operators <https://www.sqlite.org/lang_expr.html#like>`_ of SQLite.
    Its own LIKE is case-sensitive only by a setting of the whole connection, GLOB always is.
    """
    if ends_in_backslash(pattern):
        raise FilterError("the pattern ends in a lone backslash", hint=_BACKSLASH_HINT)
    return _LIKE_SPECIAL.sub(_to_glob, pattern)


def _to_glob(special: re.Match[str]) -> str:
    literal = special[1]
    if literal is None:
        match special[0][0]:
            case "%":
                return "*"
            case "_":
                return "?"
            case literal:
                pass
    return f"[{literal}]" if literal in "*?[" else literal


def ends_in_backslash(pattern: str) -> bool:
    """Whether the last character of a LIKE pattern is a backslash that escapes nothing."""
    return (len(pattern) - len(pattern.rstrip("\\"))) % 2 == 1


def point_at(text: str, position: int) -> str:
    """Return two lines: the text around a position, and a caret under it.

    What a terminal would not show as one character is replaced; wide characters count two cells.
    """
    first = max(0, position - _SHOWN_BEFORE)
    last = first + _SHOWN
    before = ("…" if first else "") + _printable(text[first:position])
    after = _printable(text[position:last]) + ("…" if last < len(text) else "")
    return f"  {before}{after}".rstrip() + f"\n  {' ' * sum(map(_cells, before))}^"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" if _SURROGATE.match(c) else " " for c in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
