"""What a served node is told when it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

    from joule_cli.model import ArchiveLog, Proxy

#: JSON bodies may have this many bytes; a Joule 1.0.1 node takes no more.
JSON_LIMIT_BYTES = 1024 * 1024


def _time_now() -> int:
    return time.time_ns() // 1000


@dataclass(slots=True)
class ServerSettings:
    """What a served node is told when it starts.

    Parameters
    ----------
    name
        Of the node, as it introduces itself.
    importer_key
        Accepted for uploading archives, besides the keys of the masters; empty for none.
    scheme, host, port, base_uri
        Where other nodes reach this one, as it tells them; `None` for what the listener has.
    ca_file
        A certificate authority that calls of other nodes trust besides the system's.
    proxies
        Web interfaces that this node stands in front of.
    import_archive
        Imports an archive from a file, by the importers of this node; `None` without any.
    archive_directory
        Where uploaded archives are kept; `None` to keep none.
    archive_limit_bytes
        Largest archive.
    archive_quota_bytes
        Bytes that the directory of archives may have.
    trusted_proxies
        Reverse proxies that are believed what they say about a client, as is what comes through
        the UNIX socket.
    accept_followers, private_followers
        Whether nodes may join at any time, and from addresses that are not public.
    json_limit_bytes
        Largest JSON body.
    idle_timeout_s
        A connection is closed that sends no complete head of a request in this time, whether it is
        new or kept alive.
    body_timeout_s
        Time for a JSON body to arrive.
    connection_limit
        Connections at the same time, for each listener.
    stop_timeout_s
        Time that open requests have to finish when the server stops.
    wrong_key_delay_s
        First wait of an address that has sent many wrong keys; 0 for none.
    clock
        Gives the present time in µs.
    """

    name: str
    importer_key: str = field(default="", repr=False)
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    base_uri: str = ""
    ca_file: Path | None = None
    proxies: tuple[Proxy, ...] = ()
    import_archive: Callable[[Path], Awaitable[ArchiveLog]] | None = None
    archive_directory: Path | None = None
    archive_limit_bytes: int = 1024**3
    archive_quota_bytes: int = 10 * 1024**3
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    accept_followers: bool = False
    private_followers: bool = False
    json_limit_bytes: int = JSON_LIMIT_BYTES
    idle_timeout_s: float = 75.0
    body_timeout_s: float = 60.0
    connection_limit: int = 512
    stop_timeout_s: float = 10.0
    wrong_key_delay_s: float = 0.1
    clock: Callable[[], int] = _time_now
