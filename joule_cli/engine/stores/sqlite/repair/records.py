"""The new file of a repair, and what could not be taken into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joule_cli.engine.stores.sqlite.repair.source import DamagedFile

#: Where streams and folders go whose own folder is not known.
ROOT = 1


class Loss(NamedTuple):
    """Something that is lost."""

    path: str | None  # of the stream, None for the node itself
    start: int | None  # of the time that it was about, µs; None for no time in particular
    end: int | None
    text: str


@dataclass(slots=True)
class Repaired:
    """What a repair has taken, and what it could not take."""

    n_streams: int = 0
    n_rows: int = 0
    n_event_streams: int = 0
    n_events: int = 0
    n_annotations: int = 0
    losses: list[Loss] = field(default_factory=list)


class Salvage:
    """A repair under way.

    Parameters
    ----------
    source
        The damaged file.
    out
        The new one, with the empty tables of the same format.
    tell
        Called with the bytes that were looked at since the last time; may raise to end the repair.
    """

    def __init__(
        self, source: DamagedFile, out: apsw.Connection, tell: Callable[[int], None]
    ) -> None:
        self.source, self.out, self.tell = source, out, tell
        self.result = Repaired()
        self._folders = source.table("folder")
        self._folder_names = source.names("folder")
        self._paths: dict[int, str] = {}
        self._taken: set[tuple[int, str]] = set()
        self._known_columns: dict[str, list[str]] = {}

    def lose(
        self, path: str | None, text: str, start: int | None = None, end: int | None = None
    ) -> None:
        """Note that something is lost."""
        self.result.losses.append(Loss(path, start, end, text))

    def insert(self, table: str, values: Iterable[Any]) -> bool:
        """Insert a row; tell whether its values may stand there."""
        values = tuple(values)
        # rows from before a column was added are shorter
        names = ", ".join(f'"{name}"' for name in self._columns(table)[: len(values)])
        marks = ", ".join("?" * len(values))
        try:
            self.out.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608
        except (apsw.ConstraintError, apsw.MismatchError):
            return False
        return True

    def _columns(self, table: str) -> list[str]:
        if table not in self._known_columns:
            rows = self.out.execute(f"PRAGMA table_info({table})")
            self._known_columns[table] = [name for (_, name, *_) in rows]
        return self._known_columns[table]

    def path_of(self, folder: Any, name: str) -> str:
        """Return the path of something in a folder, and take that folder too."""
        return f"{self._path(folder)}/{name}"

    def free_name(self, folder: int, name: Any, number: int, kind: str) -> str:
        """Return the name of a stream, changed if it has none, or that of another one."""
        text = name if isinstance(name, str) and name and "/" not in name else f"{kind}-{number}"
        if (folder, text) in self._taken:
            text = f"{text}-{number}"
        self._taken.add((folder, text))
        return text

    def known_folder(self, folder: Any) -> int:
        """Return a folder that something is in, the root if it cannot be one."""
        return folder if isinstance(folder, int) and folder > 0 else ROOT

    def take_folders(self) -> None:
        """Take all folders that were not taken as those of a stream."""
        for folder in [ROOT, *self._folders.rows, *self._folder_names]:
            self._path(folder)

    def _path(self, folder: int) -> str:
        """Return the path of a folder without a slash behind it; insert it when first met."""
        if folder in self._paths:
            return self._paths[folder]
        row = self._folders.rows.get(folder)
        parent, name = self._folder_names.get(folder, (ROOT, f"folder-{folder}"))
        if row is not None:
            parent, name = row[1], row[2]
        if folder == ROOT:
            self._paths[folder] = ""
            self.insert("folder", row or (ROOT, None, "root", None, 0))
            return ""
        # a folder that is its own ancestor moves to the root
        self._paths[folder] = f"/{name}"
        parent = self.known_folder(parent)
        above = self._path(parent)
        path = self._paths[folder] = f"{above}/{name}"
        if row is None or not self.insert("folder", (folder, parent, name, *row[3:])):
            name = str(name or f"folder-{folder}")
            if not self.insert("folder", (folder, parent, name, None, 0)):
                self.insert("folder", (folder, parent, f"{name}-{folder}", None, 0))
            self.lose(path, "its description")
        return path
