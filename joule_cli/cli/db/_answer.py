"""Rows of an answer on standard output, in every format."""

from __future__ import annotations

import json
import sys
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import click

from joule_cli.cli._output import (
    Column,
    ListWriter,
    data_time,
    delimited,
    json_value,
    output_format,
    show_time,
    unknown_column,
    write_utf8,
)
from joule_cli.cli._settings import FORMATS, current

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from joule_cli.api.query import QueryColumn

_INT64 = range(-(2**63), 2**64)


class AnswerWriter:
    """Prints blocks of rows; CSV and JSON leave nothing behind in memory.

    As with `ListWriter`, an exception leaves a JSON array unclosed.
    """

    def __init__(self, columns: Sequence[QueryColumn]) -> None:
        self._settings = current()
        self._format = output_format(self._settings)
        if self._format not in FORMATS:
            raise click.UsageError(f"Rows of a query cannot be printed as {self._format}.")
        names = _unique([column.name for column in columns])
        self._chosen = _positions(names, self._settings.columns)
        self._names = [names[i] for i in self._chosen]
        self._kinds = [columns[i].kind for i in self._chosen]
        self._count = 0
        self._table: ListWriter | None = None
        if self._format in {"table", "plain"}:
            # already chosen, and possibly twice
            self._settings.columns = None
            self._table = ListWriter(
                [
                    Column(str(i), name, "text" if kind == "json" else kind)
                    for i, (name, kind) in enumerate(zip(self._names, self._kinds, strict=True))
                ]
            )

    @property
    def wants_more(self) -> bool:
        """Whether ``--limit`` allows another row."""
        return self.most(1) > 0

    def most(self, n_rows: int) -> int:
        """Return how many of `n_rows` may be printed."""
        limit = self._settings.limit
        return n_rows if limit is None else min(n_rows, limit - self._count)

    def __enter__(self) -> Self:
        if self._table is not None:
            self._table.__enter__()
        elif self._format in {"csv", "tsv"} and self._settings.header:
            write_utf8(delimited(self._names, self._delimiter))
        return self

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Print rows."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        chosen = [columns[i] for i in self._chosen]
        match self._format:
            case "json" | "jsonl":
                self._write_json(chosen)
            case "csv" | "tsv":
                cells = [self._cells(*column) for column in zip(chosen, self._kinds, strict=True)]
                lines = map(self._delimiter.join, zip(*cells, strict=True))
                sys.stdout.buffer.write(("\n".join(lines) + "\n").encode())
            case _:
                self._write_table(chosen)
        self._count += len(rows)
        if self._format == "jsonl":
            sys.stdout.buffer.flush()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._table is not None:
            self._table.__exit__(exc_type, exc, traceback)
        elif self._format == "json" and exc_type is None:
            write_utf8("\n]\n" if self._count else "[]\n")

    @property
    def _delimiter(self) -> str:
        return "\t" if self._format == "tsv" else ","

    def _write_json(self, columns: list[list[Any]]) -> None:
        import orjson

        def value(cell: Any, kind: str) -> Any:
            if kind == "json" and cell is not None:
                return orjson.Fragment(_valid_json(cell))
            if isinstance(cell, Decimal) or (isinstance(cell, int) and cell not in _INT64):
                return orjson.Fragment(str(cell))
            return json_value(cell)

        for i, kind in enumerate(self._kinds):
            if kind == "time":
                columns[i] = [data_time(cell, self._settings) for cell in columns[i]]
            elif kind in {"json", "number"}:
                columns[i] = [value(cell, kind) for cell in columns[i]]
        lines = [
            orjson.dumps(dict(zip(self._names, row, strict=True)))
            for row in zip(*columns, strict=True)
        ]
        if self._format == "jsonl":
            sys.stdout.buffer.write(b"\n".join(lines) + b"\n")
        else:
            write_utf8(",\n" if self._count else "[\n")
            sys.stdout.buffer.write(b",\n".join(lines))

    def _cells(self, values: list[Any], kind: str) -> list[str]:
        match kind:
            case "time" if self._settings.time is not None:
                return [show_time(v, self._settings) or "" for v in values]
            case "time" | "number":
                return ["" if v is None else _number(v) for v in values]
            case _:
                # one cell as a line is quoted like any other
                return [delimited([v], self._delimiter)[:-1] for v in values]

    def _write_table(self, columns: list[list[Any]]) -> None:
        assert self._table is not None
        for row in zip(*columns, strict=True):
            self._table.write({str(i): _exact(cell) for i, cell in enumerate(row)})


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _exact(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _valid_json(text: str) -> str:
    # the words that DuckDB writes for numbers that JSON lacks become strings
    if "NaN" in text or "Infinity" in text:
        return json.dumps(json_value(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
    return text


def _unique(names: list[str]) -> list[str]:
    """Return names that differ: one used twice gets ``#`` and its position."""
    counts = Counter(names)
    given = [f"{name}#{i}" if counts[name] > 1 else name for i, name in enumerate(names)]
    for i in range(len(given)):
        while given[i] in given[:i]:
            given[i] = f"{given[i]}#{i}"
    return given


def _positions(names: list[str], wanted: list[str] | None) -> list[int]:
    if wanted is None:
        return list(range(len(names)))
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise unknown_column(unknown[0], names)
    return [names.index(name) for name in wanted]
