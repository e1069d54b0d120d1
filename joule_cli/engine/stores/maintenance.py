"""The contract of what can be done to a store as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from joule_cli.engine.stores.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Problem(NamedTuple):
    """Something that is not as it must be."""

    path: str | None  # of the stream, None for the file as a whole
    time: int | None  # first timestamp of the chunk, or start of the event, µs
    text: str

    def sentence(self) -> str:
        """Say it without a table."""
        place = "" if self.time is None else f", from {self.time} on"
        return self.text if self.path is None else f"{self.path}{place}: {self.text}"


@dataclass(slots=True)
class Report:
    """What a check has seen."""

    n_streams: int = 0
    n_chunks: int = 0
    n_rows: int = 0
    n_event_streams: int = 0
    n_events: int = 0
    #: Whether pages have checksums, so that nothing that has changed can be overlooked.
    has_checksums: bool = True
    problems: list[Problem] = field(default_factory=list)


class Sizes(NamedTuple):
    """Bytes of a store before and after."""

    before: int
    after: int


class Maintenance(Part):
    """What one can do to a store as a whole.

    `check`, `backup` and `compact` work while others read and write. `restore` and `erase`
    refuse to begin while rows are written, and keep producers out until they are done.
    """

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever stored."""
        return False

    async def check(self, progress: Callable[[Report], None] = lambda report: None) -> Report:
        """Verify every chunk, interval, level and event."""
        raise self.unsupported("be checked")

    async def backup(
        self,
        target: Path,
        *,
        keep: int = 0,
        replace: bool = True,
        progress: Callable[[int, int], None] = lambda done, total: None,
        seen: Callable[[Report], None] = lambda report: None,
    ) -> int:
        """Write a consistent copy to `target`, which appears when it is complete and verified.

        Its folder is made if it is missing.

        Parameters
        ----------
        keep
            As many copies from before stay as ``FILE.1``, ``FILE.2``, ..., the last one being the
            oldest.
        replace
            Take the place of another file.
        progress
            Told now and then how many bytes of how many are written; called in another thread.
        seen
            Told what was verified so far.

        Returns
        -------
        int
            Size of the copy in bytes.

        Raises
        ------
        CorruptChunkError
            The node is damaged; `target` is as it was.
        """
        raise self.unsupported("be backed up")

    async def restore(
        self,
        source: Path,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
        seen: Callable[[Report], None] = lambda report: None,
    ) -> None:
        """Replace the content of the node by that of a backup, in one transaction.

        The file of the node, and its folder, are made if they are missing.

        Parameters
        ----------
        progress, seen
            As for `backup`.

        Raises
        ------
        IncompatibleFileError, CorruptChunkError
            `source` is not a node file, or a damaged one; nothing was changed.
        """
        raise self.unsupported("be restored")

    async def compact(
        self, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Sizes:
        """Join small chunks and give unused space back to the system.

        Parameters
        ----------
        progress
            Told after each stream how many of how many are done.
        """
        raise self.unsupported("be compacted")

    async def erase(self, *, links: bool = False) -> None:
        """Delete all folders and streams with what they hold; the node keeps its identity.

        Parameters
        ----------
        links
            Also delete the masters and followers of the node. Otherwise both stay:
            an erased node is still reached with the same keys.
        """
        raise self.unsupported("be erased")
