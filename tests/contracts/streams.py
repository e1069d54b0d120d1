"""Streams that the contracts create."""

from __future__ import annotations

from typing import Any

from joule_cli.model import DataStream, Element, EventStream


def flow(name: str = "flow", *, width: int = 2, **attributes: Any) -> DataStream:
    """Return a new stream with elements e0, e1, ..."""
    elements = [Element(name=f"e{i}") for i in range(width)]
    return DataStream(name=name, **{"elements": elements, **attributes})


def starts_stream(name: str = "starts", **attributes: Any) -> EventStream:
    """Return a new event stream."""
    return EventStream(name=name, **attributes)
