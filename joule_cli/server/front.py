"""What a reverse proxy in front of the node says about its clients, as far as it is believed.

What comes through the UNIX socket was passed on by a program of this machine, and so are the
addresses that `ServerSettings.trusted_proxies` names. From all others such headers are what a
client wrote.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from joule_cli.server.state import SETTINGS

if TYPE_CHECKING:
    from aiohttp import web


def over_unix_socket(request: web.BaseRequest) -> bool:
    """Tell whether a request came through the UNIX socket."""
    if request.transport is None:
        return False
    connection = request.transport.get_extra_info("socket")
    return connection is not None and connection.family == socket.AF_UNIX


def is_passed_on(request: web.Request) -> bool:
    """Tell whether a request comes from a reverse proxy that is believed."""
    if over_unix_socket(request):
        return True
    trusted = request.app[SETTINGS].trusted_proxies
    if not trusted or not request.remote:
        # a client that is gone has no address
        return False
    address = ipaddress.ip_address(request.remote.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in trusted)


def forwarded(request: web.Request, name: str) -> str | None:
    """Return a header of the reverse proxy, `None` without one that is believed."""
    return request.headers.get(name) if is_passed_on(request) else None


def client_address(request: web.Request) -> str:
    """Return the address of the client; empty when it is on this machine or not known."""
    behind = forwarded(request, "X-Forwarded-For")
    if behind is None:
        return request.remote or ""
    # earlier ones are what the client itself may have sent to the proxy
    return behind.rpartition(",")[2].strip()
