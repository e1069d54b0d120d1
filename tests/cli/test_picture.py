"""Pictures of streams, as matplotlib has them before they are files, and as SVG."""

from __future__ import annotations

import logging
import struct
from datetime import UTC
from itertools import combinations
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import FillBetweenPolyCollection, PolyCollection
from matplotlib.dates import date2num

from joule_cli.cli.data._curves import Curves, Piece, read_curves
from joule_cli.cli.data._picture.drawing import (
    Picture,
    PictureError,
    drawing_style,
    figure,
    render,
)
from joule_cli.cli.data._picture.marks import (
    MOST_EVENTS,
    OPEN,
    Lane,
    Mark,
    annotation_lane,
    event_lane,
)
from joule_cli.cli.data._picture.text import numbers, shortened, text_width, wrapped
from joule_cli.model import Annotation, Element, Event, EventBucket, EventStream
from tests.nodes import FileNode
from tests.ops import helpers

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND


def curves(elements, *pieces, path="/house/mains", level=1, spread=0.0, span=None):
    """A stream whose elements have the same values; a piece is first second and values."""
    found = []
    for first, values in pieces:
        values = np.asarray(values, float)
        times = T0 + (first + np.arange(len(values))) * SECOND
        part = np.stack([values, values - spread, values + spread], axis=1)
        found.append(Piece(times, np.tile(part, (1, len(elements)))))
    if span is None:
        span = (int(found[0].times[0]), int(found[-1].times[-1]))
    return Curves(path, [Element(**e) for e in elements], level, found, span)


def volts(*pieces, **options):
    return curves([{"name": "volts", "units": "V"}], *pieces, **options)


def drawn(*streams, size=None, **options):
    """The panels of a picture, without the lanes."""
    return panels_and_lanes(*streams, size=size, **options)[0]


def panels_and_lanes(*streams, lanes=(), size=None, **options):
    with drawing_style():
        found = figure(Picture(streams, lanes=lanes, tz=UTC, **options), size)
    axes = found.axes
    return (axes[1:], axes[0]) if lanes else (axes, None)


def line(axes):
    """Seconds from T0, and values, of the first line."""
    x, y = axes.get_lines()[0].get_data()
    return [round(float(t) * 86_400 - T0 / SECOND) for t in x], y.tolist()


def texts(svg):
    """All texts of an SVG document, in their order."""
    root = ElementTree.fromstring(svg)
    return ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_gap_is_never_bridged():
    (axes,) = drawn(volts((0, [1, 2, 3]), (10, [4, 5]), level=4, spread=0.5))
    seconds, values = line(axes)
    assert seconds == [0, 1, 2, 2, 10, 11]
    assert values[:3] + values[4:] == [1, 2, 3, 4, 5]
    assert np.isnan(values[3])
    (band,) = (c for c in axes.collections if isinstance(c, FillBetweenPolyCollection))
    found = sorted(
        (round(float(t) * 86_400 - T0 / SECOND), float(v))
        for path in band.get_paths()
        for t, v in path.vertices
    )
    assert len(band.get_paths()) == 2
    assert {t for t, _ in found} == {0, 1, 2, 10, 11}
    assert (min(found)[1], max(found)[1]) == (0.5, 5.5)


def test_rows_as_they_are_stored_have_no_band():
    (axes,) = drawn(volts((0, [1, 2])))
    assert not axes.collections
    assert axes.get_lines()[0].get_marker() == "o"
    (axes,) = drawn(volts((0, range(500))))
    assert axes.get_lines()[0].get_marker() in {"", "None"}


async def test_what_a_node_gives(tmp_path):
    """A spike among a hundred thousand rows is seen, and so is a gap."""
    async with FileNode("local", tmp_path / "joule.db") as node:
        values = np.zeros(100_000)
        values[70_123] = 9.0
        seconds = np.arange(100_000) * 1000
        seconds[50_000:] += 40 * SECOND
        stream = await node.data_stream_create(helpers.model("x", "float64", ["v"]), "/a")
        rows = np.zeros(len(values), [("timestamp", "<i8"), ("data", "<f8", (1,))])
        rows["timestamp"], rows["data"][:, 0] = T0 + seconds, values
        async with await node.data_write(stream) as pipe:
            await pipe.write(rows[:50_000])
            await pipe.close_interval()
            await pipe.write(rows[50_000:])
        found = await read_curves(node, "/a/x", stream, (None, None), 2400)
    assert found.level > 1
    assert sum(len(piece.times) for piece in found.pieces) <= 2400
    assert found.span == (T0, T0 + int(seconds[-1]))
    (axes,) = drawn(found)
    y = axes.get_lines()[0].get_ydata()
    assert np.isnan(y).sum() == 1
    assert 9 < axes.get_ylim()[1] < 10
    (band,) = axes.collections
    assert len(band.get_paths()) == 2
    assert max(path.vertices[:, 1].max() for path in band.get_paths()) == 9


