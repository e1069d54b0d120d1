"""One line for each request; nothing in it that should stay secret.

The line of a request that was refused has the reason at its end and is a warning, or an error if
the node itself failed: it is there when the log of the others is switched off.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError

from joule_cli.server.state import CLIENT, REASON

if TYPE_CHECKING:
    from aiohttp import web

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
#: Longer targets and reasons are cut: a request must not fill the disk.
_LONGEST, _LONGEST_REASON = 500, 300

access_logger = logging.getLogger("joule_cli.access")
http_logger = logging.getLogger("joule_cli.server.http")


def _leave_out_heads(record: logging.LogRecord) -> bool:
    """Leave out heads that cannot be read: they may have keys, and have their line anyway."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


http_logger.addFilter(_leave_out_heads)


class AccessLogger(AbstractAccessLogger):
    """Writes ``address "method path?stream" status bytes milliseconds reason``."""

    @property
    def enabled(self) -> bool:
        """Whether the log is read."""
        return self.logger.isEnabledFor(logging.WARNING)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line of a request that has been answered."""
        reason, level = _reason(response), logging.INFO
        if reason is not None:
            level = logging.ERROR if response.status >= 500 else logging.WARNING
        if not self.logger.isEnabledFor(level):
            return
        shown = [(name, value) for name, value in request.query.items() if name in _SHOWN]
        query = urlencode(shown, errors="replace")
        target = f"{request.rel_url.raw_path}?{query}".rstrip("?")[:_LONGEST]
        # a head that cannot be read never got as far as to be asked where it comes from
        address = request.get(CLIENT, request.remote)
        self.logger.log(
            level,
            '%s "%s %s" %d %d %.1f%s',
            _printable(address or "unix"),
            request.method,
            _printable(target),
            response.status,
            response.body_length,
            time * 1000,
            "" if reason is None else f" {reason}",
        )


def _reason(response: web.StreamResponse) -> str | None:
    """Return why a request was refused, `None` if it was not."""
    reason = response.get(REASON)
    if reason is None and response.status >= 400:
        # by the library, before a handler was found
        reason = response.reason
    return None if reason is None else _printable(reason)[:_LONGEST_REASON]


def _printable(text: str) -> str:
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
