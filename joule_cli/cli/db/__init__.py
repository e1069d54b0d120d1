"""`joule db`: the database behind a node, and SQL over its streams."""

from __future__ import annotations

from joule_cli.cli._lazy import group

COMMANDS = {
    "query": ("joule_cli.cli.db.query:query", "Run a query in SQL and print its rows."),
    "info": (
        "joule_cli.cli.db.info:info",
        "Show host, port, database and user; for a node in a file, the file.",
    ),
    "connect": ("joule_cli.cli.db.connect:connect", "Start psql on the node's database."),
}


@group(
    "db",
    lazy=COMMANDS,
    examples=[
        """joule db query 'SELECT max(volts) FROM "house/mains"'""",
        "joule db info",
    ],
)
def db() -> None:
    """Ask in SQL, or connect to the database behind the node."""
