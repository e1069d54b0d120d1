"""Data streams: named, typed sequences of timestamped rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: `DataStream.keep_us` of a stream that keeps every row.
KEEP_ALL = -1
#: `DataStream.keep_us` of a stream that stores nothing.
KEEP_NONE = 0

#: Datatypes of the row encoding. A Joule 1.0.1 node stores only the first five.
DATATYPES = (
    "float64",
    "float32",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint64",
    "uint32",
    "uint16",
    "uint8",
)
DISPLAY_TYPES = ("DISCRETE", "CONTINUOUS", "EVENT")


@dataclass(slots=True, eq=False)
class Element:
    """One column of a data stream.

    Parameters
    ----------
    name, units
        Free text.
    plottable
        Whether a viewer offers this column.
    display_type
        ``continuous``, ``discrete`` or ``event``, in any case.
    offset, scale_factor
        For display only: ``y = (x - offset) * scale_factor``. Stored values are untouched.
    default_max, default_min
        Axis limits for a viewer, `None` for automatic.
    """

    name: str = ""
    units: str | None = ""
    plottable: bool | None = True
    display_type: str = "continuous"
    offset: float = 0.0
    scale_factor: float = 1.0
    default_max: float | None = None
    default_min: float | None = None
    id: int | None = None
    index: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, with the keys in the order of the protocol."""
        return {
            "id": self.id,
            "index": self.index,
            "name": self.name,
            "units": self.units,
            "plottable": self.plottable,
            "display_type": self.display_type.upper(),
            "offset": self.offset,
            "scale_factor": self.scale_factor,
            "default_max": self.default_max,
            "default_min": self.default_min,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Element:
        """Build an element from its wire form; only `name` is required."""
        return cls(
            name=data["name"],
            units=data.get("units"),
            plottable=data.get("plottable", True),
            display_type=data.get("display_type") or "CONTINUOUS",
            offset=data.get("offset", 0.0),
            scale_factor=data.get("scale_factor", 1.0),
            default_max=data.get("default_max"),
            default_min=data.get("default_min"),
            id=data.get("id"),
            index=data.get("index"),
        )

    def __repr__(self) -> str:
        return (
            f"<joule.api.Element id={self.id} index={self.index}, name={self.name!r} "
            f"units={self.units!r} plottable={self.plottable} display_type={self.display_type!r}>"
        )


@dataclass(slots=True, eq=False)
class DataStream:
    """A named sequence of rows: an int64 timestamp (µs) and `len(elements)` values of one type.

    Parameters
    ----------
    name
        Any text without ``/``.
    datatype
        One of `DATATYPES`, lower case.
    keep_us
        How long rows are kept, µs; -1 for ever, 0 not at all.
    elements
        The columns, at least one when the stream is created.

    Notes
    -----
    `id`, `is_configured`, `is_source`, `is_destination`, `locked`, `active` and `updated_at` are
    set by the node, and so is `info` if it was asked for. Source: Joule API reference,
    "DataStream Actions".
    """

    name: str = ""
    description: str | None = ""
    datatype: str = "float32"
    keep_us: int = KEEP_ALL
    elements: list[Element] = field(default_factory=list)
    decimate: bool = True
    id: int | None = None
    is_configured: bool = False
    is_source: bool = False
    is_destination: bool = False
    locked: bool = False
    active: bool = False
    updated_at: str | None = None
    info: DataStreamInfo | None = None

    def __post_init__(self) -> None:
        # Joule 1.0.1 takes elements=None for "none yet"
        self.elements = list(self.elements or [])

    @property
    def layout(self) -> str:
        """``<datatype>_<number of elements>``, for instance ``float32_3``."""
        return f"{self.datatype}_{len(self.elements)}"

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, with the keys in the order of the protocol."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "datatype": self.datatype,
            "layout": self.layout,
            "keep_us": self.keep_us,
            "is_configured": self.is_configured,
            "is_source": self.is_source,
            "is_destination": self.is_destination,
            "updated_at": self.updated_at,
            "locked": self.locked,
            "active": self.active,
            "decimate": self.decimate,
            "elements": [e.to_json() for e in self.elements],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DataStream:
        """Build a stream from its wire form; only `name` is required."""
        info = data.get("data_info")
        return cls(
            name=data["name"],
            description=data.get("description"),
            datatype=str(data.get("datatype", "float32")).lower(),
            keep_us=data.get("keep_us", KEEP_ALL),
            elements=[Element.from_json(e) for e in data.get("elements", [])],
            decimate=data.get("decimate", True),
            id=data.get("id"),
            is_configured=data.get("is_configured", False),
            is_source=data.get("is_source", False),
            is_destination=data.get("is_destination", False),
            locked=data.get("locked", False),
            active=data.get("active", False),
            updated_at=data.get("updated_at"),
            info=None if info is None else DataStreamInfo.from_json(info),
        )

    def __repr__(self) -> str:
        return (
            f"<joule.api.DataStream id={self.id} name={self.name!r} "
            f"description={self.description!r} datatype={self.datatype!r} "
            f"is_configured={self.is_configured} is_source={self.is_source} "
            f"is_destination={self.is_destination} locked={self.locked} decimate={self.decimate}>"
        )


@dataclass(slots=True, frozen=True)
class DataStreamInfo:
    """What a data stream holds.

    Parameters
    ----------
    start, end
        Timestamps of the first and the last row, µs; `None` without rows.
    rows
        Number of rows; exact on our own node, an estimate on a Joule 1.0.1 node.
    total_time
        ``end - start``, µs, gaps included.
    bytes
        Space taken on disk, decimations included.
    expired
        Rows that are gone because of `DataStream.keep_us`; 0 on a Joule 1.0.1 node, which does not
        count them.
    """

    start: int | None
    end: int | None
    rows: int
    total_time: int = 0
    bytes: int = 0
    expired: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the wire form, with the keys in the order of the protocol."""
        return {
            "start": self.start,
            "end": self.end,
            "rows": self.rows,
            "bytes": self.bytes,
            "total_time": self.total_time,
            # no node of Joule 1.0.1 has it
            **({"expired": self.expired} if self.expired else {}),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DataStreamInfo:
        """Build it from its wire form."""
        told = {key: data[key] for key in ("start", "end", "rows", "total_time", "bytes")}
        return cls(**told, expired=data.get("expired", 0))

    def __repr__(self) -> str:
        return (
            f"<joule.api.DataStreamInfo start={self.start} end={self.end} "
            f"rows={self.rows}, total_time={self.total_time}>"
        )
