"""joule event: streams as objects"""

from __future__ import annotations

import json
import re
import shlex

import pytest

from joule_cli.model import Event
from tests.cli.filling import SECOND, T0, at, with_node

FIELDS = {"power": "numeric", "kind": 'category:["heat","cool"]'}


def model(joule, path):
    return json.loads(joule.ok("event", "get", path, "--json"))


def write(joule, path, *events):
    """Write events given as (start, end or None, content), in seconds from T0."""
    made = [
        Event(T0 + start * SECOND, None if end is None else T0 + end * SECOND, content)
        for start, end, content in events
    ]
    with_node(joule, lambda node: node.event_stream_write(path, made))


@pytest.fixture
def house(joule):
    """Three events of one stream, the last one still going on, and an empty stream."""
    joule.ok(
        *("event", "create", "/house/heater", "--field", "power:numeric"),
        *("--field", "kind:category[heat,cool]", "--description", "what it does"),
    )
    joule.ok("event", "create", "/house/alarms")
    write(
        joule,
        "/house/heater",
        (0, 10, {"power": 5, "kind": "heat"}),
        (20, 30, {"power": 50, "kind": "cool"}),
        (40, None, {"power": 500, "kind": "heat"}),
    )
    return joule


def test_create_with_fields(joule):
    out = joule.ok(
        *("event", "create", "/a/b", "--field", "power:numeric"),
        *("--field", "kind:category[heat, cool]", "--field", "a:b:string"),
        *("--keep", "30d", "--chunk-duration", "1w", "--description", "d"),
    )
    assert out == "OK /a/b (1)\n"
    stream = model(joule, "/a/b")
    assert list(stream["event_fields"].items()) == [*FIELDS.items(), ("a:b", "string")]
    assert stream["keep_us"] == 30 * 86_400 * SECOND
    assert stream["chunk_duration_us"] == 7 * 86_400 * SECOND
    assert (stream["description"], stream["path"]) == ("d", "/a/b")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x:string", "string"),
        ("x: numeric", "numeric"),
        ("x:category[a]", 'category:["a"]'),
        ("x:category[1,2 3]", 'category:["1","2 3"]'),
        ('x:category["a,b"," c"]', 'category:["a,b"," c"]'),
        ('x:category:["ä"]', 'category:["ä"]'),
        ("x:category[a:string,b]", 'category:["a:string","b"]'),
    ],
)
def test_field_types(joule, text, kind):
    stored = json.loads(joule.ok("event", "create", "/a", "--field", text, "--json"))
    assert stored["event_fields"] == {"x": kind}


@pytest.mark.parametrize(
    "text",
    [
        *("x", "x:", "x:float", ":string", " :string", "x:category", "x:category[]"),
        *("x:category[a,,b]", 'x:category["a,b]', "x:category[a,a]", 'x:category["a",1]'),
    ],
)
def test_a_field_that_cannot_be_read_creates_nothing(joule, text):
    result = joule("event", "create", "/a", "--field", text)
    assert (result.status, result.out) == (2, "")
    assert f"'{text}'" in result.err
    assert joule.ok("event", "list") == ""


def test_a_field_is_given_once(joule):
    words = ("--field", "x:string", "--field", "x:numeric")
    assert joule("event", "create", "/a", *words).status == 2


