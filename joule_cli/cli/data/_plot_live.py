"""Curves in the terminal that are drawn again while rows arrive."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from joule_cli.cli import _render
from joule_cli.cli._output import count_text, emit_text, show_time
from joule_cli.cli._ranges import bounds_text
from joule_cli.cli.data._curves import Curves, Piece, read_curves
from joule_cli.cli.data._follow import refuse_unkept
from joule_cli.cli.data._window import draw_curves, fitting, heading
from joule_cli.ops.live import LiveRows
from joule_cli.ops.recent import Recent
from joule_cli.ops.select import Projection, parse_elements
from joule_cli.ops.streams import FoundStream
from joule_cli.series.layout import Layout
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.api.node import Node
    from joule_cli.cli.data._curves import Look
    from joule_cli.errors import ApiError
    from joule_cli.model import DataStream
    from joule_cli.pipes.blocks import Item

#: Seconds between two drawings, at least.
_REDRAW_S = 0.25
#: Rows of history; more could not be seen.
_HISTORY_ROWS = 4096

# the alternate screen without a cursor, where a line that is too long is cut
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class LiveView:
    """The rows of a stream that are seen, and how they look.

    Parameters
    ----------
    span
        How far to look back from the last row, µs; `None` for everything since `start`.
    """

    def __init__(
        self, path: str, model: DataStream, start: int | None, span: int | None, look: Look
    ) -> None:
        self.path, self.model, self.start = path, model, start
        self.look = look
        self.span = span
        chosen = None if look.elements is None else parse_elements(look.elements, model.elements)
        self._project = Projection(
            Layout.parse(model.layout), model.elements, columns=chosen, scale=look.scale
        )
        self._recent = Recent(len(self._project.elements), span)
        #: What interrupts the rows at present.
        self.trouble = ""
        #: There is something to draw.
        self.drawn = False

    async def read_history(self, node: Node) -> int | None:
        """Take what is stored; return the time of the last row of the stream."""
        info = await node.data_stream_info(self.model)
        if info.end is None:
            return None
        if self.start is not None and self.start > info.end:
            return info.end
        found = await read_curves(
            node,
            self.path,
            self.model,
            (self.start, info.end + 1),
            _HISTORY_ROWS,
            elements=self.look.elements,
            scale=self.look.scale,
        )
        for piece in found.pieces:
            self._recent.end_stretch()
            means, lows, highs = (piece.values[:, kind::3] for kind in range(3))
            self._recent.add(piece.times, means, lows, highs, found.level)
        return info.end

    def take(self, items: list[Item]) -> None:
        """Take rows as they were written."""
        for item in items:
            if item is None:
                self._recent.end_stretch()
                continue
            rows = self._project(item)
            self._recent.add(rows["timestamp"], rows["data"], rows["data"], rows["data"])
        self.trouble = ""

    def lines(self, columns: int, rows: int) -> list[str]:
        """Draw for a screen of this size."""
        ends = self._recent.ends
        self.drawn = ends is not None
        if ends is None:
            trouble = one_line(self.trouble)
            return [one_line(self.path), "", trouble or "waiting for rows ..."]
        first, last = ends
        if self.span is not None:
            first = last - self.span
        elif self.start is not None:
            first = min(self.start, first)
        curves = self._curves((first, last))
        count = len(curves.elements)
        width = min(self.look.width or columns, columns)

        def head(shown: int) -> list[str]:
            if self.trouble:
                return [_render.cut(one_line(self.trouble), columns)]
            left_out = f"({shown} of {count_text(count, 'element')}, see -i)"
            return heading(curves, columns, left_out if shown < count else "")

        # one line stays free at the end
        shown, height = fitting(count, lambda n: rows - len(head(n)) - 1, self.look.height)
        drawn = draw_curves(curves, width, height, self.look.style, shown)
        return [*head(shown), *drawn][: max(rows - 1, 1)]

    def _curves(self, span: tuple[int, int]) -> Curves:
        import numpy as np

        pieces = []
        for stretch in self._recent.stretches():
            # mean, minimum and maximum of an element stand beside each other
            values = np.stack([stretch.means, stretch.lows, stretch.highs], axis=2)
            pieces.append(Piece(stretch.times, values.reshape(len(values), -1)))
        return Curves(self.path, self._project.elements, 1, pieces, span)


async def watch(node: Node, view: LiveView, *, duration_s: float | None, reconnect: bool) -> None:
    """Draw until a signal comes or the time is over; what was drawn last stays.

    Raises
    ------
    ApiError
        The node cannot be reached, or has stopped sending.
    """
    refuse_unkept(FoundStream(node, view.path, view.model))
    last = await view.read_history(node)
    changed = asyncio.Event()
    changed.set()

    def tell(error: ApiError) -> None:
        view.trouble = f"{error.sentence()}; trying again"
        changed.set()

    live = LiveRows(
        node,
        view.model,
        history=True,
        # the producer may have another clock
        start=view.start if view.span is None else None,
        after=last,
        reconnect=reconnect,
        tell=tell,
    )

    async def follow() -> None:
        async with aclosing(live.items()) as found:
            async for items in found:
                view.take(items)
                changed.set()

    following = asyncio.ensure_future(follow())
    following.add_done_callback(lambda _: changed.set())
    limit = asyncio.timeout(duration_s)
    try:
        with _screen(changed):
            async with limit:
                while not following.done():
                    await changed.wait()
                    changed.clear()
                    _show(view)
                    # no more can be seen, and drawing must not take the time of reading
                    await asyncio.wait({following}, timeout=_REDRAW_S)
    except TimeoutError:
        if not limit.expired():
            raise
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
    finally:
        following.cancel()
        await asyncio.wait({following})
    emit_text("\n".join(view.lines(*_size())) if view.drawn else _nothing(view, last))
    if not following.cancelled():
        following.result()


def _nothing(view: LiveView, last: int | None) -> str:
    there = "has none" if last is None else f"ends at {show_time(last)}"
    since = bounds_text(view.start, None)
    return f"{one_line(view.path)}: there are no rows{since}; the stream {there}"


def _size() -> tuple[int, int]:
    size = os.get_terminal_size(sys.stdout.fileno())
    return size.columns or 80, max(size.lines or 24, 2)


def _show(view: LiveView) -> None:
    lines = view.lines(*_size())
    ending = f"{_END_OF_LINE}\n"
    _render.write_text(f"{_HOME}{ending.join(lines)}{ending}{_BELOW}")
    sys.stdout.flush()


@contextmanager
def _screen(changed: asyncio.Event) -> Iterator[None]:
    """Draw on a screen of its own; `changed` is set when its size changes."""
    loop = asyncio.get_running_loop()

    def write(text: str) -> None:
        _render.write_text(text)
        sys.stdout.flush()

    def suspend() -> None:
        write(_LEAVE)
        os.kill(os.getpid(), signal.SIGSTOP)
        write(_ENTER)
        changed.set()

    handlers = {signal.SIGWINCH: changed.set}
    if signal.getsignal(signal.SIGTSTP) is not signal.SIG_IGN:
        handlers[signal.SIGTSTP] = suspend
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        write(_ENTER)
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
        write(_LEAVE)
