"""Checksums of the pages of a node file: a VFS of SQLite that writes and verifies them.

Every page ends with a checksum of eight bytes over the rest of it, in the form of SQLite's own
extension ``cksumvfs``, which comes with apsw. A page is verified whenever it is read from the file,
and gets its checksum when it is written there. Pages in the log beside the file have none of these;
each frame of the log has a checksum of another kind.

Whether a file has them is fixed when it is made: its header says how many bytes are reserved at the
end of each page. Files of earlier versions have none, and stay as they are.
"""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import apsw

#: Bytes for the checksum of a page. Any other number in the header means that there is none.
RESERVED = 8
#: The header of a file begins with this; where it has the size of a page, and the number above.
MAGIC, PAGE_SIZE_AT, RESERVED_AT = b"SQLite format 3\0", 16, 20
HEADER_BYTES = 100
#: The size of the pages of every node file; only damage makes a header say anything else.
USUAL_BYTES = 4096
#: SQLite does not give this name to a VFS of its own.
_NATIVE = "cksmvfs"
_WORD = 0xFFFF_FFFF

_lock = threading.Lock()


def checking_vfs() -> str:
    """Return the name of the VFS that node files are opened with."""
    with _lock:
        system, *others = apsw.vfs_names()
        if _NATIVE in others:
            return _NATIVE
        extension = Path(apsw.__file__).with_name("sqlite_extra_binaries") / "cksumvfs.so"
        if not extension.exists():
            # apsw was built without its extras
            from joule_cli.engine.stores.sqlite.checking_vfs import CheckingVfs

            return CheckingVfs.registered(system)
        connection = apsw.Connection(":memory:")
        try:
            connection.enable_load_extension(True)
            connection.load_extension(str(extension))
        finally:
            connection.close()
        # it has made itself the default, but other databases of this process are not ours
        apsw.set_default_vfs(system)
        return _NATIVE


def header_is_damaged(path: Path) -> bool:
    """Tell whether the first page of a file fails its checksum, while others have theirs.

    SQLite looks at the header before it verifies the page, and takes the file for something else.
    """
    from joule_cli.engine.stores.sqlite.page_file import PageFile

    try:
        with PageFile(path) as file:
            return file.has_checksums and not file.is_sound(1)
    except OSError:
        return False


class RawFile:
    """A node file without SQLite's view of it, open until `close`.

    Opened by SQLite all the same: if a process closes any descriptor of a file that it opened in
    another way, it loses the locks that SQLite has on it.
    """

    def __init__(self, path: Path) -> None:
        flags = [apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB, 0]
        self._file = apsw.VFSFile(apsw.vfs_names()[0], str(path), flags)

    @property
    def size(self) -> int:
        return self._file.xFileSize()

    def read(self, offset: int, amount: int) -> bytes:
        """Return bytes, fewer at the end of the file."""
        return self._file.xRead(min(amount, max(self.size - offset, 0)), offset)

    def close(self) -> None:
        self._file.xClose()


def checksum(page: bytes | bytearray) -> bytes:
    """Return what the last eight bytes of a page must be."""
    one = two = 0
    words = struct.unpack_from(f"<{len(page) // 4 - 2}I", page)
    for a, b in zip(words[::2], words[1::2], strict=True):
        one = (one + a + two) & _WORD
        two = (two + b + one) & _WORD
    return struct.pack("<2I", one, two)


def are_checked(connection: apsw.Connection) -> bool:
    """Tell whether the pages of an open file are verified, or there is no file."""
    return not connection.filename or connection.reserve_bytes() == RESERVED


def hides_checksums(path: Path) -> bool:
    """Tell whether a header says that there are no checksums, and has the right one if there are.

    This is the one place of a file that no checksum of its own protects.
    """
    file = RawFile(path)
    try:
        page = bytearray(file.read(0, USUAL_BYTES))
    finally:
        file.close()
    if page[RESERVED_AT] == RESERVED:
        return False
    page[RESERVED_AT] = RESERVED
    return page[-RESERVED:] == checksum(page)
