"""What every handler finds in the application and in its request."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from joule_cli.api.node import Node
from joule_cli.model import NodeInfo
from joule_cli.server.settings import ServerSettings

NODE: Final = web.AppKey("NODE", Node)
#: What stays as it is while the node is served: version and UUID.
IDENTITY: Final = web.AppKey("IDENTITY", NodeInfo)
SETTINGS: Final = web.AppKey("SETTINGS", ServerSettings)

#: Address that a request comes from; empty when it is on this machine or not known.
CLIENT: Final = web.RequestKey("CLIENT", str)
#: Set on a request whose key is right, or that needs none.
ADMITTED: Final = web.RequestKey("ADMITTED", bool)
#: Id of the master whose key a request has; absent when it needed none.
MASTER_ID: Final = web.RequestKey("MASTER_ID", int)
#: The response to a request whose head has been sent already.
STARTED: Final = web.RequestKey("STARTED", web.StreamResponse)
#: Why a request was refused or cut off, for the log.
REASON: Final = web.ResponseKey("REASON", str)
