"""Copying the annotations that a stream lacks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from joule_cli.model import Annotation
from joule_cli.ops.joints import enclosing
from joule_cli.series.intervals import union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.api.node import Node
    from joule_cli.api.references import StreamRef
    from joule_cli.model import DataStream
    from joule_cli.ops.streams import Place
    from joule_cli.series.intervals import Interval

_Key: TypeAlias = tuple[str, str, int, int | None]


def _key(annotation: Annotation) -> _Key:
    return annotation.title, annotation.content or "", annotation.start, annotation.end


async def missing_annotations(
    source: Place,
    destination: Place,
    start: int | None,
    end: int | None,
    intervals: Sequence[Interval] | None,
    *,
    creates: bool,
) -> list[Annotation]:
    """Return the source's annotations that the destination lacks, told apart by all they say.

    Parameters
    ----------
    start, end
        Half-open bounds for the annotations' start.
    intervals
        When given, annotations must start inside one of them.
    creates
        There is no destination yet.
    """
    last = None if end is None else end - 1  # annotation bounds are inclusive
    # by the path: a node says nothing of an id that does not exist, and has to be asked again
    wanted = await source.node.annotation_get(source.path, start, last)
    if intervals is not None:
        pieces = union(intervals)
        wanted = [note for note in wanted if enclosing(pieces, note.start)]
    target = None if creates else destination.path
    return await keep_missing(wanted, destination.node, target, start, last)


async def keep_missing(
    wanted: Sequence[Annotation],
    node: Node,
    stream: StreamRef | None,
    start: int | None = None,
    last: int | None = None,
) -> list[Annotation]:
    """Return those of `wanted` that `stream` lacks; all of them if there is no stream yet."""
    present: Counter[_Key] = Counter()
    if stream is not None and wanted:
        present.update(_key(note) for note in await node.annotation_get(stream, start, last))
    missing = []
    for note in wanted:
        key = _key(note)
        if present[key]:
            present[key] -= 1
        else:
            missing.append(note)
    return missing


async def copy_annotations(node: Node, stream: DataStream, notes: Sequence[Annotation]) -> int:
    """Create `notes` on `stream` and return how many there are."""
    fresh = [Annotation(note.title, note.start, note.end, note.content) for note in notes]
    return len(await node.annotation_create_all(fresh, stream))
