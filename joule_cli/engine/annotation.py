"""Annotation actions of the embedded node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli import model
from joule_cli.api.actions.annotation import AnnotationActions
from joule_cli.api.references import annotation_key
from joule_cli.engine.base import EngineState
from joule_cli.engine.references import data_stream_at
from joule_cli.engine.stores.metadata import no_annotation
from joule_cli.engine.validation import (
    INT64_MAX,
    check_optional_text,
    check_text,
    check_timestamp,
)
from joule_cli.errors import ApiError, InvalidReference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.references import AnnotationRef, StreamRef
    from joule_cli.model import Annotation, AnnotationInfo


class EmbeddedAnnotations(EngineState, AnnotationActions):
    """The annotations of a store."""

    async def annotation_create(self, annotation: Annotation, stream: StreamRef) -> Annotation:
        return (await self.annotation_create_all([annotation], stream))[0]

    async def annotation_create_all(
        self, annotations: Sequence[Annotation], stream: StreamRef
    ) -> list[Annotation]:
        key = data_stream_at(stream)
        checked = [_checked(annotation) for annotation in annotations]
        stored = await self.storage.annotations.create(checked, key)
        for given, each in zip(annotations, stored, strict=True):
            given.id, given.stream_id = each.id, each.stream_id
        return stored

    async def annotation_find(self, annotation: AnnotationRef) -> Annotation:
        return await self.storage.annotations.get(_number(annotation))

    async def annotation_update(self, annotation: Annotation) -> Annotation:
        _require_annotation(annotation)
        return await self.storage.annotations.update(_number(annotation), *_texts(annotation))

    async def annotation_delete(self, annotation: AnnotationRef) -> None:
        await self.storage.annotations.delete(_number(annotation))

    async def annotation_get(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> list[Annotation]:
        return await self.storage.annotations.within(data_stream_at(stream), *bounds(start, end))

    async def annotation_info(self, stream: StreamRef) -> AnnotationInfo:
        return await self.storage.annotations.info(data_stream_at(stream))


def bounds(start: int | None, end: int | None) -> tuple[int, int]:
    """Return both inclusive bounds as integers; `None` is as far as timestamps go."""
    low = -INT64_MAX - 1 if start is None else check_timestamp(start, "start")
    high = INT64_MAX if end is None else check_timestamp(end, "end")
    return low, high


def _checked(annotation: Annotation) -> Annotation:
    """Return an annotation as it is stored."""
    _require_annotation(annotation)
    start = check_timestamp(annotation.start, "start")
    end = None if annotation.end is None else check_timestamp(annotation.end, "end")
    title, content = _texts(annotation)
    if end is not None and start >= end:
        raise ApiError("[start] must be before [end]", object=title)
    return model.Annotation(title=title, start=start, end=end, content=content)


def _require_annotation(annotation: Annotation) -> None:
    if not isinstance(annotation, model.Annotation):
        raise InvalidReference("Invalid annotation datatype. Must be Annotation")


def _number(annotation: AnnotationRef) -> int:
    number = annotation_key(annotation)
    if not 0 < number <= INT64_MAX:
        raise no_annotation(number)
    return number


def _texts(annotation: Annotation) -> tuple[str, str | None]:
    if not annotation.title:
        raise ApiError("annotation title is required")
    content = check_optional_text(annotation.content, "content")
    return check_text(annotation.title, "title"), content
