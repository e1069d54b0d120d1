"""What may have been meant by a name that does not exist on a node.

Asked only after a failure, so that what succeeds costs no request.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from joule_cli.cli._references import fixed_folder, is_pattern, match_streams
from joule_cli.errors import (
    FolderNotFound,
    JouleError,
    ModuleNotFound,
    NotFoundError,
    ProxyNotFound,
    StreamNotFound,
)
from joule_cli.series.nearest import did_you_mean, nearest, question
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from joule_cli.api.node import Node
    from joule_cli.model import Folder

#: What a reference can name; `any` is a stream of either kind or a folder.
Kind = Literal["data stream", "event stream", "stream", "folder", "any"]


async def add_advice(node: Node, error: NotFoundError) -> None:
    """Put into an error without a hint what may have been meant by a name on `node`."""
    name = error.object
    if error.hint is not None or name is None:
        return
    # the first failure is the one to be told
    with suppress(JouleError):
        error.hint = await _advice(node, error, name)


async def _advice(node: Node, error: NotFoundError, name: str) -> str | None:
    match error:
        case StreamNotFound() if name.startswith("/"):
            return advice(await node.folder_root(), name, "stream")
        case FolderNotFound() if name.startswith("/"):
            return advice(await node.folder_root(), name, "folder")
        case ModuleNotFound():
            return did_you_mean(name, [module.name for module in await node.module_list()])
        case ProxyNotFound():
            return did_you_mean(name, [proxy.name for proxy in await node.proxy_list()])
        case _:
            return None


def advice(
    root: Folder, reference: str | int, kind: Kind, otherwise: str | None = None
) -> str | None:
    """Return a hint for a reference that names nothing of the kind that was meant.

    Parameters
    ----------
    otherwise
        What else can be done about it, if the reference does not name something else.
    """
    other = other_kind(root, reference, kind)
    if other is not None:
        return other
    near = None if isinstance(reference, int) else question(_near(root, reference, kind))
    return f"{near} Or {otherwise}" if near and otherwise else near or otherwise


def other_kind(root: Folder, reference: str | int, meant: Kind) -> str | None:
    """Return a hint if a reference names a stream of another kind than was meant, or a folder.

    One of the kind that was meant may be there by now, when another program has created it.
    """
    if meant != "event stream":
        for path, _ in match_streams(root.events("/"), reference):
            return f"{one_line(path)} is an event stream, see joule event"
    if meant != "data stream":
        for path, _ in match_streams(root.streams("/"), reference):
            return f"{one_line(path)} is a data stream, see joule data"
    for path, _ in root.walk("/"):
        if path == reference:
            below = one_line(path.rstrip("/"))
            return f"{one_line(path)} is a folder; what is below it is '{below}/**'"
    return None


def _near(root: Folder, reference: str, kind: Kind) -> list[str]:
    """Return the nearest paths of a kind, or a pattern in the nearest folders."""
    if is_pattern(reference):
        folders = [path for path, _ in root.walk("/")]
        fixed = fixed_folder(reference)
        if (fixed.rstrip("/") or "/") not in folders:
            rest = reference[len(fixed) :]
            return [f"{path.rstrip('/')}/{rest}" for path in nearest(fixed, folders)]
    return nearest(reference, _known(root, kind))


def _known(root: Folder, kind: Kind) -> Iterator[str]:
    """Yield the paths of a kind."""
    sources: list[Iterable[tuple[str, Any]]] = []
    if kind in {"data stream", "stream", "any"}:
        sources.append(root.streams("/"))
    if kind in {"event stream", "stream", "any"}:
        sources.append(root.events("/"))
    if kind in {"folder", "any"}:
        sources.append(root.walk("/"))
    yield from (path for path, _ in chain.from_iterable(sources))
