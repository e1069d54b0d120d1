"""SQL over streams."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._output import Column, emit_list
from joule_cli.cli._run import with_node
from joule_cli.cli._settings import current
from joule_cli.errors import FormatError

if TYPE_CHECKING:
    from joule_cli.api.node import Node

_COLUMNS = (Column("table"), Column("column"), Column("type"))
#: Rows that are fetched at once: few enough to answer soon, many enough to be fast.
_FIRST, _BLOCK = 256, 10_000


@command(
    "query",
    examples=[
        """joule db query 'FROM "house/mains" WHERE time >= now() - INTERVAL 5 MINUTE'""",
        """joule db query 'SELECT max(volts) FROM "house/mains"' --json""",
        "joule db query --file report.sql --json --tz Europe/Berlin",
        "joule db query --tables",
    ],
)
@click.argument("sql", required=False)
@click.option("--file", metavar="FILE", help="Read the SQL from a file (- for standard input).")
@click.option("--tables", is_flag=True, help="List the tables and their columns.")
def query(sql: str | None, file: str | None, tables: bool) -> None:
    """Run a query in SQL and print its rows.

    Every stream is a table named by its path, in double quotes. Data streams have the column time
    and one for each element, in which missing values are NULL; event streams have id, start, end,
    content and one for each field. The table annotations has the notes on data streams. SQL - is
    read from standard input; without any SQL the tables are listed.

    All of a query sees the same state of the node, and nothing can be changed. Times without a
    zone are local, or those of --tz.
    """
    if sum(given is not None for given in (sql, file)) + tables > 1:
        raise click.UsageError("SQL, --file and --tables exclude each other.")
    text = _read("-" if sql == "-" else file) if sql in {None, "-"} and (sql or file) else sql
    if text is None:
        _list_tables()
        return
    _answer(text)


@with_node
async def _list_tables(node: Node) -> None:
    listed = await node.db_tables()
    emit_list(
        (
            {"table": table.path, "column": name, "type": kind}
            for table in listed
            for name, kind in table.columns
        ),
        _COLUMNS,
    )


@with_node
async def _answer(node: Node, sql: str) -> None:
    from joule_cli.cli.db._answer import AnswerWriter

    settings = current()
    async with await node.db_query(sql, settings.tz or os.environ.get("JOULE_TZ")) as result:
        with AnswerWriter(result.columns) as writer:
            size = _FIRST
            while writer.wants_more:
                rows = await result.read(writer.most(size))
                if not rows:
                    break
                writer.write(rows)
                size = _BLOCK


def _read(file: str | None) -> str:
    """Read the SQL."""
    if file is None or file == "-":
        data = sys.stdin.buffer.read()
    else:
        try:
            data = Path(file).read_bytes()
        except OSError as exc:
            raise FormatError((exc.strerror or str(exc)).lower(), file=file) from exc
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise FormatError("not valid UTF-8", file=file or "-", line=line) from exc
