"""Text rows: an integer timestamp and the values, with blanks between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joule_cli.formats.base import INTERVAL_BREAK
from joule_cli.formats.lines import LineWriter
from joule_cli.formats.six_decimals import six_decimals

if TYPE_CHECKING:
    from joule_cli.series.layout import Rows

_DECIMALS = 6


class TextWriter(LineWriter):
    """Rows as ``joule data read`` prints them; integers exactly, followed by ``.000000``."""

    def _format(self, rows: Rows) -> bytes:
        if self.options.precision is None and self.options.format_time is None:
            text = six_decimals(rows)
            if text is not None:
                return text
        n, width = len(rows), self.head.layout.width
        data = rows["data"]
        precision = _DECIMALS if self.options.precision is None else self.options.precision
        if data.dtype.kind == "f":
            form = f" %.{precision}f"
        else:
            form = f" %d.{'0' * precision}" if precision else " %d"
        cells: list[object] = [None] * (n * (width + 1))
        stamps = rows["timestamp"].tolist()
        first = "%d"
        if self.options.format_time is not None:
            stamps = list(map(self.options.format_time, stamps))
            first = "%s"
        cells[:: width + 1] = stamps
        for i in range(width):
            cells[i + 1 :: width + 1] = data[:, i].tolist()
        # one format for all rows is three times as fast as one row at a time
        return (((first + form * width + "\n") * n) % tuple(cells)).encode()

    def _mark_break(self) -> bytes:
        return f"{INTERVAL_BREAK}\n".encode() if self.options.mark_intervals else b""
