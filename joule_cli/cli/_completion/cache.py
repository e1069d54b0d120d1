"""The names of a node, kept for a short time so that TAB need not ask it each time.

One file per node and kind below ``$XDG_CACHE_HOME/joule``, readable by its owner only. The names
of a node on the network hold for `_LIFE_S`, or as ``JOULE_COMPLETION_TTL`` says; those of a file
hold until the file changes. With a limit of 0 nothing is kept.
"""

from __future__ import annotations

import binascii
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joule_cli.api.connect import file_of, find_entry
from joule_cli.api.registry import home_directory
from joule_cli.errors import JouleError
from joule_cli.part_file import write_whole

if TYPE_CHECKING:
    from joule_cli.api.registry import NodeEntry
    from joule_cli.cli._settings import Settings

_LIFE_S = 60.0
#: A node that did not answer is not asked again for this long.
_FAILED_S = 5.0
#: Raised with each change of what is written.
_FORMAT = 1


def names(settings: Settings, node: str | None, kind: str) -> Any:
    """Return the names of a kind, from the cache or from the node; `None` if it fails.

    Parameters
    ----------
    node
        Name of the node, `None` for the one that the settings choose.
    kind
        One of those that `fetch` knows.
    """
    url = settings.url if node is None else None
    try:
        entry = find_entry(node or settings.node or "", url=url, environ=os.environ)
        path = file_of(entry, os.environ)
    except JouleError:
        return None
    if path is not None and not path.is_file():
        # it holds nothing, and is not made by looking
        return None
    life = _life()
    file = _cache_file(entry, path, kind) if life else None
    mark = _mark(path)
    found = _read(file, _address(entry, path), mark, life) if file else None
    if found is not None:
        return found["names"]

    from joule_cli.cli._completion.fetch import fetch

    try:
        answer = fetch(entry, kind)
    except (JouleError, TimeoutError, OSError):
        answer = None
    # the file may have changed meanwhile, if only because closing it tidied up
    if file and _mark(path) == mark:
        _write(
            file,
            {
                "format": _FORMAT,
                "node": _address(entry, path),
                "mark": mark,
                "saved": time.time(),
                "names": answer,
            },
        )
    return answer


def _address(entry: NodeEntry, path: Path | None) -> str:
    # a key may open less than another
    return f"file:{path}" if path is not None else f"{entry.url} {_digest(entry.key)}"


def _digest(text: str) -> str:
    return f"{binascii.crc32(text.encode('utf-8', 'surrogateescape')):08x}"


def _life() -> float:
    text = os.environ.get("JOULE_COMPLETION_TTL")
    if text:
        from joule_cli.series.duration import parse_duration

        with suppress(JouleError):
            return parse_duration(text, unit_us=1_000_000) / 1_000_000
    return _LIFE_S


def _cache_file(entry: NodeEntry, path: Path | None, kind: str) -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME")
    if not base or not Path(base).is_absolute():
        home = home_directory(os.environ)
        if home is None:
            return None
        base = str(home / ".cache")
    return Path(base) / "joule" / f"{kind}-{_digest(_address(entry, path))}.json"


def _mark(path: Path | None) -> list[list[int] | None] | None:
    """Return what changes with every change of a node in a file."""
    if path is None:
        return None
    found: list[list[int] | None] = []
    # changes are in the second one until they are moved to the first
    for each in (path, f"{path}-wal"):
        try:
            status = os.stat(each)  # noqa: PTH116  (a name with a suffix of SQLite's)
        except OSError:
            found.append(None)
        else:
            # an empty one comes and goes with the programs that have the file open
            empty = status.st_size == 0
            found.append(None if empty else [status.st_ino, status.st_size, status.st_mtime_ns])
    return found


def _read(file: Path, node: str, mark: Any, life: float) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    match found:
        case {"format": 1, "node": str(n), "mark": m, "saved": float(saved), "names": kept}:
            if n != node or m != mark:
                return None
        case _:
            return None
    if kept is None:
        life = min(life, _FAILED_S)
    elif mark is not None:
        return dict(found)
    return dict(found) if 0 <= time.time() - saved < life else None


def _write(file: Path, content: dict[str, Any]) -> None:
    # without a cache the next TAB takes longer, which is all
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # nor does it matter after a power cut
        write_whole(file, json.dumps(content).encode(), mode=0o600, durable=False)