def test_like_and_json_copy_every_attribute(joule):
    joule.ok(
        *("event", "create", "/a/b", "--field", "power:numeric", "--keep", "2d"),
        *("--description", "größe", "--chunk-duration", "4h"),
    )
    original = model(joule, "/a/b")
    joule.ok("event", "create", "/a/like", "--like", "/a/b")
    joule.ok("event", "create", "/a/json", "--from-json", "-", stdin=json.dumps(original))
    info = joule.ok("event", "info", "/a/b", "--json")
    (joule.folder / "m.json").write_text(info)
    joule.ok("event", "create", "/a/file", "--from-json", "m.json", "--keep", "all")
    for name in ("like", "json", "file"):
        copy = model(joule, f"/a/{name}")
        for key in ("description", "event_fields", "chunk_duration_us"):
            assert copy[key] == original[key]
        assert copy["keep_us"] == (-1 if name == "file" else original["keep_us"])
        assert (copy["name"], copy["id"] == original["id"]) == (name, False)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "m.json:1:2: "),
        ("[]", "m.json: "),
        ("{}", "m.json: "),
        ('{"name": "x", "datatype": "float32", "elements": []}', "m.json: "),
        ('{"event_fields": ["ab"]}', "m.json: "),
        (None, "m.json: "),
    ],
)
def test_a_bad_model_names_file_and_line(joule, text, place):
    if text is not None:
        (joule.folder / "m.json").write_text(text)
    result = joule("event", "create", "/a/b", "--from-json", "m.json")
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert result.err.startswith(f"Error: {place}")


def test_exist_ok_accepts_the_same_fields_only(joule):
    words = ("event", "create", "/a/b", "--field", "kind:category[a,b]")
    joule.ok(*words)
    taken = joule(*words, "--json")
    assert (taken.status, taken.error()["code"]) == (1, "name_taken_error")
    assert taken.error()["object"] == "/a/b"
    assert joule.ok(*words, "--exist-ok") == "OK /a/b (1)\n"
    # without fields it only has to be there
    assert joule.ok("event", "create", "/a/b", "--exist-ok") == "OK /a/b (1)\n"
    other = joule("event", "create", "/a/b", "--field", "kind:string", "--exist-ok")
    assert other.status == 1
    assert "[kind:category[a,b]], not the fields [kind:string]" in other.err


def test_a_data_stream_has_the_name(joule):
    joule.ok("stream", "create", "/a/b:int8[x]")
    assert joule("event", "create", "/a/b", "--json").error()["code"] == "name_taken_error"
    result = joule("event", "create", "/a/b", "--exist-ok")
    assert result.status == 1
    assert "/a/b is a data stream" in result.err


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["/"], 2),
        (["/a/b", "--like", "/c", "--from-json", "-"], 2),
        (["/a/b", "--like", "/c"], 1),
        (["/a/b", "--keep", "soon"], 1),
        (["/a/b", "--chunk-duration", "big"], 1),
        ([], 2),
    ],
)
def test_create_refuses_what_makes_no_sense(joule, words, status):
    assert joule("event", "create", *words).status == status
    assert joule.ok("event", "list") == ""


def test_update(house):
    assert (
        house.ok(
            *("event", "update", "/house/heater", "--name", "pump", "--keep", "1w"),
            *("--field", "power:string", "--field", "flow:numeric", "--drop-field", "kind"),
            *("--chunk-duration", "1d", "--description", "new"),
        )
        == "OK\n"
    )
    stream = model(house, "/house/pump")
    # a changed field keeps its place
    assert list(stream["event_fields"].items()) == [("power", "string"), ("flow", "numeric")]
    assert (stream["keep_us"], stream["chunk_duration_us"]) == (604_800 * SECOND, 86_400 * SECOND)
    assert stream["description"] == "new"
    assert house.ok("event", "count", "/house/pump") == "3\n"
    out = house.ok("event", "update", "/house/pump", "--chunk-duration", "none", "--json")
    assert json.loads(out)["chunk_duration_us"] == 0


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ([], 2, "Nothing to change"),
        (["--drop-field", "flow"], 2, "the fields are power, kind"),
        (["--drop-field", "power", "--field", "power:string"], 2, "both name 'power'"),
        (["--field", "power:float"], 2, "string, numeric and category"),
        (["--keep", "soon"], 1, "soon"),
        (["--name", "alarms"], 1, "same name"),
        (["--from-json", "no.json"], 1, "no.json"),
    ],
)
def test_a_bad_update_changes_nothing(house, words, status, text):
    before = model(house, "/house/heater")
    result = house("event", "update", "/house/heater", *words)
    assert (result.status, result.out) == (status, "")
    assert text in result.err
    assert model(house, "/house/heater") == before


