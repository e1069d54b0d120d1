"""Where a node keeps its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._output import emit_block, emit_object, emit_text
from joule_cli.cli._run import with_node

if TYPE_CHECKING:
    from joule_cli.api.node import Node

_MASK = "********"


@command("info", examples=["joule db info", "joule db info --dsn --show-secrets"])
@click.option("--dsn", is_flag=True, help="Print one URL, as programs take it.")
@click.option("--show-secrets", is_flag=True, help="Show the password as well.")
@with_node
async def info(node: Node, dsn: bool, show_secrets: bool) -> None:
    """Show host, port, database and user; for a node in a file, the file."""
    found = await node.db_connection_info()
    if dsn:
        text = found.to_dsn() if show_secrets else found.to_dsn(password=_MASK)
        emit_object({"dsn": text}, lambda: emit_text(text))
        return
    record = found.to_json()
    if not show_secrets:
        del record["password"]

    def show() -> None:
        if found.is_file:
            emit_block([("Kind", "SQLite file"), ("Database", found.database)])
            return
        emit_block(
            [
                ("Kind", "PostgreSQL"),
                ("Host", found.host),
                ("Port", str(found.port)),
                ("Database", found.database),
                ("User", found.username),
                ("Password", found.password if show_secrets else _MASK),
            ]
        )

    emit_object(record, show)
