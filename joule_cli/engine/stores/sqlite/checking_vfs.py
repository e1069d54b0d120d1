"""The work of SQLite's ``cksumvfs`` in Python, for an apsw that was built without it.

It is slower: about ten times for each page. Files are the same.
"""

from __future__ import annotations

from typing import Any, ClassVar

import apsw
import numpy as np

from joule_cli.engine.stores.sqlite.page_sums import sums, unsound
from joule_cli.engine.stores.sqlite.pages import RESERVED, RESERVED_AT

_NAME = "joule-checksums"
_HEADER_BYTES = 100
_SMALLEST_PAGE = 512


class CheckingVfs(apsw.VFS):
    """Lets the VFS of the system do all but reading and writing pages of databases."""

    _made: ClassVar[dict[str, CheckingVfs]] = {}

    @classmethod
    def registered(cls, system: str) -> str:
        """Return the name under which SQLite knows it; for one thread at a time."""
        if _NAME not in cls._made:
            cls._made[_NAME] = cls(_NAME, system)
        return _NAME

    def __init__(self, name: str, system: str) -> None:
        super().__init__(name, system)
        self._system = system

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        kind = _Database if flags[0] & apsw.SQLITE_OPEN_MAIN_DB else apsw.VFSFile
        return kind(self._system, name, flags)


class _Database(apsw.VFSFile):
    _checked = _verified = False

    def xRead(self, amount: int, offset: int) -> bytes:
        data = super().xRead(amount, offset)
        self._look(data, offset)
        if self._verified and len(data) >= _SMALLEST_PAGE and unsound(_words(data)):
            error: Any = apsw.IOError(f"a page fails its checksum, at byte {offset}")
            error.result, error.extendedresult = apsw.SQLITE_IOERR, apsw.SQLITE_IOERR_DATA
            raise error
        return data

    def xWrite(self, data: Any, offset: int) -> None:
        self._look(data, offset)
        if self._checked and len(data) >= _SMALLEST_PAGE:
            data = bytes(data[:-RESERVED]) + sums(_words(data)[:, :-2]).tobytes()
        super().xWrite(data, offset)

    def xFileControl(self, op: int, pointer: int) -> bool:
        if op == apsw.SQLITE_FCNTL_PRAGMA:
            pragma = apsw.VFSFcntlPragma(pointer)
            if pragma.name == "checksum_verification":
                if pragma.value is not None:
                    self._verified = self._checked and pragma.value in ("1", "on")
                pragma.result = str(int(self._verified))
                return True
        return super().xFileControl(op, pointer)

    def xDeviceCharacteristics(self) -> int:
        # else SQLite reads pages without their last bytes
        return super().xDeviceCharacteristics() & ~apsw.SQLITE_IOCAP_SUBPAGE_READ

    def _look(self, data: Any, offset: int) -> None:
        if offset == 0 and len(data) >= _HEADER_BYTES:
            checked = data[RESERVED_AT] == RESERVED
            if checked != self._checked:
                self._checked = self._verified = checked


def _words(page: Any) -> np.ndarray[Any, np.dtype[np.uint32]]:
    return np.frombuffer(page, "<u4").reshape(1, -1)
