"""A picture of streams: one panel above the other on one axis of time, drawn with matplotlib.

A panel shows elements that share their units: the line of the means in the range from the minimum
to the maximum. What happened meanwhile stands in lanes above them and as shades behind them.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from joule_cli.cli.data._picture.lanes import draw_lanes, plan_lanes, shade
from joule_cli.cli.data._picture.panels import arrange, draw_panel, plan_legend
from joule_cli.cli.data._picture.text import DPI, shortened, text_width
from joule_cli.cli.data._picture.times import POINTS, TimeAxis
from joule_cli.errors import JouleError
from joule_cli.series.time import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from joule_cli.cli.data._curves import Curves
    from joule_cli.cli.data._picture.marks import Lane

WIDTH = 1200
#: Pixels of a panel where no height is given, by the number of panels; and the least it needs.
_PANEL_PX: dict[int, float] = {1: 360.0, 2: 250.0}
_MORE_PANELS_PX, _LEAST_PANEL_PX, _HIGHEST_PX = 175.0, 40.0, 12_000.0
#: Distances: title, axis of time, between panels, to the edges.
_TOP_PX, _BOTTOM_PX, _BETWEEN_PX, _EDGE_PX, _RIGHT_PX = 58.0, 68.0, 16.0, 12.0, 20.0
#: A line of a name beside an axis; a tick and what stands around it.
_LINE_PX, _TICK_PX = 16.0, 13.0
#: What stands left and right of the panels, at most, as a rule.
_SIDES_PX = 150.0
_TITLE_POINTS, _RANGE_POINTS = 12.0, 9.0
_MOST_NAMED = 3

#: Families for what the first one lacks; those that are installed are used.
_FONTS = (
    *("DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans Arabic"),
    *("Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "WenQuanYi Zen Hei"),
    *("Droid Sans Fallback", "Unifont"),
)
_TEXT, _PALE, _LINE = "#262626", "#666666", "#8C8C8C"
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": _LINE,
    "axes.grid": True,
    "axes.labelcolor": _TEXT,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9.5,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    # texts stay texts that can be searched and edited, and the same picture is the same file
    "svg.fonttype": "none",
    "svg.hashsalt": "joule",
    "text.color": _TEXT,
    # a name may have dollar signs
    "text.parse_math": False,
    "xtick.color": _LINE,
    "xtick.labelcolor": _TEXT,
    "ytick.color": _LINE,
    "ytick.labelcolor": _TEXT,
}


class PictureError(JouleError):
    """A picture cannot be drawn as it was asked for."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture shows.

    Parameters
    ----------
    tz
        Zone of the clock shown; `None` for the system's.
    time_form
        Form of times as `format_time` takes it; `None` for the shortest that tells them apart.
    by_unit
        Elements with the same units share a panel; otherwise each has its own.
    """

    curves: Sequence[Curves]
    lanes: Sequence[Lane] = ()
    node: str = ""
    tz: tzinfo | None = None
    time_form: str | None = None
    by_unit: bool = True


def span_of(curves: Sequence[Curves]) -> tuple[int, int]:
    """Return the first and the last time of an axis that streams share, µs."""
    spans = [c.span for c in curves if c.pieces] or [c.span for c in curves]
    return min(first for first, _ in spans), max(last for _, last in spans)


def render(
    picture: Picture, form: str, size: tuple[int, int] | None = None, dpi: int = DPI
) -> bytes:
    """Draw a picture and return the file.

    Parameters
    ----------
    form
        ``png`` or ``svg``.
    size
        Pixels; by default as many as the panels need.

    Raises
    ------
    PictureError
        There is no room for the panels.
    """
    out = BytesIO()
    with drawing_style():
        drawn = figure(picture, size, dpi)
        metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        drawn.savefig(out, format=form, dpi=dpi, metadata=metadata)
    return out.getvalue()


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw as this program does, whatever a matplotlibrc says, and without a word on stderr."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        known = set(font_manager.fontManager.get_font_names())
        mpl.rcParams["font.family"] = [name for name in _FONTS if name in known]
        # letters that no font has are shown as boxes
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        warnings.filterwarnings("ignore", "Matplotlib currently does not support", UserWarning)
        # of few ticks it takes the nearest distance that it knows
        warnings.filterwarnings("ignore", "AutoDateLocator was unable", UserWarning)
        yield


def figure(picture: Picture, size: tuple[int, int] | None = None, dpi: int = DPI) -> Figure:
    """Draw a picture, within `drawing_style`."""
    panels = arrange(picture.curves, by_unit=picture.by_unit)
    axis = TimeAxis(span_of(picture.curves), picture.tz, picture.time_form)
    # everything is laid out in pixels of `DPI`, of which others are multiples
    zoom = dpi / DPI
    width = WIDTH if size is None else size[0] / zoom
    across = max(width - _SIDES_PX, 50.0)
    several = len(picture.curves) > 1
    legends = [plan_legend(panel, across, named=several) for panel in panels]
    plans = plan_lanes(picture.lanes, axis, across)
    lanes_px = sum(plan.height_px for plan in plans)
    fixed = _TOP_PX + _BOTTOM_PX + lanes_px + (_BETWEEN_PX if plans else 0)
    fixed += sum(legend.height_px for legend in legends if legend is not None)
    fixed += _BETWEEN_PX * (len(panels) - 1)
    if size is None:
        panel_px = _PANEL_PX.get(len(panels), _MORE_PANELS_PX)
        panel_px = max(min(panel_px, (_HIGHEST_PX - fixed) / len(panels)), _LEAST_PANEL_PX)
    else:
        panel_px = (size[1] / zoom - fixed) / len(panels)
    if panel_px < _LEAST_PANEL_PX:
        least = round((fixed + len(panels) * _LEAST_PANEL_PX) * zoom)
        what = "one panel needs" if len(panels) == 1 else f"{len(panels)} panels need"
        raise PictureError(
            f"{what} a height of {least} pixels at least",
            hint="choose a larger --size, or fewer elements with -i",
        )
    height = round(fixed + len(panels) * panel_px) if size is None else size[1] / zoom
    page = _Page(Figure(figsize=(width / DPI, height / DPI), dpi=dpi), width, height)
    _write_title(page, picture)
    top = _TOP_PX
    lanes = None
    if plans:
        lanes = page.add(top, lanes_px)
        top += lanes_px + _BETWEEN_PX
    for panel, legend in zip(panels, legends, strict=True):
        top += legend.height_px if legend is not None else 0
        axes = page.add(top, panel_px)
        top += panel_px + _BETWEEN_PX
        shade(axes, plans, axis)
        draw_panel(axes, panel, legend, axis, (across, panel_px))
        axes.tick_params(labelbottom=panel is panels[-1])
    axis.apply(page.axes[-1], across)
    left, right = page.place(axis.limits)
    if lanes is not None:
        # as wide as it was planned or wider, so that nothing touches
        draw_lanes(lanes, plans, axis, width - left - right)
    page.figure.text(
        left / width, 8 / height, axis.label, fontsize=_RANGE_POINTS, color=_PALE, va="bottom"
    )
    return page.figure


@dataclass(slots=True)
class _Page:
    """Places axes by pixels, one below the other."""

    figure: Figure
    width: float
    height: float
    axes: list[Axes] = field(default_factory=list)
    _heights: list[tuple[float, float]] = field(default_factory=list)

    def add(self, top: float, height: float) -> Axes:
        """Add axes at a distance from the upper edge."""
        place = (0.1, 1 - (top + height) / self.height, 0.8, height / self.height)
        first = self.axes[0] if self.axes else None
        self.axes.append(self.figure.add_axes(place, sharex=first))
        self._heights.append((place[1], place[3]))
        return self.axes[-1]

    def place(self, limits: tuple[float, float]) -> tuple[float, float]:
        """Give the labels of the axes the room that they need, and return the margins."""
        names = max(axes.get_ylabel().count("\n") + bool(axes.get_ylabel()) for axes in self.axes)
        values = max(
            (text_width(text, POINTS) for axes in self.axes for _, text in _ticks(axes.yaxis)),
            default=0.0,
        )
        beside = _EDGE_PX + names * _LINE_PX + (6 if names else 0)
        left, right = beside + values + _TICK_PX, _RIGHT_PX
        times = _ticks(self.axes[-1].xaxis)
        if times:
            # labels at the ends of the axis reach beyond it
            scale = (self.width - left - right) / (limits[1] - limits[0])
            before, after = (times[0][0] - limits[0]) * scale, (limits[1] - times[-1][0]) * scale
            left = max(left, text_width(times[0][1], POINTS) / 2 - before + 4)
            right = max(right, text_width(times[-1][1], POINTS) / 2 - after + 4)
        for axes, (bottom, height) in zip(self.axes, self._heights, strict=True):
            axes.set_position(
                (left / self.width, bottom, (self.width - left - right) / self.width, height)
            )
            axes.yaxis.set_label_coords(
                _EDGE_PX / self.width,
                0.5,
                blended_transform_factory(self.figure.transFigure, axes.transAxes),
            )
            axes.yaxis.label.set_verticalalignment("top")
        return left, right


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    """Return the ticks within the limits, with their labels."""
    low, high = sorted(axis.get_view_interval())
    found = [float(place) for place in axis.get_majorticklocs() if low <= place <= high]
    return list(zip(found, axis.get_major_formatter().format_ticks(found), strict=True))


def _write_title(page: _Page, picture: Picture) -> None:
    """Write above everything which streams of which node these are, and what is shown of them."""
    paths = [curves.path for curves in picture.curves]
    title = ", ".join(paths) if len(paths) <= _MOST_NAMED else f"{len(paths)} streams"
    node = f"  ({picture.node})" if picture.node else ""
    room = page.width - 2 * _EDGE_PX
    page.figure.text(
        _EDGE_PX / page.width,
        1 - 22 / page.height,
        shortened(f"{title}{node}", _TITLE_POINTS, room, "bold"),
        fontsize=_TITLE_POINTS,
        fontweight="bold",
    )
    first, last = span_of(picture.curves)
    form = picture.time_form or "human"
    text = f"{format_time(first, form, picture.tz)} to {format_time(last, form, picture.tz)}"
    levels = {curves.level for curves in picture.curves if curves.pieces}
    if max(levels, default=1) > 1:
        # a picture may leave the place where it is known how it was made
        many = f"{levels.pop():,}" if len(levels) == 1 else f"up to {max(levels):,}"
        text += f"; means of {many} rows, shaded from minimum to maximum"
    page.figure.text(
        _EDGE_PX / page.width,
        1 - 41 / page.height,
        shortened(text, _RANGE_POINTS, room),
        fontsize=_RANGE_POINTS,
        color=_PALE,
    )
