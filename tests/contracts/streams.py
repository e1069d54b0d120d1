"""Streams that the contracts create."""

from __future__ import annotations

from typing import Any

from joule_cli.model import DataStream, Element


def flow(name: str = "flow", *, width: int = 2, **attributes: Any) -> DataStream:
    """Return a new stream with elements e0, e1, ..."""
    elements = [Element(name=f"e{i}") for i in range(width)]
    return DataStream(name=name, **{"elements": elements, **attributes})
