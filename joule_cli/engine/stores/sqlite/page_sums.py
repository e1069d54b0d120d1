"""Checksums of many pages at a time; `pages` beside this tells what they are."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Words = npt.NDArray[np.uint32]

#: Words of a checksum, the last ones of a page.
_SUM = 2
_MASK = 0xFFFF_FFFF


def unsound(pages: Words) -> list[int]:
    """Return which of some pages do not end with their checksum: (n, words of a page) uint32."""
    wrong = sums(pages[:, :-_SUM]) != pages[:, -_SUM:]
    return [int(i) for i in np.flatnonzero(wrong.any(axis=1))]


def sums(texts: Words) -> Words:
    """Return the checksum of each text: (n, words of a text) uint32 -> (n, 2) uint32."""
    factors = _weights(texts.shape[1])
    return np.stack([(texts * w).sum(axis=1, dtype=np.uint32) for w in factors], axis=1)


def chained(texts: Words, start: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the checksums of texts of which each goes on where the one before it has ended."""
    found = []
    (a, b), (c, d) = _power(texts.shape[1] // 2)
    one, two = start
    for first, second in sums(texts).tolist():
        one, two = (first + a * one + b * two) & _MASK, (second + c * one + d * two) & _MASK
        found.append((one, two))
    return found


@cache
def _weights(n_words: int) -> tuple[Words, Words]:
    """Return by what each word of a text is multiplied in either word of its checksum.

    The definition is a loop over pairs, ``one += a + two; two += b + one``, in 32 bits. It is
    linear, so that many sums can be had at once.
    """
    factors = np.zeros((2, n_words), np.uint32)
    a, b = (1, 1), (0, 1)  # what both words of the last pair add to `one` and to `two`
    for i in range(n_words - 2, -1, -2):
        factors[:, i], factors[:, i + 1] = a, b
        a, b = _before(*a), _before(*b)
    return factors[0], factors[1]


def _power(n_pairs: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return by what both sums are multiplied while they pass some pairs."""
    one, two = (1, 0), (0, 1)
    for _ in range(n_pairs):
        one, two = _before(*one), _before(*two)
    return (one[0], two[0]), (one[1], two[1])


def _before(one: int, two: int) -> tuple[int, int]:
    """Return what something adds that is followed by one more pair."""
    return (one + two) & _MASK, (one + 2 * two) & _MASK
