"""Archive actions over HTTP."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from joule_cli.api.actions.archive import ArchiveActions
from joule_cli.errors import FormatError
from joule_cli.model import ArchiveLog
from joule_cli.remote.answers import read_object
from joule_cli.remote.base import RemoteState
from joule_cli.remote.bodies import content
from joule_cli.remote.session import LONG_WORK
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_BLOCK_BYTES = 256 * 1024


class RemoteArchives(RemoteState, ArchiveActions):
    """Archives for a remote node."""

    async def archive_upload(self, path: str | Path) -> ArchiveLog:
        with _opened(Path(path)) as file:
            async with self.session.open(
                "POST",
                endpoints.ARCHIVE,
                data=_blocks(file),
                headers={"Content-Type": "application/zip"},
                about=str(path),
                patience=LONG_WORK,
            ) as response:
                answer = await content(response, self.session.arrival(response, LONG_WORK))
        return read_object(answer, ArchiveLog.from_json, "info", "warnings", "errors")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as exc:
        raise FormatError(exc.strerror or "cannot be read", file=str(path)) from exc


async def _blocks(file: BinaryIO) -> AsyncIterator[bytes]:
    while block := await asyncio.to_thread(file.read, _BLOCK_BYTES):
        yield block
