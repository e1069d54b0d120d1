"""What streams no longer keep, and whether the clock can be believed when it says so.

A clock that is wrong by years would have a stream expire all that it holds. So a node notes in its
file when it was last written to, by the clock of the day and by one that only counts (since the
machine was started, sleep included). A clock that has moved by more than a day beyond what the
other one explains is believed when the node was used for a day with it; until then nothing expires.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from joule_cli.engine.stores.sqlite import chunks, expired
from joule_cli.engine.stores.sqlite.directory import EARLIEST
from joule_cli.model.data_stream import KEEP_ALL, KEEP_NONE
from joule_cli.series.zones import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

    from joule_cli.engine.stores.sqlite.expired import Kind

log = logging.getLogger("joule_cli.engine")

#: µs by which a clock may be set, and for which one that was set further is watched.
_DAY: Final = 86_400_000_000
#: µs between two notes in the file, and between two lines of the log about one stream.
_PAUSE: Final = 600_000_000

_NEWEST = (
    "SELECT max(newest) FROM "
    "(SELECT max(last) AS newest FROM chunk UNION ALL SELECT max(start) FROM event)"
)


@dataclass(frozen=True, slots=True)
class _Sighting:
    """What the clocks showed at some time, µs, and for how long they had agreed."""

    clock: int
    ticks: int
    agreed: int = 0

    def leads_to(self, clock: int, ticks: int) -> bool:
        """Tell whether the clocks may show this later without one having been set."""
        # the ticks begin anew with the machine: they never count more than has passed
        return -_DAY <= clock - self.clock <= max(ticks - self.ticks, 0) + _DAY


@dataclass(frozen=True, slots=True)
class _Notes:
    """What the file knows: when the clock was last believed, and last seen since it was set."""

    believed: _Sighting
    doubted: _Sighting | None = None

    @property
    def last(self) -> _Sighting:
        return self.doubted or self.believed


class Expiry:
    """Decides for one node object what expires; called by its writing thread only.

    Parameters
    ----------
    clock
        The present, µs.
    ticks
        µs since some time of no meaning, at the pace of the clock; begins anew with the machine.
    """

    def __init__(self, clock: Callable[[], int], ticks: Callable[[], int]) -> None:
        self._clock = clock
        self._ticks = ticks
        self._notes: _Notes | None = None
        #: For each stream: when the log last told of it, and what it has not told yet.
        self._told: dict[tuple[str, Kind], tuple[int, int]] = {}

    def note(self, connection: apsw.Connection) -> int | None:
        """Look at the clock, in a transaction that writes, before anything is stored.

        Returns
        -------
        int or None
            The present, µs, if the clock is believed.
        """
        now, notes = self._clock(), self._notes
        if notes is None or not 0 <= now - notes.last.clock < _PAUSE:
            notes = self._notes = self._look(connection, now, self._ticks())
        return None if notes.doubted else now

    def limit(self, connection: apsw.Connection, keep_us: int, newest: int | None) -> int | None:
        """Return the time before which nothing is kept, `None` if all is.

        Parameters
        ----------
        newest
            Of what the stream holds: without newer data, the old are kept.
        """
        if keep_us == KEEP_ALL or newest is None:
            return None
        now = self.note(connection)
        if now is None:
            return None
        return now if keep_us == KEEP_NONE else min(now, newest) - keep_us

    def expire(self, connection: apsw.Connection, stream_id: int, keep_us: int) -> int:
        """Delete the chunks that lie completely before the limit; return how many rows they had."""
        if keep_us == KEEP_ALL:
            return 0
        newest = connection.execute(
            "SELECT last FROM chunk WHERE stream_id = ? ORDER BY start DESC LIMIT 1", (stream_id,)
        ).get
        limit = self.limit(connection, keep_us, newest)
        if limit is None:
            return 0
        last, n_rows = connection.execute(
            "SELECT max(start), sum(n_rows) FROM chunk "
            "WHERE stream_id = ? AND start < ? AND last < ?",
            (stream_id, limit, limit),
        ).get
        if last is None:
            return 0
        chunks.remove(connection, stream_id, EARLIEST, last)
        expired.add(connection, "rows", stream_id, n_rows)
        return int(n_rows)

    def tell(self, name: str, kind: Kind, number: int) -> None:
        """Log that something has expired, after the commit; for each stream now and then."""
        key, now = (name, kind), self._ticks()
        told, waiting = self._told.get(key, (now - _PAUSE, 0))
        waiting += number
        if waiting and now - told >= _PAUSE:
            what = kind.removesuffix("s") if waiting == 1 else kind
            log.info("expired: %s %s of the stream %s", f"{waiting:,}", what, name)
            told, waiting = now, 0
        self._told[key] = told, waiting

    def _look(self, connection: apsw.Connection, now: int, ticks: int) -> _Notes:
        stored = _read(connection)
        known = stored or _from_data(connection, ticks)
        if known is None or known.believed.leads_to(now, ticks):
            notes = _Notes(_Sighting(now, ticks))
        else:
            notes = _doubt(known, now, ticks)
        if (
            known is None
            or stored is None
            or (notes.doubted is None) != (stored.doubted is None)
            or not 0 <= now - stored.last.clock < _PAUSE
        ):
            _write(connection, notes)
            return notes
        return known


def _doubt(known: _Notes, now: int, ticks: int) -> _Notes:
    """Take note of a clock that was set, and believe it in the end."""
    before = known.doubted
    if before is None or not before.leads_to(now, ticks):
        log.warning(
            "the clock shows %s, but the node was last used at %s; "
            "nothing expires until it was used for a day by this clock",
            _shown(now),
            _shown(known.believed.clock),
        )
        return replace(known, doubted=_Sighting(now, ticks))
    both = min(now - before.clock, ticks - before.ticks)
    agreed = before.agreed + max(both, 0)
    if agreed >= _DAY:
        log.warning("the clock is believed after a day, %s; what is old expires", _shown(now))
        return _Notes(_Sighting(now, ticks))
    return replace(known, doubted=_Sighting(now, ticks, agreed))


def _read(connection: apsw.Connection) -> _Notes | None:
    text = connection.execute("SELECT value FROM node WHERE key = 'clock'").get
    if text is None:
        return None
    clock, ticks, *doubted = map(int, text.split())
    return _Notes(_Sighting(clock, ticks), _Sighting(*doubted) if doubted else None)


def _write(connection: apsw.Connection, notes: _Notes) -> None:
    numbers = [notes.believed.clock, notes.believed.ticks]
    if notes.doubted is not None:
        numbers += [notes.doubted.clock, notes.doubted.ticks, notes.doubted.agreed]
    connection.execute(
        "INSERT OR REPLACE INTO node VALUES ('clock', ?)", (" ".join(map(str, numbers)),)
    )


def _from_data(connection: apsw.Connection, ticks: int) -> _Notes | None:
    """Take the newest data of an older file for the time of its last use."""
    newest = connection.execute(_NEWEST).get
    return None if newest is None else _Notes(_Sighting(newest, ticks))


def _shown(clock: int) -> str:
    try:
        return (EPOCH + timedelta(microseconds=clock)).isoformat(" ", "seconds")
    except OverflowError:
        return str(clock)
