"""Archive actions over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from joule_cli.formats.archive import Archive
from joule_cli.model import ArchiveLog, ArchiveMessage
from joule_cli.server.archive_folder import ARCHIVES
from joule_cli.server.body import json_response
from joule_cli.server.payload import Payload
from joule_cli.server.state import SETTINGS
from joule_cli.wire import endpoints

if TYPE_CHECKING:
    from pathlib import Path

routes = web.RouteTableDef()


@routes.post(endpoints.ARCHIVE)
async def upload(request: web.Request) -> web.Response:
    """Import an archive; what happens with its streams is told with status 200."""
    run = request.app[SETTINGS].import_archive or _refuse_all
    async with request.app[ARCHIVES].receive(Payload(request)) as incoming:
        log = await run(incoming.path)
        if log.info:
            # something of it was taken
            incoming.keep()
    return json_response(log.to_json())


async def _refuse_all(path: Path) -> ArchiveLog:
    def name_it() -> str:
        with Archive(path) as archive:
            return f"archive [{archive.summary.name}] from node [{archive.summary.node}]"

    named = await asyncio.to_thread(name_it)
    return ArchiveLog(errors=[ArchiveMessage(f"No importer defined for {named}")])