def test_elements_of_the_same_units_share_a_panel():
    stream = curves(
        [
            {"name": "L1", "units": "V"},
            {"name": "amps", "units": "A"},
            {"name": "L2", "units": "V"},
            {"name": "x"},
            {"name": "y", "units": None},
        ],
        (0, [1, 2]),
    )
    panels = drawn(stream)
    assert [axes.get_ylabel() for axes in panels] == ["V", "amps [A]", "x", "y"]
    assert [t.get_text() for t in panels[0].get_legend().get_texts()] == ["L1", "L2"]
    assert all(axes.get_legend() is None for axes in panels[1:])
    panels = drawn(stream, by_unit=False)
    assert [axes.get_ylabel() for axes in panels] == ["L1 [V]", "amps [A]", "L2 [V]", "x", "y"]
    # one axis of time, labelled below the lowest
    assert len({axes.get_xlim() for axes in panels}) == 1


def test_streams_are_compared():
    a = curves([{"name": "t", "units": "°C"}, {"name": "n"}], (0, [1, 2]), path="/a")
    b = curves([{"name": "t", "units": "°C"}, {"name": "n"}], (60, [1, 2]), path="/b")
    empty = Curves("/c", [Element("p", "Pa")], 1, [], (0, 0))
    panels = drawn(a, b, empty)
    legends = [[t.get_text() for t in axes.get_legend().get_texts()] for axes in panels]
    assert legends == [["/a: t", "/b: t"], ["/a: n", "/b: n"], ["/c: p"]]
    # a stream without rows does not stretch the axis to where it says that it is
    assert panels[0].get_xlim() == pytest.approx((T0 / DAY, (T0 + 61 * SECOND) / DAY))
    assert [t.get_text() for t in panels[2].texts] == ["no rows"]


def test_elements_of_the_same_name_are_told_apart():
    stream = curves([{"name": "x", "units": "V"}, {"name": "x", "units": "V"}], (0, [1, 2]))
    (axes,) = drawn(stream)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["x#0", "x#1"]


def test_many_curves_have_looks_of_their_own():
    stream = curves([{"name": f"_{i}", "units": "A"} for i in range(20)], (0, range(500)))
    (axes,) = drawn(stream)
    looks = {(ln.get_color(), ln.get_linestyle()) for ln in axes.get_lines()}
    assert len(looks) == 20
    assert [t.get_text() for t in axes.get_legend().get_texts()] == [f"_{i}" for i in range(20)]


@pytest.mark.parametrize(
    ("display", "level", "style"),
    [
        ("DISCRETE", 1, "steps-post"),
        ("event", 4, "steps-mid"),
        ("continuous", 1, "default"),
    ],
)
def test_what_holds_until_it_changes_has_steps(display, level, style):
    stream = curves([{"name": "s", "display_type": display}], (0, [1, 2]), level=level)
    assert drawn(stream)[0].get_lines()[0].get_drawstyle() == style


def test_limits_that_are_stored_are_those_of_the_axis():
    element = {"name": "x", "default_min": -5.0, "default_max": 50.0}
    assert drawn(curves([element], (0, [1, 2])))[0].get_ylim() == (-5, 50)
    assert drawn(curves([{**element, "default_max": None}], (0, [1, 2])))[0].get_ylim()[0] == -5
    # not if one of those that share the axis has none
    both = [{"name": "a", "units": "V"}, {"name": "b", "units": "V", "default_max": 50.0}]
    assert drawn(curves(both, (0, [1, 2])))[0].get_ylim()[1] < 3


def test_an_interval_of_one_row_is_a_point():
    (axes,) = drawn(volts((0, [7]), (5, [8]), level=4, spread=1))
    _, points = axes.get_lines()
    assert points.get_marker() == "o"
    assert points.get_ydata().tolist() == [7, 8]
    (segments,) = (c.get_segments() for c in axes.collections if not isinstance(c, PolyCollection))
    assert [segment[:, 1].tolist() for segment in segments] == [[6, 8], [7, 9]]


