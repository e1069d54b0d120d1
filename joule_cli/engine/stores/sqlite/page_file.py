"""The pages of a node file as they lie on the disk, and those in the log beside it.

Reads without SQLite, which refuses a file whose header is damaged. Where the file is in use, hold a
read transaction meanwhile: then what is read here is the state that the transaction sees, or a
later one.
"""

from __future__ import annotations

import struct
import time
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from joule_cli.engine.stores.sqlite.cut_log import (
    FRAME_HEADER_BYTES,
    LOG_HEADER_BYTES,
    LOG_MAGIC,
    frames_in_use,
    is_cut,
)
from joule_cli.engine.stores.sqlite.page_sums import chained, unsound
from joule_cli.engine.stores.sqlite.pages import (
    HEADER_BYTES,
    MAGIC,
    PAGE_SIZE_AT,
    RESERVED,
    RESERVED_AT,
    USUAL_BYTES,
    RawFile,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import apsw

#: Pages, or frames of the log, that are looked at together.
_BLOCK = 1024
#: Pages among which one with a checksum tells that all have them, whatever the header says.
_SAMPLE = 64
#: What is being written meanwhile is looked at again.
_TRIES, _PAUSE_S = 5, 0.01
#: Bytes that a page has in the map of what it belongs to.
_MAP_ENTRY = 5


class Kind(IntEnum):
    """What a page is, as that map says."""

    ROOT = 1
    FREE = 2
    OVERFLOW_FIRST = 3
    OVERFLOW = 4
    BRANCH = 5


class PageFile:
    """A node file, open for reading until it is closed.

    Parameters
    ----------
    connection
        To the same file, outside of any transaction: it knows how much of the log is in use.
    """

    def __init__(self, path: Path, connection: apsw.Connection | None = None) -> None:
        self._path, self._log = path, Path(f"{path.resolve()}-wal")
        self._connection = connection
        self._file = RawFile(path)
        header = self._file.read(0, HEADER_BYTES)
        size = int.from_bytes(header[PAGE_SIZE_AT : PAGE_SIZE_AT + 2], "big")
        #: Whether SQLite takes it for a database at all.
        self.has_header = header.startswith(MAGIC) and size in {2**k for k in range(9, 16)}
        self.page_bytes = size if self.has_header else USUAL_BYTES
        self._reserved = header[RESERVED_AT] if len(header) == HEADER_BYTES else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def n_pages(self) -> int:
        """Pages in the file itself; the last one may be cut short."""
        return -(-self._file.size // self.page_bytes)

    @cached_property
    def has_checksums(self) -> bool:
        """Whether pages end with their checksums, also if damage to the header hides it."""
        sample = self._words(1, _SAMPLE)
        sample = sample[sample.any(axis=1)]
        return self._reserved == RESERVED or len(unsound(sample)) < len(sample)

    def unsound_pages(self, progress: Callable[[int], None] = lambda n: None) -> Iterator[int]:
        """Yield the numbers of the pages that fail their checksum; the first page has number 1.

        Parameters
        ----------
        progress
            Told now and then how many pages were looked at.
        """
        if not self.has_checksums:
            return
        found: list[int] = []
        for first in range(1, self.n_pages + 1, _BLOCK):
            found += [first + i for i in unsound(self._words(first, _BLOCK))]
            progress(first - 1 + _BLOCK)
        for _ in range(_TRIES if found else 0):
            time.sleep(_PAUSE_S)  # not for work to be done, but for a write that is under way
            found = [page for page in found if not self.is_sound(page)]
        # what a power cut has left half written is read from the log
        logged = self._logged(self._frames_in_use()[1]) if found else {}
        yield from (page for page in found if page not in logged)

    def is_sound(self, page: int) -> bool:
        """Tell whether a page has the right checksum, or is no longer there."""
        return not unsound(self._words(page, 1))

    def _words(self, first: int, n_pages: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
        data = self._file.read((first - 1) * self.page_bytes, n_pages * self.page_bytes)
        data += bytes(-len(data) % self.page_bytes)
        return np.frombuffer(data, "<u4").reshape(-1, self.page_bytes // 4)

    # -- the log

    def unsound_frame(self) -> int | None:
        """Return the first frame of the log that fails its checksum, though SQLite reads it.

        Or reads none from there on, though changes were stored behind it.
        """
        n_valid = 0
        for _ in range(_TRIES):
            n_frames, _ = self._frames_in_use()
            n_valid = sum(len(pages) for pages, _ in self._frames())
            if n_valid >= n_frames and not self._is_cut():
                return None
            time.sleep(_PAUSE_S)  # as above
        return n_valid + 1

    def _logged(self, n_skipped: int = 0) -> dict[int, int]:
        """Return the pages whose committed state is in the log, and where the newest is there."""
        newest: dict[int, int] = {}
        open_: dict[int, int] = {}
        number = 0
        for pages, sizes in self._frames():
            for page, size in zip(pages, sizes, strict=True):
                if number >= n_skipped:
                    open_[page] = LOG_HEADER_BYTES + number * (FRAME_HEADER_BYTES + self.page_bytes)
                number += 1
                if size:
                    newest |= open_
                    open_.clear()
        return newest

    @cached_property
    def _newest(self) -> dict[int, int]:
        # a log whose pages are all in the file may be begun anew
        return self._logged(self._frames_in_use()[1])

    def _frames(self) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the pages of valid frames, and the size of the file where a frame commits one."""
        try:
            log = self._log.open("rb")
        except FileNotFoundError:
            return
        with log:
            header = log.read(LOG_HEADER_BYTES)
            magic = int.from_bytes(header[:4], "big")
            if len(header) < LOG_HEADER_BYTES or magic & ~1 != LOG_MAGIC:
                return
            order = ">u4" if magic & 1 else "<u4"
            (state,) = chained(np.frombuffer(header[:24], order).astype(np.uint32)[None], (0, 0))
            if state != struct.unpack(">2I", header[24:]):
                return
            salts, size = np.frombuffer(header[16:24], ">u4"), FRAME_HEADER_BYTES + self.page_bytes
            while data := log.read(_BLOCK * size):
                frames = np.frombuffer(data[: len(data) // size * size], np.uint8)
                frames = frames.reshape(-1, size)
                heads = frames[:, :FRAME_HEADER_BYTES].copy().view(">u4")
                summed = np.delete(frames, np.s_[8:FRAME_HEADER_BYTES], axis=1).view(order)
                states = chained(summed.astype(np.uint32), state)
                right = (heads[:, 4:] == np.array(states)).all(axis=1)
                right &= (heads[:, 2:4] == salts).all(axis=1)
                n_valid = len(right) if right.all() else int(np.argmin(right))
                yield heads[:n_valid, 0].tolist(), heads[:n_valid, 1].tolist()
                if n_valid < _BLOCK:
                    return
                state = states[-1]

    def _frames_in_use(self) -> tuple[int, int]:
        """Return how many frames SQLite reads, and how many of them are in the file already."""
        return (0, 0) if self._connection is None else frames_in_use(self._connection)

    def _is_cut(self) -> bool:
        return self._connection is not None and is_cut(self._path, self._connection)

    # -- one page

    @property
    def usable_bytes(self) -> int:
        """Bytes of a page that trees use."""
        return self.page_bytes - (RESERVED if self.has_checksums else self._reserved)

    def page(self, number: int) -> bytes | None:
        """Return the newest state of a page, `None` if that fails its checksum or is not there."""
        frame = self._newest.get(number)
        if frame is not None:
            with self._log.open("rb") as log:
                log.seek(frame + FRAME_HEADER_BYTES)
                return log.read(self.page_bytes)
        if not 0 < number <= self.n_pages or number in self._unsound:
            return None
        return self._words(number, 1).tobytes()

    @cached_property
    def _unsound(self) -> frozenset[int]:
        return frozenset(self.unsound_pages())

    # -- what a page belongs to

    def root_of(self, number: int) -> int | None:
        """Return the first page of the tree that a page belongs to, `None` if that cannot be told.

        A file keeps a map from each page to the one above it. The root of what no tree uses is 0.
        """
        for _ in range(self.n_pages):
            kind, above = self.above(number)
            if kind == Kind.ROOT:
                return number
            if kind == Kind.FREE:
                return 0
            if kind is None:
                return None
            number = above
        return None

    def above(self, number: int) -> tuple[Kind | None, int]:
        """Return what a page is, and the page above it."""
        if number == 1:
            return Kind.ROOT, 0
        per_page = self.usable_bytes // _MAP_ENTRY
        at = (number - 2) // (per_page + 1) * (per_page + 1) + 2
        entries = self.page(at) if at != number else None
        if entries is None:
            return None, 0
        kind, above = struct.unpack_from(">BI", entries, _MAP_ENTRY * (number - at - 1))
        return (Kind(kind), above) if kind in range(1, 6) else (None, 0)

    @cached_property
    def below(self) -> dict[int, list[int]]:
        """The pages of trees below each page, as the map says."""
        found: dict[int, list[int]] = {}
        for number in range(2, self.n_pages + 1):
            kind, above = self.above(number)
            if kind is Kind.BRANCH:
                found.setdefault(above, []).append(number)
        return found
