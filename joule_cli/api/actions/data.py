"""Data actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joule_cli.api.references import StreamRef
    from joule_cli.pipes import Pipe


class DataActions(ABC):
    """Rows of data streams. Source: Joule API reference, "Data Actions".

    `start` and `end` are µs since the epoch, UTC, and bound a half-open range; `None` leaves
    that side open. Every call raises `StreamNotFound` when the reference names no data stream
    and `DataError` when ``start >= end``.

    A missing value is NaN in rows. It counts for nothing: means, minima and maxima are those of
    the values that are there, and are missing only where none is. The mean of infinities of both
    signs is NaN too, but their minimum and maximum are not. Rows count whatever is missing in them.
    """

    @abstractmethod
    async def data_read(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        max_rows: int | None = None,
        *,
        decimation_level: int | None = None,
    ) -> Pipe:
        """Read stored rows.

        Parameters
        ----------
        max_rows
            Give at most this many rows, decimated by the smallest sufficient power of four. A
            range with at least one row always gives at least one row. Decimated rows never span
            an interval break, unless there are more intervals than `max_rows`.
        decimation_level
            Decimate by this power of four, whatever `max_rows` is. The pipe of another number,
            which no level has, is empty.

        Returns
        -------
        Pipe
            An input pipe; `layout` and `decimation_level` tell what the rows are. Close it after
            use. A failure while reading is raised by `Pipe.read`.

        Raises
        ------
        DataError
            `max_rows` or `decimation_level` is not positive.

        Notes
        -----
        Wire: ``GET /data``.
        """

    @abstractmethod
    async def data_read_array(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        max_rows: int = 10000,
        flatten: bool = False,
    ) -> Any:
        """Read rows into one array, decimated to at most `max_rows`; breaks are ignored.

        Parameters
        ----------
        flatten
            Give a 2-D array with the timestamp in column 0 instead of structured rows.

        Returns
        -------
        numpy.ndarray
            (n,) structured rows, or (n, k+1) when flattened.

        Raises
        ------
        PipeError
            There are no rows in the range.
        """

    @abstractmethod
    async def data_subscribe(self, stream: StreamRef, *, follow: bool = False) -> Pipe:
        """Receive the rows that a producer writes from now on.

        Parameters
        ----------
        follow
            Wait for a producer if there is none, and for the next one when it ends; the pipe then
            has no end of its own. Rows that are written before the last one of the stream are not
            received then. A Joule 1.0.1 node wants a producer all the same.

        Returns
        -------
        Pipe
            An input pipe, to be closed after use. Without `follow` it ends with the producer.

        Raises
        ------
        SubscriptionError
            Nobody is producing the stream.

        Notes
        -----
        Rows that another process writes to a node file are received from the file, so not those
        of a stream that keeps none. Wire: ``GET /data?subscribe=1``.
        """

    @abstractmethod
    async def data_write(
        self,
        stream: StreamRef,
        start: int | None = None,
        end: int | None = None,
        merge_gap: int = 0,
        *,
        end_interval: bool = True,
        missing: bool = False,
    ) -> Pipe:
        """Write rows.

        Parameters
        ----------
        start, end
            When one is given, existing rows in this range are deleted first.
        merge_gap
            Continue the preceding interval when the first row follows its last by at most this
            many µs (plus one); 0 always begins a new interval.
        end_interval
            Let `Pipe.close` end the interval. Without it, rows that follow the last one may run
            into the same interval, unless `Pipe.close_interval` was called behind it.
        missing
            Take NaN as a missing value, which every stream of a float type can hold. A row in
            which every value is missing is a row. Without it, NaN is refused.

        Returns
        -------
        Pipe
            An output pipe. In a node file, rows are durable when `Pipe.write` returns (with a
            cache: when `Pipe.flush_cache` or `Pipe.close` returns). On a node behind a socket
            that holds when `Pipe.close` returns: a write returns when its rows wait to be sent,
            and rows are stored, and seen by others, while more are written.

        Raises
        ------
        StreamInUseError
            Another producer is writing to the stream.
        LayoutMismatchError
            `stream` is an object of another layout than the stream of a node behind a socket.
        MissingValuesError
            `missing` is asked for on a node that cannot hold missing values, such as one of
            Joule 1.0.1, and the stream is of a float type. Nothing was sent or deleted;
            `NodeInfo.capabilities` tells it beforehand.

        Notes
        -----
        Rows must have strictly increasing timestamps that the stream does not hold yet, and
        without `missing` no value that is NaN; `Pipe.write` raises `NonMonotonicError`,
        `DuplicateTimestampError` or `InvalidValuesError`, and nothing of the refused block is
        stored. NaN in rows for a stream of integers raises `MissingValuesError`, which is an
        `InvalidValuesError`, and the pipe goes on. What only a node behind a socket can know, a
        timestamp that exists above all, is raised by a later write or by `Pipe.close`; batches of
        rows that it stored before stay. A pipe that failed stores nothing more, and nothing is
        sent a second time: read what is there, then write the rest.
        Wire: ``POST /data``; ``missing=1`` on nodes that tell the capability.
        """

    @abstractmethod
    async def data_delete(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> None:
        """Delete the rows in a range, which leaves an interval break behind.

        Notes
        -----
        Wire: ``DELETE /data``.
        """

    @abstractmethod
    async def data_intervals(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> list[list[int]]:
        """List the spans of time that hold rows.

        Returns
        -------
        list of [start, end]
            Ascending and disjoint, from the first row in bounds to 1 µs past the last one;
            empty without rows.

        Notes
        -----
        Wire: ``GET /data/intervals.json``.
        """

    @abstractmethod
    async def data_count(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> int:
        """Return the exact number of rows in a range.

        Notes
        -----
        An extension. Wire: ``GET /data/count.json``; on a Joule 1.0.1 node, which does not have
        it, the rows are read.
        """

    @abstractmethod
    async def data_consolidate(
        self,
        stream: StreamRef,
        max_gap: int,
        start: int | None = None,
        end: int | None = None,
    ) -> int:
        """Join neighbouring intervals that are at most `max_gap` µs apart.

        Returns
        -------
        int
            Number of joints made. No rows are added or removed.

        Raises
        ------
        DataError
            `max_gap` is not positive.

        Notes
        -----
        Wire: ``POST /data/consolidate.json``.
        """

    @abstractmethod
    async def data_split(
        self,
        stream: StreamRef,
        max_gap: int,
        start: int | None = None,
        end: int | None = None,
        *,
        dry_run: bool = False,
    ) -> list[list[int]]:
        """Break intervals where neighbouring rows are more than `max_gap` µs apart.

        It is the inverse of `data_consolidate`, and measures gaps as `data_intervals` does: from
        1 µs past a row to the next one. No rows are added or removed.

        Parameters
        ----------
        dry_run
            Change nothing.

        Returns
        -------
        list of [start, end]
            The gaps that became breaks, or would; ascending.

        Raises
        ------
        DataError
            `max_gap` is not positive, or more than a million gaps are longer; nothing was changed.
        UnsupportedError
            The node cannot do it, as one of Joule 1.0.1; `NodeInfo.capabilities` tells it
            beforehand.

        Notes
        -----
        An extension. Wire: ``POST /data/split.json`` with ``max_gap`` and ``dry_run=1``.
        """

    @abstractmethod
    async def data_decimate(self, stream: StreamRef) -> None:
        """Compute all decimation levels anew from the rows.

        Notes
        -----
        Wire: ``POST /data/decimate.json``.
        """

    @abstractmethod
    async def data_drop_decimations(self, stream: StreamRef) -> None:
        """Delete the stored decimation levels; decimated reads then compute them from the rows.

        Notes
        -----
        Wire: ``DELETE /data/decimate.json``.
        """
