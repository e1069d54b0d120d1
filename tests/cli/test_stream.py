"""joule stream"""

from __future__ import annotations

import json
import time

import pytest

from tests.cli.conftest import write_rows
from tests.cli.filling import T0, with_node
from tests.ops.events import put


def model(joule, path):
    return json.loads(joule.ok("stream", "get", path, "--json"))


def test_inline_form_with_units(joule):
    assert joule.ok("stream", "create", "/a/b:float32[volts:V, amps]") == "OK /a/b (1)\n"
    stream = model(joule, "/a/b")
    assert (stream["layout"], stream["keep_us"], stream["decimate"]) == ("float32_2", -1, True)
    assert [(e["name"], e["units"]) for e in stream["elements"]] == [("volts", "V"), ("amps", "")]


def test_options(joule):
    joule.ok(
        *("stream", "create", "/a/b", "--datatype", "int16", "--elements", "x,y"),
        *("--element", "a:b:V", "--keep", "1h30m", "--no-decimate", "--description", "d"),
    )
    stream = model(joule, "/a/b")
    assert [e["name"] for e in stream["elements"]] == ["x", "y", "a:b"]
    assert stream["elements"][2]["units"] == "V"
    assert (stream["keep_us"], stream["decimate"]) == (5_400_000_000, False)
    assert (stream["description"], stream["datatype"]) == ("d", "int16")


def test_a_path_with_a_colon_is_only_a_path(joule):
    joule.ok("stream", "create", "/a/b:c", "--elements", "x")
    assert joule.ok("stream", "list") == "/a/b:c\n"


def test_like_and_json_copy_every_attribute(joule):
    joule.ok("stream", "create", "/a/b:int8[x:V]", "--keep", "2d", "--description", "d")
    joule.ok("stream", "update", "/a/b", "--element", "x", "offset=2", "plottable=no")
    original = model(joule, "/a/b")
    joule.ok("stream", "create", "/a/like", "--like", "/a/b")
    joule.ok("stream", "create", "/a/json", "--from-json", "-", stdin=json.dumps(original))
    (joule.folder / "m.json").write_text(json.dumps(original))
    joule.ok("stream", "create", "/a/file", "--from-json", "m.json", "--keep", "all")
    for name in ("like", "json", "file"):
        copy = model(joule, f"/a/{name}")
        assert copy["elements"][0]["offset"] == 2
        assert copy["elements"][0]["plottable"] is False
        assert copy["description"] == "d"
        assert copy["keep_us"] == (-1 if name == "file" else original["keep_us"])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "m.json:1:2: "),
        ("[]", "m.json: "),
        ('{"elements": 3}', "m.json: "),
        (None, "m.json: "),
    ],
)
def test_a_bad_model_names_file_and_line(joule, text, place):
    if text is not None:
        (joule.folder / "m.json").write_text(text)
    result = joule("stream", "create", "/a/b", "--from-json", "m.json")
    assert result.status == 1
    assert result.err.startswith(f"Error: {place}")
    assert result.err.count("\n") == 1


def test_exist_ok_accepts_the_same_layout_only(joule):
    joule.ok("stream", "create", "/a/b:int8[x]")
    taken = joule("stream", "create", "/a/b:int8[x]", "--json")
    assert (taken.status, taken.error()["code"]) == (1, "name_taken_error")
    assert taken.error()["object"] == "/a/b"
    assert joule.ok("stream", "create", "/a/b:int8[x]", "--exist-ok") == "OK /a/b (1)\n"
    assert joule("stream", "create", "/a/b:int16[x]", "--exist-ok").status == 1


@pytest.mark.parametrize(
    "words",
    [
        ["/a/b"],
        ["/a/b:int8[x]", "--elements", "y"],
        ["/a/b:int8[x]", "--like", "/c", "--from-json", "-"],
        ["/", "--elements", "x"],
        ["/a/b", "--elements", "x", "--datatype", "int7"],
    ],
)
def test_create_refuses_what_makes_no_sense(joule, words):
    assert joule("stream", "create", *words).status == 2
    assert joule.ok("stream", "list") == ""


def test_update(joule):
    joule.ok("stream", "create", "/a/b:float32[x,y]")
    assert (
        joule.ok(
            *("stream", "update", "/a/b", "--element", "x", "units=V", "default_min=-1.5"),
            *("--element", "1", "name=z=1", "--name", "c", "--keep", "none", "--no-decimate"),
        )
        == "OK\n"
    )
    stream = model(joule, "/a/c")
    assert (stream["keep_us"], stream["decimate"]) == (0, False)
    assert stream["elements"][0]["units"] == "V"
    assert stream["elements"][0]["default_min"] == -1.5
    assert stream["elements"][1]["name"] == "z=1"
    joule.ok("stream", "update", "/a/c", "--element=x", "default_min=none", "units=none")
    assert model(joule, "/a/c")["elements"][0]["default_min"] is None
    assert model(joule, "/a/c")["elements"][0]["units"] == ""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([], 2),
        (["--element", "x"], 2),
        (["--element", "q", "units=V"], 2),
        (["--element", "x", "unit=V"], 2),
        (["--element", "x", "offset=much"], 2),
        (["--keep", "soon"], 1),
    ],
)
def test_a_bad_update_changes_nothing(joule, words, status):
    joule.ok("stream", "create", "/a/b:float32[x,y]")
    before = model(joule, "/a/b")
    assert joule("stream", "update", "/a/b", "--description", "new", *words[:0]).status == 0
    joule.ok("stream", "update", "/a/b", "--description", "")
    assert joule("stream", "update", "/a/b", *words).status == status
    after = model(joule, "/a/b")
    assert {**after, "updated_at": None} == {**before, "updated_at": None}


