"""joule data plot"""

from __future__ import annotations

import json
import math

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
    joule("data", "write", "/a/huge", "--create", "float64[x]", stdin="1 -1.7e308\n2 1.7e308\n")
    infinite = "1 inf -inf inf\n2 -inf 0 inf\n3 2 1 inf\n4 3 inf inf\n"
    joule("data", "write", "/a/infinite", "--create", "float64[x,y,z]", stdin=infinite)
    joule.ok("stream", "create", "/a/empty:float32[x]")
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


@pytest.mark.parametrize("path", ["/a/one", "/a/huge"])
def test_extreme_rows(data, path):
    assert len(curve(data.ok("data", "plot", path))) == 16


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
    assert data.ok("data", "plot", "/a/empty") == "No rows in /a/empty\n"
    assert data("data", "plot", "/a/empty", "--json").json()["data"] == []
    result = data("data", "plot", "/a/none")
    assert (result.status, result.err) == (1, "Error: stream does not exist: /a/none\n")
    assert data("data", "plot", "/a/sine", "--width", "3").status == 2
