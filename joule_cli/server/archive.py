"""Archive actions over HTTP."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from aiohttp import web

from joule_cli.errors import ApiError, StorageError
from joule_cli.formats.archive import Archive
from joule_cli.model import ArchiveLog, ArchiveMessage
from joule_cli.server.body import json_response
from joule_cli.server.state import SETTINGS
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

routes = web.RouteTableDef()


@routes.post(endpoints.ARCHIVE)
async def upload(request: web.Request) -> web.Response:
    """Import an archive; what happens with its streams is told with status 200."""
    settings = request.app[SETTINGS]
    with _kept(settings.archive_directory) as (path, file):
        await _receive(request, file)
        run = settings.import_archive or _refuse_all
        return json_response((await run(path)).to_json())


@contextmanager
def _kept(directory: Path | None) -> Iterator[tuple[Path, IO[bytes]]]:
    """Give a private file for an archive, which stays only in a directory for archives."""
    name = f"{datetime.now(UTC):%Y%m%d%H%M%S%f}.zip"
    try:
        if directory is None:
            with tempfile.NamedTemporaryFile(prefix="joule-", suffix=".zip") as file:
                yield Path(file.name), file.file
        else:
            path = directory / name
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as opened:
                yield path, opened
    except OSError as exc:
        raise StorageError(f"the archive cannot be stored ({exc.strerror})") from exc


async def _receive(request: web.Request, file: IO[bytes]) -> None:
    try:
        async for block in request.content.iter_any():
            await asyncio.to_thread(file.write, block)
    except web.RequestPayloadError as exc:
        raise ApiError("the body cannot be read") from exc
    await asyncio.to_thread(file.flush)


async def _refuse_all(path: Path) -> ArchiveLog:
    def name_it() -> str:
        with Archive(path) as archive:
            return f"archive [{archive.summary.name}] from node [{archive.summary.node}]"

    named = await asyncio.to_thread(name_it)
    return ArchiveLog(errors=[ArchiveMessage(f"No importer defined for {named}")])
