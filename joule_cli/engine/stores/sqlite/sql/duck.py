"""DuckDB: loading it, opening it closed to everything outside, and its errors as this project's."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from joule_cli.errors import MissingExtraError, QueryError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Every setting that lets SQL reach anything but what is registered. `lock_configuration` follows
#: when the query is planned.
_CLOSED = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
}
#: DuckDB is not told how many rows a source has, and takes it for one. For so few it would compare
#: each row of an ASOF join with all of the other side.
_PLANS = {"asof_loop_join_threshold": "0"}


def load() -> Any:
    """Import DuckDB.

    Raises
    ------
    MissingExtraError
        It is not installed, or what it is given rows with.
    """
    try:
        import duckdb

        # what scans hand their batches over with; importing it while they run would delay them
        import pyarrow as pa  # noqa: F401
    except ImportError as exc:
        raise MissingExtraError(
            "SQL over samples needs DuckDB and PyArrow",
            hint="install them with: pip install 'joule-cli[sql]'",
        ) from exc
    return duckdb


class Engine(NamedTuple):
    """DuckDB, and an empty database in memory that reaches nothing outside."""

    module: Any
    connection: Any


def open_engine() -> Engine:
    """Load DuckDB and open an empty database.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    module = load()
    # for what does not fit into memory; made when it is needed, and removed again
    spill = f"{os.environ.get('TMPDIR') or '/tmp'}/joule-sql-{os.getpid()}-{time.time_ns()}"
    config = {**_CLOSED, **_PLANS, "temp_directory": spill, "errors_as_json": "true"}
    return Engine(module, module.connect(":memory:", config=config))


class MissingTable(Exception):
    """The query names a table that is not there yet."""

    def __init__(self, name: str, error: QueryError) -> None:
        super().__init__(name)
        self.name = name
        self.error = error


@contextmanager
def converted_errors(duck: Any, sql: str, shift: int = 0) -> Iterator[None]:
    """Raise this project's errors, with the place in `sql`, in place of DuckDB's.

    Parameters
    ----------
    shift
        Length of what was put before `sql`, which positions count from.

    Raises
    ------
    MissingTable
        A table is not known.
    """
    try:
        yield
    except duck.OutOfMemoryException as exc:
        # the original and its frames would keep the connection open until the process ends
        raise StorageError(
            f"the query needs more memory than there is: {_details(exc)[0]}"
        ) from None
    except duck.Error as exc:
        text, details = _details(exc)
        place = _place(sql, details, shift)
        error = QueryError(text, hint=place)
        if details.get("type") == "Table" and details.get("error_subtype") == "MISSING_ENTRY":
            raise MissingTable(str(details["name"]), error) from None
        if _unquoted_path(sql, text):
            error.hint = f'{place}\nA path is written in double quotes: FROM "house/mains"'
        raise error from None


def _details(exc: Exception) -> tuple[str, dict[str, str]]:
    """Return the sentence, and what DuckDB tells beside it."""
    message = str(exc)
    details: dict[str, str] = {}
    if (start := message.find("{")) >= 0:
        try:
            details = json.loads(message[start:])
        except ValueError:
            details = {}
    text = details.get("exception_message", message)
    # what follows a blank line is advice for DuckDB's own shell, or a stack trace
    lines = [line.strip().rstrip("!.") for line in text.strip().partition("\n\n")[0].splitlines()]
    sentence = "; ".join(_lower_first(line) for line in lines if line)
    return sentence or type(exc).__name__, details


def _lower_first(text: str) -> str:
    return text[0].lower() + text[1:] if text[1:2].islower() else text


def _place(sql: str, details: dict[str, str], shift: int) -> str | None:
    """Return the line that an error is about, with a caret below the place."""
    try:
        offset = int(details["position"]) - shift
    except (KeyError, ValueError):
        return None
    raw = sql.encode("utf-8", "surrogatepass")
    if not 0 <= offset <= len(raw):
        return None
    before = raw[:offset].decode("utf-8", "replace")
    number, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
    line = sql.split("\n")[number - 1]
    # no more of a long line than fits beside its place
    first = max(0, column - 50)
    cut = "..." if first else ""
    shown = line[first : first + 76].rstrip().expandtabs(1)
    label = f"LINE {number}: {cut}"
    return f"{label}{shown}\n{' ' * (len(label) + column - first)}^"


def _unquoted_path(sql: str, text: str) -> bool:
    return 'near "/"' in text and re.search(r"\b(from|join)\s+/?\w+/", sql, re.I) is not None
