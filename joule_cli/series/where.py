"""Event filters as a person types them: ``power > 100 and kind is heat``."""

from __future__ import annotations

import math
import re
from functools import reduce
from typing import TYPE_CHECKING, Final, NoReturn

from joule_cli.errors import FilterError
from joule_cli.series.event_filter import (
    Condition,
    Filter,
    Operator,
    both,
    ends_in_backslash,
    is_number,
    point_at,
    to_number,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

#: ``=`` and ``!=`` compare numbers if the value is one, and texts otherwise.
_EQUAL: Final = {
    "=": (Operator.EQ, Operator.IS),
    "==": (Operator.EQ, Operator.IS),
    "!=": (Operator.NEQ, Operator.NOT),
    "<>": (Operator.NEQ, Operator.NOT),
}
_OPERATORS: Final = {operator.value: operator for operator in Operator} | {
    ">": Operator.GT,
    ">=": Operator.GTE,
    "<": Operator.LT,
    "<=": Operator.LTE,
    "~": Operator.LIKE,
    "!~": Operator.UNLIKE,
}

_BLANKS: Final = re.compile(r"\s*")
_FIELD: Final = re.compile(r"[^\s=!<>~]+")
_OPERATOR: Final = re.compile(r"[=!<>~]+|[^\s=!<>~'\"]+")
_JOINT: Final = re.compile(r"(?:and|or)(?!\S)", re.IGNORECASE)
_NEXT_JOINT: Final = re.compile(r"(?<=\s)(?:and|or)(?!\S)", re.IGNORECASE)
_SECOND_OPERATOR: Final = re.compile(r"(?:is|not|like|unlike)\s+(?=\S)", re.IGNORECASE)
_QUOTED: Final = {
    "'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL),
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
}
# no other escapes: a backslash of a LIKE pattern keeps its meaning inside quotes
_ESCAPED: Final = re.compile(r"\\([\\'\"])")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

_OPERATOR_NOTE: Final = (
    "the operators are = != > >= < <= ~ !~ is not like unlike gt gte lt lte eq neq;\n"
    "  quote a field with blanks, and a value that has the word [and] or [or] in it"
)
_VALUE_NOTE: Final = (
    "quote a value that begins with = ! < > ~ or that has the word [and] or [or] in it"
)
_SECOND_NOTE: Final = "write [not] for is not, [unlike] for not like, or quote the value"
_FIELD_NOTE: Final = "quote a field that has one of = ! < > ~ in it or is called [and] or [or]"
_FORM_NOTE: Final = "write FIELD OP VALUE, as in power > 100"


def parse_where(texts: Sequence[str]) -> Filter:
    r"""Read conditions of the form ``FIELD OP VALUE``.

    Parameters
    ----------
    texts
        Each has one condition, or several joined by ``and`` and ``or``; ``and`` binds tighter.
        An event has to match every text.

        OP is a word of `Operator` in any case, or ``=`` ``==`` ``!=`` ``<>`` ``>`` ``>=`` ``<``
        ``<=``, ``~`` (like), ``!~`` (unlike). With ``=`` and ``!=`` an unquoted number is compared
        as a number, everything else as text.

        A field ends at a blank or at one of ``= ! < > ~``, a value at `` and ``, `` or `` or the
        end of the text; blanks around it do not count. In quotes (``'`` or ``"``) both may have
        anything in them. There ``\\``, ``\'`` and ``\"`` stand for the second character; every
        other backslash stays, so that ``'100\%'`` is the LIKE pattern that it seems to be.

    Returns
    -------
    Filter
        ``()`` without texts.

    Raises
    ------
    FilterError
        The message has the column, counted from 1; the hint shows the text with a mark there.
    """
    return reduce(both, (_Reader(text).filter() for text in texts), ())


class _Reader:
    """One text and the position up to which it has been read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def filter(self) -> Filter:
        broken = _SURROGATE.search(self._text)
        if broken is not None:
            self._fail("the text is not valid Unicode", broken.start())
        groups = [[self._condition()]]
        while joint := self._joint():
            if joint == "or":
                groups.append([])
            groups[-1].append(self._condition())
        return tuple(tuple(group) for group in groups)

    def _condition(self) -> Condition:
        key = self._field()
        spelled = self._operator()
        value, start, quoted = self._value(spelled)
        if spelled in _EQUAL:
            number, text = _EQUAL[spelled]
            operator = number if is_number(value) and not quoted else text
        else:
            operator = _OPERATORS[spelled]
        if operator.is_numeric:
            return Condition(key, operator, self._number(value, start))
        if operator.is_pattern and ends_in_backslash(value):
            self._fail("the pattern ends in a lone backslash", self._at - 1 - quoted)
        return Condition(key, operator, value)

    def _field(self) -> str:
        self._skip_blanks()
        if self._peek() in _QUOTED:
            return self._quoted()
        found = _FIELD.match(self._text, self._at)
        if found is None or _JOINT.match(self._text, self._at):
            self._fail("expected a field", self._at, _FIELD_NOTE if self._peek() else _FORM_NOTE)
        if found[0].startswith("("):
            self._fail("expected a field, parentheses do not group", self._at)
        self._at = found.end()
        return found[0]

    def _operator(self) -> str:
        self._skip_blanks()
        found = _OPERATOR.match(self._text, self._at)
        spelled = found[0].lower() if found else ""
        if found is None or (spelled not in _OPERATORS and spelled not in _EQUAL):
            self._fail("expected an operator", self._at, _OPERATOR_NOTE)
        self._at = found.end()
        return spelled

    def _value(self, operator: str) -> tuple[str, int, bool]:
        """Return the text, where it starts, and whether it is quoted."""
        self._skip_blanks()
        start = self._at
        if self._peek() in _QUOTED:
            return self._quoted(), start, True
        if not self._peek() or self._peek() in "=!<>~" or _JOINT.match(self._text, start):
            self._fail("expected a value", start, _VALUE_NOTE if self._peek() else _FORM_NOTE)
        second = _SECOND_OPERATOR.match(self._text, start)
        if operator in ("is", "not") and second and not _JOINT.match(self._text, second.end()):
            # "state is not ready": in SQL it means the opposite
            self._fail("expected a value, not a second operator", start, _SECOND_NOTE)
        joint = _NEXT_JOINT.search(self._text, start)
        value = self._text[start : joint.start() if joint else None].rstrip()
        self._at = start + len(value)
        return value, start, False

    def _joint(self) -> str | None:
        self._skip_blanks()
        if not self._peek():
            return None
        found = _JOINT.match(self._text, self._at)
        if found is None:
            self._fail("expected [and], [or] or the end", self._at)
        self._at = found.end()
        return found[0].lower()

    def _number(self, text: str, start: int) -> float:
        number = to_number(text)
        if number is None:
            self._fail("expected a number", start)
        if not math.isfinite(number):
            self._fail("expected a finite number", start)
        return number

    def _quoted(self) -> str:
        found = _QUOTED[self._text[self._at]].match(self._text, self._at)
        if found is None:
            self._fail("the quote is not closed", self._at)
        self._at = found.end()
        return _ESCAPED.sub(r"\1", found[1])

    def _skip_blanks(self) -> None:
        found = _BLANKS.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fail(self, reason: str, position: int, note: str = "") -> NoReturn:
        hint = point_at(self._text, position) + (f"\n  {note}" if note else "")
        raise FilterError(f"invalid condition at column {position + 1}: {reason}", hint=hint)
