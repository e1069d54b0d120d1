"""What every handler finds in the application and in its request."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from joule_cli.api.node import Node
from joule_cli.server.settings import ServerSettings

NODE: Final = web.AppKey("NODE", Node)
SETTINGS: Final = web.AppKey("SETTINGS", ServerSettings)

#: Item of a request: id of the master whose key it has; absent when it needed none.
MASTER_ID: Final = "joule_master_id"
#: Item of a request: the response whose head has been sent already.
STARTED: Final = "joule_started"
