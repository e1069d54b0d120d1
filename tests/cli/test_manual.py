"""The manual pages can be read: by man, by mandoc, and in every direction that they point."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "man"
PAGES = sorted(FOLDER.iterdir())
#: One of each kind for the programs that take a while for a page.
SOME = [FOLDER / n for n in ("joule.1", "joule-data.1", "joule-data-read.1", "joule-times.7")]
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]


def _needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def _run(*words, **env):
    return subprocess.run(
        words,
        capture_output=True,
        encoding="utf-8",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **env},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_every_command_has_every_section():
    for page in FOLDER.glob("*.1"):
        found = re.findall(r"^\.SH (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert [section for section in found if section in SECTIONS] == SECTIONS, page


def test_every_page_that_is_named_is_there():
    for page in PAGES:
        text = page.read_text("utf-8").replace("\\-", "-")
        named = re.findall(r"^\.BR (\S+) \(([17])\)", text, re.MULTILINE)
        named += re.findall(r"\\fB(joule\S*)\\fR\(([17])\)", text)
        assert named
        assert [n for n in named if not (FOLDER / ".".join(n)).exists()] == [], page


@_needs("mandoc")
def test_mandoc_finds_no_fault():
    done = _run("mandoc", "-T", "lint", "-W", "warning", *PAGES)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@_needs("groff")
def test_groff_has_nothing_to_warn_of():
    done = _run("groff", "-K", "utf8", "-T", "utf8", "-man", "-ww", "-z", *PAGES)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@_needs("man")
def test_man_shows_the_pages_without_a_warning():
    done = _run("man", "--warnings=all", "-l", *SOME, MANWIDTH="80", MANPAGER="cat")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.count("\nSEE ALSO\n") == len(SOME)


@_needs("lexgrog")
def test_every_page_can_be_found_by_its_words():
    done = _run("lexgrog", *PAGES)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(PAGES)
