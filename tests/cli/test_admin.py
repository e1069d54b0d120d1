"""joule admin"""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from tests.cli.conftest import write_rows
from tests.cli.filling import T0, with_node
from tests.edited import edit, opened
from tests.ops.events import got, put


@pytest.fixture
def used(joule):
    joule.ok("stream", "create", "/a/x:float32[v]")
    write_rows(joule, "/a/x", range(0, 100_000, 1000))
    return joule


def test_check_finds_nothing_in_a_sound_file(used):
    assert used.ok("admin", "check").startswith("OK: 1 stream, ")
    assert json.loads(used.ok("admin", "check", "--json"))["problems"] == []
    assert used.ok("admin", "check", "-q") == ""
    assert used.ok("admin", "check", "--csv") == "path,time,problem\n"


def test_check_names_what_is_wrong(used):
    edit(used.folder / "joule.db", "UPDATE body SET rows = zeroblob(length(rows))")
    result = used("admin", "check", "--json")
    assert result.status == 1
    problems = json.loads(result.out)["problems"]
    assert problems[0]["path"] == "/a/x"
    assert used("admin", "check").out.splitlines()[1].startswith("/a/x")


def test_backup_erase_restore(used):
    assert "KiB" in used.ok("admin", "backup", "copy.db")
    assert "KiB" in used.ok("admin", "backup", "made/when/missing.db")
    assert used("admin", "backup", "copy.db", "--no-clobber").status == 1
    used.ok("admin", "backup", "copy.db")
    refused = used("admin", "erase")
    assert refused.status == 1
    assert "100 rows" not in refused.out
    assert "/a/x  100 rows" in refused.err
    assert "/a/x" in used.ok("admin", "erase", "--dry-run")
    assert used.ok("admin", "erase", "--yes").endswith("\nOK\n")
    assert used.ok("stream", "list") == ""
    assert used("admin", "restore", "missing.db", "--yes").status == 1
    assert used("admin", "restore", "copy.db", stdin="n\n").out == "Cancelled\n"
    assert used.ok("admin", "restore", "copy.db", "--yes").endswith(": no streams\nOK\n")
    assert used.ok("stream", "list", "--columns", "rows", "--no-header").strip() == "100"


def test_restore_makes_the_folder_that_it_needs(used):
    used.ok("admin", "backup", "copy.db")
    used.ok("--url", "file:new/lab/node.db", "admin", "restore", "copy.db", "--yes")
    assert used.ok("--url", "file:new/lab/node.db", "stream", "list") == "/a/x\n"
    made = used.folder / "data" / "of" / "mine"
    used.ok("admin", "restore", "copy.db", "--yes", env={"JOULE_DATA_DIR": str(made)})
    assert used.ok("stream", "list", env={"JOULE_DATA_DIR": str(made)}) == "/a/x\n"
    refused = used("--url", "file:other/node.db", "admin", "restore", "copy.db")
    assert (refused.status, (used.folder / "other").exists()) == (1, False)


def spoil(path):
    """Change one bit of every page but the first two, which say what the others are."""
    content = bytearray(path.read_bytes())
    for start in range(8192, len(content), 4096):
        content[start + 2000] ^= 4
    path.write_bytes(content)


def test_check_of_a_damaged_file(used):
    spoil(used.folder / "joule.db")
    result = used("admin", "check", "--csv")
    assert result.status == 1
    assert "fails its checksum" in result.out
    assert "table body" in result.out
    assert "admin check" not in result.err
    assert "admin repair --to" in result.err


def test_backup_of_a_damaged_node(used):
    used.ok("admin", "backup", "copy.db")
    before = (used.folder / "copy.db").read_bytes()
    spoil(used.folder / "joule.db")
    result = used("admin", "backup", "copy.db", "--keep", "3")
    assert result.status == 1
    assert f"{used.folder}/joule.db" in result.err
    assert "copy.db" not in result.err
    assert (used.folder / "copy.db").read_bytes() == before
    assert not (used.folder / "copy.db.1").exists()


def test_earlier_backups_are_kept(used):
    for _ in range(4):
        used.ok("admin", "backup", "copy.db", "--keep", "2")
    assert sorted(file.name for file in used.folder.glob("copy*")) == [
        "copy.db",
        "copy.db.1",
        "copy.db.2",
    ]
    assert used("admin", "backup", "copy.db", "--keep", "2", "--no-clobber").status == 2
    assert used("admin", "backup", "copy.db", "--keep", "0").status == 2


def test_check_of_a_broken_tree(used):
    rows = "".join(f"{i} {i % 1000}\n" for i in range(5000))
    for name in ("y", "z", "w"):
        words = ("data", "write", f"/a/{name}", "--create", "float64[v]", "--accept-times")
        used.ok(*words, stdin=rows)
    with closing(opened(used.folder / "joule.db")) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'body'"
        root = connection.execute(query).get
    content = bytearray((used.folder / "joule.db").read_bytes())
    content[(root - 1) * 4096 : root * 4096] = bytes(4096)
    (used.folder / "joule.db").write_bytes(content)
    result = used("admin", "check", "--csv")
    assert result.status == 1
    assert "table body" in result.out
    assert "never used" not in result.out
    lines = result.out.splitlines()
    assert len(set(lines)) == len(lines)
    assert ",,the file is damaged" not in lines
    assert result.err == "'joule admin repair --to NEW' takes what is whole into a new file\n"


