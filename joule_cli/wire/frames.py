"""Rows and interval breaks as bytes.

One row is packed, little endian, without padding: int64 timestamp (µs) and the elements. A row of
zero bytes is a break. Source: Joule wire protocol, "Binary row encoding".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joule_cli.errors import DataError
from joule_cli.pipes.tokens import interval_token, split_at_tokens, token_indices
from joule_cli.series.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.pipes.blocks import Item
    from joule_cli.series.layout import Rows

#: Headers of a response that carries rows.
LAYOUT_HEADER, DECIMATION_HEADER = "joule-layout", "joule-decimation"
#: Header of a request for decimated rows with all digits. Without it they are float32, as from a
#: Joule 1.0.1 node, which knows no such header.
PRECISE_HEADER = "joule-precise"


class FrameEncoder:
    """Rows and breaks to bytes, for one transfer."""

    def __init__(self, layout: str) -> None:
        self._dtype = Layout.parse(layout).dtype
        self._token = interval_token(layout).tobytes()

    @property
    def row_bytes(self) -> int:
        """Size of one row, and of a break."""
        return self._dtype.itemsize

    def encode(self, items: Iterable[Item]) -> list[bytes | memoryview]:
        """Return buffers to be sent one after the other; blocks of rows are not copied.

        Raises
        ------
        DataError
            A row would read as a break: timestamp 0 and nothing but zeros.
        """
        return [self._token if item is None else self._packed(item) for item in items]

    def _packed(self, rows: Rows) -> memoryview:
        if len(token_indices(rows)):
            raise DataError(
                "a row with timestamp 0 and only zeros cannot be sent, it would read as a break"
            )
        return np.ascontiguousarray(rows, dtype=self._dtype).view(np.uint8).data


class FrameDecoder:
    """Bytes to rows and breaks; the bytes may be cut anywhere."""

    def __init__(self, layout: str) -> None:
        self._dtype = Layout.parse(layout).dtype
        self._cut_row = b""

    @property
    def cut_bytes(self) -> int:
        """How many bytes of an incomplete row are left."""
        return len(self._cut_row)

    def decode(self, data: bytes) -> list[Item]:
        """Return blocks of rows, and `None` for each break, in order; the arrays are read-only."""
        size = self._dtype.itemsize
        items: list[Item] = []
        begin = 0
        if self._cut_row:
            begin = size - len(self._cut_row)
            row = self._cut_row + data[:begin]
            if len(row) < size:
                self._cut_row = row
                return items
            items += split_at_tokens(np.frombuffer(row, self._dtype))
        n_rows = (len(data) - begin) // size
        self._cut_row = bytes(data[begin + n_rows * size :])
        if n_rows:
            rows = np.frombuffer(data, self._dtype, count=n_rows, offset=begin)
            items += split_at_tokens(rows)
        return items
