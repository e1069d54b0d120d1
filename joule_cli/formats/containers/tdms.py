"""TDMS files of LabVIEW, by npTDMS."""

from __future__ import annotations

import os
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from nptdms import TdmsFile

from joule_cli.errors import FormatError
from joule_cli.formats.base import os_failure, place_name
from joule_cli.formats.containers.base import Cells, Container, Heading, Told
from joule_cli.formats.containers.foreign import foreign
from joule_cli.formats.containers.hdf5_table import as_cells, as_times, heading_of
from joule_cli.formats.containers.sliced import SlicedTable
from joule_cli.formats.seekable import check_seekable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from typing import IO

    from joule_cli.formats.base import FileRef
    from joule_cli.formats.table.options import ReadOptions

_MAGIC: Final = b"TDSm"
_INDEX_MAGIC: Final = b"TDSh"
#: What the library raises about damaged files, among others.
_ERRORS: Final = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError,
    NotImplementedError, OSError, RuntimeError, TypeError, ValueError, struct.error,
)  # fmt: skip
#: Name of the column of times that the file gives as a beginning and a step.
_TIME: Final = "time"


@contextmanager
def _tdms_errors(name: str) -> Iterator[None]:
    try:
        yield
    except FormatError:
        raise
    except _ERRORS as exc:
        if isinstance(exc, OSError) and exc.errno:
            raise os_failure(exc, name) from exc
        raise FormatError("the file is cut or damaged", file=name) from exc


def open_tdms(place: FileRef, options: ReadOptions) -> Container:
    """Open the channels of a group: of the only one, or of that of the name ``dataset``.

    Raises
    ------
    FormatError
        The file is not TDMS or damaged, or holds no channels of numbers, or several groups.
    """
    name = place_name(place)
    check_seekable(place, name, "TDMS")
    own = isinstance(place, str | os.PathLike)
    # the library leaves files open that it fails to read
    raw: Any = place
    if isinstance(place, str | os.PathLike):
        raw = Path(place).open("rb")  # noqa: SIM115  # closed with the table
    try:
        with _tdms_errors(name):
            _check_magic(raw, name)
            return _TdmsTable(name, TdmsFile.open(raw), options.dataset, raw if own else None)
    except BaseException:
        if own:
            raw.close()
        raise


def _check_magic(file: IO[bytes], name: str) -> None:
    head = file.read(512)
    file.seek(0)
    if head.startswith(_INDEX_MAGIC):
        raise FormatError(
            "the file is an index of a TDMS file, without its data",
            file=name,
            hint="name the file with the suffix .tdms",
        )
    if not head.startswith(_MAGIC):
        raise foreign(head, name) or FormatError("the file is not TDMS", file=name)


