"""A writer around a writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.formats import Writer

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows


class UnlessEmpty(Writer):
    """Passes everything on, but a file without rows does not appear."""

    def __init__(self, writer: Writer) -> None:
        self.head = writer.head
        self._writer = writer
        self._seen = False

    def write(self, rows: Rows) -> None:
        """Write rows."""
        self._seen = self._seen or len(rows) > 0
        self._writer.write(rows)

    def interval_break(self) -> None:
        """End the interval."""
        self._writer.interval_break()

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._writer.flush()

    def close(self, *, complete: bool = True) -> None:
        """Finish the file if there was a row."""
        self._writer.close(complete=complete and self._seen)