@pytest.mark.parametrize("value", [5.0, -20.0, 0.0, 1e-300, -1e290])
def test_one_row_or_a_constant_stands_in_the_middle(value):
    for values in ([value], [value] * 30):
        (axes,) = drawn(volts((0, values)))
        low, high = axes.get_ylim()
        assert low < value < high
        assert len(axes.get_yticks()) >= 2
        first, last = axes.get_xlim()
        assert first < last


def test_a_missing_value_leaves_a_hole():
    nan = np.nan
    (axes,) = drawn(volts((0, [1, 2, nan, nan, 3, nan, 4, 5]), (20, [nan, 6]), spread=0.5))
    seconds, values = line(axes)
    assert seconds == [0, 1, 1, 4, 4, 6, 7, 7, 21]
    assert [v for v in values if v == v] == [1, 2, 3, 4, 5, 6]
    # what stands alone is a dot
    seconds, values = axes.get_lines()[1].get_data()
    assert values.tolist() == [3, 6]
    (axes,) = drawn(volts((0, [1, 2, nan, 4, 5]), level=4, spread=0.5))
    (band,) = (c for c in axes.collections if isinstance(c, FillBetweenPolyCollection))
    assert len(band.get_paths()) == 2


def test_where_everything_is_missing_the_picture_says_so():
    (axes,) = drawn(volts((0, [np.nan, np.nan])))
    assert [text.get_text() for text in axes.texts] == ["no values"]
    assert axes.get_yticks().tolist() == []


def test_infinities_point_over_the_edge():
    inf = np.inf
    (axes,) = drawn(volts((0, [1, inf, 2, -inf, 1.7e308, 3])))
    mean, up, down = axes.get_lines()
    assert np.isnan(mean.get_ydata()).tolist() == [False, True, False, True, True, False]
    assert (up.get_marker(), len(up.get_xdata())) == ("^", 2)
    assert (down.get_marker(), len(down.get_xdata())) == ("v", 1)
    assert axes.get_ylim() == pytest.approx((1, 3), abs=0.5)
    (axes,) = drawn(volts((0, [inf, inf])))
    assert axes.get_yticks().tolist() == []


def labels(*span, **options):
    stream = Curves(
        "/x",
        [Element("x")],
        1,
        [Piece(np.array(span), np.zeros((2, 3)))],
        (span[0], span[1]),
    )
    picture = Picture([stream], **{"tz": UTC, **options})
    with drawing_style():
        found = figure(picture)
        FigureCanvasAgg(found).draw()
    low, high = found.axes[0].get_xlim()
    axis = found.axes[0].xaxis
    ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    below = [axis.get_offset_text().get_text(), found.texts[-1].get_text()]
    return [t.get_text() for at, t in ticks if low <= at <= high], [t for t in below if t]


def test_times_are_as_short_as_tells_them_apart():
    found, below = labels(T0, T0 + 7200 * SECOND)
    assert (found[0], found[1], found[-1]) == ("22:15", "22:30", "00:00")
    assert below == ["2023-Nov-15", "time, UTC"]
    assert labels(T0, T0 + 365 * DAY)[0][:3] == ["Dec", "2024", "Feb"]
    assert labels(T0, T0 + 9 * DAY) == ([f"{d}" for d in range(15, 24)], ["2023-Nov", "time, UTC"])
    assert labels(T0, T0 + 9000 * DAY)[0][0] == "2024"
    assert labels(T0, T0 + 10 * SECOND)[0][0] == "20"
    assert labels(T0, T0 + 100)[0][:2] == ["20.00000", "20.00001"]
    found, below = labels(T0, T0)
    assert (found[0], below[0]) == ("19.5", "2023-Nov-14 22:13")


def test_the_zone_rules_the_axis():
    # the clocks are put back in between
    start = 1_698_530_400_000_000
    found, below = labels(start, start + 6 * 3600 * SECOND, tz=ZoneInfo("Europe/Berlin"))
    assert below == ["2023-Oct-29", "time, Europe/Berlin"]
    assert (found[0], found[-1]) == ("Oct-29", "05:00")
    found, below = labels(T0, T0 + 3600 * SECOND, tz=ZoneInfo("Asia/Kolkata"))
    assert (found[0], below[0]) == ("03:50", "2023-Nov-15")


