"""A disk whose power is cut: what of recorded writes is on it then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

SECTOR = 512
#: What becomes of writes that were not synced when the power went.
FATES = ("none", "all", "prefix", "subset", "torn", "garbage")


class Change(NamedTuple):
    """Something that happened to a file, or, without one, a step that was acknowledged."""

    kind: str  # write truncate sync delete link acknowledged
    file: str = ""
    offset: int = 0
    data: bytes = b""


class Disk:
    """The files as written, and what of them was synced."""

    def __init__(self) -> None:
        self.synced: dict[str, bytearray] = {}
        self.pending: dict[str, list[Change]] = {}
        self.n_acknowledged = 0

    def take(self, change: Change) -> None:
        match change.kind:
            case "acknowledged":
                self.n_acknowledged += 1
            case "sync":
                if change.file not in self.synced:
                    self._sync_directory()
                content = self.synced.get(change.file, bytearray())
                for each in self.pending.pop(change.file, []):
                    content = _changed(content, each)
                self.synced[change.file] = content
            case "link":
                # of the file as it is: what was not synced before may be missing from it
                if change.file in self.synced:
                    self.synced[change.data.decode()] = bytearray(self.synced[change.file])
            case _:
                self.pending.setdefault(change.file, []).append(change)

    def _sync_directory(self) -> None:
        """Make deletions durable: SQLite syncs the directory with the first sync of a log."""
        for file, changes in self.pending.items():
            deletions = [i for i, change in enumerate(changes) if change.kind == "delete"]
            if deletions:
                self.synced.pop(file, None)
                del changes[: deletions[-1] + 1]

    def after_power_cut(self, folder: Path, fate: str, rng: random.Random) -> None:
        """Make the files as the cut leaves them.

        Parameters
        ----------
        fate
            Of what was not synced: none or all of it; what came before some moment; any sectors;
            those, and one of which the first bytes are new; those, and one that is neither.
        """
        for file in self.synced.keys() | self.pending.keys():
            content = self.synced.get(file)
            content = None if content is None else bytearray(content)
            for part in _left(self.pending.get(file, []), fate, rng):
                content = _changed(content, part)
            if content is not None:
                (folder / file).write_bytes(content)


def _left(changes: list[Change], fate: str, rng: random.Random) -> Iterator[Change]:
    parts = [part for change in changes for part in _sectors(change)]
    if fate == "prefix":
        parts = parts[: rng.randrange(len(parts) + 1)]
    elif fate != "all":
        share = 0.0 if fate == "none" else rng.choice([0.1, 0.5, 0.9])
        parts = [part for part in parts if rng.random() < share]
    writes = [i for i, part in enumerate(parts) if part.kind == "write"]
    if writes and fate in ("torn", "garbage"):
        i = rng.choice(writes)
        data = parts[i].data
        # a disk may finish no sector, but leaves those alone that it does not write
        data = rng.randbytes(len(data)) if fate == "garbage" else data[: rng.randrange(len(data))]
        parts[i] = parts[i]._replace(data=data)
    yield from parts


def _sectors(change: Change) -> Iterator[Change]:
    if change.kind != "write":
        yield change
        return
    start = 0
    while start < len(change.data):
        stop = min(len(change.data), start + SECTOR - (change.offset + start) % SECTOR)
        yield change._replace(offset=change.offset + start, data=change.data[start:stop])
        start = stop


def _changed(content: bytearray | None, change: Change) -> bytearray | None:
    if change.kind == "delete":
        return None
    content = bytearray() if content is None else content
    if change.kind == "truncate":
        del content[change.offset :]
        return content
    stop = change.offset + len(change.data)
    if len(content) < stop:
        content.extend(bytes(stop - len(content)))
    content[change.offset : stop] = change.data
    return content
