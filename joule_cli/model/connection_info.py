"""Where a node keeps its data, for programs that speak SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, frozen=True)
class ConnectionInfo:
    """What is needed to connect to the database of a node.

    Parameters
    ----------
    username, password, port, host
        Those of a PostgreSQL server; empty and 0 for a node that is a file.
    database
        Name of the database, or the path of the file.

    Notes
    -----
    Source: Joule API reference, ``joule.utilities.ConnectionInfo``.
    """

    username: str
    password: str = field(repr=False)
    port: int
    database: str
    host: str

    @property
    def is_file(self) -> bool:
        """Whether the database is a file of this machine."""
        return not self.host

    def to_dsn(self, password: str | None = None) -> str:
        """Return a URL that SQLAlchemy and psql take; for a file, one that opens it for reading.

        Parameters
        ----------
        password
            What to show in place of the password.

        Examples
        --------
        >>> ConnectionInfo("joule", "s/t", 5432, "joule", "localhost").to_dsn()
        'postgresql://joule:s%2Ft@localhost:5432/joule'
        """
        from urllib.parse import quote

        if self.is_file:
            # SQLite reads a URI out of the one that SQLAlchemy reads
            return f"sqlite:///file:{quote(quote(self.database))}?mode=ro&uri=true"
        shown = quote(self.password, "") if password is None else password
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            f"postgresql://{quote(self.username, '')}:{shown}"
            f"@{host}:{self.port}/{quote(self.database, '')}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return every field by name, the password included."""
        return {
            "username": self.username,
            "password": self.password,
            "port": self.port,
            "database": self.database,
            "host": self.host,
        }
