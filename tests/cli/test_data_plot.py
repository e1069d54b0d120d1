"""joule data plot"""

from __future__ import annotations

import json
import math
import struct
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Joule

T0 = 1_700_000_000_000_000
SECOND = 1_000_000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    joule = Joule(tmp_path_factory.mktemp("plot"))
    rows = [f"{T0 + i * SECOND} {math.sin(i / 95.5):.6f} {i}\n" for i in range(1200)]
    rows[400:700] = ["# interval break\n"]
    joule("data", "write", "/a/sine", "--create", "float64[s:V,i]", stdin="".join(rows))
    ramp = "".join(f"{T0 + i * 1000} {i % 100}\n" for i in range(60_000))
    joule("data", "write", "/a/saw", "--create", "float32[x]", stdin=ramp)
    joule("data", "write", "/a/one", "--create", "float32[x]", stdin=f"{T0} 5\n")
    early = ("--accept-times",)
    joule(
        "data",
        "write",
        "/a/huge",
        "--create",
        "float64[x]",
        *early,
        stdin="1 -1.7e308\n2 1.7e308\n",
    )
    infinite = "1 inf -inf inf\n2 -inf 0 inf\n3 2 1 inf\n4 3 inf inf\n"
    joule("data", "write", "/a/infinite", "--create", "float64[x,y,z]", *early, stdin=infinite)
    joule.ok("stream", "create", "/a/empty:float32[x]")
    at = ("--start", T0 + 100 * SECOND, "--end", T0 + 200 * SECOND)
    joule.ok("annotation", "create", "/a/sine", "größe & $x$", *at)
    joule.ok("event", "create", "/a/events", "--field", "kind:string", "--field", "n:numeric")
    joule.ok("event", "write", "/a/events", *at, "kind=heat", "n=3")
    return joule


def curve(text, mark="│┤"):
    """The part of the curve's lines behind the axis."""
    lines = [line for line in text.splitlines() if any(m in line[:12] for m in mark)]
    return [line[min(line.find(m) for m in mark if m in line) + 1 :] for line in lines]


def test_a_sine_with_a_gap(data):
    out = data.ok("data", "plot", "/a/sine", "-i", "s")
    lines = out.splitlines()
    assert lines[0] == "/a/sine  2023-11-14 22:13:20+00:00 to 2023-11-14 22:33:19+00:00"
    assert lines[2] == "s [V]"
    assert all(len(line) <= 80 for line in lines)
    drawn = [line.ljust(80) for line in curve(out)]
    assert len(drawn) == 16
    inked = [any(line[x] != " " for line in drawn) for x in range(73)]
    # rows 400 to 699 of 1200 are missing
    assert not any(inked[26:41])
    assert all(inked[:23])
    assert all(inked[44:])
    # the crest of the first half wave stands a quarter of a period after the start
    crest = drawn[0].index("⠉") if "⠉" in drawn[0] else len(drawn[0]) - len(drawn[0].lstrip())
    assert 5 <= crest <= 12
    assert "22:13:20" in lines[-1]


def test_the_envelope_shows_every_peak(data):
    out = data.ok("data", "plot", "/a/saw", "--height", "4", "--width", "60")
    drawn = curve(out)
    assert all(len(line) == len(drawn[0]) for line in drawn)
    assert set(drawn[1]) == {"⣿"}
    assert "99" in out.splitlines()[3]


