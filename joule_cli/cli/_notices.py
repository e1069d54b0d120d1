"""Notices of a server to its service manager, about its start and its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from joule_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


def notify(environ: Mapping[str, str], *lines: str) -> None:
    """Send lines such as ``READY=1`` to the service manager, if one started this program.

    Source: systemd, sd_notify(3).
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    import socket

    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.connect(address)
            sender.sendall("\n".join(lines).encode())
    except OSError:
        # a server that works must not end because its notices are not read
        return


def tell_ready(descriptor: int, text: str) -> None:
    """Write a line to an open file descriptor that was inherited, and close it.

    Raises
    ------
    ConfigurationError
        It is not open for writing.
    """
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(f"{text}\n")
    except OSError as exc:
        raise ConfigurationError(
            f"cannot write to the file descriptor: {exc.strerror}", object=str(descriptor)
        ) from exc
