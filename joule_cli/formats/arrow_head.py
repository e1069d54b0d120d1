"""What a file of tables says about its stream, as JSON in the metadata of its schema."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.base import StreamHead, column_names
from joule_cli.formats.containers.base import Told
from joule_cli.model.data_stream import DataStream, Element
from joule_cli.series.intervals import Interval
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The key of the metadata.
KEY = b"joule"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Description:
    """What a file of our own says.

    Parameters
    ----------
    elements
        By the name of their column.
    intervals
        Half-open, µs; `None` if the file does not list them.
    interval_column
        Name of the column that numbers the intervals.
    """

    path: str | None = None
    stream: DataStream | None = None
    elements: Mapping[str, Element] = field(default_factory=dict)
    intervals: Sequence[Interval] | None = None
    interval_column: str | None = None
    decimation_level: int = 1
    datatype: str | None = None
    start: int | None = None
    end: int | None = None
    node_name: str = ""
    node_url: str = ""

    def head(self, layout: Layout, columns: Sequence[str]) -> StreamHead:
        """Return the head of rows with these value columns."""
        elements = [
            self.elements.get(name) or Element(name, index=i) for i, name in enumerate(columns)
        ]
        stream = replace(
            self.stream or DataStream(name=(self.path or "").rpartition("/")[2]),
            datatype=layout.datatype,
            elements=elements,
        )
        return StreamHead(
            layout=layout,
            elements=elements,
            path=self.path,
            stream=stream,
            decimation_level=self.decimation_level,
            intervals=self.intervals,
            start=self.start,
            end=self.end,
            node_name=self.node_name,
            node_url=self.node_url,
        )


def describe(head: StreamHead, interval_column: str | None) -> dict[str, Any]:
    """Return the description of rows that are written, without their intervals."""
    found: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "path": head.path,
        "layout": str(head.layout),
        "elements": [element.to_json() for element in head.elements],
        "stream": None if head.stream is None else head.stream.to_json(),
        "decimation_level": head.decimation_level,
        "bounds": head.bounds,
        "start": head.start,
        "end": head.end,
        "node_name": head.node_name,
        "node_url": head.node_url,
    }
    if interval_column is not None:
        found["interval_column"] = interval_column
    return found


def read_description(metadata: Mapping[bytes, bytes] | None, name: str) -> Description:
    """Read the description of the file `name`; that of another program's file is empty.

    Raises
    ------
    FormatError
        It cannot be read.
    """
    text = (metadata or {}).get(KEY)
    if text is None:
        return Description()
    try:
        return _read(orjson.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as exc:
        raise FormatError("the description of the stream cannot be read", file=name) from exc


def read_told(metadata: Mapping[bytes, bytes] | None, name: str) -> Told:
    """Return what the file `name` says about its stream.

    Raises
    ------
    FormatError
        It cannot be read.
    """
    if KEY not in (metadata or {}):
        return Told()
    found = read_description(metadata, name)
    return Told(
        own=True,
        path=found.path,
        stream=found.stream,
        elements=found.elements,
        datatype=found.datatype,
        decimation_level=found.decimation_level,
        intervals=found.intervals,
        interval_column=found.interval_column,
        time_column="timestamp",
        time_format="us",
        start=found.start,
        end=found.end,
        node_name=found.node_name,
        node_url=found.node_url,
    )


def _read(told: dict[str, Any]) -> Description:
    elements = [Element.from_json(element) for element in told["elements"]]
    layout = Layout.parse(told["layout"])
    names = column_names(StreamHead(layout=layout, elements=elements))
    intervals = told.get("intervals")
    return Description(
        path=_text(told.get("path")),
        datatype=layout.datatype,
        stream=None if told.get("stream") is None else DataStream.from_json(told["stream"]),
        # with bounds there are three columns for each element, none of which is the element
        elements=dict(zip(names, elements, strict=False)) if not told.get("bounds") else {},
        intervals=None if intervals is None else [Interval(int(a), int(b)) for a, b in intervals],
        interval_column=_text(told.get("interval_column")),
        decimation_level=int(told.get("decimation_level", 1)),
        start=told.get("start"),
        end=told.get("end"),
        node_name=str(told.get("node_name", "")),
        node_url=str(told.get("node_url", "")),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