def test_ascii_and_a_terminal_without_unicode(data):
    out = data.ok("data", "plot", "/a/sine", "--ascii", "--width", "50", "--height", "5")
    assert out.isascii()
    assert max(map(len, out.splitlines()[1:])) <= 50
    env = {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    assert data.ok("data", "plot", "/a/sine", env=env).isascii()


def test_the_width_of_the_terminal(data):
    shown = data.terminal("data", "plot", "/a/saw", columns=60).out
    assert max(len(line) for line in shown.splitlines()[2:]) == 60


@pytest.fixture(scope="module")
def wide(data):
    """A stream of twelve elements, and one with a long path."""
    rows = "".join(
        f"{T0 + i * SECOND} {' '.join(str(i * k) for k in range(12))}\n" for i in range(200)
    )
    names = ",".join(f"channel {k}:V" for k in range(12))
    data("data", "write", "/b/twelve", "--create", f"float64[{names}]", stdin=rows)
    path = "/b/a folder with a long name/and another one in it/measured"
    data("data", "write", path, "--create", "float64_12", stdin=rows)
    return data


WINDOWS = [(24, 80), (50, 132), (120, 200), (12, 40), (8, 30), (7, 20), (5, 80), (3, 10), (2, 5)]


@pytest.mark.parametrize(("rows", "columns"), WINDOWS)
@pytest.mark.parametrize(
    "words",
    [
        ("/b/twelve",),
        ("/b/twelve", "-i", "0-2"),
        ("/b/twelve", "-i", "0"),
        ("/b/**", "-i", "0,1"),
        ("/a/*", "-i", "0"),
        ("/b/twelve", "--ascii"),
    ],
)
def test_a_drawing_fits_the_window(wide, words, rows, columns):
    shown = wide.terminal("data", "plot", *words, rows=rows, columns=columns)
    assert shown.status == 0
    lines = shown.out.splitlines()
    sentences = [line for line in lines if "no rows" in line]
    assert all(len(line) <= columns for line in lines if line not in sentences)
    # a line stays free for the next command
    taken = len(lines) + sum((len(line) - 1) // columns for line in sentences)
    assert sentences or taken <= max(rows - 1, 1)


def test_what_does_not_fit_is_counted(wide):
    lines = wide.terminal("data", "plot", "/b/twelve").out.splitlines()
    assert sum(line.startswith("channel") for line in lines) == 3
    assert lines[-1] == "3 of 12 curves, see -i and --height"
    tall = wide.terminal("data", "plot", "/b/twelve", rows=150).out
    assert sum(line.startswith("channel") for line in tall.splitlines()) == 12
    assert "of 12 curves" not in tall
    # away from a terminal, and with a height, there is no window
    for out in (
        wide.ok("data", "plot", "/b/twelve"),
        wide.terminal("data", "plot", "/b/twelve", "--height", "2").out,
    ):
        assert sum(line.startswith("channel") for line in out.splitlines()) == 12


def test_one_curve_fills_no_more_than_it_needs(wide):
    shown = wide.terminal("data", "plot", "/b/twelve", "-i", "3", rows=60).out
    assert len(curve(shown)) == 16


@pytest.mark.parametrize("path", ["/a/one", "/a/huge"])
def test_extreme_rows(data, path):
    assert len(curve(data.ok("data", "plot", path))) == 16
    for height in (2, 3, 4, 5, 8, 9):
        assert len(curve(data.ok("data", "plot", path, "--height", height))) == height


def test_infinities_reach_to_the_edge(data):
    options = ("--ascii", "--height", "4", "--width", "40")
    lines = data.ok("data", "plot", "/a/infinite", *options).splitlines()
    # inf, -inf, 2 and 3
    assert lines[3:7] == [
        "3.00+'..                             ..'",
        "    |   '..                       ..'",
        "    |      ''.                 .''",
        "2.00+         ''.............''",
    ]
    # -inf, 0, 1 and inf
    assert lines[11:15] == [
        "1.00+                     ..''''''''''''",
        "    |                 ..''",
        "    |              ..'",
        "0.00+............''",
    ]
    # inf alone
    assert lines[19:23] == [
        " 1.00+''''''''''''''''''''''''''''''''''",
        "     |",
        "     |",
        "-1.00+",
    ]


def test_the_points_of_infinities_are_json(data):
    found = json.loads(data.ok("data", "plot", "/a/infinite", "--json"))
    assert found["data"][0] == [1, *["inf"] * 3, *["-inf"] * 3, *["inf"] * 3]
    lines = data.ok("data", "plot", "/a/infinite", "-i", "y", "--jsonl").splitlines()
    assert [json.loads(line)["y"] for line in lines] == ["-inf", 0, 1, "inf"]
    assert data.ok("data", "plot", "/a/infinite", "-i", "y", "--csv").splitlines()[1] == (
        "1,-inf,-inf,-inf"
    )


def test_the_points(data):
    found = data("data", "plot", "/a/sine", "--json", "-i", "i", "-s", T0, "-e", T0 + 2).json()
    assert found["columns"] == ["timestamp", "i", "i_min", "i_max"]
    assert found["data"] == [[T0, 0, 0, 0]]
    found = data("data", "plot", "/a/saw", "--json", "--width", "20").json()
    assert found["decimation_level"] > 1
    assert min(row[2] for row in found["data"]) == 0
    assert max(row[3] for row in found["data"]) == 99
    out = data.ok("data", "plot", "/a/one", "--csv")
    assert out == f"timestamp,x,x_min,x_max\n{T0},5.0,5.0,5.0\n"


def test_nothing_to_draw(data):
    assert data.ok("data", "plot", "/a/empty") == "/a/empty: the stream has no rows\n"
    assert data("data", "plot", "/a/empty", "--json").json()["data"] == []
    result = data("data", "plot", "/a/none")
    assert result.status == 1
    assert result.err == "Error: stream does not exist: /a/none\nDid you mean /a/one?\n"
    assert data("data", "plot", "/a/sine", "--width", "3").status == 2


def test_several_streams(data):
    out = data.ok("data", "plot", "/a/s*", "--height", "3", "-i", "0")
    titles = [line for line in out.splitlines() if line.startswith("/a/")]
    assert [title.split()[0] for title in titles] == ["/a/saw", "/a/sine"]
    assert "\n\n/a/sine" in out
    found = data("data", "plot", "/a/one", "/a/empty", "--json").json()
    assert [(each["path"], len(each["data"])) for each in found] == [("/a/one", 1), ("/a/empty", 0)]
    result = data("data", "plot", "/a/one", "/a/saw", "--csv")
    assert (result.status, result.out) == (2, "")


def test_values_are_scaled_if_asked_for(data):
    data.ok("stream", "create", "/b/scaled:float64[x]")
    data.ok("stream", "update", "/b/scaled", "--element", "x", "offset=1", "scale_factor=-2")
    rows = "".join(f"{T0 + i} {i}\n" for i in range(4096))
    data("data", "write", "/b/scaled", stdin=rows)
    found = data("data", "plot", "/b/scaled", "--scale", "--json", "--width", "20").json()
    assert found["decimation_level"] > 1
    assert all(low <= mean <= high for _, mean, low, high in found["data"])
    assert max(row[3] for row in found["data"]) == 2
    assert min(row[2] for row in found["data"]) == -8188


def svg_texts(text):
    root = ElementTree.fromstring(text)
    return ["".join(e.itertext()) for e in root.iter("{http://www.w3.org/2000/svg}text")]


def test_pictures(data):
    files = ("--png", "a.png", "--svg", "a.svg")
    assert data.ok("data", "plot", "/a/sine", *files, "--events", "/a/events") == ""
    png = (data.folder / "a.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", png[16:20]) == (1200,)
    found = svg_texts((data.folder / "a.svg").read_text("utf-8"))
    assert {"/a/sine  (local)", "s [V]", "i", "time, UTC"} <= set(found)
    assert {"annotations", "größe & $x$", "/a/events", "heat"} <= set(found)
    assert not list(data.folder.glob("*.part"))
    # the same again, and without a word where there is no place for caches
    (data.folder / "tmp").mkdir()
    env = {"HOME": "/dev/null", "MPLBACKEND": "nonsense", "TMPDIR": str(data.folder / "tmp")}
    data.ok("data", "plot", "/a/sine", *files, "--events", "/a/events", env=env)
    assert (data.folder / "a.png").read_bytes() == png
    assert not list((data.folder / "tmp").iterdir())
    options = ("--events", "/a/events", "--label", "n", "--no-annotations", "--tz", "Asia/Tokyo")
    found = svg_texts(data.ok("data", "plot", "/a/sine", "--svg", "-", *options))
    assert {"/a/events", "3", "time, Asia/Tokyo"} <= set(found)
    assert "annotations" not in found
    options = ("--events", "/a/events", "--where", "n > 3", "--size", "900x500")
    text = data.ok("data", "plot", "/a/sine", "--svg", "-", *options)
    assert "/a/events  (0)" in svg_texts(text)
    assert ElementTree.fromstring(text).get("width") == "675pt"


def test_a_picture_goes_to_standard_output_but_to_no_terminal(data):
    assert data.shell("joule data plot /a/one --png - | head -c 4 | tail -c 3").out == "PNG"
    shown = data.terminal("data", "plot", "/a/one", "--svg", "-")
    assert shown.status == 1
    assert "not written to a terminal" in shown.out


@pytest.mark.parametrize("more", [(), ("--png", "x.png"), ("--ascii",)])
def test_no_rows_in_the_range_names_range_and_extent(data, more):
    result = data("data", "plot", "/a/one", "--start", "2000-01-01", "--end", "2000-01-02", *more)
    assert result.status == ("--png" in more)
    assert (
        "there are no rows from 2000-01-01 00:00:00+00:00 to 2000-01-02 00:00:00+00:00; "
        "those of the stream are from 2023-11-14 22:13:20+00:00 to 2023-11-14 22:13:20+00:00"
    ) in result.out + result.err
    assert not (data.folder / "x.png").exists()


@pytest.mark.parametrize(
    ("option", "file", "advice"),
    [
        ("--png", "x.jpg", "the suffix is .png"),
        ("--png", "x.JPEG", "the suffix is .png"),
        ("--png", "x.svg", "use --svg"),
        ("--png", "x.pdf", "the suffix is .png"),
        ("--svg", "x.png", "use --png"),
        ("--svg", "x.pdf", "the suffix is .svg"),
    ],
)
def test_a_picture_is_what_its_suffix_says(data, option, file, advice):
    result = data("data", "plot", "/a/one", option, file)
    assert (result.status, result.out) == (2, "")
    assert f"{option} cannot write {file}; {advice}." in result.err
    assert not (data.folder / file).exists()


@pytest.mark.parametrize("file", ["x.PNG", "march.2024", "plot"])
def test_other_names_are_taken_as_they_are(data, file):
    data.ok("data", "plot", "/a/one", "--png", file)
    assert (data.folder / file).read_bytes().startswith(b"\x89PNG")
    (data.folder / file).unlink()


def test_a_picture_is_complete_or_not_there(data):
    file = data.folder / "kept.png"
    file.write_text("old")
    result = data("data", "plot", "/a/one", "--png", file, "--no-clobber")
    assert (result.status, result.err) == (1, f"Error: {file}: the file exists already\n")
    result = data("data", "plot", "/a/empty", "--png", file)
    assert (result.status, result.err) == (1, "Error: the stream has no rows: /a/empty\n")
    assert file.read_text() == "old"
    result = data("data", "plot", "/a/one", "--png", data.folder / "none" / "x.png")
    assert result.status == 1
    result = data("data", "plot", "/a/one", "--png", "x.png", "--size", "400x200", "--dpi", "300")
    assert (result.status, result.err.splitlines()[0]) == (
        1,
        "Error: one panel needs a height of 519 pixels at least",
    )
    result = data("data", "plot", "/a/one", "--png", "x.png", "--events", "/a/one")
    assert result.status == 1
    assert "event stream does not exist" in result.err
    assert not list(data.folder.glob("x.png*"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--size", "800x400"), "--size needs a picture"),
        (("--events", "/a/events"), "--events needs a picture"),
        (("--no-annotations",), "--annotations needs a picture"),
        (("--png", "x.png", "--width", "40"), "--width does not go with a picture"),
        (("--png", "x.png", "--where", "n > 1"), "--where needs --events"),
        (("--png", "x", "--svg", "x"), "need two files"),
        (("--png", "x.png", "--size", "800"), "is not WIDTHxHEIGHT"),
        (("--png", "x.png", "--csv"), "PNG or SVG"),
    ],
)
def test_what_does_not_go_together(data, options, told):
    result = data("data", "plot", "/a/one", *options)
    assert (result.status, result.out) == (2, "")
    assert told in result.err


def test_without_matplotlib(data):
    (data.folder / "no").mkdir()
    (data.folder / "no" / "matplotlib.py").write_text("raise ImportError(__name__)\n")
    env = {"PYTHONPATH": str(data.folder / "no")}
    # that comes before anything is read
    result = data("data", "plot", "/a/none", "--png", "x.png", env=env)
    assert (result.status, result.err) == (
        1,
        "Error: pictures need matplotlib, which is not installed\n"
        "Install it with: pip install 'joule-cli[plot]'.\n",
    )
    assert data.ok("data", "plot", "/a/one", env=env)
