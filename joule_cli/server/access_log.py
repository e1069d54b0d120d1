"""One line for each request; nothing in it that should stay secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, StreamResponse

#: The only parameters that are logged: which stream, and how much of it.
_SHOWN: Final = frozenset(
    {
        "path",
        "id",
        "stream_path",
        "stream_id",
        "start",
        "end",
        "limit",
        "max-rows",
        "decimation-level",
        "subscribe",
    }
)
#: Longer ones are cut; nobody fills the disk with a request.
_LONGEST = 500

access_logger = logging.getLogger("joule_cli.access")
http_logger = logging.getLogger("joule_cli.server.http")


def _hide_heads(record: logging.LogRecord) -> bool:
    """Leave out what is wrong with the head of a request: it shows the head, keys included."""
    if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError):
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


http_logger.addFilter(_hide_heads)


class AccessLogger(AbstractAccessLogger):
    """Writes ``address "method path?stream" status bytes milliseconds``."""

    @property
    def enabled(self) -> bool:
        """Whether anybody reads the log."""
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Write the line of a request that has been answered."""
        shown = [(name, value) for name, value in request.query.items() if name in _SHOWN]
        query = urlencode(shown, errors="replace")
        target = f"{request.rel_url.raw_path}?{query}".rstrip("?")[:_LONGEST]
        self.logger.info(
            '%s "%s %s" %d %d %.1f',
            request.remote or "unix",
            request.method,
            target,
            response.status,
            response.body_length,
            time * 1000,
        )
