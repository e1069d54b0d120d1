"""Copying a folder with everything below it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, NamedTuple

from joule_cli.errors import FolderNotFound, JouleError
from joule_cli.ops.copy import CopyOptions, CopyPlan, CopyResult, copy_stream, plan_copy
from joule_cli.ops.errors import OperationError
from joule_cli.ops.event_copy import (
    Action,
    EventCopyOptions,
    EventCopyPlan,
    EventCopyResult,
    copy_events,
    plan_events,
)
from joule_cli.ops.streams import FoundEvents, FoundStream, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from joule_cli.api.node import Node
    from joule_cli.model import Folder
    from joule_cli.ops.progress import ProgressCallback

#: What an outcome is about: a data stream, an event stream, or a folder that could not be made.
Kind = Literal["stream", "event_stream", "folder"]


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """Which streams of a folder to copy and how.

    Parameters
    ----------
    copy
        Options of every single stream; an event stream goes by the bounds in them.
    resume
        Allow a destination that has streams already, and add what they lack.
    include, exclude
        Shell patterns for the stream's path below the source, or for its name alone.
    """

    copy: CopyOptions = field(default_factory=CopyOptions)
    resume: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    @property
    def events(self) -> EventCopyOptions:
        """Options of every single event stream."""
        return EventCopyOptions(self.copy.start, self.copy.end, action=Action.SKIP)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went with one stream, or that a folder could not be made.

    `error` is None when it worked.
    """

    kind: Kind
    source: str
    destination: str
    result: CopyResult | EventCopyResult | None = None
    plan: CopyPlan | EventCopyPlan | None = None
    error: JouleError | None = None


async def plan_tree(source: Place, destination: Place, options: TreeOptions) -> list[Outcome]:
    """Find out what `copy_tree` would do to each stream."""
    tree = await _prepare(source, destination, options)
    outcomes = []
    for kind, old, new in tree.pairs:
        plan: CopyPlan | EventCopyPlan
        try:
            if kind == "stream":
                plan = await plan_copy(old, new, options.copy)
            else:
                plan = await plan_events(old, new, options.events)
        except JouleError as exc:
            outcomes.append(Outcome(kind, old.path, new.path, error=exc))
        else:
            outcomes.append(Outcome(kind, old.path, new.path, plan=plan))
    return outcomes


async def copy_tree(
    source: Place,
    destination: Place,
    options: TreeOptions,
    progress: ProgressCallback | None = None,
    finished: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Copy the content of the folder `source` into the folder `destination`.

    Data streams go with their annotations. A stream that fails does not stop the others. Streams
    without rows or events and empty folders are created as well.

    Parameters
    ----------
    finished
        Told of every outcome as soon as it is known.

    Raises
    ------
    FolderNotFound
        There is no source.
    OperationError
        The destination is the source, or has streams and `TreeOptions.resume` is false.
    """
    tree = await _prepare(source, destination, options)
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if finished is not None:
            finished(outcome)

    for old_path, new_path, description in tree.folders:
        try:
            await destination.node.folder_create(new_path, description)
        except JouleError as exc:
            done(Outcome("folder", old_path, new_path, error=exc))
    for kind, old, new in tree.pairs:
        result: CopyResult | EventCopyResult
        try:
            if kind == "stream":
                result = await copy_stream(old, new, options.copy, progress)
            else:
                result = await copy_events(old, new, options.events, progress)
        except JouleError as exc:
            done(Outcome(kind, old.path, new.path, error=exc))
        else:
            done(Outcome(kind, old.path, new.path, result=result))
    return outcomes


class _Pair(NamedTuple):
    kind: Kind
    old: Place
    new: Place


@dataclass(slots=True)
class _Tree:
    pairs: list[_Pair]
    #: old path, new path and description of folders that no stream would create as they are
    folders: list[tuple[str, str, str | None]]


async def _prepare(source: Place, destination: Place, options: TreeOptions) -> _Tree:
    base, target = source.path.rstrip("/"), destination.path.rstrip("/")
    same_node = source.node is destination.node or source.node.url == destination.node.url
    if same_node and f"{target}/".startswith(f"{base}/"):
        raise OperationError("the destination is the source or inside it", object=destination.path)
    folder = await source.node.folder_get(base or "/")
    if not options.resume and await _has_streams(destination):
        raise OperationError(
            "the destination has streams already",
            object=destination.path,
            hint="repeat the copy with --resume to add what is missing",
        )
    tree = _Tree([], [])
    for old in _streams(source.node, folder, base or "/"):
        below = old.path[len(base) :]
        if _chosen(below.lstrip("/"), old.model.name, options):
            kind: Kind = "stream" if isinstance(old, FoundStream) else "event_stream"
            tree.pairs.append(_Pair(kind, old, Place(destination.node, target + below)))
    if not options.include and not options.exclude:
        for path, child in folder.walk(base or "/"):
            empty = not child.children and not child.data_streams and not child.event_streams
            new_path = (target + path[len(base) :]).rstrip("/")
            if new_path and (empty or child.description):
                tree.folders.append((path, new_path, child.description))
    return tree


async def _has_streams(place: Place) -> bool:
    try:
        folder: Folder = await place.node.folder_get(place.path.rstrip("/") or "/")
    except FolderNotFound:
        return False
    return next(_streams(place.node, folder, "/"), None) is not None


def _streams(node: Node, folder: Folder, path: str) -> Iterator[FoundStream | FoundEvents]:
    """Yield all streams, folder by folder."""
    for at, each in folder.walk(path):
        base = at.rstrip("/")
        for stream in each.data_streams:
            yield FoundStream(node, f"{base}/{stream.name}", stream)
        for events in each.event_streams:
            yield FoundEvents(node, f"{base}/{events.name}", events)


def _chosen(below: str, name: str, options: TreeOptions) -> bool:
    def matches(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(below, p) or fnmatchcase(name, p) for p in patterns)

    return (not options.include or matches(options.include)) and not matches(options.exclude)
