"""HDF5 files with the objects that Joule 1.0.1 writes, and the intervals beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import orjson

from joule_cli.errors import FormatError
from joule_cli.formats.base import (
    Place,
    Reader,
    ReadOptions,
    StreamHead,
    Tally,
    order_reason,
    place_name,
)
from joule_cli.formats.hdf5_common import CACHE_BYTES, H5_ERRORS, chunk_rows
from joule_cli.formats.hdf5_writer import Hdf5Writer
from joule_cli.formats.seekable import check_seekable
from joule_cli.model.data_stream import DATATYPES, KEEP_ALL, DataStream, Element
from joule_cli.series.intervals import Interval
from joule_cli.series.layout import Layout, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Hdf5Reader", "Hdf5Writer"]


class Hdf5Reader(Reader):
    """Datasets ``timestamp`` (n, 1) or (n,) and ``data`` (n, k) or (n,); optional ``intervals``.

    Raises
    ------
    FormatError
        Not HDF5, cut, a dataset missing or of the wrong shape or type; rows are counted from 1.
    """

    def __init__(self, place: Place, options: ReadOptions) -> None:
        self.name = place_name(place)
        self.options = options
        self.tally = Tally()
        self._last: int | None = None
        if options.stamps is not None:
            raise FormatError("HDF5 rows always have times", file=self.name)
        self._file = _open(place, self.name)
        try:
            self._data = self._dataset(options.dataset)
            self._times = self._dataset(options.time_dataset)
            self.head = self._read_head()
            self._size = len(self._times)
        except BaseException:
            self.close()
            raise

    def _dataset(self, name: str) -> Any:
        try:
            found = self._file.get(name)
        except H5_ERRORS as exc:
            raise self._damaged() from exc
        if not isinstance(found, h5py.Dataset):
            raise FormatError(f"there is no dataset {name!r} in the file", file=self.name)
        return found

    def _damaged(self) -> FormatError:
        return FormatError("the file is cut or damaged", file=self.name)

    def _read_head(self) -> StreamHead:
        data, times = self._data, self._times
        if times.dtype.kind not in "iuf" or not (
            times.ndim == 1 or (times.ndim == 2 and times.shape[1] == 1)
        ):
            raise FormatError("the times are not one column of numbers", file=self.name)
        if data.dtype.kind not in "iuf" or data.ndim not in (1, 2):
            raise FormatError("the data is not a table of numbers", file=self.name)
        if len(data) != len(times):
            raise FormatError(
                f"there are {len(times)} times for {len(data)} rows of data", file=self.name
            )
        width = 1 if data.ndim == 1 else data.shape[1]
        if width < 1:
            raise FormatError("the data has no columns", file=self.name)
        datatype = self.options.datatype or data.dtype.name
        if datatype not in DATATYPES:
            # float16 and its like; float64 holds them all
            datatype = "float64"
        try:
            return self._describe(Layout(datatype, width))
        except H5_ERRORS as exc:
            raise FormatError(
                "the description of the stream cannot be read", file=self.name
            ) from exc

    def _describe(self, layout: Layout) -> StreamHead:
        attrs = self._file.attrs
        elements: list[Element] = []
        if "element_json" in attrs:
            elements = [Element.from_json(e) for e in orjson.loads(_text(attrs["element_json"]))]
        elif "elements" in attrs:
            names = orjson.loads(_text(attrs["elements"]))
            elements = [Element(str(name), index=i) for i, name in enumerate(names)]
        if len(elements) != layout.width:
            elements = []
        path = _text(attrs["path"]) if "path" in attrs else None
        stream = DataStream(
            name=(path or "").rpartition("/")[2],
            description=_text(attrs["description"]) if "description" in attrs else "",
            datatype=layout.datatype,
            keep_us=int(attrs.get("keep_us", KEEP_ALL)),
            decimate=bool(attrs.get("decimate", True)),
            elements=elements,
        )
        intervals = None
        if "intervals" in self._file:
            table = self._file["intervals"][()]
            if table.ndim != 2 or table.shape[1] != 2 or table.dtype.kind not in "iu":
                raise ValueError("intervals")
            intervals = [Interval(int(a), int(b)) for a, b in table.tolist()]
        return StreamHead(
            layout=layout,
            elements=elements,
            path=path,
            stream=stream,
            decimation_level=int(attrs.get("decimation_level", 1)),
            intervals=intervals,
            start=int(attrs["start"]) if "start" in attrs else None,
            end=int(attrs["end"]) if "end" in attrs else None,
            node_name=_text(attrs.get("node_name", "")),
            node_url=_text(attrs.get("node_url", "")),
        )

    def blocks(self) -> Iterator[Rows | None]:
        """Give blocks of rows; docstring of `Reader.blocks` applies."""
        ends = None
        if self.head.intervals is not None:
            ends = np.array([interval.end for interval in self.head.intervals], dtype=np.int64)
        number = 0
        step = chunk_rows(self.head.layout.width * 8)
        for begin in range(0, len(self._times), step):
            rows = self._block(begin, begin + step)
            if ends is None:
                cuts, numbers = [], np.zeros(1, np.int64)
            else:
                numbers = np.searchsorted(ends, rows["timestamp"], side="right")
                cuts = (np.flatnonzero(np.diff(numbers)) + 1).tolist()
            at = 0
            for cut in [*cuts, len(rows)]:
                if self.tally.rows and numbers[at] != number:
                    yield None
                number = int(numbers[at])
                self.tally.rows += cut - at
                yield rows[at:cut]
                at = cut

    @property
    def share(self) -> float | None:
        """The share of the rows that is done."""
        return self.tally.rows / self._size if self._size else 1.0

    def _block(self, begin: int, end: int) -> Rows:
        layout = self.head.layout
        try:
            stamps = self._times[begin:end].reshape(-1)
            values = self._data[begin:end].reshape(len(stamps), -1)
        except H5_ERRORS as exc:
            raise self._damaged() from exc
        rows = np.empty(len(stamps), layout.dtype)
        rows["timestamp"] = self._whole_times(stamps, begin)
        self._check_order(rows["timestamp"], begin)
        if not np.can_cast(values.dtype, layout.element) or values.dtype.kind == "f":
            self._check_values(values, begin)
        rows["data"] = values
        return rows

    def _whole_times(self, stamps: Any, begin: int) -> Any:
        if stamps.dtype.kind == "i":
            return stamps
        bad = stamps > np.iinfo(np.int64).max
        if stamps.dtype.kind == "f":
            # written so that NaN is bad too
            bad = ~((stamps == np.rint(stamps)) & (np.abs(stamps) < 2.0**63))
        if bad.any():
            at = int(bad.argmax())
            raise FormatError(
                f"row {begin + at + 1}: the time {stamps[at]} is not a whole number of µs",
                file=self.name,
            )
        return stamps.astype(np.int64)

    def _check_order(self, stamps: Any, begin: int) -> None:
        if self._last is not None and len(stamps) and stamps[0] <= self._last:
            at, above = 0, self._last
        elif (falls := stamps[1:] <= stamps[:-1]).any():
            at = int(falls.argmax()) + 1
            above = int(stamps[at - 1])
        else:
            self._last = int(stamps[-1])
            return
        raise FormatError(
            f"row {begin + at + 1}: {order_reason(int(stamps[at]), above)}", file=self.name
        )

    def _check_values(self, values: Any, begin: int) -> None:
        element = self.head.layout.element
        with np.errstate(invalid="ignore", over="ignore"):
            cast = values.astype(element)
        if element.kind == "f":
            bad = np.isnan(values) | (np.isinf(cast) & ~np.isinf(values))
            what = f"is not a number or out of the range of {element.name}"
        else:
            # compared as Python numbers, so that no second rounding hides the first
            bad = np.array(
                [
                    a != b
                    for a, b in zip(values.ravel().tolist(), cast.ravel().tolist(), strict=True)
                ]
            ).reshape(values.shape)
            what = f"is not a value of {element.name}"
        if bad.any():
            row, column = divmod(int(bad.argmax()), values.shape[1])
            raise FormatError(
                f"row {begin + row + 1}, column {column + 1}: {values[row, column]} {what}",
                file=self.name,
            )

    def last_timestamp(self) -> int | None:
        """Return the timestamp of the last row, `None` without rows."""
        n = len(self._times)
        if not n:
            return None
        try:
            stamps = self._times[n - 1 : n].reshape(-1)
        except H5_ERRORS as exc:
            raise self._damaged() from exc
        return int(self._whole_times(stamps, n - 1)[0])

    def close(self) -> None:
        """Close the file; one that was handed in stays open."""
        self._file.close()


def _open(place: Place, name: str) -> h5py.File:
    check_seekable(place, name, "HDF5")
    try:
        return h5py.File(place, "r", rdcc_nbytes=CACHE_BYTES, locking=False)
    except H5_ERRORS as exc:
        if h5py.is_hdf5(place):
            raise FormatError("the file is cut or damaged", file=name) from exc
        raise FormatError("the file is not HDF5, or cut", file=name) from exc


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
