"""The objects a node stores, as plain values without any behaviour of the node."""

from joule_cli.model.annotation import Annotation, AnnotationInfo
from joule_cli.model.data_stream import DataStream, DataStreamInfo, Element
from joule_cli.model.event import Event, EventBucket
from joule_cli.model.event_stream import EventStream, EventStreamInfo
from joule_cli.model.folder import Folder
from joule_cli.model.node_info import NodeInfo

__all__ = [
    "Annotation",
    "AnnotationInfo",
    "DataStream",
    "DataStreamInfo",
    "Element",
    "Event",
    "EventBucket",
    "EventStream",
    "EventStreamInfo",
    "Folder",
    "NodeInfo",
]
