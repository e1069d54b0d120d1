"""Records in text, which may go over several lines inside quotation marks."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from joule_cli.formats.source import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# a cell may be as long as a line; the default is 128 KB
csv.field_size_limit(LONGEST_LINE)


def records(lines: Sequence[bytes], delimiters: str) -> Iterator[tuple[int, bytes]]:
    """Give the records of some lines, each with the index of its first line.

    A quotation mark that is never closed costs its line only.

    Parameters
    ----------
    delimiters
        What can stand between cells; empty where marks mean nothing.
    """
    mark = _pattern(delimiters) if delimiters else None
    at = 0
    while at < len(lines):
        begin, raw = at, lines[at]
        at += 1
        if mark is not None and b'"' in raw and _is_open(raw, mark, inside=False):
            for more in range(at, len(lines)):
                if b'"' in lines[more] and not _is_open(lines[more], mark, inside=True):
                    at = more + 1
                    raw = b"\n".join(lines[begin:at])
                    break
        yield begin, raw


def is_cut(raw: bytes, delimiters: str) -> bool:
    """Tell whether a record ends inside a cell in quotation marks."""
    if not delimiters or b'"' not in raw:
        return False
    return _is_open(raw, _pattern(delimiters), inside=False)


def _pattern(delimiters: str) -> re.Pattern[bytes]:
    return re.compile(b"[%b]" % re.escape(delimiters.encode()))


def _is_open(line: bytes, delimiter: re.Pattern[bytes], *, inside: bool) -> bool:
    """Tell whether a line ends inside a quoted cell; it may begin in one."""
    at = 0
    if not inside and line.startswith(b'"'):
        inside, at = True, 1
    while True:
        if inside:
            at = line.find(b'"', at) + 1
            if not at:
                return True
            if line.startswith(b'"', at):
                # a doubled quotation mark stands for one
                at += 1
                continue
            inside = False
        found = delimiter.search(line, at)
        if found is None:
            return False
        at = found.end()
        if line.startswith(b'"', at):
            inside = True
            at += 1
