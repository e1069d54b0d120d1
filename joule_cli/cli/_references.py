"""Finding the streams and folders that the references on a command line name.

========================  ===============================================================
``expand_streams``        paths, ids and wildcards to ``[(path, DataStream)]``
``expand_event_streams``  the same for event streams
``find_stream``           one path or id to a ``FoundStream``
``find_event_stream``     one path or id to ``FoundEvents``
``streams_below``         for lists: folders stand for what is below them
``expand_folders``        paths, ids and wildcards to ``[(path, Folder)]``
========================  ===============================================================
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from joule_cli.errors import FolderNotFound, StreamNotFound
from joule_cli.model import DataStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from joule_cli.api.node import Node
    from joule_cli.api.references import StreamRef
    from joule_cli.cli._advice import Kind
    from joule_cli.model import DataStreamInfo, EventStream, EventStreamInfo, Folder
    from joule_cli.ops.streams import FoundEvents, FoundStream

#: A path or an id, as it is given on a command line.
Ref: TypeAlias = str | int
AnyStream = TypeVar("AnyStream", bound="DataStream | EventStream")

_WILDCARD = re.compile(r"[*?\[]")
#: Streams that are asked for one by one; of more, the tree is the shorter way.
_FEW = 4


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
    node: Node, references: Iterable[str | int], *, info: bool = False
) -> list[tuple[str, DataStream]]:
    """Return the streams that paths, ids and wildcards name, each once, in the order given.

    A stream whose path is exactly the text wins over the pattern.

    Parameters
    ----------
    info
        The caller will need `stream_info`, which may come along.

    Raises
    ------
    StreamNotFound
        A reference names no stream.
    """
    get = partial(node.data_stream_get, info=info)
    return await _expand(node, references, get, _data_streams, "data stream")


async def expand_event_streams(
    node: Node, references: Iterable[str | int], *, info: bool = False
) -> list[tuple[str, EventStream]]:
    """Return the event streams that paths, ids and wildcards name, as `expand_streams` does.

    Raises
    ------
    StreamNotFound
        A reference names no event stream.
    """
    get = partial(node.event_stream_get, info=info)
    return await _expand(node, references, get, _event_streams, "event stream")


async def _expand(
    node: Node,
    references: Iterable[str | int],
    get: Callable[[str], Awaitable[AnyStream]],
    streams: Callable[[Folder], Iterable[tuple[str, AnyStream]]],
    kind: Kind,
) -> list[tuple[str, AnyStream]]:
    references = list(references)
    if found := await exact_streams(references, get):
        return found
    root = await node.folder_root()
    known = list(streams(root))
    return named_streams(root, references, lambda each: match_streams(known, each), kind)


async def exact_streams(
    references: Sequence[str | int], get: Callable[[str], Awaitable[AnyStream]]
) -> list[tuple[str, AnyStream]]:
    """Return the streams of a few exact paths without the tree, which may be large.

    Nothing is returned for other references, or if a stream does not exist.
    """
    exact = {each for each in references if isinstance(each, str) and not is_pattern(each)}
    if len(exact) < len(set(references)) or len(exact) > _FEW:
        return []
    with suppress(StreamNotFound):
        return [(path, await get(path)) for path in dict.fromkeys(references) if path in exact]
    return []


def _data_streams(root: Folder) -> Iterable[tuple[str, DataStream]]:
    return root.streams("/")


def _event_streams(root: Folder) -> Iterable[tuple[str, EventStream]]:
    return root.events("/")


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


async def find_stream(
    node: Node, reference: str | int, otherwise: str | None = None, *, info: bool = False
) -> FoundStream:
    """Return the one data stream that a path or an id names.

    Parameters
    ----------
    otherwise
        What can be done if there is none.
    info
        The caller will need `stream_info`, which may come along.

    Raises
    ------
    StreamNotFound
        It names none; the hint says what it names, or which names are near.
    """
    from joule_cli.ops.streams import FoundStream

    get = partial(node.data_stream_get, info=info)
    found = await _find(node, reference, get, _data_streams, "data stream", otherwise)
    return FoundStream(node, *found)


async def find_event_stream(
    node: Node, reference: str | int, otherwise: str | None = None, *, info: bool = False
) -> FoundEvents:
    """Return the one event stream that a path or an id names, as `find_stream` does.

    Raises
    ------
    StreamNotFound
        It names none; the hint says what it names, or which names are near.
    """
    from joule_cli.ops.streams import FoundEvents

    get = partial(node.event_stream_get, info=info)
    found = await _find(node, reference, get, _event_streams, "event stream", otherwise)
    return FoundEvents(node, *found)


async def _find(
    node: Node,
    reference: str | int,
    get: Callable[[str], Awaitable[AnyStream]],
    streams: Callable[[Folder], Iterable[tuple[str, AnyStream]]],
    kind: Kind,
    otherwise: str | None,
) -> tuple[str, AnyStream]:
    if isinstance(reference, str):
        with suppress(StreamNotFound):
            return reference, await get(reference)
    root = await node.folder_root()
    for path, stream in streams(root):
        # the path of an id stands in the tree alone
        if stream.id == reference:
            return path, stream
    raise _not_found(root, reference, kind, otherwise)


async def path_of(node: Node, reference: str | int) -> str:
    """Return the path of a data stream that may be named by its id."""
    return reference if isinstance(reference, str) else (await find_stream(node, reference)).path


async def stream_info(node: Node, stream: StreamRef) -> DataStreamInfo:
    """Return what a stream holds; the node is asked once for a `DataStream`."""
    if not isinstance(stream, DataStream):
        return await node.data_stream_info(stream)
    if stream.info is None:
        stream.info = await node.data_stream_info(stream)
    return stream.info


async def event_stream_info(node: Node, stream: EventStream) -> EventStreamInfo:
    """Return what an event stream holds; the node is asked once."""
    if stream.info is None:
        stream.info = await node.event_stream_info(stream)
    return stream.info


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
