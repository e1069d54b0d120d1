"""joule node, and which node commands use"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def test_an_empty_registry_is_an_empty_list(joule):
    assert joule.ok("node", "list").split() == ["default", "name", "url"]
    assert joule.ok("node", "list", "--json") == "[]\n"
    assert joule.ok("node", "default") == "local\n"
    assert not (joule.folder / "config").exists()


def test_add_list_default_rename_delete(joule):
    assert joule.ok("node", "add", "lab", "lab.db") == "Added node [lab]\n"
    joule.ok("node", "add", "home", "file:home.db", "--default")
    nodes = json.loads(joule.ok("node", "list", "--json"))
    assert [(n["name"], n["default"]) for n in nodes] == [("lab", False), ("home", True)]
    assert nodes[0]["url"] == f"file:{joule.folder}/lab.db"
    assert joule.ok("node", "default") == "home\n"
    joule.ok("node", "default", "lab")
    joule.ok("node", "rename", "lab", "works")
    assert joule.ok("node", "default") == "works\n"
    assert joule.ok("node", "list", "--no-header").splitlines()[0].split()[:2] == ["*", "works"]
    assert joule("node", "delete", "works", "nope").status == 1
    assert "works" in joule.ok("node", "delete", "works", "--dry-run")
    assert joule.ok("node", "delete", "works", "home") == "Removed node [works, home]\n"
    assert joule.ok("node", "list", "--json") == "[]\n"


def test_a_person_is_told_which_node_has_become_the_default(joule):
    told = "[lab] is the default node now; your own file again with: joule node default local\n"
    added = joule.terminal("node", "add", "lab", "lab.db", columns=100)
    assert (added.status, added.out) == (0, f"Added node [lab]\n{told}")
    # not again, not of another, and not if it was asked for
    assert joule.terminal("node", "add", "lab", "lab.db").out == "Added node [lab]\n"
    other = json.loads(joule.ok("node", "add", "other", "other.db", "--json"))
    assert (other["name"], other["default"]) == ("other", False)
    again = joule.terminal("node", "add", "third", "third.db", "--default", "--json").json()
    assert again["default"] is True
    assert joule.ok("node", "default") == "third\n"


def test_the_own_file_can_be_the_default_beside_stored_nodes(joule):
    joule.ok("node", "default", "local")
    joule.ok("node", "add", "lab", "lab.db")
    joule.ok("folder", "create", "/there", "--node", "lab")
    joule.ok("folder", "create", "/here")
    assert joule.ok("folder", "list", "--flat") == "/here\n"
    listed = json.loads(joule.ok("node", "list", "--json"))
    assert [(each["name"], each["default"]) for each in listed] == [("local", True), ("lab", False)]
    assert listed[0]["url"].endswith("joule.db")
    joule.ok("node", "default", "lab")
    assert joule.ok("folder", "list", "--flat") == "/there\n"
    assert [each["name"] for each in json.loads(joule.ok("node", "list", "--json"))] == ["lab"]
    # an end of a copy without a node is on the default one
    joule.ok("folder", "copy", "lab:/", "local:/copied")
    assert "/copied" in joule.ok("folder", "list", "--flat", "--node", "local").split()


def test_the_own_file_keeps_its_name(joule):
    for words in (("add", "local", "lab.db"), ("add", "local", "http://127.0.0.1:1", "--no-check")):
        refused = joule("node", *words)
        assert (refused.status, refused.out) == (1, "")
        assert refused.err == (
            "Error: local is always the node in your own file\nChoose another name.\n"
        )
    joule.ok("node", "add", "lab", "lab.db")
    assert joule("node", "rename", "lab", "local").status == 1
    assert [each["name"] for each in json.loads(joule.ok("node", "list", "--json"))] == ["lab"]


@pytest.mark.parametrize(
    "line",
    ["stream list", "folder list", "data read /a/x", "node info", "db query 'SELECT 1'"],
)
def test_a_path_whose_folder_does_not_exist_is_refused(joule, line):
    (joule.folder / "nodes").mkdir()
    words = shlex.split(line)
    refused = joule("--url", "file:node/lab.db", *words)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == (
        f"Error: the folder of the node does not exist: {joule.folder}/node/lab.db\n"
        f"Did you mean {joule.folder}/nodes?\n"
    )
    assert joule(*words, env={"JOULE_DATA_DIR": str(joule.folder / "no/data")}).status == 1
    assert joule("node", "add", "lab", "node/lab.db").status == 1
    # a file that is still to be made is an empty node, as the folder of the data is
    joule.ok("--url", "file:nodes/lab.db", "stream", "list")
    joule.ok("stream", "list", env={"JOULE_DATA_DIR": str(joule.folder / "data")})
    joule.ok("stream", "list", env={"HOME": str(joule.folder / "home"), "JOULE_DATA_DIR": ""})
    joule.ok("--url", "file:node/lab.db", "folder", "create", "/made")
    assert joule.ok("--url", "file:node/lab.db", "folder", "list", "--flat") == "/made\n"


def test_check_tells_what_does_not_answer(joule):
    joule.ok("node", "add", "good", "good.db")
    (joule.folder / "bad.db").write_text("this is not a database, but long enough to look" * 40)
    refused = joule("node", "add", "bad", "bad.db")
    assert refused.status == 1
    joule.ok("node", "add", "bad", "bad.db", "--no-check")
    nodes = json.loads(joule.ok("node", "list", "--check", "--json"))
    assert [n["status"] for n in nodes] == ["ok", "error"]
    assert nodes[0]["version"]
    assert nodes[1]["error"]


def test_an_existing_name_asks_a_person_and_is_replaced_otherwise(joule):
    joule.ok("node", "add", "lab", "one.db")
    shown = joule.terminal("node", "add", "lab", "two.db", typed="n\r", when="[y/N]")
    assert "Replace the stored node lab" in shown.out
    assert "one.db" in joule.ok("node", "list")
    joule.ok("node", "add", "lab", "two.db")
    assert "two.db" in joule.ok("node", "list")


def test_an_address_that_nothing_serves(joule):
    result = joule("node", "add", "far", "gopher://far.example")
    assert result.status == 1
    assert "gopher" in result.err


def test_which_node_is_used(joule):
    joule.ok("node", "add", "lab", "lab.db")
    joule.ok("-n", "lab", "folder", "create", "/lab")
    joule.ok("--url", "file:other.db", "folder", "create", "/other")
    assert joule.ok("folder", "list", "--flat") == "/lab\n"
    assert joule.ok("folder", "list", "--flat", "--url", "other.db") == "/other\n"
    env = {"JOULE_URL": "file:other.db"}
    assert joule.ok("folder", "list", "--flat", env=env) == "/other\n"
    assert joule.ok("folder", "list", "--flat", "--node", "lab", env=env) == "/lab\n"
    assert joule.ok("folder", "list", "--flat", env={"JOULE_NODE": "lab"}) == "/lab\n"
    assert joule("folder", "list", "--node", "nope").status == 1


def test_info(joule):
    joule.ok("folder", "create", "/a")
    value = json.loads(joule.ok("node", "info", "--json"))
    assert value["path"] == str(joule.folder / "joule.db")
    assert value["size_db"] > 0
    block = joule.ok("node", "info")
    for label in ("Server Version", "Database Location", "Database Size", "Space Available"):
        assert f"{label}:" in block


def test_a_broken_registry_is_one_line(joule):
    (joule.folder / "config").mkdir()
    (joule.folder / "config" / "nodes.json").write_text("[{")
    result = joule("node", "list")
    assert result.status == 1
    assert "nodes.json" in result.err
    assert "Traceback" not in result.err


def arguments(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]


@pytest.mark.parametrize(
    "words",
    [
        ["node", "add", "far", "URL", "SECRET"],
        ["--url", "URL", "master", "add", "user", "bob", "--key", "SECRET"],
        ["--url", "URL", "master", "add", "user", "bob", "--key=SECRET"],
        ["--url", "URL", "master", "add", "user", "bob", "-kSECRET"],
    ],
    ids=" ".join,
)
def test_a_key_in_an_argument_is_hidden_and_warned_of(joule, words):
    secret = "s3cret-0123456789-0123456789-0123456789"
    # a node that takes the connection and says nothing, so that the program is there to be seen
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        line = [word.replace("SECRET", secret).replace("URL", url) for word in words]
        program = [sys.executable, "-m", "joule_cli", *line]
        with subprocess.Popen(
            program, env=joule.environment(), cwd=joule.folder, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                connection, _ = silent.accept()
                with connection:
                    shown = arguments(process.pid)
                    warning = process.stderr.readline()
            finally:
                process.kill()
    assert secret.encode() not in b" ".join(shown)
    assert shown[-1].endswith(b"*" * len(secret))
    assert [len(word) for word in shown] == [len(word.encode()) for word in program]
    assert warning.startswith("Warning: other users of this machine can see keys in arguments")
    assert secret not in warning


def test_a_key_from_elsewhere_is_not_warned_of(joule):
    (joule.folder / "key").write_text("k" * 40)
    out = joule("node", "add", "far", "http://127.0.0.1:1", "--no-check", "--key-file", "key")
    assert (out.status, out.err) == (0, "")
