"""Time zones."""

import sys
import zoneinfo
from datetime import UTC, timedelta, timezone

import pytest

from joule_cli.errors import ConfigurationError, TimeFormatError
from joule_cli.series.zones import find_zone


def test_names():
    assert find_zone("UTC") is UTC
    assert find_zone("utc") is UTC
    assert find_zone("local") is None
    assert str(find_zone("Europe/Berlin")) == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "minutes"), [("+01:00", 60), ("-0530", -330), ("+14", 840), ("+00:00", 0)]
)
def test_offsets(text, minutes):
    assert find_zone(text) == timezone(timedelta(minutes=minutes))


@pytest.mark.parametrize(
    "name", ["", "Mars/Base", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", "+25:00", "+1", "+"]
)
def test_unknown_zones(name):
    with pytest.raises(TimeFormatError):
        find_zone(name)


def test_a_system_without_a_database_says_so(monkeypatch):
    for package in ("tzdata", "tzdata.zoneinfo", "tzdata.zoneinfo.Europe"):
        monkeypatch.setitem(sys.modules, package, None)
    old = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        with pytest.raises(ConfigurationError, match="no time zone database"):
            find_zone("Europe/Berlin")
        assert find_zone("+01:00") is not None
    finally:
        zoneinfo.reset_tzpath(to=old)
