"""Text rows: an integer timestamp and the values, with blanks between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.formats.base import INTERVAL_BREAK
from joule_cli.formats.lines import LineWriter
from joule_cli.formats.number_lines import number_lines

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows


class TextWriter(LineWriter):
    """Rows as ``joule data read`` prints them."""

    def _format(self, rows: Rows) -> bytes:
        options = self.options
        return number_lines(
            rows["timestamp"], rows["data"], b" ", options.precision, options.format_time
        )

    def _mark_break(self) -> bytes:
        return f"{INTERVAL_BREAK}\n".encode() if self.options.mark_intervals else b""
