"""Lines of text that hold one record each."""

from __future__ import annotations

import re

_DELIMITERS = (",", ";", "\t")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


class BadLine(Exception):
    """A line that is no row: the reason and the column (from 1) where it shows."""

    def __init__(self, reason: str, column: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


def decode_line(raw: bytes) -> str:
    """Decode a line; bytes that are not UTF-8 make a `BadLine`."""
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        raise BadLine("the line is not UTF-8 text", exc.start + 1) from exc


def guess_delimiter(line: str) -> str:
    """Return the delimiter that a header seems to have."""
    bare = _QUOTED.sub("", line)
    return max(_DELIMITERS, key=bare.count)


def split_line(text: str, delimiter: str) -> list[tuple[str, int]]:
    """Split a line into its fields and their columns, counted from 1."""
    if '"' not in text:
        fields = []
        column = 1
        for field in text.split(delimiter):
            fields.append((field, column))
            column += len(field) + 1
        return fields
    fields = []
    at = 0
    while True:
        begin = at
        if text.startswith('"', at):
            quoted = _QUOTED.match(text, at)
            if quoted is None:
                raise BadLine("the quotation mark is not closed", begin + 1)
            at = quoted.end()
            value = quoted[0][1:-1].replace('""', '"')
            if at < len(text) and not text.startswith(delimiter, at):
                raise BadLine("a quoted field goes on after its quotation mark", at + 1)
        else:
            at = text.find(delimiter, at)
            at = len(text) if at < 0 else at
            value = text[begin:at]
        fields.append((value, begin + 1))
        if at >= len(text):
            return fields
        at += len(delimiter)
