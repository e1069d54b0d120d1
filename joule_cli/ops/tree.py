"""Copying a folder with everything below it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from joule_cli.errors import FolderNotFound, JouleError
from joule_cli.ops.copy import CopyOptions, CopyPlan, CopyResult, copy_stream, plan_copy
from joule_cli.ops.errors import OperationError
from joule_cli.ops.streams import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joule_cli.model import Folder
    from joule_cli.ops.progress import ProgressCallback


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """Which streams of a folder to copy and how.

    Parameters
    ----------
    copy
        Options of every single stream.
    resume
        Allow a destination that has streams already.
    include, exclude
        Shell patterns for the stream's path below the source, or for its name alone.
    """

    copy: CopyOptions = field(default_factory=CopyOptions)
    resume: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went with one stream, or with an empty folder (`result` and `plan` are None then).

    `error` is None when it worked.
    """

    source: str
    destination: str
    result: CopyResult | None = None
    plan: CopyPlan | None = None
    error: JouleError | None = None


async def plan_tree(source: Place, destination: Place, options: TreeOptions) -> list[Outcome]:
    """Find out what `copy_tree` would do to each stream."""
    tree = await _prepare(source, destination, options)
    outcomes = []
    for old, new in tree.pairs:
        try:
            plan = await plan_copy(old, new, options.copy)
            outcomes.append(Outcome(old.path, new.path, plan=plan))
        except JouleError as exc:
            outcomes.append(Outcome(old.path, new.path, error=exc))
    return outcomes


async def copy_tree(
    source: Place,
    destination: Place,
    options: TreeOptions,
    progress: ProgressCallback | None = None,
    finished: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Copy the content of the folder `source` into the folder `destination`.

    A stream that fails does not stop the others. Streams without rows and empty folders are
    created as well.

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
            done(Outcome(old_path, new_path, error=exc))
    for old, new in tree.pairs:
        try:
            result = await copy_stream(old, new, options.copy, progress)
        except JouleError as exc:
            done(Outcome(old.path, new.path, error=exc))
        else:
            done(Outcome(old.path, new.path, result=result))
    return outcomes


@dataclass(slots=True)
class _Tree:
    pairs: list[tuple[Place, Place]]
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
            hint="resume the copy to add what is missing",
        )
    tree = _Tree([], [])
    for path, stream in folder.streams(base or "/"):
        below = path[len(base) :]
        if _chosen(below.lstrip("/"), stream.name, options):
            new = Place(destination.node, target + below)
            tree.pairs.append((Place(source.node, path), new))
    if not options.include and not options.exclude:
        for path, child in folder.walk(base or "/"):
            empty = not child.children and not child.data_streams
            new_path = (target + path[len(base) :]).rstrip("/")
            if new_path and (empty or child.description):
                tree.folders.append((path, new_path, child.description))
    return tree


async def _has_streams(place: Place) -> bool:
    try:
        folder: Folder = await place.node.folder_get(place.path.rstrip("/") or "/")
    except FolderNotFound:
        return False
    return next(folder.streams(), None) is not None


def _chosen(below: str, name: str, options: TreeOptions) -> bool:
    def matches(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(below, p) or fnmatchcase(name, p) for p in patterns)

    return (not options.include or matches(options.include)) and not matches(options.exclude)
