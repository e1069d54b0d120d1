"""Archive actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.model import ArchiveLog


class ArchiveActions(ABC):
    """Archives that another node has exported. Source: Joule wire protocol, "Archives"."""

    @abstractmethod
    async def archive_upload(self, path: str | Path) -> ArchiveLog:
        """Import an archive by what the node's importers say, and return what happened.

        Problems with single streams are errors in the log and not raised.

        Raises
        ------
        FormatError
            The file cannot be read.
        ApiError
            It is not an archive.

        Notes
        -----
        Wire: ``POST /archive.json``.
        """
