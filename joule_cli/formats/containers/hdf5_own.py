"""What an HDF5 file of Joule says about its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import Told
from joule_cli.formats.containers.hdf5_inside import loaded
from joule_cli.formats.containers.hdf5_table import text_of
from joule_cli.formats.hdf5_common import H5_ERRORS
from joule_cli.model.data_stream import DATATYPES, KEEP_ALL, DataStream, Element
from joule_cli.series.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import h5py


def describe(data: h5py.Dataset, width: int, name: str) -> Told:
    """Return what the attributes beside a dataset say; nothing unless Joule wrote them.

    Parameters
    ----------
    width
        Number of value columns.

    Raises
    ------
    FormatError
        The description cannot be read.
    """
    attrs = data.parent.attrs
    if "element_json" not in attrs and not ("elements" in attrs and "path" in attrs):
        return Told()
    try:
        return _read(data, attrs, width, name)
    except (*H5_ERRORS, AttributeError, OverflowError) as exc:
        raise FormatError("the description of the stream cannot be read", file=name) from exc


def _read(data: h5py.Dataset, attrs: Any, width: int, file: str) -> Told:
    if "element_json" in attrs:
        elements = [Element.from_json(e) for e in orjson.loads(text_of(attrs["element_json"]))]
    else:
        names = orjson.loads(text_of(attrs["elements"]))
        elements = [Element(str(name), index=i) for i, name in enumerate(names)]
    if len(elements) != width:
        elements = []
    datatype = data.dtype.name if data.dtype.name in DATATYPES else None
    path = text_of(attrs["path"]) if "path" in attrs else None
    stream = DataStream(
        name=(path or "").rpartition("/")[2],
        description=text_of(attrs.get("description", "")),
        datatype=datatype or "float64",
        keep_us=int(attrs.get("keep_us", KEEP_ALL)),
        decimate=bool(attrs.get("decimate", True)),
        elements=elements,
    )
    return Told(
        own=True,
        path=path,
        stream=stream,
        elements=elements,
        datatype=datatype,
        decimation_level=int(attrs.get("decimation_level", 1)),
        intervals=_intervals(data.parent, file),
        time_format="us",
        start=int(attrs["start"]) if "start" in attrs else None,
        end=int(attrs["end"]) if "end" in attrs else None,
        node_name=text_of(attrs.get("node_name", "")),
        node_url=text_of(attrs.get("node_url", "")),
    )


def _intervals(group: h5py.Group, name: str) -> Sequence[Interval] | None:
    if "intervals" not in group:
        return None
    table = loaded(group, "intervals", name)
    if table.ndim != 2 or table.shape[1] != 2 or table.dtype.kind not in "iu":
        raise ValueError("intervals")
    return [Interval(int(a), int(b)) for a, b in table.tolist()]