def test_update_from_json_replaces_all_but_the_name(house):
    given = json.loads(house.ok("event", "get", "/house/heater", "--json"))
    house.ok(
        *("event", "update", "/house/alarms", "--from-json", "-", "--name", "bells"),
        stdin=json.dumps({**given, "keep_us": 5}),
    )
    stream = model(house, "/house/bells")
    assert (stream["event_fields"], stream["keep_us"]) == (FIELDS, 5)
    assert stream["description"] == "what it does"


def test_list(house):
    house.ok("event", "create", "/c/alarms")
    house.ok("event", "create", "/c/*")
    listed = lambda *words: house.ok("event", "list", *words).split()  # noqa: E731
    assert listed() == ["/c/*", "/c/alarms", "/house/alarms", "/house/heater"]
    assert listed("/house") == ["/house/alarms", "/house/heater"]
    assert listed("/**/alarms") == ["/c/alarms", "/house/alarms"]
    assert listed("/c/*") == ["/c/*"]  # a literal path wins
    assert listed("1", "house/heater") == ["/house/heater"]
    assert listed("--limit", "1") == ["/c/*"]
    assert listed("/none*") == []
    for missing in ("/none", "99"):
        result = house("event", "list", missing)
        assert (result.status, result.out) == (1, "")
        assert missing in result.err


def test_list_in_every_format(house):
    assert house.ok("event", "list", "/house", "-i", "--csv") == (
        "path,id\n/house/alarms,2\n/house/heater,1\n"
    )
    out = house.ok("event", "list", "--info")
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["path", "events"],
        ["/house/alarms", "0"],
        ["/house/heater", "3"],
    ]
    [alarms, heater] = json.loads(house.ok("event", "list", "--info", "--json"))
    assert (alarms["event_count"], alarms["start"]) == (0, None)
    assert (heater["event_count"], heater["start"]) == (3, T0)
    assert heater["event_fields"] == FIELDS
    # a column that needs to be asked for
    counted = house.ok("event", "list", "--columns", "event_count", "--csv")
    assert counted == "event_count\n0\n3\n"


def test_list_on_a_terminal_and_without_streams(house, tmp_path):
    shown = house.terminal("event", "list", "--info", columns=120)
    assert shown.status == 0
    assert "╭" in shown.out
    assert "/house/heater" in shown.out
    empty = {"JOULE_DATA_DIR": str(tmp_path / "empty")}
    assert house.ok("event", "list", env=empty) == ""
    assert house.ok("event", "list", "--json", env=empty) == "[]\n"
    assert house.ok("event", "list", "--csv", env=empty) == "path\n"


def test_info_block(house):
    out = house.ok("event", "info", "/house/heater")
    lines = dict(
        (part.strip() for part in line.split(":", 1)) for line in out.splitlines() if ": " in line
    )
    assert lines["Name"] == "heater"
    assert lines["Start"] == "2023-11-14 22:13:20+00:00"
    assert lines["Description"] == "what it does"
    assert lines["Keep"] == "all events"
    assert lines["Chunks"] == "not partitioned"
    assert lines["Events"].startswith("3 (")
    assert out.splitlines()[-3:] == [
        "Type                 Name",
        "numeric              power",
        "category[heat,cool]  kind",
    ]
    assert "No event fields are declared." in house.ok("event", "info", "/house/alarms")


def test_info_in_other_formats(house):
    value = json.loads(house.ok("event", "info", "/house/heater", "--json"))
    assert value["stream"] == model(house, "/house/heater")
    assert (value["info"]["event_count"], value["info"]["start"]) == (3, T0)
    both = json.loads(house.ok("event", "info", "/house/*", "--json"))
    assert [each["info"]["event_count"] for each in both] == [0, 3]
    header, line = house.ok("event", "info", "1", "--csv").splitlines()
    assert header.startswith("path,id,description,event_fields,")
    assert line.startswith("/house/heater,1,")
    shown = house.terminal("event", "info", "/house/heater").out
    assert "│ category[heat,cool] │ kind  │" in shown


