"""Annotation actions over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joule_cli.api.actions.annotation import AnnotationActions
from joule_cli.api.references import annotation_key
from joule_cli.errors import AnnotationNotFound, InvalidReference
from joule_cli.model import Annotation, AnnotationInfo
from joule_cli.remote.answers import read_list, read_object, require_ok
from joule_cli.remote.base import RemoteState
from joule_cli.remote.references import find_stream, key_body
from joule_cli.wire import endpoints
from joule_cli.wire.params import bounds_params, key_params

if TYPE_CHECKING:
    from joule_cli.api.references import AnnotationRef, StreamRef

_KEYS = ("id", "title", "start", "stream_id")


class RemoteAnnotations(RemoteState, AnnotationActions):
    """The annotations of a remote node."""

    async def annotation_create(self, annotation: Annotation, stream: StreamRef) -> Annotation:
        _require_annotation(annotation)
        key = find_stream(stream)
        body = {
            "title": annotation.title,
            "content": annotation.content,
            "start": annotation.start,
            "end": annotation.end,
        } | key_body(key, "stream_")
        stored = _read(await self.session.post(endpoints.ANNOTATION, body, about=key))
        annotation.id, annotation.stream_id = stored.id, stored.stream_id
        return stored

    async def annotation_find(self, annotation: AnnotationRef) -> Annotation:
        key = _existing_key(annotation)
        return _read(await self.session.put(endpoints.ANNOTATION, {"id": key}, about=key))

    async def annotation_update(self, annotation: Annotation) -> Annotation:
        _require_annotation(annotation)
        key = annotation_key(annotation)
        body = {"id": key, "title": annotation.title, "content": annotation.content}
        return _read(await self.session.put(endpoints.ANNOTATION, body, about=key))

    async def annotation_delete(self, annotation: AnnotationRef) -> None:
        key = _existing_key(annotation)
        require_ok(await self.session.delete(endpoints.ANNOTATION, key_params(key), about=key))

    async def annotation_get(
        self, stream: StreamRef, start: int | None = None, end: int | None = None
    ) -> list[Annotation]:
        key = find_stream(stream)
        params = bounds_params(start, end) | key_params(key, "stream_")
        answer = await self.session.get(endpoints.ANNOTATIONS, params, about=key)
        found = read_list(answer, Annotation.from_json, *_KEYS)
        if not found and isinstance(key, int):
            # the node gives nothing for an id that does not exist, too
            await self.session.get(endpoints.STREAM, key_params(key) | {"no-info": ""}, about=key)
        return sorted(found, key=lambda each: (each.start, each.id))

    async def annotation_info(self, stream: StreamRef) -> AnnotationInfo:
        key = find_stream(stream)
        answer = await self.session.get(
            endpoints.ANNOTATIONS_INFO, key_params(key, "stream_"), about=key
        )
        return read_object(answer, _info, "start", "end", "count")


def _existing_key(annotation: AnnotationRef) -> int:
    key = annotation_key(annotation)
    if not 0 < key < 2**63:
        raise AnnotationNotFound("annotation does not exist", object=str(key))
    return key


def _read(answer: Any) -> Annotation:
    return read_object(answer, Annotation.from_json, *_KEYS)


def _info(data: dict[str, Any]) -> AnnotationInfo:
    return AnnotationInfo(start=data["start"], end=data["end"], count=data["count"])


def _require_annotation(annotation: Annotation) -> None:
    if not isinstance(annotation, Annotation):
        raise InvalidReference("Invalid annotation datatype. Must be Annotation")
