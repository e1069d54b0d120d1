"""What the formats with one event per line share when they are read."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from joule_cli.formats.events.base import EventBlock, EventReader, EventReadOptions
from joule_cli.formats.events.records import BadLine
from joule_cli.formats.source import LineBlocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.formats.base import Place
    from joule_cli.formats.source import ByteSource
    from joule_cli.model import Event

#: Some thousand events.
_PIECE_BYTES = 1 << 19


class EventLineReader(EventReader):
    """A text file with one event per line; empty lines and those that begin with # are left out.

    Pieces of whole lines are parsed at once by `_parse_piece`; where that finds anything unusual,
    the same lines are parsed one by one by `_parse_record`, which knows what to say about them.
    """

    #: Whether a last line without an end may be a part of one that would read differently.
    _can_be_cut = True

    def __init__(self, place: Place | ByteSource, options: EventReadOptions) -> None:
        super().__init__(place, options)
        self._lines = LineBlocks(self._source)

    @abstractmethod
    def _parse_piece(self, piece: bytes) -> list[Event] | None:
        """Parse whole lines; `None` when they need a closer look."""

    @abstractmethod
    def _parse_record(self, raw: bytes) -> Event:
        """Parse one record without the end of its line.

        Raises
        ------
        BadLine
            It is no event.
        """

    def blocks(self) -> Iterator[EventBlock]:
        """Give blocks of events; docstring of `EventReader.blocks` applies."""
        while piece := self._piece():
            first = self._lines.line - piece.count(b"\n")
            events = self._parse_piece(piece)
            if events is None:
                events = self._one_by_one(piece, first)
            if events:
                self.tally.rows += len(events)
                yield EventBlock(events, self._lines.line - 1)
        if self._lines.unterminated and self._can_be_cut:
            self.tally.warnings.append(
                f"{self.name}: the last line has no line end, the file may be cut"
            )

    @property
    def share(self) -> float | None:
        """The share that is done; docstring of `EventReader.share` applies."""
        return self._lines.share

    def _piece(self) -> bytes:
        """Return some whole lines; empty at the end."""
        block = self._lines.block()
        if len(block) > _PIECE_BYTES:
            cut = block.find(b"\n", _PIECE_BYTES) + 1
            self._lines.put_back(block[cut:])
            block = block[:cut]
        return block

    def _one_by_one(self, piece: bytes, line: int) -> list[Event]:
        events = []
        left = deque(piece.split(b"\n")[:-1])
        while left:
            raw = left.popleft()
            used = 1
            if raw.strip() and not raw.lstrip().startswith(b"#"):
                try:
                    raw, used = self._whole_record(raw, left)
                    events.append(self._parse_record(raw.removesuffix(b"\r")))
                except BadLine as bad:
                    self._reject(line, raw.decode("utf-8", "backslashreplace"), bad)
            line += used
        return events

    def _whole_record(self, raw: bytes, left: deque[bytes]) -> tuple[bytes, int]:
        """Add lines that belong to the same record; the number of lines is that of all of them.

        Raises
        ------
        BadLine
            It has no end; then `left` is as it was.
        """
        return raw, 1