def test_get_as_yaml_quotes_what_needs_it(joule):
    joule.ok("event", "create", "/a", "--field", "no:string", "--field", "x y:numeric")
    joule.ok("event", "create", "/b")
    out = joule.ok("event", "get", "/a", "/b")
    assert 'event_fields:\n  "no": "string"\n  "x y": "numeric"\n' in out
    assert '---\npath: "/b"\n' in out
    assert "event_fields: {}\n" in out


@pytest.mark.parametrize("command", ["info", "get", "count", "update", "rename", "delete", "move"])
def test_a_stream_that_is_not_there(house, command):
    house.ok("stream", "create", "/house/mains:int8[x]")
    more = {"update": ["--keep", "all"], "rename": ["n"], "move": ["/c"]}.get(command, [])
    for path, hint in (("/none", False), ("/house/mains", True)):
        result = house("event", command, path, *more)
        assert (result.status, result.out) == (1, "")
        assert f"Error: event stream does not exist: {path}\n" in result.err
        assert ("/house/mains is a data stream, see joule data." in result.err) == hint
    assert house("event", command, "/none/*", *more).status == 1


@pytest.mark.parametrize(
    "words",
    [
        *(["data", "read"], ["data", "count"], ["stream", "info"], ["stream", "get"]),
        *(["data", "plot"], ["stream", "list"], ["annotation", "list"]),
    ],
)
def test_an_event_stream_is_no_data_stream(house, words):
    result = house(*words, "/house/heater")
    assert (result.status, result.out) == (1, "")
    assert "/house/heater is an event stream, see joule event." in result.err


def test_rename_and_move(house):
    assert house.ok("event", "rename", "/house/heater", "pump") == "OK\n"
    assert house("event", "rename", "/house/pump", "alarms").status == 1
    assert house("event", "rename", "/house/pump", "a/b").status == 1
    assert house.ok("event", "move", "/house/pump", "1", "/new/place") == "OK\n"
    assert house.ok("event", "list") == "/house/alarms\n/new/place/pump\n"
    assert house.ok("event", "count", "/new/place/pump") == "3\n"
    house.ok("event", "rename", "/new/place/pump", "alarms")
    taken = house("event", "move", "/house/alarms", "/new/place", "--json")
    assert (taken.status, taken.error()["code"]) == (1, "name_taken_error")


def test_moving_a_pattern_asks_and_can_be_tried(house):
    rehearsed = house.ok("event", "move", "/house/*", "/new", "--dry-run", "--json")
    assert [(r["path"], r["events"]) for r in json.loads(rehearsed)] == [
        ("/house/alarms", 0),
        ("/house/heater", 3),
    ]
    unanswered = house("event", "move", "/house/*", "/new")
    assert unanswered.status == 1
    assert "/house/heater" in unanswered.err
    assert house.ok("event", "list", "/house").count("\n") == 2
    out = house.ok("event", "move", "/house/*", "/new", "--yes", "--json")
    assert json.loads(out)["moved"] == ["/house/alarms", "/house/heater"]


def test_delete(house):
    dry = house.ok("event", "delete", "/house/*", "--dry-run", "--csv").splitlines()
    assert dry[0] == "path,events,start,end"
    assert dry[2].startswith(f"/house/heater,3,{T0},")
    asked = house("event", "delete", "/house/heater")
    assert asked.status == 1
    assert "/house/heater  3 events, 2023-11-14 22:13:20+00:00 to " in asked.err
    declined = house("event", "delete", "/house/heater", stdin="n\n")
    assert (declined.status, declined.out) == (0, "Cancelled\n")
    assert house.ok("event", "count", "/house/heater") == "3\n"
    assert house("event", "delete", "/house/heater", stdin="y\n").out.endswith("\nOK\n")
    assert house.ok("event", "list") == "/house/alarms\n"
    out = house.ok("event", "destroy", "/house/alarms", "-y", "--json")
    assert json.loads(out)["deleted"] == ["/house/alarms"]


