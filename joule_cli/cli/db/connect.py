"""A client of the node's database."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._output import emit_object, emit_text
from joule_cli.cli._run import open_node, run
from joule_cli.cli._settings import current
from joule_cli.errors import ApiError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model import ConnectionInfo


@command(
    "connect",
    examples=["joule db connect", 'eval "$(joule db connect --print)"', "joule db connect -- -l"],
)
@click.option("--print", "print_", is_flag=True, help="Print the variables for psql instead.")
@click.argument("arguments", nargs=-1, metavar="[-- PSQL ARGS]")
def connect(print_: bool, arguments: tuple[str, ...]) -> None:
    """Start psql on the node's database.

    What psql needs to know, the password among it, is handed over in the environment.
    """
    settings = current()

    async def ask() -> ConnectionInfo:
        async with open_node(settings) as node:
            return await node.db_connection_info()

    variables = environment(run(ask, settings))
    if print_:
        emit_object(variables, lambda: emit_text(_exports(variables)))
        return
    start_psql(variables, arguments)


def environment(info: ConnectionInfo) -> dict[str, str]:
    """Return the variables that psql reads.

    Raises
    ------
    ApiError
        The node's database is a file.
    """
    if info.is_file:
        raise ApiError(
            "the node is a file, which psql cannot open",
            object=info.database,
            hint="ask in SQL with: joule db query",
        )
    return {
        "PGHOST": info.host,
        "PGPORT": str(info.port),
        "PGDATABASE": info.database,
        "PGUSER": info.username,
        "PGPASSWORD": info.password,
    }


def start_psql(variables: dict[str, str], arguments: Sequence[str]) -> None:
    """Become psql.

    Raises
    ------
    ConfigurationError
        It is not installed.
    """
    sys.stdout.flush()
    try:
        os.execvpe("psql", ["psql", *arguments], {**os.environ, **variables})
    except OSError as exc:
        raise ConfigurationError(
            f"psql cannot be started ({(exc.strerror or str(exc)).lower()})",
            hint="install the PostgreSQL client, or see 'joule db info --dsn'",
        ) from exc


def _exports(variables: dict[str, str]) -> str:
    import shlex

    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
