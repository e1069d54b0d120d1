"""How many nodes may be joining, since each makes this node call another."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from joule_cli.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.model import Joining

#: Joins under way at the same time.
_MOST_AT_ONCE: Final = 8
#: Nodes that join while the door is open; to let more in, it is opened again.
_MOST_FOLLOWERS: Final = 32


class Joins:
    """The joins under way, one of each address; belongs to one event loop."""

    def __init__(self) -> None:
        self._under_way: set[str] = set()
        self._opening: Joining | None = None
        self._joined = 0

    @contextmanager
    def one(self, address: str, opening: Joining | None) -> Iterator[None]:
        """Count a join during a block, in which a node is asked and stored.

        Parameters
        ----------
        opening
            What lets nodes in for a while, `None` if they may join at any time.

        Raises
        ------
        Refusal
            Another one of this address, or too many in all.
        """
        if opening != self._opening:
            self._opening, self._joined = opening, 0
        if address in self._under_way or len(self._under_way) >= _MOST_AT_ONCE:
            raise Refusal(429, "429: too many nodes are joining, try again later")
        if opening is not None and self._joined >= _MOST_FOLLOWERS:
            text = "429: many nodes have joined, open this one again with: joule follower accept"
            raise Refusal(429, text)
        self._under_way.add(address)
        try:
            yield
            self._joined += 1
        finally:
            self._under_way.discard(address)


JOINS: Final = web.AppKey("JOINS", Joins)
