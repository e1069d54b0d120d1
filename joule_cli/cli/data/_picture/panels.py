"""Panels: elements that share an axis of values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Literal

from matplotlib.ticker import Formatter, MaxNLocator

from joule_cli.cli.data._picture.text import numbers, shortened, text_width, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from joule_cli.cli.data._curves import Curves
    from joule_cli.cli.data._picture.times import TimeAxis
    from joule_cli.model import Element

    Values = npt.NDArray[np.float64]

#: Okabe and Ito's colours, which the colour-blind tell apart too, without the two palest.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
LABEL_POINTS, LEGEND_POINTS = 10.0, 9.0
#: Lines of a name beside the axis.
MOST_LINES = 3
_STEPS = (1, 2, 2.5, 5, 10)
_LEGEND_ROW_PX = 17.0
#: A legend's line and its distances beside a name.
_HANDLE_PX = 46.0
_LONGEST_NAME_PX = 420.0
#: Marks stand on every row, if they are at least so many pixels apart.
_ROOM_PX = 12.0
#: Beyond this the arithmetic of an axis would overflow.
_HUGE = 1e300


@dataclass(slots=True)
class Series:
    """One element of one stream."""

    element: Element
    label: str
    curves: Curves
    index: int

    @property
    def steps(self) -> bool:
        """Whether a value holds until the next one."""
        return self.element.display_type.lower() in {"discrete", "event"}

    def values(self, kind: int) -> list[Values]:
        """Return the means (0), minima (1) or maxima (2) of each piece.

        What no axis can hold is infinite.
        """
        import numpy as np

        found = []
        for piece in self.curves.pieces:
            values = piece.values[:, 3 * self.index + kind].astype("float64")
            huge = np.abs(values) > _HUGE
            values[huge] = np.copysign(np.inf, values[huge])
            found.append(values)
        return found


@dataclass(slots=True)
class Panel:
    """What shares an axis of values."""

    units: str
    series: list[Series] = field(default_factory=list)


def arrange(curves: Sequence[Curves], *, by_unit: bool) -> list[Panel]:
    """Sort elements into panels, by their units or each into its own.

    Without units it is unknown what may be compared, except elements of the same name in several
    streams.
    """
    panels: dict[object, Panel] = {}
    for stream in curves:
        named = Counter(element.name for element in stream.elements)
        for index, element in enumerate(stream.elements):
            name = element.name
            if named[name] > 1:
                name = f"{name}#{index if element.index is None else element.index}"
            units = element.units or ""
            key: object = ("units", units) if units else ("name", name)
            if not by_unit:
                key = len(panels)
            label = f"{stream.path}: {name}" if len(curves) > 1 else name
            panel = panels.setdefault(key, Panel(units))
            panel.series.append(Series(element, label, stream, index))
    return list(panels.values())


@dataclass(frozen=True, slots=True)
class Legend:
    """Names above a panel, in columns."""

    texts: list[str]
    columns: int

    @property
    def height_px(self) -> float:
        """Height, with the distance to the panel."""
        return -(-len(self.texts) // self.columns) * _LEGEND_ROW_PX + 4


def plan_legend(panel: Panel, width_px: float, *, named: bool) -> Legend | None:
    """Say what the curves are, unless there is one only, whose name stands beside the axis.

    Parameters
    ----------
    named
        A single curve needs a legend too, because its name does not tell its stream.
    """
    if not named and len(panel.series) == 1:
        return None
    texts = [shortened(s.label, LEGEND_POINTS, _LONGEST_NAME_PX) for s in panel.series]
    widest = max(text_width(text, LEGEND_POINTS) for text in texts) + _HANDLE_PX
    return Legend(texts, min(max(int(width_px / widest), 1), len(texts)))


def draw_panel(
    axes: Axes, panel: Panel, legend: Legend | None, axis: TimeAxis, size_px: tuple[float, float]
) -> None:
    """Draw the curves of a panel and say what they are."""
    width, height = size_px
    lines = [
        _draw_series(axes, series, axis, width, *look)
        for series, look in zip(panel.series, _styles(), strict=False)
    ]
    _limit(axes, panel)
    axes.margins(y=0.06)
    axes.yaxis.set_major_locator(MaxNLocator(min(max(int(height / 40), 2), 9), steps=_STEPS))
    axes.yaxis.set_major_formatter(_Values())
    if not any(_has_values(series) for series in panel.series):
        axes.set_yticks([])
    nothing = _nothing(panel)
    if nothing:
        axes.text(0.5, 0.5, nothing, transform=axes.transAxes, ha="center", color="#666666")
    if legend is None:
        (series,) = panel.series
        units = f" [{panel.units}]" if panel.units else ""
        text = wrapped(f"{series.element.name}{units}", LABEL_POINTS, height, MOST_LINES)
    else:
        text = wrapped(panel.units, LABEL_POINTS, height, MOST_LINES)
        _draw_legend(axes, legend, lines)
    axes.set_ylabel(text, linespacing=1.15)


def _draw_legend(axes: Axes, legend: Legend, lines: Sequence[Line2D]) -> None:
    axes.legend(
        lines,
        legend.texts,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        borderpad=0.1,
        columnspacing=1.6,
        handlelength=1.8,
        handletextpad=0.6,
        labelspacing=0.35,
        ncols=legend.columns,
    )


class _Values(Formatter):
    """Writes the values beside a panel."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return numbers([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:  # docstring inherited
        return numbers(values)


