"""Whether damage to a log has cut off changes that were stored.

What opens a log first reads its frames up to the first that fails its checksum. After a power cut
that is right: what follows was not stored yet. But the frames of a change are on the disk before
the next one begins. So a log is damaged if, behind what is read of it, a change ends and another
begins. Frames of an older log have other salts. Damage to the last change looks like a power cut,
and damage to the header of the log like a new one.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import IO

import apsw

LOG_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
#: The first bytes of a log; the last bit tells the order of bytes in checksums.
LOG_MAGIC = 0x377F0682
#: A log that is being written is looked at again.
_TRIES, _PAUSE_S = 5, 0.01


def is_cut(path: Path, connection: apsw.Connection) -> bool:
    """Tell whether changes follow in the log of a node file those that a connection reads.

    Parameters
    ----------
    connection
        To the file, outside of any transaction.
    """
    log = Path(f"{path}-wal")
    for _ in range(_TRIES):
        if not _goes_on(log, frames_in_use(connection)[0]):
            return False
        time.sleep(_PAUSE_S)  # not for work to be done, but for a write that is under way
    return True


def frames_in_use(connection: apsw.Connection) -> tuple[int, int]:
    """Return how many frames of the log SQLite reads, and how many of them are in the file."""
    try:
        n_frames, n_copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    except apsw.ReadOnlyError:
        # on a full disk it has just read the log as a whole
        return 0, 0
    return max(n_frames, 0), max(n_copied, 0)


def _goes_on(log: Path, n_frames: int) -> bool:
    try:
        file = log.open("rb")
    except FileNotFoundError:
        return False
    with file:
        header = file.read(LOG_HEADER_BYTES)
        if len(header) < LOG_HEADER_BYTES or int.from_bytes(header[:4], "big") & ~1 != LOG_MAGIC:
            return False
        size = FRAME_HEADER_BYTES + int.from_bytes(header[8:12], "big")
        # what is before the next frame, as the header of a frame: of no size, with a checksum
        before = bytes(8) + header[16:]
        if n_frames:
            file.seek(LOG_HEADER_BYTES + (n_frames - 1) * size)
            before = file.read(size)
        return _is_damaged(file, before, header, size)


def _is_damaged(file: IO[bytes], before: bytes, header: bytes, size: int) -> bool:
    salts, order = header[16:24], ">" if header[3] & 1 else "<"
    whole, n_foreign = True, 0
    while len(frame := file.read(size)) == size:
        # the damaged one may look foreign, too
        n_foreign = 0 if frame[8:16] == salts else n_foreign + 1
        if n_foreign == 2:
            return False
        follows = not n_foreign and _follows(frame, before, order)
        if follows and not whole and before[4:8] != bytes(4):
            return True
        whole = whole and follows
        before = frame
    return False


def _follows(frame: bytes, before: bytes, order: str) -> bool:
    """Tell whether the checksum of a frame is right if that of the one before it is."""
    # as SQLite defines it, for one frame: NumPy would take longer to load
    one, two = struct.unpack(">2I", before[16:24])
    text = frame[:8] + frame[FRAME_HEADER_BYTES:]
    for first, second in struct.iter_unpack(f"{order}2I", text):
        one = (one + first + two) & 0xFFFF_FFFF
        two = (two + second + one) & 0xFFFF_FFFF
    return struct.pack(">2I", one, two) == frame[16:24]
