"""Data stream actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joule_cli.api.references import FolderRef, StreamRef
    from joule_cli.model import DataStream, DataStreamInfo


class DataStreamActions(ABC):
    """Data streams as objects. Source: Joule API reference, "DataStream Actions"."""

    @abstractmethod
    async def data_stream_get(self, stream: StreamRef, *, info: bool = False) -> DataStream:
        """Return a stream with its elements.

        Parameters
        ----------
        info
            Fill in `DataStream.info`: one request tells both. An extension.

        Raises
        ------
        StreamNotFound
            The reference names no data stream.

        Notes
        -----
        Wire: ``GET /stream.json``.
        """

    @abstractmethod
    async def data_stream_create(self, stream: DataStream, folder: FolderRef) -> DataStream:
        """Create a stream in `folder` and return it as stored.

        Parameters
        ----------
        stream
            `id`, flags and element indices are set by the node.
        folder
            A path is created with all missing ancestors.

        Raises
        ------
        NameTakenError
            A stream of that name exists in the folder.
        ApiError
            Missing or bad name, datatype, display type; no elements; equal element names.

        Notes
        -----
        Wire: ``POST /stream.json``.
        """

    @abstractmethod
    async def data_stream_update(self, stream: DataStream) -> None:
        """Store name, description, keep, decimate and element attributes.

        The datatype and the number of elements cannot be changed.

        Raises
        ------
        StreamNotFound
            No stream has this id.
        LockedError
            The stream is configured or in use.
        NameTakenError
            A stream of that name exists in the folder.
        ApiError
            A value is refused, or the number of elements differs.

        Notes
        -----
        Wire: ``PUT /stream.json``.
        """

    @abstractmethod
    async def data_stream_move(self, stream: StreamRef, folder: FolderRef) -> None:
        """Move a stream into `folder`, which is created when it is a new path.

        Raises
        ------
        StreamNotFound
            The reference names no data stream.
        LockedError
            The stream is configured or in use.
        NameTakenError
            The destination has a stream of that name.

        Notes
        -----
        Wire: ``PUT /stream/move.json``.
        """

    @abstractmethod
    async def data_stream_delete(self, stream: StreamRef) -> None:
        """Delete a stream with its data and annotations.

        Raises
        ------
        StreamNotFound
            The reference names no data stream.
        LockedError
            The stream is configured or in use.

        Notes
        -----
        Wire: ``DELETE /stream.json``.
        """

    @abstractmethod
    async def data_stream_info(self, stream: StreamRef) -> DataStreamInfo:
        """Return first and last timestamp, number of rows and size.

        Raises
        ------
        StreamNotFound
            The reference names no data stream.

        Notes
        -----
        Wire: ``GET /stream.json``.
        """

    @abstractmethod
    async def data_stream_annotation_delete(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> None:
        """Delete the annotations of a stream that start in ``[start, end]``.

        Parameters
        ----------
        start, end
            µs, both inclusive; `None` leaves that side open.

        Raises
        ------
        StreamNotFound
            The reference names no data stream.

        Notes
        -----
        Wire: ``DELETE /stream/annotations.json``.
        """
