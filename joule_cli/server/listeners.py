"""Sockets that a server listens on."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from joule_cli.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

DEFAULT_PORT: Final = 8088
_BACKLOG: Final = 512
#: A client that vanished without a word is noticed after two minutes, and frees its stream.
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
#: One of the addresses that a name has may not exist on this machine.
_ABSENT: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_SOCKET_MODE: Final = 0o660


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Where to listen on TCP.

    Parameters
    ----------
    host
        An address of this machine or a name for some, ``0.0.0.0`` or ``::`` for all.
    port
        0 for any that is free.
    tls
        Certificate and key; `None` for plain HTTP.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """The path of a UNIX socket to listen on; owner and group may use it, without a key."""

    path: Path


def open_tcp(address: TcpAddress) -> list[socket.socket]:
    """Return listening sockets for all addresses that a host has, with the same port.

    Raises
    ------
    ConfigurationError
        There is no such host here, or the port is in use.
    """
    place = f"{address.host}:{address.port}"
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as exc:
        raise ConfigurationError(f"cannot listen on [{place}]: unknown host") from exc
    opened: list[socket.socket] = []
    failure: OSError | None = None
    port = address.port
    for family, _, _, _, where in dict.fromkeys(found):
        try:
            opened.append(_listen_on(family, (where[0], port, *where[2:])))
        except OSError as exc:
            failure = exc
            if exc.errno not in _ABSENT:
                break
        else:
            port = opened[0].getsockname()[1]
    if not opened or (failure is not None and failure.errno not in _ABSENT):
        for each in opened:
            each.close()
        raise ConfigurationError(f"cannot listen on [{place}]: {_reason(failure)}") from failure
    return opened


def _listen_on(family: int, where: Any) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # connections inherit these
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        opened.bind(where)
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def open_unix(address: SocketAddress) -> socket.socket:
    """Return a listening UNIX socket; one that a dead server left behind is replaced.

    Raises
    ------
    ConfigurationError
        Another server listens there, or something else is in the way.
    """
    path = address.path
    try:
        _clear(path)
        path.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as exc:
        raise ConfigurationError(f"cannot listen on [{path}]: {_reason(exc)}") from exc
    try:
        # before there is a file to connect to
        with suppress(OSError):
            os.fchmod(opened.fileno(), _SOCKET_MODE)
        opened.bind(str(path))
        path.chmod(_SOCKET_MODE)
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except OSError as exc:
        opened.close()
        raise ConfigurationError(f"cannot listen on [{path}]: {_reason(exc)}") from exc
    return opened


def remove_unix(path: Path) -> None:
    """Remove the file of a UNIX socket that was closed, unless another server listens there."""
    with suppress(ConfigurationError, OSError):
        _clear(path)


def _clear(path: Path) -> None:
    """Remove the file of a UNIX socket without a listener."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError(f"cannot listen on [{path}]: a file is in the way")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # a server that is busy has a full backlog, and is no less alive
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass
    raise ConfigurationError(f"cannot listen on [{path}]: another server listens there")


def _reason(exc: OSError | None) -> str:
    return (exc.strerror if exc is not None else None) or str(exc)
