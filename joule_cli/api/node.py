"""The abstract node: everything a program can ask of one."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from joule_cli.api.actions.annotation import AnnotationActions
from joule_cli.api.actions.archive import ArchiveActions
from joule_cli.api.actions.data import DataActions
from joule_cli.api.actions.data_stream import DataStreamActions
from joule_cli.api.actions.db import DbActions
from joule_cli.api.actions.event_stream import EventStreamActions
from joule_cli.api.actions.folder import FolderActions
from joule_cli.api.actions.follower import FollowerActions
from joule_cli.api.actions.master import MasterActions
from joule_cli.api.actions.module import ModuleActions
from joule_cli.api.actions.proxy import ProxyActions

if TYPE_CHECKING:
    from types import TracebackType

    from joule_cli.model import NodeInfo


class _NodeType(ABCMeta):
    """Lets ``Node(url)`` give a connected node, as the API reference has it."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is not Node:
            return super().__call__(*args, **kwargs)
        from joule_cli.api.connect import node_at

        return node_at(*args, **kwargs)


class Node(
    FolderActions,
    DataStreamActions,
    DataActions,
    EventStreamActions,
    AnnotationActions,
    ModuleActions,
    ProxyActions,
    MasterActions,
    FollowerActions,
    DbActions,
    ArchiveActions,
    metaclass=_NodeType,
):
    """A Joule node, embedded in this process or reached over a socket.

    Get one from `joule_cli.api.get_node`, or from ``Node(url)``, which opens an address as
    ``get_node(url=url)`` does, by default ``http://localhost:8088``. A node may be used by many
    tasks of one event loop; `close` it after use, or use it in ``async with``.

    Parameters
    ----------
    name
        The node's name in the registry.
    url
        Where it is: ``file:PATH`` for an embedded node; ``http://``, ``https://`` or ``unix:``.

    Attributes
    ----------
    key : str
        What the node asks for; empty for a file.
    insecure : bool
        The node's certificate is not checked.
    embedded : bool
        This process reads and writes the node's data itself, and reaches it over no socket.

    Notes
    -----
    Source: Joule API reference, "Node".
    """

    key = ""
    insecure = False
    embedded = False

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url

    @abstractmethod
    async def info(self) -> NodeInfo:
        """Return version, name, storage and capabilities of the node.

        Notes
        -----
        Wire: ``GET /version.json`` and ``GET /dbinfo``.
        """

    @abstractmethod
    async def capabilities(self) -> frozenset[str]:
        """Return what the node can do that one of Joule 1.0.1 cannot, as in `NodeInfo`.

        Notes
        -----
        An extension. Wire: ``GET /version.json``, whose ``capabilities`` clients of Joule 1.0.1
        ignore; a node that has told any is not asked again.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release connections and files; open pipes fail. Calling it again does nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<joule.api.Node name={self.name!r} url={self.url!r}>"
