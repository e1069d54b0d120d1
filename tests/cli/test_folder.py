"""joule folder"""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import write_rows
from tests.cli.filling import T0, with_node
from tests.ops.events import put


@pytest.fixture
def tree(joule):
    joule.ok("stream", "create", "/b/mains:float32[volts,amps]")
    joule.ok("stream", "create", "/b/deep/inner/x:int8[v]")
    joule.ok("stream", "create", "/b/a:int8[v]")
    joule.ok("folder", "create", "/empty")
    return joule


def test_the_tree_shows_subfolders_then_streams_by_name(tree):
    assert tree.ok("folder", "list").splitlines() == [
        "/",
        "├── b",
        "│   ├── deep",
        "│   │   └── inner",
        "│   │       └── x",
        "│   ├── a",
        "│   └── mains",
        "└── empty",
    ]


def test_details_are_words_behind_the_names(tree):
    out = tree.ok("folder", "list", "/b", "-l", "-s", "-i")
    assert "mains (float32_2) (1) [idle]" in out


def test_depth_and_flat(tree):
    assert "inner" not in tree.ok("folder", "list", "--depth", "2")
    assert "deep" in tree.ok("folder", "list", "--depth", "2")
    assert tree.ok("folder", "list", "/b", "--flat").splitlines() == [
        "/b/deep",
        "/b/deep/inner",
        "/b/deep/inner/x",
        "/b/a",
        "/b/mains",
    ]


def test_an_empty_node_is_one_sentence(joule):
    assert joule.ok("folder", "list") == "The folder / is empty.\n"


def test_json_is_the_nested_form_of_the_api(tree):
    root = json.loads(tree.ok("folder", "list", "--json"))
    assert [c["name"] for c in root["children"]] == ["b", "empty"]
    assert root["children"][0]["streams"][1]["layout"] == "float32_2"


def test_info_adds_rows_and_range(tree):
    write_rows(tree, "/b/a", [1_000_000, 2_000_000])
    out = tree.ok("folder", "list", "/b", "--info")
    assert "a  2 rows  1970-01-01 00:00:01+00:00 - 1970-01-01 00:00:02+00:00" in out
    csv = tree.ok("folder", "list", "/b", "--info", "--csv")
    assert "stream,/b/a,3,int8_1,idle,2,1000000,2000000" in csv.splitlines()
    root = json.loads(tree.ok("folder", "list", "/b", "--info", "--json"))
    assert root["streams"][0]["info"]["rows"] == 2


def test_a_folder_by_id_and_without_its_slash(tree):
    by_path = tree.ok("folder", "list", "/b")
    assert tree.ok("folder", "list", "b") == by_path
    number = json.loads(tree.ok("folder", "list", "/b", "--json"))["id"]
    assert tree.ok("folder", "list", number) == by_path
    assert tree("folder", "list", "/nope").status == 1
    assert tree("folder", "list", "999").status == 1


def test_info_counts_everything_below(tree):
    write_rows(tree, "/b/deep/inner/x", [1, 2, 3])
    value = json.loads(tree.ok("folder", "info", "/b", "--json"))
    assert (value["folders"], value["data_streams"], value["rows"]) == (2, 3, 3)
    assert "Streams:     3" in tree.ok("folder", "info", "/b")


def test_create_is_repeatable_and_describes(joule):
    for _ in range(2):
        assert joule.ok("folder", "create", "/2024", "--description", "a year") == "OK\n"
    assert json.loads(joule.ok("folder", "info", "/2024", "--json"))["description"] == "a year"


def test_move_rename_update(tree):
    assert tree.ok("folder", "move", "/b/deep", "/new/place") == "OK\n"
    assert tree.ok("folder", "rename", "/new/place/deep", "shallow") == "OK\n"
    assert tree.ok("folder", "update", "/new", "--name", "n", "--description", "d") == "OK\n"
    assert "/n/place/shallow/inner/x" in tree.ok("stream", "list")
    assert tree("folder", "update", "/n").status == 2
    assert tree("folder", "rename", "/n", "a/b").status == 1
    assert tree("folder", "move", "/n", "/n/place").status == 1


