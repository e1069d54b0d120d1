"""Archive actions of a node in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.api.actions.archive import ArchiveActions
from joule_cli.errors import ApiError

if TYPE_CHECKING:
    from pathlib import Path

    from joule_cli.model import ArchiveLog


class EmbeddedArchives(ArchiveActions):
    """A node in a file has no importers, which say where the streams of an archive belong."""

    async def archive_upload(self, path: str | Path) -> ArchiveLog:
        raise ApiError(
            "only a served node imports archives",
            object=str(path),
            hint="serve the file with 'joule node serve', with its importers",
        )
