"""Lanes above the panels that tell what happened meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from joule_cli.cli.data._picture.marks import OPEN
from joule_cli.cli.data._picture.text import PX_PER_POINT, shortened, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from joule_cli.cli.data._picture.marks import Lane, Mark
    from joule_cli.cli.data._picture.times import TimeAxis

#: Height of a row, and of what stands between two lanes.
ROW_PX, _BETWEEN_PX = 17, 19
_MOST_ROWS = 4
_POINTS = 8.0
_LABEL_PX = 190.0
_PAD_PX = 4.0
#: Marks that are shaded in the panels; more would hide the curves.
_MOST_SHADED = 40
_COLOURS = ("#666666", "#B8860B", "#6A51A3", "#2F7F86", "#A0526B")


@dataclass(frozen=True, slots=True)
class _Placed:
    """A mark in its row; a label that has no room is empty."""

    mark: Mark
    row: int
    label: str
    side: Literal["in", "right", "left"] = "right"


@dataclass(slots=True)
class LanePlan:
    """A lane with its marks in rows."""

    lane: Lane
    placed: list[_Placed]
    rows: int
    colour: str

    @property
    def height_px(self) -> float:
        """Height, the line with the name included."""
        return self.rows * ROW_PX + _BETWEEN_PX


def plan_lanes(lanes: Sequence[Lane], axis: TimeAxis, width_px: float) -> list[LanePlan]:
    """Put the marks of each lane into rows in which no two of them touch."""
    plans = []
    for number, lane in enumerate(lanes):
        colour = _COLOURS[number % len(_COLOURS)]
        if lane.buckets:
            plans.append(LanePlan(lane, [], 2, colour))
            continue
        placed, rows = _rows(lane.marks, axis, width_px)
        plans.append(LanePlan(lane, placed, rows, colour))
    return plans


def _rows(marks: Sequence[Mark], axis: TimeAxis, width_px: float) -> tuple[list[_Placed], int]:
    """Keep room for every label; if there is not enough, place all marks and then some labels."""
    sized = [_measured(mark, axis, width_px) for mark in marks]
    free: list[float] = []
    placed: list[_Placed] = []
    for one in sized:
        row = _free_row(free, one.low)
        if row is None:
            return _crowded(sized, width_px)
        _occupy(free, row, one.high)
        placed.append(_Placed(one.mark, row, one.label, one.side))
    return placed, max(len(free), 1)


def _crowded(sized: Sequence[_Measured], width_px: float) -> tuple[list[_Placed], int]:
    free: list[float] = []
    rows: list[int] = []
    for one in sized:
        row = _free_row(free, one.left)
        if row is None:
            # as many lie here as there are rows; one that touches another is better than none
            row = min(range(len(free)), key=free.__getitem__)
        _occupy(free, row, one.right)
        rows.append(row)
    # from the last one on it is known where the next one in the row begins
    following = [width_px] * len(free)
    placed: list[_Placed] = []
    for one, row in zip(reversed(sized), reversed(rows), strict=True):
        inside = one.side == "in"
        end = one.right if inside else one.right + one.wide
        placed.append(
            _Placed(one.mark, row, one.label if end <= following[row] else "", one.side)
            if inside or one.side == "right"
            else _Placed(one.mark, row, "", "right")
        )
        following[row] = min(following[row], one.left)
    return placed[::-1], len(free)


def _measured(mark: Mark, axis: TimeAxis, width_px: float) -> _Measured:
    first, last = axis.span
    scale = width_px / (last - first)
    left = (max(mark.start, first) - first) * scale
    right = left if mark.end is None else max((min(mark.end, last) - first) * scale, left)
    label = shortened(mark.label, _POINTS, _LABEL_PX)
    wide = text_width(label, _POINTS) + 2 * _pad_px(mark) if label else 0.0
    if wide <= right - left:
        return _Measured(mark, label, "in", wide, left, right, left, right)
    if right + wide <= width_px:
        return _Measured(mark, label, "right", wide, left, right, left, right + wide)
    return _Measured(mark, label, "left", wide, left, right, left - wide, right)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A mark from `left` to `right`, with its label from `low` to `high`, in pixels."""

    mark: Mark
    label: str
    side: Literal["in", "right", "left"]
    wide: float
    left: float
    right: float
    low: float
    high: float


def _free_row(free: Sequence[float], left: float) -> int | None:
    for row, end in enumerate(free):
        if end <= left:
            return row
    return len(free) if len(free) < _MOST_ROWS else None


def _occupy(free: list[float], row: int, end: float) -> None:
    if row == len(free):
        free.append(-1.0)
    free[row] = max(free[row], end + 2.0)


