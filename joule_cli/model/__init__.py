"""The objects a node stores, as plain values without any behaviour of the node.

Each is loaded on first use: to make a class of them takes longer than most of a short command.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joule_cli.model.annotation import Annotation, AnnotationInfo
    from joule_cli.model.archive import ArchiveLog, ArchiveMessage
    from joule_cli.model.connection_info import ConnectionInfo
    from joule_cli.model.data_stream import DataStream, DataStreamInfo, Element
    from joule_cli.model.event import Event, EventBucket
    from joule_cli.model.event_stream import EventStream, EventStreamInfo
    from joule_cli.model.folder import Folder
    from joule_cli.model.follower import Follower, Joining
    from joule_cli.model.master import Master
    from joule_cli.model.module import Module, ModuleStatistics
    from joule_cli.model.node_info import NodeInfo
    from joule_cli.model.proxy import Proxy

__all__ = [
    "Annotation",
    "AnnotationInfo",
    "ArchiveLog",
    "ArchiveMessage",
    "ConnectionInfo",
    "DataStream",
    "DataStreamInfo",
    "Element",
    "Event",
    "EventBucket",
    "EventStream",
    "EventStreamInfo",
    "Folder",
    "Follower",
    "Joining",
    "Master",
    "Module",
    "ModuleStatistics",
    "NodeInfo",
    "Proxy",
]

_MODULES = {
    "Annotation": "annotation",
    "AnnotationInfo": "annotation",
    "ArchiveLog": "archive",
    "ArchiveMessage": "archive",
    "ConnectionInfo": "connection_info",
    "DataStream": "data_stream",
    "DataStreamInfo": "data_stream",
    "Element": "data_stream",
    "Event": "event",
    "EventBucket": "event",
    "EventStream": "event_stream",
    "EventStreamInfo": "event_stream",
    "Folder": "folder",
    "Follower": "follower",
    "Joining": "follower",
    "Master": "master",
    "Module": "module",
    "ModuleStatistics": "module",
    "NodeInfo": "node_info",
    "Proxy": "proxy",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    # the next one finds it without this function
    globals()[name] = found = getattr(module, name)
    return found
