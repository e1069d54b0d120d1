"""What a program imports: nodes, how to get them, and the objects that they store.

Source: Joule API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli import model
from joule_cli.api.connect import (
    create_tcp_node,
    delete_node,
    get_node,
    get_nodes,
    save_node,
    set_default_node,
)
from joule_cli.api.node import Node

if TYPE_CHECKING:
    from joule_cli.model import (
        Annotation,
        AnnotationInfo,
        ArchiveLog,
        ArchiveMessage,
        DataStream,
        DataStreamInfo,
        Element,
        Event,
        EventBucket,
        EventStream,
        EventStreamInfo,
        Folder,
        Follower,
        Master,
        Module,
        ModuleStatistics,
        NodeInfo,
        Proxy,
    )

#: The name that Joule 1.0.1 gives the class.
BaseNode = Node

__all__ = [
    "Annotation",
    "AnnotationInfo",
    "ArchiveLog",
    "ArchiveMessage",
    "BaseNode",
    "DataStream",
    "DataStreamInfo",
    "Element",
    "Event",
    "EventBucket",
    "EventStream",
    "EventStreamInfo",
    "Folder",
    "Follower",
    "Master",
    "Module",
    "ModuleStatistics",
    "Node",
    "NodeInfo",
    "Proxy",
    "create_tcp_node",
    "delete_node",
    "get_node",
    "get_nodes",
    "save_node",
    "set_default_node",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
