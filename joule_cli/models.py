"""Pipes and the objects that a node stores, under the names of the Joule API reference.

The pipes load on first use: they need NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from joule_cli import pipes
    from joule_cli.pipes import InputPipe, LocalPipe, OutputPipe, Pipe

__all__ = [
    "Annotation",
    "AnnotationInfo",
    "ArchiveLog",
    "ArchiveMessage",
    "DataStream",
    "DataStreamInfo",
    "Element",
    "Event",
    "EventBucket",
    "EventStream",
    "EventStreamInfo",
    "Folder",
    "Follower",
    "InputPipe",
    "LocalPipe",
    "Master",
    "Module",
    "ModuleStatistics",
    "NodeInfo",
    "OutputPipe",
    "Pipe",
    "Proxy",
    "pipes",
]


def __getattr__(name: str) -> Any:
    if name == "pipes":
        return importlib.import_module("joule_cli.pipes")
    if name in {"InputPipe", "LocalPipe", "OutputPipe", "Pipe"}:
        return getattr(importlib.import_module("joule_cli.pipes"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
