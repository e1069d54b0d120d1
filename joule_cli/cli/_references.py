"""Finding the streams and folders that the references on a command line name.

========================  ===============================================================
``expand_streams``        paths, ids and wildcards to ``[(path, DataStream)]``
``expand_event_streams``  the same for event streams
``find_stream``           one path or id to a ``DataStream``
``find_event_stream``     one path or id to an ``EventStream``
``streams_below``         for lists: folders stand for what is below them
``expand_folders``        paths, ids and wildcards to ``[(path, Folder)]``
========================  ===============================================================
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.errors import FolderNotFound, StreamNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from joule_cli.api.node import Node
    from joule_cli.cli._advice import Kind
    from joule_cli.model import DataStream, EventStream, Folder

AnyStream = TypeVar("AnyStream", bound="DataStream | EventStream")

_WILDCARD = re.compile(r"[*?\[]")


def is_pattern(reference: str | int) -> bool:
    """Whether a reference has wildcards."""
    return isinstance(reference, str) and _WILDCARD.search(reference) is not None


def any_pattern(references: Iterable[str | int], found: Iterable[tuple[str, Any]]) -> bool:
    """Whether any reference was taken for a pattern; one that is a path itself was not."""
    paths = {path for path, _ in found}
    return any(is_pattern(each) and each not in paths for each in references)


def fixed_folder(pattern: str) -> str:
    """Return the folders before the first one with a wildcard, with a slash at the end."""
    fixed = []
    for name in pattern.split("/")[:-1]:
        if is_pattern(name):
            break
        fixed.append(name)
    return "/".join(fixed) + "/"


def glob_regex(pattern: str) -> re.Pattern[str]:
    """Translate a path with wildcards; ``*`` stays within a name, ``**`` spans names."""
    out, i = [], 0
    while i < len(pattern):
        c = pattern[i]
        if pattern.startswith("/**/", i):
            out.append("/(?:[^/]+/)*")
            i += 4
        elif pattern.startswith("**", i):
            out.append(".*")
            i += 2
        elif c == "*":
            out.append("[^/]*")
            i += 1
        elif c == "?":
            out.append("[^/]")
            i += 1
        elif c == "[" and (end := pattern.find("]", i + 2)) > 0:
            negated = pattern[i + 1] in "!^"
            inner = pattern[i + 1 + negated : end].replace("\\", "\\\\").replace("[", "\\[")
            out.append(f"(?!/)[{'^' if negated else ''}{inner}]")
            i = end + 1
        else:
            out.append(re.escape(c))
            i += 1
    try:
        return re.compile("".join(out), re.DOTALL)
    except re.error as exc:
        raise click.BadParameter(f"the pattern {pattern} cannot be used: {exc}") from exc


async def expand_streams(
    node: Node, references: Iterable[str | int]
) -> list[tuple[str, DataStream]]:
    """Return the streams that paths, ids and wildcards name, each once, in the order given.

    A stream whose path is exactly the text wins over the pattern.

    Raises
    ------
    StreamNotFound
        A reference names no stream.
    """
    root = await node.folder_root()
    known = list(root.streams("/"))
    return named_streams(root, references, lambda each: match_streams(known, each), "data stream")


async def expand_event_streams(
    node: Node, references: Iterable[str | int]
) -> list[tuple[str, EventStream]]:
    """Return the event streams that paths, ids and wildcards name, as `expand_streams` does.

    Raises
    ------
    StreamNotFound
        A reference names no event stream.
    """
    root = await node.folder_root()
    known = list(root.events("/"))
    return named_streams(root, references, lambda each: match_streams(known, each), "event stream")


def named_streams(
    root: Folder,
    references: Iterable[str | int],
    matching: Callable[[str | int], Iterable[tuple[str, AnyStream]]],
    kind: Kind,
) -> list[tuple[str, AnyStream]]:
    """Return what `matching` finds for the references, each once, in the order given.

    Raises
    ------
    StreamNotFound
        It finds nothing for one of them.
    """
    found: dict[str, AnyStream] = {}
    for reference in references:
        matches = dict(matching(reference))
        if not matches:
            raise _not_found(root, reference, kind)
        found.update(matches)
    return list(found.items())


def _not_found(
    root: Folder, reference: str | int, kind: Kind, otherwise: str | None = None
) -> StreamNotFound:
    from joule_cli.cli._advice import advice

    name = "event stream" if kind == "event stream" else "stream"
    what = f"no {name} matches" if is_pattern(reference) else f"{name} does not exist"
    hint = advice(root, reference, kind, otherwise)
    return StreamNotFound(what, object=str(reference), hint=hint)


async def find_stream(node: Node, reference: str | int, otherwise: str | None = None) -> DataStream:
    """Return the one data stream that a path or an id names.

    Parameters
    ----------
    otherwise
        What can be done if there is none.

    Raises
    ------
    StreamNotFound
        It names none; the hint says what it names, or which names are near.
    """
    try:
        return await node.data_stream_get(reference)
    except StreamNotFound as exc:
        root = await node.folder_root()
        raise _not_found(root, reference, "data stream", otherwise) from exc


async def find_event_stream(
    node: Node, reference: str | int, otherwise: str | None = None
) -> EventStream:
    """Return the one event stream that a path or an id names, as `find_stream` does.

    Raises
    ------
    StreamNotFound
        It names none; the hint says what it names, or which names are near.
    """
    try:
        return await node.event_stream_get(reference)
    except StreamNotFound as exc:
        root = await node.folder_root()
        raise _not_found(root, reference, "event stream", otherwise) from exc


async def streams_below(
    node: Node,
    references: Iterable[str | int],
    streams: Callable[[Folder, str], Iterable[tuple[str, AnyStream]]],
) -> list[tuple[str, AnyStream]]:
    """Return the streams that references name, where a folder stands for all below it.

    They are sorted by path, as `ls` sorts, not parents first as the tree is walked; a pattern
    that matches nothing is no error. Without references these are all streams.

    Parameters
    ----------
    streams
        Gives the streams of the wanted kind in a folder at a path.

    Raises
    ------
    StreamNotFound
        A reference names neither a stream nor a folder.
    """
    root = await node.folder_root()
    known = sorted(streams(root, "/"), key=itemgetter(0))
    wanted = list(references)
    if not wanted:
        return known
    found: dict[str, AnyStream] = {}
    for reference in wanted:
        matches = match_streams(known, reference)
        if not matches and not is_pattern(reference):
            matches = sorted(_below(root, reference, streams), key=itemgetter(0))
        found.update(matches)
    return list(found.items())


def _below(
    root: Folder,
    reference: str | int,
    streams: Callable[[Folder, str], Iterable[tuple[str, AnyStream]]],
) -> Iterable[tuple[str, AnyStream]]:
    for path, folder in root.walk("/"):
        if path == reference:
            return streams(folder, path)
    from joule_cli.cli._advice import advice

    what = "stream does not exist" if isinstance(reference, int) else "no such stream or folder"
    raise StreamNotFound(what, object=str(reference), hint=advice(root, reference, "any"))


def match_streams(
    known: Iterable[tuple[str, AnyStream]], reference: str | int
) -> list[tuple[str, AnyStream]]:
    """Return those of `known` that a reference names."""
    known = list(known)
    if isinstance(reference, int):
        return [(path, stream) for path, stream in known if stream.id == reference]
    exact = [(path, stream) for path, stream in known if path == reference]
    if exact or not is_pattern(reference):
        return exact
    regex = glob_regex(reference)
    return sorted(((p, s) for p, s in known if regex.fullmatch(p)), key=itemgetter(0))


async def expand_folders(node: Node, references: Iterable[str | int]) -> list[tuple[str, Folder]]:
    """Return the folders that paths, ids and wildcards name, as `expand_streams` does."""
    root = await node.folder_root()
    found: dict[str, Folder] = {}
    for reference in references:
        matches = match_folders(root, reference)
        if not matches:
            from joule_cli.cli._advice import advice

            hint = advice(root, reference, "folder")
            raise FolderNotFound("folder does not exist", object=str(reference), hint=hint)
        found.update(matches)
    return list(found.items())


def match_folders(root: Folder, reference: str | int) -> list[tuple[str, Folder]]:
    """Return the folders that a reference names."""
    known = list(root.walk("/"))
    if isinstance(reference, int):
        return [(path, folder) for path, folder in known if folder.id == reference]
    exact = [(path, folder) for path, folder in known if path == reference]
    if exact or not is_pattern(reference):
        return exact
    regex = glob_regex(reference)
    # a pattern never means the root
    return [(path, folder) for path, folder in known[1:] if regex.fullmatch(path)]