def test_update_from_json_needs_the_layout(joule):
    joule.ok("stream", "create", "/a/b:float32[x,y]")
    joule.ok("stream", "create", "/a/c:float32[u:V,v]", "--description", "d")
    given = joule.ok("stream", "get", "/a/c", "--json")
    joule.ok("stream", "update", "/a/b", "--from-json", "-", "--name", "b", stdin=given)
    assert model(joule, "/a/b")["elements"][0]["units"] == "V"
    joule.ok("stream", "create", "/a/d:int8[x]")
    assert joule("stream", "update", "/a/d", "--from-json", "-", stdin=given).status == 1


def test_list_takes_folders_streams_ids_and_patterns(joule):
    for path in ("/a/x", "/a/b/x", "/a/b/y", "/c/x", "/c/*"):
        joule.ok("stream", "create", path, "--elements", "v")
    listed = lambda *words: joule.ok("stream", "list", *words).split()  # noqa: E731
    assert listed("/a") == ["/a/b/x", "/a/b/y", "/a/x"]
    assert listed("1") == ["/a/x"]
    assert listed("/*/x") == ["/a/x", "/c/x"]
    assert listed("/**/x") == ["/a/b/x", "/a/x", "/c/x"]
    assert listed("/a/**") == ["/a/b/x", "/a/b/y", "/a/x"]
    assert listed("/a/b/[!x]", "a/x") == ["/a/b/y", "/a/x"]
    assert listed("/c/*") == ["/c/*"]  # a literal path wins
    assert listed("/none*") == []
    assert listed("--active") == []
    assert joule("stream", "list", "/none").status == 1


def test_info_block_has_the_labels_of_old(joule):
    joule.ok("stream", "create", "/a/b:float32[x]")
    write_rows(joule, "/a/b", [1_700_000_000_000_000, 1_700_000_000_500_000])
    lines = dict(
        (part.strip() for part in line.split(":", 1))
        for line in joule.ok("stream", "info", "/a/b").splitlines()
        if ":" in line
    )
    assert lines["Start"] == "2023-11-14 22:13:20+00:00"
    assert lines["End"] == "2023-11-14 22:13:20.500000+00:00"
    assert lines["Rows"].startswith("2 (")
    assert (lines["Keep"], lines["Decimate"]) == ("all data", "yes")
    assert (lines["Status"], lines["Annotation"]) == ("[idle]", "0")
    assert lines["Description"] == "—"


def test_info_as_json(joule):
    joule.ok("stream", "create", "/a/b:float32[x]")
    joule.ok("annotation", "create", "/a/b", "t", "--start", "5")
    value = json.loads(joule.ok("stream", "info", "/a/b", "--json"))
    assert set(value) == {"stream", "info", "annotations"}
    assert value["annotations"] == {"start": 5, "end": 5, "count": 1}
    joule.ok("stream", "create", "/a/c:float32[x]")
    assert len(json.loads(joule.ok("stream", "info", "/a/*", "--json"))) == 2


def test_elements_table(joule):
    joule.ok("stream", "create", "/a/b:float32[volts:V]")
    header, line = joule.ok("stream", "info", "/a/b", "-e").splitlines()[-2:]
    assert header.split()[:4] == ["Index", "Id", "Name", "Units"]
    assert line.split()[2:4] == ["volts", "V"]


def test_spark_draws_the_course_and_leaves_gaps_blank(joule):
    joule.ok("stream", "create", "/a/b:float32[up]")
    write_rows(joule, "/a/b", [*range(0, 1000, 10), *range(3000, 4000, 10)], gap_before={3000})
    line = joule.ok("stream", "info", "/a/b", "--spark").splitlines()[-1]
    name, curve = line.strip().split("  ", 1)
    assert name == "up"
    assert (curve[0], curve[-1]) == ("▁", "█")
    assert "    " in curve
    ascii_line = joule.ok("stream", "info", "/a/b", "--spark", env={"PYTHONIOENCODING": "ascii"})
    assert ascii_line.isascii()


def test_spark_puts_infinities_at_the_edges(joule):
    rows = "".join(f"{i} {v} inf\n" for i, v in enumerate(["inf", 1, 2, "-inf", 3, 9]))
    early = ("--create", "float64[x,y]", "--accept-times")
    joule("data", "write", "/a/b", *early, stdin=rows)
    x, y = joule.ok("stream", "info", "/a/b", "--spark").splitlines()[-2:]
    assert x.split()[1:] == ["█", "▁", "▂", "▁", "▃", "█"]
    assert y.split()[1:] == ["█"] * 6


