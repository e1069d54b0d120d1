"""The application: all endpoints of a node, for one or more listeners."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from aiohttp import web, web_response

from joule_cli.server import (
    annotation,
    archive,
    data,
    data_stream,
    event_data,
    event_stream,
    folder,
    follower,
    info,
    master,
    module,
    proxy,
    reverse_proxy,
)
from joule_cli.server.access_log import AccessLogger, access_logger, http_logger
from joule_cli.server.archive_folder import ARCHIVES, ArchiveFolder
from joule_cli.server.auth import authentication
from joule_cli.server.in_flight import REQUESTS, Requests, follow
from joule_cli.server.joins import JOINS, Joins
from joule_cli.server.peers import PEERS, Peers
from joule_cli.server.pending import PENDING, PendingKeys
from joule_cli.server.refusals import refuse
from joule_cli.server.state import NODE, SETTINGS
from joule_cli.server.wrong_keys import WRONG_KEYS, WrongKeys

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.server.auth import Keys
    from joule_cli.server.settings import ServerSettings

#: One module for each group of actions.
_GROUPS: Final = (
    info,
    folder,
    data_stream,
    data,
    event_stream,
    event_data,
    annotation,
    module,
    proxy,
    master,
    follower,
    reverse_proxy,
    archive,
)

# the library would tell its version and that of Python, also where no handler of ours is asked
web_response.SERVER_SOFTWARE = "joule"  # type: ignore[attr-defined]  # imported there

#: A filter of events in a query may be long.
_LONGEST_LINE_BYTES = 64 * 1024
_LONGEST_HEADER_BYTES = 8 * 1024


def make_app(node: Node, *, keys: Keys, settings: ServerSettings) -> web.Application:
    """Return the application that serves a node; closing the node is left to the caller."""
    app = web.Application(middlewares=[refuse, follow, authentication(keys)])
    app[NODE] = node
    app[SETTINGS] = settings
    app[REQUESTS] = Requests()
    app[PENDING] = PendingKeys()
    app[ARCHIVES] = ArchiveFolder(
        settings.archive_directory, settings.archive_limit_bytes, settings.archive_quota_bytes
    )
    app[JOINS] = Joins()
    app[WRONG_KEYS] = WrongKeys(settings.wrong_key_delay_s, time.monotonic)
    if isinstance(keys, Peers):
        app[PEERS] = keys
    for group in _GROUPS:
        app.add_routes(group.routes)
    app.on_startup.append(info.ensure_identity)
    if settings.proxies:
        app.cleanup_ctx.append(reverse_proxy.client)
    return app


def make_runner(app: web.Application) -> web.AppRunner:
    """Return what runs an application; the caller adds the sites.

    Heads of requests are bounded in size and in time, see `ServerSettings.idle_timeout_s`.
    """
    return web.AppRunner(
        app,
        access_log_class=AccessLogger,
        access_log=access_logger,
        logger=http_logger,
        keepalive_timeout=app[SETTINGS].idle_timeout_s,
        shutdown_timeout=app[SETTINGS].stop_timeout_s,
        max_line_size=_LONGEST_LINE_BYTES,
        max_field_size=_LONGEST_HEADER_BYTES,
        # `Payload` does it, when a handler asks for the body
        auto_decompress=False,
    )
