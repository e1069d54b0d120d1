"""Guessing keys is slowed down, for each address on its own."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from joule_cli.errors import AuthorizationError
from joule_cli.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

#: Wrong keys that an address may send before it has to wait: a script with an old key does.
_FREE: Final = 20
#: Seconds in which one of them is forgotten.
_FORGET_S: Final = 10.0
#: Longest wait, seconds.
_LONGEST_S: Final = 5.0
#: Requests that wait at a time, of one address and in all; more would keep others out.
_MOST_WAITING: Final = 4
_MOST_WAITING_IN_ALL: Final = 64
#: Addresses and keys that are remembered; more are forgotten, the oldest first.
_MOST_ADDRESSES: Final = 4096


@dataclass(slots=True)
class _Guesses:
    number: float = 0.0
    at: float = 0.0
    waiting: int = 0


class WrongKeys:
    """Counts wrong keys by address; belongs to one event loop.

    Parameters
    ----------
    delay_s
        The first wait; each further wrong key doubles it. 0 for no waits.
    clock
        Gives seconds.
    """

    def __init__(self, delay_s: float, clock: Callable[[], float]) -> None:
        self._delay_s = delay_s
        self._clock = clock
        self._waiting = 0
        self._guesses: OrderedDict[str, _Guesses] = OrderedDict()
        self._right: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    async def wait(self, address: str, key: str) -> None:
        """Let a request wait before its key is looked at, if its address sent wrong ones.

        A key that was right at this address does not wait.

        Raises
        ------
        Refusal
            Enough others wait already.
        """
        guesses = self._guesses.get(_network(address))
        if guesses is None or (_network(address), _digest(key)) in self._right:
            return
        above = math.ceil(self._left(guesses)) - _FREE
        if above < 0 or not self._delay_s:
            return
        if guesses.waiting >= _MOST_WAITING or self._waiting >= _MOST_WAITING_IN_ALL:
            text = "429: too many wrong keys came from this address, try again later"
            raise Refusal(429, text, code=AuthorizationError.code)
        guesses.waiting += 1
        self._waiting += 1
        try:
            await asyncio.sleep(min(self._delay_s * 2 ** min(above, 30), _LONGEST_S))
        finally:
            guesses.waiting -= 1
            self._waiting -= 1

    def note(self, address: str, key: str, *, right: bool) -> None:
        """Remember what became of a key."""
        place = _network(address)
        if right:
            self._right[place, _digest(key)] = None
            self._right.move_to_end((place, _digest(key)))
            _shorten(self._right)
            return
        guesses = self._guesses.setdefault(place, _Guesses())
        guesses.number, guesses.at = self._left(guesses) + 1, self._clock()
        self._guesses.move_to_end(place)
        _shorten(self._guesses)

    def _left(self, guesses: _Guesses) -> float:
        return max(0.0, guesses.number - (self._clock() - guesses.at) / _FORGET_S)


def _network(address: str) -> str:
    """Return what one client has many addresses of: of IPv6, those with the same beginning."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _digest(key: str) -> bytes:
    # a header may have any bytes
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _shorten(table: OrderedDict[str, _Guesses] | OrderedDict[tuple[str, bytes], None]) -> None:
    while len(table) > _MOST_ADDRESSES:
        table.popitem(last=False)


WRONG_KEYS: Final = web.AppKey("WRONG_KEYS", WrongKeys)