def _nothing(panel: Panel) -> str:
    """Say why there are no curves, if there are none."""
    import numpy as np

    if not any(series.curves.pieces for series in panel.series):
        return "no rows"
    missing = (np.isnan(part).all() for series in panel.series for part in series.values(1))
    return "no values" if all(missing) else ""


def _has_values(series: Series) -> bool:
    import numpy as np

    return any(np.isfinite(part).any() for kind in (1, 2) for part in series.values(kind))


def _styles() -> Iterator[tuple[str, str]]:
    return cycle((colour, dash) for dash in _DASHES for colour in COLOURS)


def _draw_series(
    axes: Axes, series: Series, axis: TimeAxis, width_px: float, colour: str, dash: str
) -> Line2D:
    import numpy as np

    times, means, lows, highs = _runs(
        [axis.place(piece.times) for piece in series.curves.pieces],
        *(series.values(kind) for kind in range(3)),
    )
    decimated = series.curves.level > 1
    # a decimated row stands for the time around it, a stored one for the time that follows
    step: Literal["mid", "post"] | None = None
    if series.steps:
        step = "mid" if decimated else "post"
    if decimated:
        axes.fill_between(
            _joined(times, None),
            _joined(lows, np.nan),
            _joined(highs, np.nan),
            step=step,
            color=colour,
            alpha=0.22,
            linewidth=0,
        )
    rows = sum(map(len, times))
    dots = "o" if rows and width_px / rows >= _ROOM_PX else ""
    (line,) = axes.plot(
        _joined(times, None),
        _joined(means, np.nan),
        color=colour,
        linestyle=dash,
        drawstyle="default" if step is None else f"steps-{step}",
        marker=dots,
        markersize=3.2,
    )
    _draw_single(axes, times, (means, lows, highs), colour)
    _draw_infinite(axes, times, lows, highs, colour)
    return line


def _runs(*columns: Sequence[Values]) -> Iterator[list[Values]]:
    """Cut the pieces of times, means, minima and maxima where values are missing."""
    import numpy as np

    runs: list[list[Values]] = []
    for piece in zip(*columns, strict=True):
        there = ~np.isnan(piece[2])
        edges = np.flatnonzero(np.diff(there, prepend=False, append=False))
        runs += ([part[a:b] for part in piece] for a, b in edges.reshape(-1, 2).tolist())
    return map(list, zip(*runs, strict=True)) if runs else iter([[], [], [], []])


def _joined(parts: Sequence[Values], between: float | None) -> Values:
    """Put pieces behind each other, with a value between them that breaks a line.

    `None` repeats the last value, since a time has to be a number.
    """
    import numpy as np

    if not parts:
        return np.empty(0)
    whole: list[Values] = []
    for part in parts:
        whole += [part, np.array([part[-1] if between is None else between])]
    found = np.concatenate(whole[:-1])
    if between is not None:
        found[~np.isfinite(found)] = np.nan
    return found


def _draw_single(
    axes: Axes, times: Sequence[Values], values: Sequence[Sequence[Values]], colour: str
) -> None:
    """Show intervals of one row, of which a line shows nothing."""
    import numpy as np

    alone = [number for number, part in enumerate(times) if len(part) == 1]
    if not alone:
        return
    at = np.concatenate([times[number] for number in alone])
    means, lows, highs = (np.concatenate([kind[number] for number in alone]) for kind in values)
    finite = np.isfinite(lows) & np.isfinite(highs)
    at, means, lows, highs = at[finite], means[finite], lows[finite], highs[finite]
    if (lows < highs).any():
        axes.vlines(at, lows, highs, colors=colour, alpha=0.4, linewidth=1.0)
    axes.plot(at, means, "o", color=colour, markersize=3.2)


def _draw_infinite(
    axes: Axes, times: Sequence[Values], lows: Sequence[Values], highs: Sequence[Values], col: str
) -> None:
    """Point over the edge where values are infinite."""
    import numpy as np

    for parts, wanted, place, shape in ((highs, np.inf, 1, "^"), (lows, -np.inf, 0, "v")):
        at = [t[p == wanted] for t, p in zip(times, parts, strict=True)]
        found = np.concatenate(at) if at else np.empty(0)
        if len(found):
            axes.plot(
                found,
                np.full(len(found), place),
                shape,
                color=col,
                markersize=5,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
            )


def _limit(axes: Axes, panel: Panel) -> None:
    """Use the limits that are stored with the elements, if all of them have some."""
    low = [series.element.default_min for series in panel.series]
    high = [series.element.default_max for series in panel.series]
    lows = [value for value in low if value is not None]
    highs = [value for value in high if value is not None]
    bottom = min(lows) if len(lows) == len(low) else None
    top = max(highs) if len(highs) == len(high) else None
    if bottom is None or top is None or bottom < top:
        axes.set_ylim(bottom, top)