class _TdmsTable(SlicedTable):
    """Channels of one group that are equally long."""

    kind = "TDMS"

    def __init__(
        self, name: str, file: TdmsFile, wanted: str | None, own: IO[bytes] | None
    ) -> None:
        super().__init__(name)
        self._file = file
        self._own = own
        if file.file_status.incomplete_final_segment:
            self.warnings.append(f"{name}: the last segment has no end, the file may be cut")
        group, channels = self._find(wanted)
        n = max(len(channel) for channel in channels)
        left = [channel.name for channel in channels if len(channel) != n]
        if left:
            listed = ", ".join(map(repr, left[:20]))
            self.warnings.append(f"{name}: channels of another length are left out: {listed}")
        self._channels = [channel for channel in channels if len(channel) == n]
        self.n_rows = n
        self.notes.append(f"group {group!r}")
        self._step = self._waveform()
        headings = [self._heading(channel) for channel in self._channels]
        if self._step is not None:
            headings.insert(0, self._step.heading)
            self.told = Told(time_column=_TIME)
        self.columns = headings
        self.row_bytes = 8 * len(headings)

    def _find(self, wanted: str | None) -> tuple[str, Sequence[Any]]:
        """Return the channels of one group, or one channel as ``group/channel``."""
        groups = {
            group.name: [channel for channel in group.channels() if len(channel)]
            for group in self._file.groups()
        }
        filled = {name: channels for name, channels in groups.items() if channels}
        if wanted is not None:
            if filled.get(wanted):
                return wanted, filled[wanted]
            for name, channels in filled.items():
                for channel in channels:
                    if f"{name}/{channel.name}" == wanted:
                        return name, [channel]
        if not filled:
            raise FormatError("the file holds no channel with values", file=self.name)
        listed = ", ".join(_shown(name, channels) for name, channels in list(filled.items())[:20])
        if wanted is not None:
            raise FormatError(f"there is no group {wanted!r}, only {listed}", file=self.name)
        if len(filled) > 1:
            raise FormatError(
                f"the file holds several groups: {listed}",
                file=self.name,
                hint="choose one with --dataset GROUP or --dataset GROUP/CHANNEL",
            )
        return next(iter(filled.items()))

    def _waveform(self) -> _Waveform | None:
        """Return the times that all channels have as a beginning and a step, if they have."""
        if any(channel.dtype.kind == "M" for channel in self._channels):
            return None
        found = {_Waveform.of(channel) for channel in self._channels}
        if found == {None}:
            return None
        if len(found) > 1:
            listed = ", ".join(repr(channel.name) for channel in self._channels[:20])
            raise FormatError(
                f"the channels {listed} do not have the same times",
                file=self.name,
                hint="choose one with --dataset GROUP/CHANNEL",
            )
        return found.pop()

    def _heading(self, channel: Any) -> Heading:
        units = str(channel.properties.get("unit_string") or "")
        if channel.dtype.kind == "M":
            return Heading(name=channel.name, kind="time", aware=True)
        if channel.dtype.kind == "O":
            return Heading(name=channel.name, units=units, kind="text")
        return heading_of(channel.dtype, channel.name, units)

    def _load(self, begin: int, end: int, columns: Collection[int]) -> list[Cells | None]:
        cells: list[Cells | None] = [None] * len(self.columns)
        first = 0 if self._step is None else 1
        with _tdms_errors(self.name):
            for at in columns:
                if at < first:
                    assert self._step is not None
                    cells[at] = self._step.times(begin, end)
                    continue
                values = self._channels[at - first].read_data(begin, end - begin)
                if len(values) != end - begin:
                    raise FormatError("the file is cut or damaged", file=self.name)
                cells[at] = as_times(values) if values.dtype.kind == "M" else as_cells(values)
        return cells

    def close(self) -> None:
        """Close the file; one that was handed in stays open."""
        self._file.close()
        if self._own is not None:
            self._own.close()


class _Waveform:
    """Times as a beginning and a step."""

    def __init__(self, start: np.datetime64 | None, offset: float, step: float) -> None:
        self._key = (start, offset, step)

    @classmethod
    def of(cls, channel: Any) -> _Waveform | None:
        """Return what a channel says."""
        told = channel.properties
        step = told.get("wf_increment")
        if not isinstance(step, int | float) or not 0 < step < float("inf"):
            return None
        start = told.get("wf_start_time")
        if not isinstance(start, np.datetime64) or np.isnat(start):
            start = None
        return cls(start, float(told.get("wf_start_offset") or 0), float(step))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Waveform) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def heading(self) -> Heading:
        """The column of the times; without a beginning they are seconds."""
        if self._key[0] is None:
            return Heading(name=_TIME, units="s", kind="number", dtype=np.dtype("f8"))
        return Heading(name=_TIME, kind="time", aware=True)

    def times(self, begin: int, end: int) -> npt.NDArray[Any]:
        """Return the times of some rows."""
        start, offset, step = self._key
        seconds = offset + np.arange(begin, end) * step
        if start is None:
            return seconds
        times: npt.NDArray[Any] = start.astype("M8[us]") + np.rint(seconds * 1e6).astype("m8[us]")
        return times


def _shown(name: str, channels: Sequence[Any]) -> str:
    sizes = sorted({len(channel) for channel in channels})
    rows = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{name} ({len(channels)} channels of {rows} values)"
