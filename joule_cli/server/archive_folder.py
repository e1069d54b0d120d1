"""Files of archives while they arrive, and the directory in which those stay that were imported."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import tempfile
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from aiohttp import web

from joule_cli.errors import DiskFullError, StorageError
from joule_cli.part_file import publish
from joule_cli.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from joule_cli.server.payload import Payload

#: Behind the name of an archive until it is imported.
_ARRIVING: Final = ".part"
#: Bytes after which the directory is looked at again.
_STEP: Final = 4 * 1024 * 1024


class Incoming:
    """An archive on its way; `keep` it before the block that gave it ends, or it is gone."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.file = file
        self.kept = False

    def keep(self) -> None:
        """Let the archive stay in its directory."""
        self.kept = True


class ArchiveFolder:
    """Takes archives; belongs to one event loop.

    Parameters
    ----------
    directory
        Where they are kept; `None` to keep none.
    limit_bytes
        Largest archive.
    quota_bytes
        Bytes that the directory may have.
    """

    def __init__(self, directory: Path | None, limit_bytes: int, quota_bytes: int) -> None:
        self._directory = directory
        self._limit = limit_bytes
        self._quota = quota_bytes

    @asynccontextmanager
    async def receive(self, payload: Payload) -> AsyncIterator[Incoming]:
        """Give an archive as a private file.

        Raises
        ------
        Refusal
            It is too large, or the directory is full.
        StorageError
            It cannot be stored.
        """
        with _converted(), self._file() as incoming:
            size = room = 0
            while part := await payload.readany():
                size += len(part)
                if size > self._limit:
                    raise Refusal(413, f"413: an archive may have {self._limit:,} bytes")
                if len(part) > room:
                    # now and then: others may be arriving at the same time
                    room = await asyncio.to_thread(self._room)
                    if len(part) > room:
                        raise Refusal(413, f"413: archives may have {self._quota:,} bytes in all")
                    room = min(room, _STEP)
                room -= len(part)
                await asyncio.to_thread(incoming.file.write, part)
            await asyncio.to_thread(incoming.file.flush)
            yield incoming
            if incoming.kept and self._directory is not None:
                await asyncio.to_thread(publish, incoming.path, incoming.path.with_suffix(""))

    @contextmanager
    def _file(self) -> Iterator[Incoming]:
        if self._directory is None:
            with tempfile.NamedTemporaryFile(prefix="joule-", suffix=".zip") as file:
                yield Incoming(Path(file.name), file.file)
            return
        path = self._directory / f"{datetime.now(UTC):%Y%m%d%H%M%S%f}.zip{_ARRIVING}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            # held until the end of this process at the latest, see `_remove_abandoned`
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield Incoming(path, file)
            finally:
                path.unlink(missing_ok=True)

    def _room(self) -> int:
        """Return how many more bytes archives may have."""
        if self._directory is None:
            return self._limit
        for path in self._directory.glob(f"*{_ARRIVING}"):
            _remove_abandoned(path)
        files = self._directory.iterdir()
        return max(0, self._quota - sum(path.lstat().st_size for path in files))


def _remove_abandoned(path: Path) -> None:
    """Remove an archive that a server was receiving when it was killed."""
    with suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)


@contextmanager
def _converted() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError("no space left on the disk for the archive") from exc
        raise StorageError(f"the archive cannot be stored ({exc.strerror})") from exc


ARCHIVES: Final = web.AppKey("ARCHIVES", ArchiveFolder)
