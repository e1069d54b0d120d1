"""The sentence that an error shows."""

from __future__ import annotations

import pytest

from joule_cli.errors import ApiError, FolderNotFound, FormatError


def test_an_api_error_shows_its_status():
    assert str(FolderNotFound("folder does not exist")) == "folder does not exist [404]"


@pytest.mark.parametrize(
    ("message", "name", "sentence"),
    [
        ("stream does not exist", "/a/b", "stream does not exist: /a/b"),
        ("the row exists", "x", "the row exists: x"),
        ("cannot move /a/b", "/a/b", "cannot move /a/b"),
        ("cannot move /a/b/c", "/a/b", "cannot move /a/b/c: /a/b"),
        ("DataStream [x] is in use", "x", "DataStream [x] is in use"),
    ],
)
def test_the_object_is_named_once(message: str, name: str, sentence: str):
    assert ApiError(message, object=name).sentence() == sentence


def test_a_format_error_names_its_place():
    error = FormatError("not a number", file="a.csv", line=3, column=5)
    assert error.sentence() == "a.csv:3:5: not a number"
