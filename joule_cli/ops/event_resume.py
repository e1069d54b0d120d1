"""What is learnt of events before they are written: their number, and which are there already."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeAlias

from joule_cli.errors import FormatError
from joule_cli.ops.event_comparison import event_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import Event, EventStream

#: Events of a file that is stored in one transaction, and the bytes of their contents, about.
#: They are in memory until then.
WHOLE_EVENTS: Final = 50_000
WHOLE_BYTES: Final = 64 * 2**20

#: What equal events share: their start, and a digest of all else.
_Key: TypeAlias = tuple[int, bytes]


@dataclass(slots=True)
class Seen:
    """What was learnt of an input that was read once to be checked."""

    n_events: int = 0
    n_bytes: int = 0
    first: int | None = None
    last: int | None = None
    in_order: bool = True
    _before: int | None = None

    def take(self, events: Sequence[Event]) -> None:
        """Learn of the next events."""
        self.n_events += len(events)
        for event in events:
            start = event.start_time
            if self.fits:
                self.n_bytes += len(str(event.content))
            self.in_order &= self._before is None or self._before <= start
            self._before = start
            self.first = start if self.first is None else min(self.first, start)
            self.last = start if self.last is None else max(self.last, start)

    @property
    def fits(self) -> bool:
        """Whether one transaction takes them all."""
        return self.n_events <= WHOLE_EVENTS and self.n_bytes <= WHOLE_BYTES


class Present:
    """Leaves out the events that a stream has, each as often as it has it.

    Events in the order of their starts are compared block by block. For others the events of the
    stream in the range of the input are remembered, some 100 bytes for each.

    Parameters
    ----------
    seen
        What is known of the input; `None` if it is read for the first time, from a pipe. That must
        be in order.
    """

    def __init__(self, node: Node, stream: EventStream, seen: Seen | None) -> None:
        self._node = node
        self._stream = stream
        self._seen = seen
        self._last: int | None = None
        #: Events of the stream, as it was before the first was written, that none is equal to yet.
        self._unmatched: Counter[_Key] = Counter()
        #: They are known up to here, µs; what is stored in the course of the work lies before.
        self._known: int | None = None

    async def leave_out(self, events: Sequence[Event]) -> list[Event]:
        """Return the events that the stream does not have.

        Raises
        ------
        FormatError
            They come through a pipe, and not in the order of their starts.
        """
        if self._seen is None or self._seen.in_order:
            self._require_order(events)
            first, last = events[0].start_time, events[-1].start_time
            starts = {event.start_time for event in events}
            self._unmatched = Counter(
                {key: n for key, n in self._unmatched.items() if key[0] >= first}
            )
            await self._learn(first, last, starts)
        elif self._known is None:
            assert self._seen.first is not None
            assert self._seen.last is not None
            await self._learn(self._seen.first, self._seen.last, None)
        missing = []
        for event in events:
            if self._unmatched[key := _key(event)]:
                self._unmatched[key] -= 1
            else:
                missing.append(event)
        return missing

    async def _learn(self, first: int, last: int, starts: set[int] | None) -> None:
        begin = first if self._known is None else max(first, self._known)
        if begin > last:
            return
        self._known = last + 1
        async for event in self._node.event_stream_read(
            self._stream, begin, last + 1, include_on_going_events=False
        ):
            if starts is None or event.start_time in starts:
                self._unmatched[_key(event)] += 1

    def _require_order(self, events: Sequence[Event]) -> None:
        for event in events:
            if self._last is not None and event.start_time < self._last:
                raise FormatError(
                    f"the event at {event.start_time} begins before the one in front of it, and "
                    "what comes through a pipe can be resumed in the order of the starts only",
                    hint="write the events to a file first",
                )
            self._last = event.start_time


def _key(event: Event) -> _Key:
    return event.start_time, blake2b(event_key(event).encode(), digest_size=16).digest()
