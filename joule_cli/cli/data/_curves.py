"""The values of streams over time, decimated to what a drawing can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from joule_cli.api.node import Node
    from joule_cli.cli.data._draw import Point, Style
    from joule_cli.model import DataStream, Element


@dataclass(frozen=True, slots=True)
class Look:
    """Which elements are drawn with characters, and how.

    Parameters
    ----------
    elements
        A list as `parse_elements` reads it; `None` for all.
    width, height
        Columns, and lines of each curve; `None` for what there is room for.
    """

    elements: str | None
    scale: bool
    style: Style
    width: int | None = None
    height: int | None = None


@dataclass(slots=True)
class Piece:
    """The rows of an interval.

    Parameters
    ----------
    times
        µs.
    values
        Mean, minimum and maximum of each element, ``(rows, 3 * elements)``.
    """

    times: npt.NDArray[np.int64]
    values: npt.NDArray[Any]


@dataclass(slots=True)
class Curves:
    """What is drawn of one stream.

    Parameters
    ----------
    level
        Stored rows for each row here.
    span
        First and last time of the axis, µs.
    asked
        The bounds that were asked for.
    """

    path: str
    elements: list[Element]
    level: int
    pieces: list[Piece]
    span: tuple[int, int]
    asked: tuple[int | None, int | None] = (None, None)

    def points(self, index: int) -> list[list[Point]]:
        """Return the curve of one element."""
        part = slice(3 * index, 3 * index + 3)
        return [
            [
                (time, *values)
                for time, values in zip(
                    piece.times.tolist(), piece.values[:, part].tolist(), strict=True
                )
            ]
            for piece in self.pieces
        ]


async def read_curves(
    node: Node,
    path: str,
    model: DataStream,
    bounds: tuple[int | None, int | None],
    max_rows: int,
    *,
    elements: str | None = None,
    scale: bool = False,
) -> Curves:
    """Read the rows in the bounds, or at most `max_rows` means, minima and maxima of them.

    Parameters
    ----------
    elements
        A list as `parse_elements` reads it; `None` for all.
    """
    import numpy as np

    from joule_cli.ops.select import Projection, parse_elements

    start, end = bounds
    chosen = None if elements is None else parse_elements(elements, model.elements)
    intervals: list[list[Any]] = []
    fresh = True
    pipe = await node.data_read(model, start, end, max_rows)
    async with pipe:
        project = Projection(
            pipe.row_layout,
            model.elements,
            columns=chosen,
            decimated=pipe.decimated,
            bounds=True,
            scale=scale,
        )
        async for block, ended in pipe.blocks():
            if len(block):
                if fresh:
                    intervals.append([])
                intervals[-1].append(project(block))
                fresh = False
            fresh = fresh or ended
    count = len(project.elements)
    step = count if pipe.decimated else 0
    # decimated rows have all means, then all minima, then all maxima
    order = [kind * step + i for i in range(count) for kind in range(3)]
    pieces = []
    for blocks in intervals:
        rows = np.concatenate(blocks)
        pieces.append(Piece(rows["timestamp"], rows["data"][:, order]))
    first = int(pieces[0].times[0]) if pieces else 0
    last = int(pieces[-1].times[-1]) if pieces else 0
    if pipe.decimated:
        # a decimated row stands at the mean of its times
        info = await node.data_stream_info(model)
        first = first if info.start is None else info.start
        last = last if info.end is None else info.end
    return Curves(
        path=path,
        elements=project.elements,
        level=pipe.decimation_level,
        pieces=pieces,
        span=(first if start is None else start, last if end is None else end - 1),
        asked=bounds,
    )