def _pad_px(mark: Mark) -> float:
    return _PAD_PX + (3.0 if mark.end is None else 0.0)


def draw_lanes(axes: Axes, plans: Sequence[LanePlan], axis: TimeAxis, width_px: float) -> None:
    """Draw all lanes into axes that are as high in pixels as the plans say."""
    height = sum(plan.height_px for plan in plans)
    axes.set_ylim(height, 0)
    axes.axis("off")
    top = 0.0
    for plan in plans:
        axes.text(
            0.0,
            top + _BETWEEN_PX - 5,
            _name(plan, width_px),
            transform=axes.get_yaxis_transform(),
            fontsize=_POINTS,
            color=plan.colour,
            fontweight="bold",
            va="baseline",
        )
        top += _BETWEEN_PX
        if plan.lane.buckets:
            _draw_buckets(axes, plan, axis, top)
        else:
            _draw_marks(axes, plan, axis, top)
        top += plan.rows * ROW_PX


def _name(plan: LanePlan, width_px: float) -> str:
    hidden = len(plan.placed) - sum(bool(placed.label) for placed in plan.placed)
    text = shortened(plan.lane.name, _POINTS, width_px * 0.7, "bold")
    if plan.lane.buckets:
        return f"{text}  ({plan.lane.count:,}, counted over time)"
    return f"{text}  ({plan.lane.count:,})" if hidden or plan.lane.count == 0 else text


def _draw_buckets(axes: Axes, plan: LanePlan, axis: TimeAxis, top: float) -> None:
    height = plan.rows * ROW_PX - 3
    most = max(bucket.count for bucket in plan.lane.buckets) or 1
    bottom = top + height
    lefts = [axis.clipped(bucket.start) for bucket in plan.lane.buckets]
    rights = [axis.clipped(bucket.end) for bucket in plan.lane.buckets]
    axes.bar(
        lefts,
        [-height * bucket.count / most for bucket in plan.lane.buckets],
        [right - left for left, right in zip(lefts, rights, strict=True)],
        bottom=bottom,
        align="edge",
        color=plan.colour,
        alpha=0.6,
        linewidth=0,
    )


def _draw_marks(axes: Axes, plan: LanePlan, axis: TimeAxis, top: float) -> None:
    bars: dict[int, list[tuple[float, float]]] = {}
    for placed in plan.placed:
        mark = placed.mark
        middle = top + (placed.row + 0.5) * ROW_PX
        left = axis.clipped(mark.start)
        right = left if mark.end is None else axis.clipped(mark.end)
        if mark.end is None:
            axes.plot(left, middle, "d", color=plan.colour, markersize=5, clip_on=False)
        else:
            bars.setdefault(placed.row, []).append((left, right - left))
        if placed.label:
            pad = _pad_px(mark) / PX_PER_POINT
            inner = placed.side == "in" or mark.end is None
            axes.annotate(
                placed.label,
                (right if placed.side == "right" else left, middle),
                xytext=(-pad if placed.side == "left" else pad, 0),
                textcoords="offset points",
                ha="right" if placed.side == "left" else "left",
                va="center_baseline",
                fontsize=_POINTS,
                color="#1A1A1A" if inner else "#404040",
                annotation_clip=False,
            )
    for row, spans in bars.items():
        axes.broken_barh(
            spans,
            (top + row * ROW_PX + 2, ROW_PX - 4),
            facecolor=(plan.colour, 0.28),
            # what lasts less than a pixel is seen as well
            edgecolor=plan.colour,
            linewidth=0.8,
        )


def shade(axes: Axes, plans: Sequence[LanePlan], axis: TimeAxis) -> None:
    """Show spans and instants behind the curves of a panel, unless there are too many."""
    across = axes.get_xaxis_transform()
    for plan in plans:
        marks = plan.lane.marks
        if not marks or len(marks) > _MOST_SHADED:
            continue
        spans = [
            (axis.clipped(m.start), axis.clipped(m.end) - axis.clipped(m.start))
            for m in marks
            if m.end is not None
        ]
        if spans:
            axes.broken_barh(
                spans,
                (0, 1),
                transform=across,
                facecolor=(plan.colour, 0.10),
                edgecolor="none",
                zorder=0.5,
            )
        edges = [
            axis.clipped(time)
            for m in marks
            for time in ((m.start,) if m.end is None else (m.start, m.end))
            if axis.span[0] <= time <= axis.span[1] and time != OPEN
        ]
        axes.vlines(
            edges,
            0,
            1,
            transform=across,
            colors=[(plan.colour, 0.55)],
            linewidth=0.8,
            linestyles=(0, (3, 2)),
            zorder=0.6,
        )
