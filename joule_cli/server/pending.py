"""Keys that are about to belong to a master."""

from __future__ import annotations

import hmac
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator


class PendingKeys:
    """Keys of joins under way, for the calls that the other node makes to see that they work.

    They are kept in memory alone, so that nothing is left of a join that fails or of a server
    that is killed meanwhile.
    """

    def __init__(self) -> None:
        self._keys: list[bytes] = []

    @contextmanager
    def expect(self, key: str) -> Iterator[None]:
        """Know a key during a block."""
        encoded = key.encode()
        self._keys.append(encoded)
        try:
            yield
        finally:
            self._keys.remove(encoded)

    def has(self, key: str) -> bool:
        """Tell whether a key belongs to a join under way."""
        encoded = key.encode()
        # no early end: the time must not tell which of them it is
        return sum(hmac.compare_digest(encoded, known) for known in self._keys) > 0


PENDING: Final = web.AppKey("PENDING", PendingKeys)
