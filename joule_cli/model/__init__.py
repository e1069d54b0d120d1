"""The objects a node stores, as plain values without any behaviour of the node."""

from joule_cli.model.annotation import Annotation, AnnotationInfo
from joule_cli.model.archive import ArchiveLog, ArchiveMessage
from joule_cli.model.connection_info import ConnectionInfo
from joule_cli.model.data_stream import DataStream, DataStreamInfo, Element
from joule_cli.model.event import Event, EventBucket
from joule_cli.model.event_stream import EventStream, EventStreamInfo
from joule_cli.model.folder import Folder
from joule_cli.model.follower import Follower
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
    "Master",
    "Module",
    "ModuleStatistics",
    "NodeInfo",
    "Proxy",
]
