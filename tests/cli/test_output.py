"""Formats, columns, colour and where output goes."""

from __future__ import annotations

import csv
import io
import json

import pytest

PATHS = ["/house/kitchen/fridge", "/house/mains", "/lab/größe"]


def test_plain_is_one_path_per_line(filled):
    assert filled.ok("stream", "list").splitlines() == PATHS


def test_plain_columns_are_aligned_and_have_a_header(filled):
    header, *lines = filled.ok("stream", "list", "-l", "-s").splitlines()
    assert header.split() == ["path", "layout", "status"]
    assert lines[1].split() == ["/house/mains", "float32_2", "idle"]
    assert {line.index("idle") for line in lines} == {header.index("status")}


def test_json_is_one_document_with_the_keys_of_the_api(filled):
    streams = json.loads(filled.ok("stream", "list", "--json"))
    assert [s["path"] for s in streams] == PATHS
    assert streams[1]["elements"][0]["units"] == "V"
    assert streams[0]["keep_us"] == 0


def test_json_does_not_escape_text_whatever_the_locale(filled):
    env = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert "größe" in filled("stream", "list", "--json", env=env).out


def test_an_encoding_without_a_letter_shows_an_escape(filled):
    out = filled("stream", "list", "/lab", env={"PYTHONIOENCODING": "ascii"}).out
    assert out == "/lab/gr\\xf6\\xdfe\n"


def test_json_of_an_empty_list_is_an_empty_array(joule):
    assert joule.ok("stream", "list", "--json") == "[]\n"
    assert joule.ok("stream", "list", "--jsonl") == ""
    assert joule.ok("stream", "list", "--csv") == "path\n"


def test_jsonl_is_one_object_per_line(filled):
    lines = filled.ok("folder", "list", "--jsonl").splitlines()
    assert [json.loads(line)["kind"] for line in lines].count("stream") == 3


def test_csv_is_quoted_as_rfc_4180_says(filled):
    out = filled.ok("annotation", "list", "/house/mains", "--csv")
    assert list(csv.reader(io.StringIO(out))) == [
        ["id", "title", "content", "start", "end"],
        ["1", "fridge, on", "", "1700000000000000", ""],
        ["2", "outage", 'said "no"', "1700000001000000", "1700000002000000"],
    ]


def test_tsv_uses_tabs(filled):
    assert filled.ok("stream", "list", "-l", "--tsv", "--no-header").splitlines()[1] == (
        "/house/mains\tfloat32_2"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "stream", "list"],
        ["stream", "--json", "list"],
        ["stream", "list", "--json"],
        ["stream", "list", "--format", "json"],
        ["--format=json", "stream", "list", "--json"],
    ],
)
def test_common_options_work_in_every_position(filled, words):
    assert len(json.loads(filled.ok(*words))) == 3


def test_two_formats_are_a_usage_error(filled):
    result = filled("--csv", "stream", "list", "--tsv")
    assert result.status == 2
    assert "csv and tsv exclude each other" in result.err


def test_columns_are_chosen_and_ordered(filled):
    out = filled.ok("stream", "list", "--columns", "layout,path", "--csv")
    assert out.splitlines()[:2] == ["layout,path", "int16_1,/house/kitchen/fridge"]
    record = json.loads(
        filled.ok("stream", "list", "--columns", "id,rows", "--jsonl").split("\n")[0]
    )
    assert record == {"id": 2, "rows": 0}


def test_an_unknown_column_names_the_known_ones(filled):
    result = filled("stream", "list", "--columns", "size")
    assert result.status == 2
    assert "path, id, layout" in result.err


def test_limit_cuts_every_format(filled):
    assert filled.ok("stream", "list", "--limit", 1) == "/house/kitchen/fridge\n"
    assert len(json.loads(filled.ok("stream", "list", "--limit", 2, "--json"))) == 2
    assert json.loads(filled.ok("stream", "list", "--limit", 0, "--json")) == []
    assert filled.ok("folder", "list", "--limit", 1).count("\n") == 2


def test_times_follow_the_options(filled):
    words = ["annotation", "list", "/house/mains", "--limit", 1]
    assert "2023-11-14 22:13:20+00:00" in filled.ok(*words)
    assert "2023-11-14 23:13:20+01:00" in filled.ok(*words, "--tz", "Europe/Berlin")
    assert "2023-11-14 17:13:20-05:00" in filled.ok(*words, env={"JOULE_TZ": "America/New_York"})
    assert "1700000000000000" in filled.ok(*words, "--time", "us")
    assert json.loads(filled.ok(*words, "--json"))[0]["start"] == 1700000000000000
    assert json.loads(filled.ok(*words, "--json", "--time", "iso"))[0]["start"] == (
        "2023-11-14T22:13:20+00:00"
    )
    assert json.loads(filled.ok(*words, "--json", "--time", "s"))[0]["start"] == 1700000000


