"""Annotation actions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.references import AnnotationRef, StreamRef
    from joule_cli.model import Annotation, AnnotationInfo


class AnnotationActions(ABC):
    """Notes on data streams. Source: Joule API reference, "Annotation Actions"."""

    @abstractmethod
    async def annotation_create(self, annotation: Annotation, stream: StreamRef) -> Annotation:
        """Attach an annotation to a stream and return it as stored.

        Raises
        ------
        StreamNotFound
            The reference names no data stream.
        ApiError
            The title is empty, or ``start >= end``.

        Notes
        -----
        `annotation` itself receives the id as well. Wire: ``POST /annotation.json``.
        """

    async def annotation_create_all(
        self, annotations: Sequence[Annotation], stream: StreamRef
    ) -> list[Annotation]:
        """Attach annotations to a stream and return them as stored; in a node file all or none.

        A node elsewhere gets them one by one. After a failure those with an id are stored.

        Raises
        ------
        StreamNotFound
            The reference names no data stream.
        ApiError
            A title is empty, or ``start >= end``.
        """
        return [await self.annotation_create(each, stream) for each in annotations]

    @abstractmethod
    async def annotation_find(self, annotation: AnnotationRef) -> Annotation:
        """Return one annotation.

        Raises
        ------
        AnnotationNotFound
            The reference names no annotation.

        Notes
        -----
        An extension. Wire: ``PUT /annotation.json`` with nothing to change.
        """

    @abstractmethod
    async def annotation_update(self, annotation: Annotation) -> Annotation:
        """Store title and content; the times cannot be changed.

        Raises
        ------
        AnnotationNotFound
            No annotation has this id.
        ApiError
            The title is empty.

        Notes
        -----
        Wire: ``PUT /annotation.json``.
        """

    @abstractmethod
    async def annotation_delete(self, annotation: AnnotationRef) -> None:
        """Delete one annotation.

        Raises
        ------
        AnnotationNotFound
            The reference names no annotation.

        Notes
        -----
        Wire: ``DELETE /annotation.json``.
        """

    @abstractmethod
    async def annotation_get(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> list[Annotation]:
        """List the annotations of a stream that start in ``[start, end]``, by start.

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
        Wire: ``GET /annotations.json``.
        """

    @abstractmethod
    async def annotation_info(self, stream: StreamRef) -> AnnotationInfo:
        """Return how many annotations a stream has, with the smallest and largest start.

        Raises
        ------
        StreamNotFound
            The reference names no data stream.

        Notes
        -----
        Wire: ``GET /annotations/info.json``.
        """
