"""What an operation raises beside the errors of its parts: decisions for the caller, partial work.

::

    JouleError
    ├── OperationError              the request cannot be carried out as given
    │   ├── UnitsMismatchError      the destination's units differ; the caller may accept that
    │   ├── OverlapError            rows are in the way; the caller may replace or skip them
    │   ├── EventsPresentError      events are there already; the caller may choose what to do
    │   └── VerificationError       two streams that should be equal are not
    └── PartialError                failed after rows were stored, or may have been (status 3)
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from joule_cli.errors import JouleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from joule_cli.ops.progress import Meter


class OperationError(JouleError):
    """The request contradicts itself, or the streams do not allow it."""


class UnitsMismatchError(OperationError):
    """Elements have other units in the destination; `differences` has one sentence for each."""

    def __init__(self, destination: str, differences: Sequence[str]) -> None:
        super().__init__(
            f"the units of the destination differ: {'; '.join(differences)}", object=destination
        )
        self.differences = list(differences)


class OverlapError(OperationError):
    """The destination holds rows in the time range that would be written.

    Parameters
    ----------
    stream
        The destination's path.
    start, end
        The range in question, µs, half-open.
    rows
        How many rows the destination has there.
    """

    def __init__(self, stream: str, start: int, end: int, rows: int) -> None:
        super().__init__(
            f"the stream has {rows} {'row' if rows == 1 else 'rows'} in this time range",
            object=stream,
        )
        self.start = start
        self.end = end
        self.rows = rows


class EventsPresentError(OperationError):
    """The destination of a copy has `events` events in the range."""

    def __init__(self, stream: str, events: int) -> None:
        super().__init__(
            f"the stream has {events} {'event' if events == 1 else 'events'} in this time range",
            object=stream,
        )
        self.events = events


class VerificationError(OperationError):
    """The rows in a range differ between two streams."""

    def __init__(self, stream: str, start: int, end: int, expected: int, found: int) -> None:
        reason = f"{found} rows instead of {expected}" if found != expected else "rows that differ"
        super().__init__(f"the copy has {reason} from {start} to {end}", object=stream)
        self.start = start
        self.end = end
        self.expected = expected
        self.found = found


class PartialError(JouleError):
    """The work failed after rows had been stored, or handed over; repeating it continues there.

    Parameters
    ----------
    cause
        Why it stopped.
    stream
        The destination's path.
    rows
        Rows that are known to have been stored by this run.
    last
        Timestamp of the last one, µs.
    unit
        What `rows` counts: rows of a data stream, or events.
    unsure
        How many more were handed to the node, which may have stored any part of them.
    """

    exit_code = 3

    def __init__(
        self,
        cause: JouleError,
        stream: str,
        rows: int,
        last: int | None,
        unit: str = "rows",
        unsure: int = 0,
    ) -> None:
        super().__init__(cause.sentence(), hint=cause.hint)
        self.status = cause.status
        self.cause = cause
        self.stream = stream
        self.rows = rows
        self.last = last
        self.unit = unit
        self.unsure = unsure

    @classmethod
    def after(cls, cause: JouleError, meter: Meter) -> Self:
        """Return the error for what `meter` has counted."""
        unsure = meter.rows - meter.stored
        return cls(cause, meter.stream, meter.stored, meter.last_stored, meter.unit, unsure)


@contextmanager
def partial_after(meter: Meter) -> Iterator[None]:
    """Turn a failure inside the block into `PartialError` once `meter` has counted rows."""
    try:
        yield
    except PartialError:
        raise
    except JouleError as exc:
        if meter.rows == 0:
            raise
        raise PartialError.after(exc, meter) from exc