def test_an_unknown_zone_or_form_is_an_error(filled):
    assert filled("annotation", "list", "/house/mains", "--tz", "Mars").status == 1
    assert filled("annotation", "list", "/house/mains", "--time", "mars").status == 1


def test_a_pipe_never_cuts(joule):
    name = "x" * 300
    joule.ok("stream", "create", f"/a/{name}:int8[v]")
    assert name in joule.ok("stream", "list", "-l")
    assert name in joule.ok("stream", "list", "-l", "--format", "table", env={"COLUMNS": ""})


def test_a_terminal_gets_a_table_that_fits(joule):
    name = f"/a/{'long' * 20}"
    joule.ok("stream", "create", f"{name}:int8[v]")
    shown = joule.terminal("stream", "list", "-l", "-s", "--columns", "path,layout", columns=40)
    assert shown.status == 0
    assert "╭" in shown.out
    assert max(map(len, _plain(shown.out).splitlines())) <= 40
    # folded, not cut
    cells = [line.split("│")[1].strip() for line in shown.out.splitlines() if "│ " in line]
    assert name in "".join(cells)


def test_a_narrow_terminal_cuts_no_words(filled):
    def shown(columns):
        words = ("stream", "list", "-l", "-s", "--columns", "path,layout")
        return _plain(filled.terminal(*words, columns=columns).out).splitlines()

    assert "│ /house/kitchen/fridge │ int16_1   │" in shown(37)
    without_lines = [line.rstrip() for line in shown(36)]
    assert without_lines[:2] == ["path                   layout", "/house/kitchen/fridge  int16_1"]
    assert shown(31)[:3] == ["path    /house/kitchen/fridge", "layout  int16_1", ""]


def test_control_characters_do_not_reach_the_terminal(joule):
    joule.ok("stream", "create", "/a/evil\x1b[31m\nname:int8[v]")
    assert "\x1b" not in joule.ok("stream", "list")
    assert joule.ok("stream", "list") == "/a/evil\\x1b[31m\\nname\n"
    assert "\x1b[31m" not in joule.terminal("folder", "list").out


@pytest.mark.parametrize(
    ("env", "options", "coloured"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"NO_COLOR": ""}, [], True),
        ({"TERM": "dumb"}, [], False),
        ({}, ["--no-color"], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
    ],
)
def test_colour_on_a_terminal(filled, env, options, coloured):
    shown = filled.terminal("folder", "list", *options, env=env)
    assert ("\x1b[" in shown.out) == coloured


def test_colour_in_a_pipe(filled):
    assert "\x1b[" not in filled.ok("folder", "list")
    assert "\x1b[" in filled.ok("folder", "list", env={"FORCE_COLOR": "1"})
    assert "\x1b[" in filled.ok("folder", "list", "--color", "always")


def test_lines_fall_back_to_ascii(filled):
    env = {"PYTHONIOENCODING": "ascii"}
    assert "|-- house" in filled.ok("folder", "list", env=env)
    assert "+-" in filled.ok("stream", "list", "-l", "--format", "table", env=env)
    assert "Description: -" in filled.ok("stream", "info", "/lab/größe", env=env)


def test_quiet_drops_the_ok_line_only(joule):
    assert joule.ok("folder", "create", "/a", "-q") == ""
    assert joule.ok("-q", "folder", "list", "--flat") == "/a\n"


def test_a_change_prints_the_object_as_json(joule):
    assert joule.ok("folder", "create", "/a") == "OK\n"
    made = json.loads(joule.ok("folder", "create", "/a/b", "--json"))
    assert (made["name"], made["children"]) == ("b", [])


def _plain(text):
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_times_stay_whole_while_longer_texts_are_folded(joule):
    joule.ok("stream", "create", "/a/b:int8[v]")
    text = "a text that is much longer than fits beside the time that it belongs to"
    joule.ok("annotation", "create", "/a/b", text, "--start", "2023-11-14T22:13:20Z")
    options = ("--columns", "start,title", "--tz", "UTC")
    for columns, folded in ((60, False), (30, True)):
        shown = joule.terminal("annotation", "list", "/a/b", *options, columns=columns)
        lines = _plain(shown.out).splitlines()
        assert max(map(len, lines)) <= columns
        assert any("2023-11-14 22:13:20+00:00" in line for line in lines) != folded
        assert text not in shown.out
