"""Addresses of nodes: ``http://``, ``https://`` and ``unix:``."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from joule_cli.errors import ConfigurationError


class Address(NamedTuple):
    """Where a node listens.

    Parameters
    ----------
    url
        As it is shown and stored.
    base
        What the paths of endpoints are appended to.
    socket
        Path of a UNIX socket, `None` for TCP.
    """

    url: str
    base: str
    socket: str | None = None

    @property
    def host(self) -> str:
        """Name or IP address of the node; that of this machine for a UNIX socket."""
        return urlsplit(self.base).hostname or "localhost"

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.base.startswith("https:")


def parse_address(url: str) -> Address:
    """Read the address of a node that is reached over a socket.

    Raises
    ------
    ConfigurationError
        It is not one, or has parts that no node's address has.
    """
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "unix":
        return _socket_address(url, rest)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise _unusable(url, str(exc)) from exc
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _unusable(url, "it has no host")
    if "@" in parts.netloc:
        raise _unusable(url, "it has a user name; a node asks for a key")
    if parts.query or parts.fragment:
        raise _unusable(url, "it has more than a host, a port and a path")
    if not url.isprintable() or " " in url:
        raise _unusable(url, "it has blanks or control characters")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port is None else f"{host}:{port}"
    # the endpoints begin with a slash, and no node answers on two of them
    base = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    return Address(base, base)


def _socket_address(url: str, rest: str) -> Address:
    path = unquote(rest[2:]) if rest.startswith("//") else rest
    if not path.startswith("/") or "\0" in path or path.endswith("/"):
        raise _unusable(url, "it names no socket; write unix:/PATH")
    return Address(f"unix:{path}", "http://localhost", path)


def _unusable(url: str, reason: str) -> ConfigurationError:
    # a password in an address is not repeated
    shown = url if "@" not in url else f"...@{url.rpartition('@')[2]}"
    return ConfigurationError(f"the address [{shown}] cannot be used: {reason}")
