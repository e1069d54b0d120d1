"""Lines of a log."""

from __future__ import annotations

import logging
from typing import Any

from joule_cli.series.visible import lines_of, one_line


class LineFormatter(logging.Formatter):
    """Writes each record on a line of its own, whatever is in it; a traceback follows."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        """Return the traceback."""
        return lines_of(super().formatException(ei))
