"""Where the rows of a JSON document begin and end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
from collections.abc import Sequence as SequenceABC

#: A whole text, a quotation mark without its end, or a bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)


class NotSeparatedError(Exception):
    """Something else than a comma stands between two rows, at `at`."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


@dataclass(slots=True)
class Scan:
    """The rows in a piece of text.

    Parameters
    ----------
    spans
        Where each row begins and ends; ``null`` is a row.
    end
        Where the bracket stands that ends the rows, `None` if it does not come.
    """

    spans: list[tuple[int, int]] = field(default_factory=list)
    end: int | None = None


def scan(text: bytes, *, series: bool = False) -> Scan:
    """Find the rows in a text that begins with a row.

    Parameters
    ----------
    series
        The rows stand in lists of a list, and the text begins in one of these.

    Raises
    ------
    NotSeparatedError
        The text is no JSON.
    """
    found = Scan()
    in_series = series
    depth = begin = above = 0
    for token in _TOKEN.finditer(text):
        at = token.start()
        mark = text[at]
        if mark == 0x22:
            if token.end() == at + 1:
                # the text is cut here
                break
        elif mark in b"[{":
            if depth == 0:
                if series and mark == 0x5B:
                    in_series = True
                    continue
                _between(text, above, at, found, last=False, series=series)
                begin = at
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                above = token.end()
                found.spans.append((begin, above))
        elif in_series:
            in_series = False
        else:
            _between(text, above, at, found, last=True, series=series)
            found.end = at
            break
    return found


def _between(text: bytes, begin: int, end: int, found: Scan, *, last: bool, series: bool) -> None:
    """Look at what stands before a row, or before the end: commas and ``null``."""
    gap = text[begin:end]
    if series:
        # an empty list of rows leaves a comma too many
        words = [word.strip() for word in gap.translate(None, b"[]").split(b",")]
        if any(words):
            raise NotSeparatedError(begin)
        return
    words = [word.strip() for word in gap.split(b",")]
    if found.spans and words.pop(0):
        raise NotSeparatedError(begin)
    if not last and (not words or words.pop()):
        raise NotSeparatedError(begin)
    if words == [b""] and not found.spans:
        words = []
    at = begin
    for null in words:
        if null != b"null":
            raise NotSeparatedError(begin)
        at = text.index(b"null", at)
        found.spans.append((at, at + 4))
        at += 4


class Lines(SequenceABC["int"]):
    """The line of each row of a text, found out when the first is asked for."""

    def __init__(
        self, text: bytes, line: int, spans: Callable[[], Sequence[tuple[int, int]]], n: int
    ) -> None:
        self._text = text
        self._line = line
        self._spans = spans
        self._n = n

    @cached_property
    def _found(self) -> list[int]:
        lines = []
        line, above = self._line, 0
        for begin, _ in self._spans():
            line += self._text.count(b"\n", above, begin)
            above = begin
            lines.append(line)
        return lines

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: int | slice) -> int | list[int]:
        return self._found[at]