def test_rename_and_move(joule):
    joule.ok("stream", "create", "/a/b:int8[x]")
    joule.ok("stream", "create", "/a/c:int8[x]")
    assert joule.ok("stream", "rename", "/a/b", "d") == "OK\n"
    assert joule.ok("stream", "move", "/a/c", "1", "/new") == "OK\n"
    assert joule.ok("stream", "list") == "/new/c\n/new/d\n"
    assert joule("stream", "rename", "/new/c", "d").status == 1


def test_some_of_several_failing_is_3(joule):
    joule.ok("stream", "create", "/a/x:int8[x]")
    joule.ok("stream", "create", "/a/y:int8[x]")
    joule.ok("stream", "create", "/b/x:int8[x]")
    result = joule("stream", "move", "/a/x", "/a/y", "/b")
    assert result.status == 3
    assert result.err.count("Error:") == 1
    assert joule.ok("stream", "list") == "/a/x\n/b/x\n/b/y\n"


def test_delete_dry_run_tells_rows_and_range(joule):
    joule.ok("stream", "create", "/a/b:float32[x]")
    write_rows(joule, "/a/b", [10, 20])
    out = joule.ok("stream", "delete", "/a/*", "--dry-run", "--csv")
    assert out == "kind,path,rows,start,end,events\nstream,/a/b,2,10,20,\n"
    assert json.loads(joule.ok("stream", "delete", "/a/b", "--yes", "--json"))["deleted"] == [
        "/a/b"
    ]


def test_delete_takes_streams_of_both_kinds(joule):
    joule.ok("stream", "create", "/a/b:float32[x]")
    with_node(joule, lambda node: put(node, "/a/c", [(0, 5, {}), (9, None, {})]))
    with_node(joule, lambda node: put(node, "/a/d", []))
    out = joule.ok("stream", "delete", "/a/*", "--dry-run", "--csv").splitlines()
    assert out[1] == "stream,/a/b,0,,,"
    assert out[2:] == [f"event_stream,/a/c,,{T0},{T0 + 9},2", "event_stream,/a/d,,,,0"]
    refused = joule("stream", "delete", "/a/*")
    assert refused.status == 1
    assert "/a/c  2 events, 2023-11-14" in refused.err
    # there is an event stream with this id, but no data stream
    assert joule("stream", "delete", "2", "--yes").status == 1
    told = joule.ok("stream", "delete", "/a/c", "/a/b", "--yes").splitlines()
    assert told[0].startswith("Deleted 2 streams: 1 stream, 0 rows, 1 event stream, 2 events, 2023")
    assert [line.split(",")[0] for line in told[1:]] == ["  /a/c  2 events", "  /a/b  0 rows", "OK"]
    assert joule("stream", "delete", "/a/c", "--yes").status == 1
    joule.ok("stream", "delete", "/a/?", "--yes")
    assert joule.ok("folder", "list", "/a", "--flat") == ""


def test_check_is_for_monitoring(joule):
    joule.ok("stream", "create", "/a/old:int8[x]")
    joule.ok("stream", "create", "/a/new:int8[x]")
    joule.ok("stream", "create", "/a/none:int8[x]")
    write_rows(joule, "/a/old", [1, 2, 3])
    write_rows(joule, "/a/new", [time.time_ns() // 1000])
    assert joule("stream", "check", "/a/new", "--max-age", "1h").status == 0
    result = joule(
        "stream", "check", "/a/*", "--max-age", "1h", "--csv", "--columns", "path,status"
    )
    assert result.status == 1
    assert result.out.splitlines()[1:] == ["/a/new,ok", "/a/none,empty", "/a/old,old"]
    quiet = joule("stream", "check", "/a/*", "--max-age", "1h", "-q", "--no-header")
    assert [line.split()[0] for line in quiet.out.splitlines()] == ["/a/none", "/a/old"]
    assert joule("stream", "check", "/a/old", "--min-rows", 3).status == 0
    assert joule("stream", "check", "/a/old", "--min-rows", 3, "--start", "start+1us").status == 1
    assert joule("stream", "check", "/a/missing*").status == 1


def test_bounds_may_be_relative_to_the_rows(joule):
    joule.ok("stream", "create", "/a/b:int8[x]")
    write_rows(joule, "/a/b", [0, 1_000_000, 2_000_000])
    count = ["stream", "check", "/a/b", "--columns", "rows", "--no-header"]
    assert joule.ok(*count, "--start", "end-1s").strip() == "2"
    assert joule.ok(*count, "--end", "start+1s").strip() == "1"
    assert joule.ok(*count, "--start", "min", "--end", "max").strip() == "3"
    joule.ok("stream", "create", "/a/empty:int8[x]")
    assert joule("stream", "check", "/a/empty", "--start", "end-1s").status == 1


def test_info_as_csv_is_flat(filled):
    lines = filled.ok("stream", "info", "/house/*", "--csv").splitlines()
    assert lines == [
        "path,id,description,layout,status,keep_us,decimate,rows,start,end,bytes,annotations",
        "/house/mains,1,grid,float32_2,idle,-1,true,0,,,0,2",
    ]
