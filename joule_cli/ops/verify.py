"""Comparing the rows of two streams without holding them in memory."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from typing import TYPE_CHECKING

from joule_cli.ops.errors import VerificationError
from joule_cli.ops.rows import even_blocks, reordered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.model import DataStream
    from joule_cli.ops.streams import Place
    from joule_cli.series.intervals import Interval


async def checksum(
    place: Place, stream: DataStream, piece: Interval, columns: Sequence[int] | None = None
) -> tuple[int, bytes]:
    """Return the number of rows in a range and a checksum of their bytes, `columns` in order."""
    digest = hashlib.blake2b()
    count = 0
    reader = await place.node.data_read(stream, piece.start, piece.end)
    async with reader, aclosing(even_blocks(reader)) as blocks:
        async for rows, _ in blocks:
            digest.update(reordered(rows, columns).tobytes())
            count += len(rows)
    return count, digest.digest()


async def verify_copy(
    source: Place,
    destination: Place,
    stream: DataStream,
    target: DataStream,
    pieces: Sequence[Interval],
    columns: Sequence[int] | None,
) -> int:
    """Compare the rows in `pieces` and return how many there are.

    `columns` are the positions of the destination's elements in the source, if not the same.

    Raises
    ------
    VerificationError
        The rows of a piece differ.
    """
    rows = 0
    for piece in pieces:
        expected = await checksum(source, stream, piece, columns)
        found = await checksum(destination, target, piece)
        if expected != found:
            raise VerificationError(destination.path, piece.start, piece.end, expected[0], found[0])
        rows += expected[0]
    return rows