def test_a_reader_that_goes_away_and_a_closed_output(house):
    for command in ("list --jsonl", "get '/house/*'", "count --histogram --width 1s /house/heater"):
        gone = house.shell(f"joule event {command} | true; echo ${{PIPESTATUS[0]}}")
        assert gone.out.strip() in {"0", "141"}
        assert gone.err == ""
        closed = house.shell(f"joule event {command} >&-")
        assert (closed.status, closed.out) == (1, "")
        assert "cannot write the output" in closed.err


def test_count(house):
    count = lambda *words: house.ok("event", "count", "/house/heater", *words)  # noqa: E731
    assert count() == "3\n"
    assert count("--json") == '{\n  "path": "/house/heater",\n  "count": 3\n}\n'
    assert count("--csv") == "path,count\n/house/heater,3\n"
    assert count("--start", at(5), "--end", at(25)) == "2\n"
    assert count("--start", at(5), "--end", at(25), "--no-ongoing") == "1\n"
    assert count("--start", at(10), "--end", at(11)) == "1\n"
    assert count("--start", at(1000)) == "1\n"
    assert count("--start", "start+20s", "--end", "end", "--no-ongoing") == "1\n"
    assert house.ok("event", "count", "/house/alarms") == "0\n"
    assert json.loads(house.ok("event", "count", "/house/*", "--json")) == [
        {"path": "/house/alarms", "count": 0},
        {"path": "/house/heater", "count": 3},
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--where", "power > 5"], 2),
        (["--where", "power > 5", "--where", "kind is heat"], 1),
        (["--where", "power > 5 and kind is heat or kind is cool"], 2),
        (["--filter", '[[["kind","is","heat"]]]', "--where", "power < 100"], 1),
        (["--filter", '[[["kind","is","heat"]],[["power","eq",50]]]'], 3),
        (["--filter", '[[["kind","is","heat"]]]', "--filter", '[[["power","gt",5]]]'], 1),
        (["--filter", "[]"], 3),
        (["--where", "kind ~ h%"], 2),
        (["--where", "flow > 5"], 0),
        (["--where", "kind is heat", "--end", at(30)], 1),
    ],
)
def test_count_with_a_filter(house, words, expected):
    assert house.ok("event", "count", "/house/heater", *words) == f"{expected}\n"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["--where", "power > x"],
            [
                "Error: invalid condition at column 9: expected a number",
                "  power > x",
                "          ^",
            ],
        ),
        (
            ["--where", "kind is heat", "--where", "power"],
            ["Error: invalid condition at column 6: expected an operator", "  power", "       ^"],
        ),
        (
            ["--filter", '[[["power", gt, 5]]]'],
            [
                "Error: invalid filter string, must be valid JSON",
                "Expecting value at line 1, column 13",
                '  [[["power", gt, 5]]]',
                "              ^",
            ],
        ),
        (
            ["--filter", '[[["power","gt"]]]'],
            [
                "Error: invalid filter string, boolean expression must have 3 elements",
                "Condition 1 of group 1 has 2.",
            ],
        ),
    ],
)
@pytest.mark.parametrize("command", [["count"], ["remove", "--dry-run"]])
def test_a_wrong_filter_is_pointed_at(joule, command, words, lines):
    # before any request: the stream does not exist either
    result = joule("event", *command, "/none", *words)
    assert (result.status, result.out) == (1, "")
    assert result.err.splitlines()[: len(lines)] == lines
    told = joule("event", *command, "/none", *words, "--json").error()
    assert told["code"] == "filter_error"
    assert f"Error: {told['message']}\n{told['hint']}".splitlines()[: len(lines)] == lines
    assert not (joule.folder / "joule.db").exists()


