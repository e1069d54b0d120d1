"""Reading a list of time intervals from a file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joule_cli.errors import FormatError, TimeFormatError
from joule_cli.series.intervals import Interval, union

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def read_intervals(
    file: str, *, text: str | None = None, parse_time: Callable[[str], int] = int
) -> list[Interval]:
    """Read what ``data intervals`` writes as CSV (``start,end``) or JSON (``[[start, end]]``).

    Parameters
    ----------
    file
        Its name; with `text` only for messages.
    text
        The content, when it was read already (standard input).
    parse_time
        Reads a time that is not a number of µs.

    Returns
    -------
    list of Interval
        Ascending; those that overlap or touch are joined.

    Raises
    ------
    FormatError
        The file cannot be read, or an entry is no interval.
    """
    if text is None:
        try:
            text = Path(file).read_text("utf-8-sig")
        except OSError as exc:
            raise FormatError((exc.strerror or str(exc)).lower(), file=file) from exc
        except UnicodeDecodeError as exc:
            raise FormatError("the file is not text in UTF-8", file=file) from exc
    start = text.lstrip()[:1]
    pairs = _json_pairs(text, file) if start in {"[", "{"} else _csv_pairs(text, file)
    found = []
    for line, pair in pairs:
        low, high = (_time(value, parse_time, file, line) for value in pair)
        if low >= high:
            raise FormatError(f"the start {low} is not before the end {high}", file=file, line=line)
        found.append(Interval(low, high))
    return union(found)


def _csv_pairs(text: str, file: str) -> Iterator[tuple[int, tuple[Any, Any]]]:
    reader = csv.reader(text.splitlines())
    columns = (0, 1)
    first = True
    try:
        for cells in reader:
            if not cells or cells[0].startswith("#"):
                continue
            names = [cell.strip().lower() for cell in cells]
            if first and "start" in names and "end" in names:
                columns = (names.index("start"), names.index("end"))
            elif len(cells) <= max(columns):
                raise FormatError("expected a start and an end", file=file, line=reader.line_num)
            else:
                yield reader.line_num, (cells[columns[0]], cells[columns[1]])
            first = False
    except csv.Error as exc:
        raise FormatError(str(exc), file=file, line=reader.line_num) from exc


def _json_pairs(text: str, file: str) -> Iterator[tuple[int | None, tuple[Any, Any]]]:
    try:
        entries = json.loads(text)
    except json.JSONDecodeError as exc:
        raise FormatError(
            f"not JSON: {exc.msg.lower()}", file=file, line=exc.lineno, column=exc.colno
        ) from exc
    if isinstance(entries, dict):
        entries = entries.get("intervals")
    if not isinstance(entries, list):
        raise FormatError("expected a list of intervals", file=file)
    for entry in entries:
        if isinstance(entry, dict) and "start" in entry and "end" in entry:
            yield None, (entry["start"], entry["end"])
        elif isinstance(entry, list) and len(entry) == 2:
            yield None, (entry[0], entry[1])
        else:
            raise FormatError(f"not an interval: {json.dumps(entry)}", file=file)


def _time(value: Any, parse_time: Callable[[str], int], file: str, line: int | None) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    try:
        return int(text) if text.lstrip("-").isdigit() else parse_time(text)
    except (TimeFormatError, ValueError) as exc:
        raise FormatError(f"not a time: {text}", file=file, line=line) from exc
