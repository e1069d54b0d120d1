"""References and progress, without the program around them."""

from __future__ import annotations

import sys

import click
import pytest

from joule_cli.cli import _progress
from joule_cli.cli._options import read_reference
from joule_cli.cli._progress import Progress
from joule_cli.cli._settings import Settings


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("5", 5),
        ("/5", "/5"),
        ("a/b", "/a/b"),
        ("/a/b/", "/a/b"),
        ("/", "/"),
        ("", "/"),
        ("-1", "/-1"),
    ],
)
def test_references(text, reference):
    assert read_reference(text) == reference


def test_a_name_that_is_not_text_is_a_usage_error():
    with pytest.raises(click.BadParameter):
        read_reference("/a\udcff")


@pytest.fixture
def settings():
    settings = Settings()
    with click.Context(click.Command("test"), obj=settings):
        yield settings


def test_nobody_watching_sees_no_progress(settings, capsys, monkeypatch):
    monkeypatch.setattr(_progress, "LINE_S", 0)
    with Progress("copying", total=10) as bar:
        bar.advance(5)
    assert capsys.readouterr().err == ""


def test_progress_on_demand_is_lines(settings, capsys, monkeypatch):
    monkeypatch.setattr(_progress, "LINE_S", 0)
    settings.progress = True
    with Progress("copying", total=10) as bar:
        bar.advance(5)
        bar.update(10)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("copying   50%  5 rows")
    assert second.startswith("copying  100%  10 rows")


def test_lines_come_every_ten_seconds_only(settings, capsys):
    settings.progress = True
    with Progress("copying") as bar:
        for _ in range(100):
            bar.advance(1)
    assert capsys.readouterr().err == ""


def test_quiet_wins_over_progress(settings, capsys, monkeypatch):
    monkeypatch.setattr(_progress, "LINE_S", 0)
    settings.progress = settings.quiet = True
    with Progress("copying") as bar:
        bar.advance(5)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_line_that_goes_away(joule):
    code = (
        "import click\n"
        "from joule_cli.cli import _progress\n"
        "from joule_cli.cli._settings import Settings\n"
        "_progress.REDRAW_S = 0\n"
        "with click.Context(click.Command('t'), obj=Settings()):\n"
        "    with _progress.Progress('copying', total=4, unit='files') as bar:\n"
        "        bar.advance(2)\n"
        "print('done')\n"
    )
    shown = joule.terminal(program=[sys.executable, "-c", code], columns=60)
    assert "copying" in shown.out
    assert "50%" in shown.out
    assert shown.out.endswith("\r\x1b[Kdone\n")
    narrow = joule.terminal(program=[sys.executable, "-c", code], columns=20)
    assert "files" not in narrow.out
    dumb = joule.terminal(program=[sys.executable, "-c", code], env={"TERM": "dumb"})
    assert dumb.out == "done\n"


@pytest.mark.parametrize(
    "words",
    [("stream", "info", "lab:/a/b"), ("data", "mean", "/a/b", "lab:/a/c", "-w", "3", "--yes")],
)
def test_a_node_before_a_path_is_refused_where_there_is_one_node(joule, words):
    joule.ok("stream", "create", "/a/b:float32[v]")
    refused = joule(*words)
    assert refused.status == 2
    assert "--node lab" in refused.err
    assert joule.ok("folder", "list", "--json").count("lab") == 0
    # a folder may have such a name
    joule.ok("stream", "create", "/lab:/b:float32[v]")
    assert "/lab:/b" in joule.ok("stream", "info", "/lab:/b")