def test_delete_needs_recursive_for_folders_inside(tree):
    refused = tree("folder", "delete", "/b")
    assert refused.status == 1
    assert "-r" in refused.err
    assert tree("folder", "delete", "/b", "--dry-run").status == 1
    assert tree.ok("folder", "delete", "/b", "-r").endswith("\nOK\n")
    assert tree.ok("stream", "list") == ""


def test_delete_checks_all_before_the_first(tree):
    assert tree("folder", "delete", "/empty", "/b").status == 1
    assert tree("folder", "delete", "/empty", "/missing").status == 1
    assert "empty" in tree.ok("folder", "list")


def test_a_pattern_that_matches_parents_and_children(tree):
    assert tree.ok("folder", "delete", "/b/**", "-r", "--yes").endswith("\nOK\n")
    assert tree.ok("folder", "list", "/b", "--flat").splitlines() == ["/b/a", "/b/mains"]


def test_the_root_stays(tree):
    assert tree("folder", "delete", "/", "-r").status == 1


@pytest.fixture
def with_events(tree):
    write_rows(tree, "/b/a", [1, 2])
    with_node(tree, lambda node: put(node, "/b/heating", [(0, 5, {}), (9, None, {"on": True})]))
    with_node(tree, lambda node: put(node, "/c/only", []))
    return tree


def test_the_tree_shows_event_streams(with_events):
    lines = with_events.ok("folder", "list").splitlines()
    assert "│   ├── mains" in lines
    assert "│   └── heating (events)" in lines
    assert "only (events)" in with_events.ok("folder", "list", "/c")
    assert "heating (1) (events)" in with_events.ok("folder", "list", "/b", "-i")
    out = with_events.ok("folder", "list", "/b", "--info")
    assert "heating (events)  2 events  2023-11-14 22:13:20+00:00 - " in out
    assert "only" not in with_events.ok("folder", "list", "--depth", "1")


def test_lists_tell_event_streams_apart(with_events):
    flat = with_events.ok("folder", "list", "/b", "--flat").splitlines()
    assert flat[-2:] == ["/b/mains", "/b/heating"]
    csv = with_events.ok("folder", "list", "/b", "--info", "--csv").splitlines()
    assert csv[-1] == f"event_stream,/b/heating,1,,,2,{T0},{T0 + 9}"
    lines = map(json.loads, with_events.ok("folder", "list", "/b", "--jsonl").splitlines())
    assert [each["kind"] for each in lines][-1] == "event_stream"
    root = json.loads(with_events.ok("folder", "list", "/b", "--info", "--json"))
    assert root["event_streams"][0]["info"]["event_count"] == 2


def test_info_counts_events(with_events):
    value = json.loads(with_events.ok("folder", "info", "/", "--json"))
    assert (value["data_streams"], value["event_streams"]) == (3, 2)
    assert (value["rows"], value["events"]) == (2, 2)
    assert "2 in 1 stream\n" in with_events.ok("folder", "info", "/b")


def test_delete_names_event_streams(with_events):
    csv = with_events.ok("folder", "delete", "/b", "-r", "--dry-run", "--csv").splitlines()
    assert csv[0] == "kind,path,rows,start,end,events"
    assert csv[-1] == f"event_stream,/b/heating,,{T0},{T0 + 9},2"
    asked = with_events.terminal(
        *("folder", "delete", "/b", "-r"), typed="n\n", when="[y/N]", columns=200
    )
    assert "/b/heating  2 events" in asked.out
    assert "with 3 streams, 2 rows, 1 event stream, 2 events, 1970-01-01 " in asked.out
    with_events.ok("folder", "delete", "/b", "-r")
    assert with_events.ok("folder", "list", "--flat").splitlines() == ["/c", "/c/only", "/empty"]
