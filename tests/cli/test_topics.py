"""The topics of the help are complete, and tell of nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import joule_cli
from joule_cli.cli._topics import TOPICS
from joule_cli.formats import FORMATS
from joule_cli.series.time import format_time, parse_duration, parse_time

NOW = 1_700_000_000_000_000
SOURCES = [path.read_text("utf-8") for path in Path(joule_cli.__file__).parent.rglob("*.py")]


def _terms(topic, heading):
    """Return the left column of the lines that are indented below a heading."""
    text = TOPICS[topic][1].partition(heading)[2]
    section = re.split(r"\n\n(?=[A-Z][^\n]*[^.,:\n]\n\n)", text)[0]
    return re.findall(r"^  (\S.*?)(?:  .*)?$", section, re.MULTILINE)


@pytest.mark.parametrize("terms", _terms("times", "Times"))
def test_every_form_of_a_time_is_read(terms):
    for text in terms.split(", "):
        assert parse_time(text, now=NOW)


def test_every_form_of_a_duration_is_read():
    (line,) = _terms("times", "Durations")
    short, *others = re.split(", (?:or )?", line)
    found = [parse_duration(text) for text in (*short.split(), *others)]
    assert len(found) == 12
    assert all(found)


def test_every_form_of_a_printed_time_is_known():
    terms = _terms("times", "Printed times")
    assert len(terms) == 4
    for text in ", ".join(terms).split(", "):
        assert format_time(NOW, text)


def test_every_suffix_is_told():
    told = ", ".join(_terms("formats", "Formats of rows")).split(", ")
    assert sorted(told) == sorted(suffix for f in FORMATS.values() for suffix in f.suffixes)


def test_every_error_code_is_told():
    bases = {}
    for source in SOURCES:
        for name, above in re.findall(r"^class (\w+)\(([^)]*)\):", source, re.MULTILINE):
            bases[name] = re.findall(r"\w+", above)

    errors = {"JouleError"}
    while found := {n for n in bases.keys() - errors if errors.intersection(bases[n])}:
        errors |= found
    codes = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in errors}
    for source in SOURCES:
        # those of failures that are no JouleError
        codes |= set(re.findall(r'_report(?:_json)?\((?:settings, )?"(\w+)"', source))
    assert {"joule_error", "stream_not_found", "usage_error", "internal_error"} <= codes
    assert _terms("exit-status", "Errors")[1:] == sorted(codes)


def test_every_variable_is_told():
    read = set()
    for source in SOURCES:
        read |= set(re.findall(r'"(JOULE_[A-Z_]+)"', source))
        read |= set(re.findall(r'environ(?:\.get\(|\[)"([A-Z]\w+)"(?!\] =)', source))
    # of another system; the program does not run there
    read -= {"APPDATA"}
    # set for matplotlib, and put back
    read -= {"MPLCONFIGDIR"}
    assert {"JOULE_URL", "NO_COLOR", "XDG_DATA_HOME"} <= read
    text = TOPICS["environment"][1]
    told = {name for term in _terms("environment", "Environment") for name in term.split(", ")}
    told |= {"FORCE_COLOR"}
    assert "FORCE_COLOR" in text
    assert read <= told
    assert {name for name in told if name.startswith("JOULE_")} <= read
