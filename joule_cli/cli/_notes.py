"""Annotations from a file: CSV with or without a header, or JSON lines."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

from joule_cli.cli._options import read_instant
from joule_cli.errors import FormatError, TimeFormatError
from joule_cli.model import Annotation

#: Columns of a file without a header, as `joule stream annotations --csv` prints it.
_PLAIN = ["title", "content", "start", "end"]


def read_notes(file: str) -> list[Annotation]:
    """Read all annotations of a file before any is stored.

    Raises
    ------
    FormatError
        With the line that is wrong.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as exc:
        raise FormatError(exc.strerror or "cannot be read", file=file) from exc
    except UnicodeDecodeError as exc:
        raise FormatError("not UTF-8 text", file=file) from exc
    records = _from_lines(text, file) if text.lstrip()[:1] == "{" else _from_csv(text, file)
    return [_note(record, file, line) for line, record in records]


def _from_lines(text: str, file: str) -> list[tuple[int, dict[str, Any]]]:
    records = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as exc:
            raise FormatError(
                f"not JSON: {exc.msg.lower()}", file=file, line=number, column=exc.colno
            ) from exc
        if not isinstance(value, dict):
            raise FormatError("not a JSON object", file=file, line=number)
        records.append((number, value))
    return records


def _from_csv(text: str, file: str) -> list[tuple[int, dict[str, Any]]]:
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    header: list[str] | None = None
    records = []
    try:
        for row in reader:
            if not row:
                continue
            if header is None:
                named = {"title", "start"} <= set(row)
                header = row if named else _PLAIN
                if named:
                    continue
            if len(row) > len(header):
                raise FormatError(
                    f"{len(row)} columns instead of {len(header)}", file=file, line=reader.line_num
                )
            records.append((reader.line_num, dict(zip(header, row, strict=False))))
    except csv.Error as exc:
        raise FormatError(str(exc), file=file, line=reader.line_num) from exc
    return records


def _note(record: dict[str, Any], file: str, line: int) -> Annotation:
    title = record.get("title")
    if not isinstance(title, str) or not title:
        raise FormatError("no title", file=file, line=line)
    start = _time(record.get("start"), "start time", file, line)
    end = _time(record.get("end"), "end time", file, line)
    if start is None:
        raise FormatError("no start time", file=file, line=line)
    if end is not None and start >= end:
        raise FormatError("the start time must be before the end time", file=file, line=line)
    return Annotation(title=title, start=start, end=end, content=record.get("content") or "")


def _time(value: Any, what: str, file: str, line: int) -> int | None:
    if value is None or value == "":
        return None
    try:
        return read_instant(str(value), what)
    except TimeFormatError as exc:
        raise FormatError(exc.message, file=file, line=line, hint=exc.hint) from exc
