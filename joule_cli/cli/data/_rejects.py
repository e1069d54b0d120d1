"""The bad rows that were left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from joule_cli.cli._output import warn
from joule_cli.errors import FormatError
from joule_cli.formats.atomic import AtomicFile
from joule_cli.formats.base import os_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import IO

#: Bad rows that are shown before the rest is only counted.
_SHOWN = 10


class Rejects:
    """The bad rows that were left out: in a file, or on stderr the first of them.

    In the file each follows a comment with its place and the reason, so that it can be mended
    and ingested.
    """

    def __init__(self, file: str | None, source: str = "") -> None:
        #: The file that is read.
        self.file = source
        self.count = 0
        #: What the file of bad rows begins with, such as the header of CSV.
        self.heading = ""
        self._place = None if file is None else AtomicFile(file)
        self._out: IO[bytes] | None = None if self._place is None else self._place.open()
        self._first: list[str] = []

    def add(self, line: int, text: str, reason: str) -> None:
        """Take a bad row; called from the thread that parses."""
        self.count += 1
        if self._out is not None:
            head = f"{self.heading}\n" if self.count == 1 and self.heading else ""
            self._write(f"{head}# {self.file}:{line}: {reason}\n{text}\n")
        elif len(self._first) < _SHOWN:
            self._first.append(f"{self.file}:{line}: {reason}")

    def _write(self, text: str) -> None:
        assert self._place is not None
        assert self._out is not None
        try:
            self._out.write(text.encode("utf-8", "surrogateescape"))
            # a full disk is to be known before all rows are stored
            self._out.flush()
        except OSError as exc:
            raise os_failure(exc, self._place.name) from exc

    def limited(self, most: int | None) -> Callable[[int, str, str], None]:
        """Return `add`, which fails after `most` bad rows."""

        def add(line: int, text: str, reason: str) -> None:
            if most is not None and self.count >= most:
                raise FormatError(f"{reason}; more than {most} bad rows", file=self.file, line=line)
            self.add(line, text, reason)

        return add

    def tell(self) -> None:
        """Show the first bad rows, unless they went to a file."""
        for text in self._first:
            warn(text)
        if self._out is None and self.count > _SHOWN:
            warn(f"{self.count - _SHOWN} more bad rows")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._place is None:
            return
        # a run without bad rows empties the file, since those of an earlier run are mended
        if self.count or kind is None:
            self._place.commit()
        else:
            self._place.discard()
