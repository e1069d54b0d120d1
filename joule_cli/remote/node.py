"""A node that is reached over HTTP, HTTPS or a UNIX socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.api.node import Node
from joule_cli.model import NodeInfo
from joule_cli.remote.address import parse_address
from joule_cli.remote.annotation import RemoteAnnotations
from joule_cli.remote.answers import read_object
from joule_cli.remote.archive import RemoteArchives
from joule_cli.remote.base import read_capabilities
from joule_cli.remote.data import RemoteData
from joule_cli.remote.data_stream import RemoteDataStreams
from joule_cli.remote.db import RemoteDb
from joule_cli.remote.event_stream import RemoteEventStreams
from joule_cli.remote.folder import RemoteFolders
from joule_cli.remote.follower import RemoteFollowers
from joule_cli.remote.master import RemoteMasters
from joule_cli.remote.module import RemoteModules
from joule_cli.remote.proxy import RemoteProxies
from joule_cli.remote.session import DEFAULT_TIMEOUT_S, Session
from joule_cli.wire import endpoints
from joule_cli.wire.codec import require_keys

if TYPE_CHECKING:
    from pathlib import Path


class RemoteNode(
    RemoteFolders,
    RemoteDataStreams,
    RemoteData,
    RemoteEventStreams,
    RemoteAnnotations,
    RemoteModules,
    RemoteProxies,
    RemoteMasters,
    RemoteFollowers,
    RemoteDb,
    RemoteArchives,
    Node,
):
    """A node behind an address; nothing is sent before the first call.

    Belongs to one event loop. What changes something is sent once; what only reads is sent again
    when its connection was dropped before the answer.

    Parameters
    ----------
    key
        What the node asks for; empty for a UNIX socket.
    ca_file
        A certificate authority to trust besides the system's.
    insecure
        Accept any certificate.
    timeout_s
        Seconds that the node may send nothing before a call fails; 0 for no limit.

    Raises
    ------
    ConfigurationError
        `url` is not an address of a node.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        key: str = "",
        ca_file: Path | None = None,
        insecure: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        address = parse_address(url)
        super().__init__(name, address.url)
        self.key = key
        self.insecure = insecure and address.is_secure
        self.session = Session(
            address, key=key, ca_file=ca_file, insecure=insecure, timeout_s=timeout_s
        )

    async def info(self) -> NodeInfo:
        version = require_keys(await self._version(), "version", "name")
        capabilities = read_capabilities(version)

        def build(storage: dict[str, Any]) -> NodeInfo:
            return NodeInfo(
                version=str(version["version"]),
                name=str(version["name"]),
                path=str(storage["path"]),
                size_reserved=storage["reserved"],
                size_other=storage["other"],
                size_free=storage["free"],
                size_db=storage["size"],
                uuid=str(version.get("uuid") or ""),
                capabilities=capabilities,
            )

        keys = ("path", "other", "reserved", "free", "size")
        return read_object(await self.session.get(endpoints.DB_INFO), build, *keys)

    async def close(self) -> None:
        try:
            await self._close_pipes()
        finally:
            await self.session.close()
