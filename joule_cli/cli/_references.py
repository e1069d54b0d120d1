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
    return named_streams(root, references, lambda each: match_streams(known, each))


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
    kind: str = "stream",
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


def _not_found(root: Folder, reference: str | int, kind: str) -> StreamNotFound:
    what = f"no {kind} matches" if is_pattern(reference) else f"{kind} does not exist"
    return StreamNotFound(what, object=str(reference), hint=other_kind(root, reference))


async def find_stream(node: Node, reference: str | int) -> DataStream:
    """Return the one data stream that a path or an id names.

    Raises
    ------
    StreamNotFound
        It names none; the hint says if it names an event stream.
    """
    try:
        return await node.data_stream_get(reference)
    except StreamNotFound as exc:
        exc.hint = other_kind(await node.folder_root(), reference)
        raise


async def find_event_stream(node: Node, reference: str | int) -> EventStream:
    """Return the one event stream that a path or an id names.

    Raises
    ------
    StreamNotFound
        It names none; the hint says if it names a data stream.
    """
    try:
        return await node.event_stream_get(reference)
    except StreamNotFound as exc:
        raise _not_found(await node.folder_root(), reference, "event stream") from exc


def other_kind(root: Folder, reference: str | int) -> str | None:
    """Return a hint for who takes an event stream for a data stream, or the reverse, or a folder.

    Only for a reference that names no stream of the kind that was meant.
    """
    for path, _ in match_streams(root.events("/"), reference):
        return f"{path} is an event stream, see joule event"
    for path, _ in match_streams(root.streams("/"), reference):
        return f"{path} is a data stream, see joule data"
    for path, _ in root.walk("/"):
        if path == reference:
            return f"{path} is a folder; what is below it is '{path.rstrip('/')}/**'"
    return None


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
    what = "stream does not exist" if isinstance(reference, int) else "no such stream or folder"
    raise StreamNotFound(what, object=str(reference), hint=other_kind(root, reference))


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
    known = list((await node.folder_root()).walk("/"))
    found: dict[str, Folder] = {}
    for reference in references:
        if isinstance(reference, int):
            matches = [(path, folder) for path, folder in known if folder.id == reference]
        else:
            matches = [(path, folder) for path, folder in known if path == reference]
            if not matches and is_pattern(reference):
                regex = glob_regex(reference)
                # a pattern never means the root
                matches = [(path, f) for path, f in known[1:] if regex.fullmatch(path)]
        if not matches:
            raise FolderNotFound("folder does not exist", object=str(reference))
        found.update(matches)
    return list(found.items())
