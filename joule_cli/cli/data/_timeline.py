"""Coverage of streams drawn in the terminal, all on one axis of time."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from joule_cli.cli._output import emit_text, show_time
from joule_cli.cli._render import encodes, width
from joule_cli.cli._run import is_terminal
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joule_cli.series.intervals import Interval

#: From nothing to all of a cell; the least above nothing is shown for any row at all.
_SHADES = " ░▒▓█"
_ASCII = " .:+#"
_PIPE_WIDTH = 80
_LEAST_CELLS = 10


def draw(found: Sequence[tuple[str, Sequence[Interval]]], *, gaps: bool) -> None:
    """Print a line per stream, dark where it is covered, and the ends of the axis below."""
    filled = [parts for _, parts in found if parts]
    if not filled:
        emit_text("No gaps." if gaps else "No intervals.")
        return
    start = min(parts[0].start for parts in filled)
    end = max(parts[-1].end for parts in filled)
    names = [one_line(path) for path, _ in found] if len(found) > 1 else [""]
    margin = max(map(len, names)) + (2 if len(found) > 1 else 0)
    known = is_terminal(sys.stdout) or os.environ.get("COLUMNS", "").isdigit()
    # the last column stays free, and so do the two bars at the ends
    cells = max((width() if known else _PIPE_WIDTH) - margin - 3, _LEAST_CELLS)
    shades = _SHADES if encodes(_SHADES) else _ASCII
    for name, (_, parts) in zip(names, found, strict=True):
        emit_text(f"{name:<{margin}}|{_line(parts, start, end, cells, shades)}|")
    left, right = show_time(start) or "", show_time(end) or ""
    space = max(margin + cells + 2 - len(left) - len(right), 2)
    emit_text(f"{left}{'':{space}}{right}")


def _line(parts: Sequence[Interval], start: int, end: int, cells: int, shades: str) -> str:
    """Shade each cell by the share of its time that is covered."""
    covered = [0.0] * cells
    scale = cells / (end - start)
    for part in parts:
        low, high = (part.start - start) * scale, (part.end - start) * scale
        first, last = min(int(low), cells - 1), min(int(high), cells - 1)
        if first == last:
            covered[first] += high - low
            continue
        covered[first] += first + 1 - low
        covered[last] += high - last
        for cell in range(first + 1, last):
            covered[cell] = 1.0
    return "".join(_shade(share, shades) for share in covered)


def _shade(share: float, shades: str) -> str:
    if share <= 0:
        return shades[0]
    steps = len(shades) - 1
    return shades[min(max(round(share * steps), 1), steps)]