def test_restore_into_a_damaged_node(used):
    used.ok("admin", "backup", "copy.db")
    spoil(used.folder / "joule.db")
    result = used("admin", "restore", "copy.db", "--yes")
    assert result.status == 1
    assert f"{used.folder}/joule.db" in result.err.splitlines()[0]
    assert "Move the file of the node away" in result.err
    (used.folder / "joule.db").rename(used.folder / "damaged.db")
    used.ok("admin", "restore", "copy.db", "--yes")
    assert used.ok("admin", "check").startswith("OK: 1 stream, ")


def test_restore_of_a_damaged_backup(used):
    used.ok("admin", "backup", "copy.db")
    spoil(used.folder / "copy.db")
    result = used("admin", "restore", "copy.db", "--yes")
    assert result.status == 1
    assert "copy.db" in result.err
    assert used.ok("stream", "list", "--columns", "rows", "--no-header").strip() == "100"


def test_repair_takes_what_is_whole(used):
    rows = "".join(f"{i} {i % 1000}\n" for i in range(5000))
    used.ok("data", "write", "/a/y", "--create", "float32[v]", "--accept-times", stdin=rows)
    result = used("admin", "repair", "--to", "whole.db")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("whole.db: 2 streams, 5,100 rows, ")
    assert used("admin", "repair", "--to", "whole.db").status == 1
    assert used("admin", "repair").status == 2
    whole = ("--url", f"file:{used.folder}/whole.db")
    assert used.ok(*whole, "stream", "list") == "/a/x\n/a/y\n"
    # of another file, whose rows cannot be read
    large = "SELECT body_id FROM chunk ORDER BY n_rows DESC LIMIT 1"
    edit(used.folder / "whole.db", f"UPDATE body SET rows = x'00' WHERE id = ({large})")
    result = used("admin", "repair", "whole.db", "--to", "part.db", "--json")
    assert result.status == 3
    value = json.loads(result.out)
    assert (value["streams"], value["rows"]) == (2, 100)
    assert [(lost["path"], lost["lost"]) for lost in value["lost"]] == [("/a/y", "5,000 rows")]
    result = used("admin", "repair", "whole.db", "--to", "other.db", "--csv")
    assert result.out.startswith("path,start,end,lost\n/a/y,")
    assert "other.db: 2 streams, 100 rows" in result.err
    assert used(*whole, "admin", "check").status == 1
    assert used("--url", f"file:{used.folder}/part.db", "admin", "check").status == 0


def test_restore_refuses_what_is_no_node(used):
    (used.folder / "junk.db").write_bytes(b"junk" * 2000)
    assert used("admin", "restore", "junk.db", "--yes").status == 1
    assert used.ok("stream", "list") == "/a/x\n"


def test_compact(used):
    for start in range(1_000_000, 1_005_000, 1000):
        write_rows(used, "/a/x", [start])
    sizes = json.loads(used.ok("admin", "compact", "--json"))
    assert set(sizes) == {"bytes_before", "bytes_after"}
    assert " -> " in used.ok("admin", "compact")
    assert used.ok("stream", "list", "--columns", "rows", "--no-header").strip() == "105"
    assert used("admin", "check").status == 0


def test_a_node_without_a_file(joule):
    result = joule("admin", "check")
    assert result.status == 1
    assert "no file" in result.err


@pytest.fixture
def with_events(used):
    with_node(used, lambda node: put(node, "/a/e", [(0, 5, {"k": 1}), (9, None, {})]))
    return used


def test_check_counts_events(with_events):
    assert with_events.ok("admin", "check").endswith("100 rows, 1 event stream, 2 events\n")
    value = json.loads(with_events.ok("admin", "check", "--json"))
    assert (value["event_streams"], value["events"]) == (1, 2)
    edit(with_events.folder / "joule.db", "UPDATE event SET reach = 7 WHERE start = ?", T0)
    result = with_events("admin", "check", "--csv")
    assert result.status == 1
    assert result.out.splitlines()[1] == f"/a/e,{T0},event 1 is not found by its length"


def test_backup_erase_restore_with_events(with_events):
    with_events.ok("admin", "backup", "copy.db")
    assert "/a/e  2 events" in with_events("admin", "erase").err
    lines = with_events.ok("admin", "erase", "--dry-run", "--csv").splitlines()
    assert lines[2] == f"event_stream,/a/e,,{T0},{T0 + 9},2"
    with_events.ok("admin", "erase", "--yes")
    assert with_events.ok("folder", "list", "--flat") == ""
    with_events.ok("admin", "restore", "copy.db", "--yes")
    with_events.ok("admin", "compact")
    found = with_node(with_events, lambda node: got(node, "/a/e"))
    assert found == [(0, 5, {"k": 1}), (9, None, {})]