def test_the_zone_of_the_system(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        found, below = labels(T0, T0 + 7200 * SECOND, tz=None)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found[0] == "17:15"
    assert below == ["2023-Nov-14", "time, EST"]


def test_times_in_a_form():
    found, _ = labels(T0, T0 + 7200 * SECOND, time_form="iso")
    assert found == ["2023-11-14T23:00:00+00:00", "2023-11-15T00:00:00+00:00"]
    found, below = labels(T0, T0 + 7200 * SECOND, time_form="s")
    assert found[0].startswith("17000")
    assert below == ["s since 1970"]


@pytest.mark.parametrize("zone", [None, UTC, ZoneInfo("Australia/Lord_Howe")])
@pytest.mark.parametrize("first", [T0, -60_000_000_000_000_000, 250_000_000_000_000_000])
def test_any_span_has_some_ticks(zone, first):
    """From microseconds to millennia, near and far from 1970."""
    for power in range(2, 18, 3):
        for digit in (1, 6):
            found, _ = labels(first, first + digit * 10**power, tz=zone)
            assert len(found) >= 2, (digit, power)


def test_times_that_no_calendar_has():
    found, below = labels(-(2**62), -(2**62) + 10**13)
    assert below == ["seconds since 1970"]
    assert len(set(found)) == len(found) >= 2


MARKS = {
    "few": [
        Lane(
            "annotations",
            3,
            [
                Mark(T0 - DAY, T0 + 900 * SECOND, "began before"),
                Mark(T0 + 3000 * SECOND, None, "an instant"),
                Mark(T0 + 7199 * SECOND, None, "at the end of all that is shown here"),
            ],
        ),
        Lane("/a/events", 1, [Mark(T0 + 5000 * SECOND, OPEN, "goes on")]),
    ],
    "at once": [
        Lane("/a/events", 9, [Mark(T0 + i * SECOND, None, f"mark {i} of 9") for i in range(9)])
    ],
    "many": [
        Lane(
            "/a/events",
            200,
            [
                Mark(T0 + i * 36 * SECOND, T0 + (i * 36 + i % 50) * SECOND + 1, f"run {i}")
                for i in range(200)
            ],
        )
    ],
    "long": [
        Lane("/" + "long name/" * 40, 1, [Mark(T0 + 1000 * SECOND, None, "word " * 100)]),
        Lane("/none", 0),
    ],
}


def is_inside(box, outer, slack=1.5):
    return (
        box.x0 >= outer.x0 - slack
        and box.x1 <= outer.x1 + slack
        and box.y0 >= outer.y0 - slack
        and box.y1 <= outer.y1 + slack
    )


@pytest.mark.parametrize("size", [None, (600, 500), (3000, 1500)])
@pytest.mark.parametrize("lanes", MARKS)
def test_no_text_touches_another_or_the_edge(lanes, size):
    elements = [
        {"name": "a name that is much longer than the height of a panel would allow " * 2},
        {"name": "volts", "units": "V"},
        {"name": "L2 " * 40, "units": "V"},
        {"name": "large"},
    ]
    stream = curves(elements, (0, np.linspace(-1e9, 1e9, 7200)), path="/very long" * 30)
    with drawing_style():
        found = figure(Picture([stream], lanes=MARKS[lanes], node="lab", tz=UTC), size)
        canvas = FigureCanvasAgg(found)
        canvas.draw()
        renderer = canvas.get_renderer()
        boxes = []
        for axes in found.axes:
            shown = [*axes.texts]
            if axes.axison:
                legend = axes.get_legend()
                shown += [axes.yaxis.label, *(legend.get_texts() if legend else ())]
                for axis in (axes.xaxis, axes.yaxis):
                    low, high = sorted(axis.get_view_interval())
                    ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
                    if axis is axes.yaxis or axes is found.axes[-1]:
                        shown += [label for at, label in ticks if low <= at <= high]
                        shown.append(axis.get_offset_text())
            boxes += [(t.get_text(), t.get_window_extent(renderer)) for t in shown if t.get_text()]
        boxes += [(t.get_text(), t.get_window_extent(renderer)) for t in found.texts]
    for text, box in boxes:
        assert is_inside(box, found.bbox), text
    for (one, a), (other, b) in combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 1.5 or down <= 1.5, (one, other)


def test_lanes_show_every_mark_and_some_labels():
    (axes,), lane = panels_and_lanes(volts((0, range(7200))), lanes=MARKS["many"])
    bars = sum(len(c.get_paths()) for c in lane.collections)
    assert bars == 200
    told = [t.get_text() for t in lane.texts]
    assert told[0] == "/a/events  (200)"
    assert 4 <= len(told) < 150
    # so many would hide the curve
    assert not axes.collections


def test_few_marks_are_shaded_behind_the_curves():
    (axes,), lane = panels_and_lanes(volts((0, range(7200))), lanes=MARKS["few"])
    spans = [
        path.get_extents()
        for c in axes.collections
        if isinstance(c, PolyCollection)
        for path in c.get_paths()
    ]
    second = SECOND / DAY
    assert [(e.x0, e.x1) for e in spans] == [
        pytest.approx((T0 / DAY, T0 / DAY + 900 * second)),
        pytest.approx((T0 / DAY + 5000 * second, T0 / DAY + 7199 * second)),
    ]
    lines = [
        segment[0][0]
        for c in axes.collections
        if not isinstance(c, PolyCollection)
        for segment in c.get_segments()
    ]
    # neither the begin before the axis nor an end that has not come is an edge
    assert sorted(round((x - T0 / DAY) / second) for x in lines) == [900, 3000, 5000, 7199]
    assert [t.get_text() for t in lane.texts if "/" in t.get_text()] == ["/a/events"]


def test_events_are_counted_when_there_are_too_many():
    buckets = [EventBucket(T0 + i * SECOND, T0 + (i + 1) * SECOND, i % 5) for i in range(60)]
    lanes = [Lane("/a/events", 12_345, buckets=buckets)]
    _, lane = panels_and_lanes(volts((0, range(61))), lanes=lanes)
    heights = [abs(bar.get_height()) for bar in lane.patches]
    assert len(heights) == 60
    assert heights[4] == max(heights)
    assert heights[2] == pytest.approx(max(heights) / 2)
    assert lane.texts[0].get_text() == "/a/events  (12,345, counted over time)"


async def test_marks_are_read_from_a_node(tmp_path):
    async with FileNode("local", tmp_path / "joule.db") as node:
        await node.data_stream_create(helpers.model("x"), "/a")
        for title, start, end in (
            ("before", T0 - 100, T0 - 50),
            ("into", T0 - 100, T0 + 50),
            ("at", T0 + 10, None),
            ("after", T0 + 200, None),
        ):
            await node.annotation_create(Annotation(title, start, end), "/a/x")
        span = (T0, T0 + 100)
        lane = await annotation_lane(node, ["/a/x"], span, named=False)
        assert [mark.label for mark in lane.marks] == ["into", "at"]
        lane = await annotation_lane(node, ["/a/x"], span, named=True)
        assert lane.marks[0] == Mark(T0 - 100, T0 + 50, "/a/x: into")
        assert await annotation_lane(node, ["/a/x"], (0, 10), named=False) is None

        stream = await node.event_stream_create(EventStream("events"), "/a")
        contents = [{"n": 1, "kind": "heat"}, {"n": None, "load": 5}, {}, {"kind": "größe"}]
        events = [Event(T0 + i, T0 + i + 5, content=c) for i, c in enumerate(contents)]
        events[3].end_time = None
        await node.event_stream_write(stream, events)
        lane = await event_lane(node, "/a/events", span, None, None)
        assert [mark.label for mark in lane.marks] == ["heat", "load 5", "", "größe"]
        assert lane.marks[3].end == OPEN
        lane = await event_lane(node, "/a/events", span, '[[["n","gt",0]]]', "n")
        assert lane.marks == [Mark(T0, T0 + 5, "1")]
        assert lane.count == 1

        many = [Event(T0 + i, T0 + i + 1) for i in range(MOST_EVENTS)]
        await node.event_stream_write(stream, many)
        lane = await event_lane(node, "/a/events", (T0, T0 + 10**6), None, None)
        assert (lane.count, lane.marks) == (MOST_EVENTS + 4, [])
        assert sum(bucket.count for bucket in lane.buckets) == MOST_EVENTS + 4


NAMES = ["größe $x^2$", "<b> & \"q\" 'a'", "_hidden", "温度 ☃"]


def test_the_texts_of_a_picture_are_texts():
    stream = curves([{"name": n, "units": "$²"} for n in NAMES], (0, [1, 2]), path="/lab/größe")
    lanes = [Lane("annotations", 1, [Mark(T0, None, "$a$ <note>")])]
    picture = Picture([stream], lanes=lanes, node="läb", tz=UTC, by_unit=False)
    svg = render(picture, "svg")
    found = texts(svg)
    assert "/lab/größe  (läb)" in found
    for name in NAMES:
        assert f"{name} [$²]" in found
    assert {"$a$ <note>", "annotations", "time, UTC"} <= set(found)
    assert "2023-11-14 22:13:20+00:00 to 2023-11-14 22:13:21+00:00" in found


def test_control_characters_do_not_spoil_the_document():
    stream = curves([{"name": "a\x00\x1b[1m\nb"}], (0, [1, 2]), path="/x\x07")
    assert "a\\x00\\x1b[1m\\nb" in texts(render(Picture([stream], tz=UTC), "svg"))


@pytest.mark.parametrize("form", ["svg", "png"])
def test_the_same_picture_is_the_same_file(form):
    lanes = MARKS["few"]
    picture = Picture([volts((0, range(50)), (80, [3]), level=4, spread=2)], lanes=lanes, tz=UTC)
    first = render(picture, form)
    # whatever a matplotlibrc says
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert render(picture, form) == first
        assert mpl.rcParams["font.size"] == 30
    assert b"<dc:date>" not in first


@pytest.mark.parametrize("size", [(200, 260), (801, 333), (2000, 1000)])
def test_the_size_is_in_pixels(size):
    picture = Picture([volts((0, range(50)))], tz=UTC)
    png = render(picture, "png", size)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == size
    root = ElementTree.fromstring(render(picture, "svg", size))
    points = [float(root.get(side).removesuffix("pt")) for side in ("width", "height")]
    assert [p / 72 * 96 for p in points] == pytest.approx(size)


def test_more_dots_per_inch_are_the_same_picture_larger():
    picture = Picture([volts((0, range(50)))], tz=UTC)
    assert struct.unpack(">II", render(picture, "png", (1600, 800), 192)[16:24]) == (1600, 800)
    one, two = (texts(render(picture, "svg", (s, s // 2), d)) for s, d in ((800, 96), (1600, 192)))
    assert one == two


def test_a_picture_grows_with_its_panels_until_there_is_no_room():
    stream = curves([{"name": f"e{i}"} for i in range(12)], (0, [1, 2]))
    heights = [
        struct.unpack(">I", render(Picture([s], tz=UTC), "png")[20:24])[0]
        for s in (volts((0, [1, 2])), stream)
    ]
    assert heights[1] > 4 * heights[0]
    with pytest.raises(PictureError, match="12 panels need a height of 782 pixels at least"):
        render(Picture([stream], tz=UTC), "png", (800, 600))
    assert render(Picture([stream], tz=UTC), "png", (800, 782))


def test_letters_that_no_font_has_are_no_reason_to_complain(caplog, recwarn):
    caplog.set_level(logging.WARNING)
    stream = curves([{"name": "温度 \U0001f9ea शून्य עברית"}], (0, [1, 2]))
    assert render(Picture([stream], tz=UTC), "png")
    assert not recwarn.list
    assert not caplog.records


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 50, 100], ["0", "50", "100"]),
        ([-0.5, 0, 0.5], ["−0.5", "0.0", "0.5"]),
        ([230.001, 230.0015, 230.002], ["230.0010", "230.0015", "230.0020"]),
        ([1e300, 2e300], ["1e300", "2e300"]),
        ([2.5e-7, 5e-7], ["2.5e−07", "5e−07"]),
        ([1.7e9, 1.7e9 + 0.5], ["1700000000.0", "1700000000.5"]),
        ([2e7, 4e7], ["2e07", "4e07"]),
        ([], []),
        ([0.0], ["0"]),
    ],
)
def test_numbers_have_the_digits_that_tell_them_apart(values, expected):
    assert numbers(values) == expected


def test_texts_are_cut_to_their_room():
    assert shortened("short", 10, 100) == "short"
    cut = shortened("a text that has no room", 10, 60)
    assert cut.endswith("…")
    assert text_width(cut, 10) <= 60
    lines = wrapped("several words in a row that need lines", 10, 100, 3).split("\n")
    assert len(lines) == 3
    assert all(text_width(line, 10) <= 100 for line in lines)


def test_dates_are_those_of_matplotlib():
    """Microseconds are not lost on the way to the places of an axis."""
    (axes,) = drawn(volts((0, [1, 2])))
    x = axes.get_lines()[0].get_xdata()
    assert abs(x[0] - date2num(np.datetime64(T0, "us"))) * DAY < 1
