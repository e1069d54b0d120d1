"""The contract of what a node keeps.

A store is a subclass of `Storage`, entered in `joule_cli.api.connect.STORES` under the scheme of
its addresses. It has as many of the parts, and of their methods, as it can do: all others raise
UnsupportedError. What a node does is written once, over this contract, in `EmbeddedNode`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

from joule_cli.engine.stores.base import DataStore, EventStore
from joule_cli.engine.stores.maintenance import Maintenance
from joule_cli.engine.stores.metadata import AnnotationStore, MetadataStore, PeerStore
from joule_cli.engine.stores.part import Part

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.engine import Engine

    from joule_cli.api.query import QueryResult, QueryTable
    from joule_cli.model import ConnectionInfo


def time_now() -> int:
    """Return the present time in µs."""
    return time.time_ns() // 1000


class StorageInfo(NamedTuple):
    """Where a store is, and its space; all sizes in bytes, as in `NodeInfo`."""

    path: str
    uuid: str  # of the node, fixed for its life; empty before its first change
    size_db: int = 0
    size_free: int = 0
    size_other: int = 0
    size_reserved: int = 0


class Claims(Part):
    """Which data streams are being written: each by at most one producer.

    A claim ends with the process that has it, however that ends.
    """

    async def acquire(self, stream_id: int, name: str) -> None:
        """Become the producer of a stream.

        Raises
        ------
        StreamInUseError
            It has one.
        """
        raise self.unsupported("be written to")

    async def release(self, stream_id: int) -> None:
        """Stop being the producer of a stream; does nothing if it is not held here."""

    def owns(self, stream_id: int) -> bool:
        """Tell whether a stream was claimed through this object."""
        return False

    async def is_active(self, stream_id: int) -> bool:
        """Tell whether a stream is claimed, by this process or another."""
        return stream_id in await self.active()

    async def active(self) -> frozenset[int]:
        """Return the ids of all streams that are claimed, by this process or others."""
        return frozenset()


class Changes(Part):
    """Notices what is committed, by this process and by others."""

    def ticks(self) -> AsyncGenerator[bool, None]:
        """Tell now and then whether anything was committed meanwhile, the first time at once.

        It goes on telling that nothing was, so that its user can look at other things. Use it in
        ``contextlib.aclosing``.

        Raises
        ------
        StorageError
            The store cannot be looked at.
        """
        raise self.unsupported("be followed")


class Queries(Part):
    """SQL over what is stored; see `joule_cli.api.actions.db`."""

    async def connection_info(self) -> ConnectionInfo:
        """Return what is needed to connect to the database."""
        raise self.unsupported("be connected to")

    async def connect(self) -> Engine:
        """Return a SQLAlchemy engine for the database."""
        raise self.unsupported("be connected to")

    async def query(self, sql: str, tz: str | None) -> QueryResult:
        """Begin to run a query."""
        raise self.unsupported("run SQL")

    async def tables(self) -> list[QueryTable]:
        """List the tables for `query`."""
        raise self.unsupported("run SQL")


class Storage(Part):
    """All that a node keeps. Belongs to one event loop.

    A change is durable when its call returns.

    Parameters
    ----------
    url
        Where it is; `open` makes a storage of it.
    clock
        Gives the present time in µs, for `updated_at` and for `keep`.

    Attributes
    ----------
    capabilities
        What the store can do that a node of Joule 1.0.1 cannot, as in `NodeInfo`.
    """

    capabilities: frozenset[str] = frozenset()

    def __init__(self, url: str, clock: Callable[[], int] = time_now) -> None:
        self.url = url
        self.clock = clock

    @classmethod
    def open(cls, url: str, *, new_folder: bool = True) -> Self:
        """Return the storage at an address, without looking at it yet.

        Parameters
        ----------
        new_folder
            Whether a missing folder of a file is to be made, as what is missing below a place of
            this program is.
        """
        return cls(url)

    # the parts: a store has its own in place of these, of which no method works

    @cached_property
    def metadata(self) -> MetadataStore:
        """Folders and streams."""
        return MetadataStore()

    @cached_property
    def annotations(self) -> AnnotationStore:
        """Annotations of data streams."""
        return AnnotationStore()

    @cached_property
    def peers(self) -> PeerStore:
        """Masters and followers."""
        return PeerStore()

    @cached_property
    def rows(self) -> DataStore:
        """Rows of data streams."""
        return DataStore()

    @cached_property
    def events(self) -> EventStore:
        """Events of event streams."""
        return EventStore()

    @cached_property
    def claims(self) -> Claims:
        """Which streams are being written."""
        return Claims()

    @cached_property
    def changes(self) -> Changes:
        """What is committed."""
        return Changes()

    @cached_property
    def queries(self) -> Queries:
        """SQL."""
        return Queries()

    @cached_property
    def maintenance(self) -> Maintenance:
        """What can be done to the store as a whole."""
        return Maintenance()

    async def info(self) -> StorageInfo:
        """Return where the store is, and its space."""
        raise self.unsupported("tell its space")

    async def uuid(self) -> str:
        """Return the identity of the node, as in `StorageInfo`."""
        return (await self.info()).uuid

    async def release_space(self) -> None:
        """Give back to the system what deletions have freed, as far as that is worth its time."""

    def only_server(self) -> AbstractAsyncContextManager[None]:
        """Be the only server of the node during a block.

        Raises
        ------
        ConflictError
            Another process serves it.
        """
        return nullcontext()

    async def until_lost(self) -> None:
        """Watch whether the store still is where others look for it; ends only with an error.

        Raises
        ------
        StorageError
            It is not, or can no longer be looked at.
        """
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Release connections and files; calls that run are finished first."""