def test_histogram(house):
    words = ("event", "count", "/house/heater", "--histogram", "--width", "20s")
    first = T0 - T0 % (20 * SECOND)
    counts = json.loads(house.ok(*words, "--json"))
    assert [(c["start"], c["count"]) for c in counts] == [
        (first + i * 20 * SECOND, 1) for i in range(3)
    ]
    assert all(c["end"] - c["start"] == 20 * SECOND for c in counts)
    only = json.loads(house.ok(*words, "--json", "--where", "kind is cool"))
    assert [c["count"] for c in only] == [0, 1, 0]
    # an end bound is excluded, as everywhere
    inside = json.loads(house.ok(*words, "--json", "--end", at(20)))
    assert sum(c["count"] for c in inside) == 1
    assert house.ok(*words, "--csv").splitlines()[:2] == [
        "start,end,count",
        f"{first},{first + 20 * SECOND},1",
    ]


def test_histogram_bars_are_for_people(house):
    write(house, "/house/heater", *[(21, 22, {"kind": "cool"})] * 3)
    words = ("event", "count", "/house/heater", "--histogram", "--width", "20s")
    wide = {"COLUMNS": "140"}
    bars = [line[line.index("  1") + 3 :] for line in house.ok(*words, env=wide).splitlines()[1::2]]
    assert [bar.strip() for bar in bars] == ["█" * 10] * 2
    assert "█" * 40 in house.ok(*words, env=wide).splitlines()[2]
    plain = house.ok(*words, env={"PYTHONIOENCODING": "ascii", **wide}).splitlines()
    assert (plain[1].split()[-1], plain[2].split()[-1]) == ("#" * 10, "#" * 40)
    # nothing is a blank, not the dash of a missing value
    none = house.ok(*words, "--where", "kind is heat").splitlines()[2]
    assert none.endswith(" 0")
    shown = house.terminal(*words, columns=140)
    assert shown.status == 0
    assert "│ " + "█" * 40 in shown.out
    by_default = house.ok("event", "count", "/house/heater", "--histogram", "--json")
    assert 95 < len(json.loads(by_default)) < 105


@pytest.mark.parametrize("width", ["20s", "1h"])
@pytest.mark.parametrize("columns", [20, 33, 40, 60, 72, 80, 120])
def test_a_histogram_fits_the_window(house, columns, width):
    words = ("event", "count", "/house/heater", "--histogram", "--width", width)
    shown = house.terminal(*words, columns=columns)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.out).splitlines()
    assert max(map(len, lines)) <= max(columns, 32)
    assert ("█" in shown.out) == (columns >= 60)


@pytest.mark.parametrize("more", [(), ("--start", f"{T0 - 7}"), ("--width", "20s")])
def test_a_histogram_in_a_pipe_has_80_columns(house, more):
    words = ("event", "count", "/house/heater", "--histogram", *more)
    lines = house.shell(f"unset COLUMNS; joule {shlex.join(words)} | cat").out.splitlines()
    assert 40 < max(map(len, lines)) <= 80
    assert sum("█" in line for line in lines) == 3


def test_histogram_of_nothing(house):
    words = ("event", "count", "/house/alarms", "--histogram")
    assert house.ok(*words, "--json") == "[]\n"
    assert house.ok(*words, "--csv") == "start,end,count\n"
    assert house.ok(*words).split() == ["start", "end", "count"]
    assert house("event", "count", "/none", "--histogram").status == 1


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["/house/heater", "--width", "1h"], 2),
        (["/house/heater", "--histogram", "--ongoing"], 2),
        (["/house/heater", "--histogram", "--no-ongoing"], 2),
        (["/house/heater", "/house/alarms", "--histogram"], 2),
        (["/house/*", "--histogram"], 2),
        (["/house/heater", "--histogram", "--width", "wide"], 1),
        (["/house/heater", "--histogram", "--width", "0s"], 1),
        (["/house/heater", "--histogram", "--width", "1us"], 1),
        (["/house/heater", "--start", "2", "--end", "1"], 1),
        (["/house/alarms", "--start", "end-1h"], 1),
    ],
)
def test_count_refuses_what_makes_no_sense(house, words, status):
    result = house("event", "count", *words)
    assert (result.status, result.out) == (status, "")
    assert result.err.startswith(("Error: ", "Usage: "))
