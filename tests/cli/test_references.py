"""Patterns, without the program around them."""

from __future__ import annotations

import click
import pytest

from joule_cli.cli._references import glob_regex, is_pattern


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/a/*", ["/a/b", "/a/b.c"], ["/a/b/c", "/b/a", "/a"]),
        ("/**/x", ["/x", "/a/x", "/a/b/x"], ["/ax", "/x/a"]),
        ("/a/**", ["/a/b", "/a/b/c"], ["/ab", "/b/a/c"]),
        ("/a?c", ["/abc", "/a.c"], ["/a/c", "/ac"]),
        ("/[ab]x", ["/ax", "/bx"], ["/cx", "/abx"]),
        ("/[!ab]x", ["/cx"], ["/ax", "//x"]),
        ("/[]]", ["/]"], ["/["]),
        ("/a[", ["/a["], ["/a"]),
        ("/a.b*", ["/a.bc"], ["/axbc"]),
        ("/[a\\]", ["/\\", "/a"], ["/b"]),
        ("/line*", ["/line\nbreak"], []),
    ],
)
def test_globs(pattern, matching, others):
    regex = glob_regex(pattern)
    assert [path for path in matching if not regex.fullmatch(path)] == []
    assert [path for path in others if regex.fullmatch(path)] == []


def test_a_range_that_runs_backwards_is_a_usage_error():
    with pytest.raises(click.BadParameter):
        glob_regex("/[z-a]")


def test_only_paths_are_patterns():
    assert is_pattern("/a*")
    assert not is_pattern("/a")
    assert not is_pattern(5)
