"""Rows as JSON: lists of numbers, in segments between interval breaks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import web

from joule_cli.pipes.blocks import flatten_rows
from joule_cli.server.refusals import start
from joule_cli.wire.codec import MEDIA_TYPE, dump

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from joule_cli.pipes import Pipe
    from joule_cli.series.layout import Rows

#: Answers up to this size are sent with their length, larger ones as they come.
_WHOLE_BYTES = 256 * 1024
#: Rows that are formatted at a time, so that other clients get their turn.
_PIECE_ROWS = 4096


class JsonRows:
    """Writes what is in a pipe as ``{"data": [[[time, value, ...], ...], ...], ...}``.

    Numbers are written as Python writes them, infinities as the words that it has for them: so
    does the original node. Missing values, which that has only as means of infinities of both
    signs, are null.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._in_segment = False
        self._segments = 0

    async def answer(self, request: web.Request, first: tuple[Rows, bool]) -> web.StreamResponse:
        """Send the first block, which was read before, and all that follows it."""
        waiting = bytearray(b'{"data": [')
        response: web.StreamResponse | None = None
        block: tuple[Rows, bool] | None = first
        while block is not None:
            for part in self._block(*block):
                waiting += part
                if len(waiting) > _WHOLE_BYTES:
                    if response is None:
                        response = web.StreamResponse()
                        response.content_type, response.charset = MEDIA_TYPE, "utf-8"
                        await start(request, response)
                    await response.write(bytes(waiting))
                    waiting.clear()
                await asyncio.sleep(0)
            block = await anext(self._pipe.blocks(), None)
        if self._in_segment:
            waiting += b"]"
        waiting += f'], "decimation_factor": {self._pipe.decimation_level}}}'.encode()
        if response is None:
            return web.Response(body=bytes(waiting), content_type=MEDIA_TYPE, charset="utf-8")
        await response.write_eof(bytes(waiting))
        return response

    def _block(self, rows: Rows, ends: bool) -> Iterator[bytes]:
        for index in range(0, len(rows), _PIECE_ROWS):
            if self._in_segment:
                lead = ", "
            else:
                lead = ", [" if self._segments else "["
                self._in_segment, self._segments = True, self._segments + 1
            matrix = flatten_rows(rows[index : index + _PIECE_ROWS])
            yield (lead + dump(_listed(matrix))[1:-1]).encode()
        if ends and self._in_segment:
            self._in_segment = False
            yield b"]"


def _listed(matrix: npt.NDArray[Any]) -> Any:
    """Return the rows as lists, with `None` for missing values."""
    missing = np.isnan(matrix)
    if missing.any():
        matrix = matrix.astype(object)
        matrix[missing] = None
    return matrix.tolist()
