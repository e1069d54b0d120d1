"""The stored nodes."""

import json
import os
import pwd
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from joule_cli.api.registry import NodeEntry, Registry, default_directory
from joule_cli.errors import ConfigurationError

#: As Joule 1.0.1 writes it.
STORED = """[
  {
    "name": "pumphouse",
    "url": "http://192.0.2.10:8088",
    "key": "secret"
  },
  {
    "name": "lab",
    "url": "file:/data/lab.db",
    "key": "",
    "color": "blue"
  }
]"""
LAB = NodeEntry("lab", "file:/data/lab.db", "", {"color": "blue"})

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand files over")


@pytest.fixture
def registry(tmp_path):
    directory = tmp_path / "config"
    directory.mkdir()
    (directory / "nodes.json").write_text(STORED)
    return Registry(directory)


@pytest.fixture
def empty(tmp_path):
    return Registry(tmp_path / "none" / "yet")


def names(registry):
    return [entry.name for entry in registry.nodes()]


def stored(registry):
    return json.loads((registry.directory / "nodes.json").read_text())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_reads_what_joule_wrote(registry):
    assert registry.nodes() == [NodeEntry("pumphouse", "http://192.0.2.10:8088", "secret"), LAB]
    assert registry.get("lab") == LAB


def test_the_key_does_not_show_in_a_traceback(registry):
    assert "secret" not in repr(registry.nodes())


def test_reading_creates_nothing(empty):
    assert empty.nodes() == []
    assert empty.default() is None
    with pytest.raises(ConfigurationError):
        empty.get("a")
    assert not empty.directory.parent.exists()


def test_reading_writes_nothing(registry):
    assert registry.default().name == "pumphouse"
    assert [p.name for p in registry.directory.iterdir()] == ["nodes.json"]
    assert (registry.directory / "nodes.json").read_text() == STORED


def test_changes_that_fail_create_nothing(empty):
    for change in (
        lambda: empty.delete("a"),
        lambda: empty.set_default("a"),
        lambda: empty.rename("a", "b"),
        lambda: empty.save(NodeEntry("", "file:/a")),
        lambda: empty.save(NodeEntry("a", "")),
    ):
        with pytest.raises(ConfigurationError):
            change()
    assert not empty.directory.parent.exists()


def test_save_makes_private_files(empty):
    before = os.umask(0)
    try:
        empty.save(NodeEntry("a", "file:/a"))
        empty.set_default("a")
    finally:
        os.umask(before)
    assert mode(empty.directory) == 0o700
    assert {p.name: mode(p) for p in empty.directory.iterdir()} == {
        "nodes.json": 0o600,
        "default_node.txt": 0o600,
    }
    assert (empty.directory / "default_node.txt").read_text() == "a\n"


def test_the_format_is_that_of_joule(empty):
    empty.save(NodeEntry("häuschen", "file:/a", "k"))
    assert (empty.directory / "nodes.json").read_text() == (
        '[\n  {\n    "name": "häuschen",\n    "url": "file:/a",\n    "key": "k"\n  }\n]\n'
    )


def test_save_replaces_in_place_and_keeps_unknown_keys(registry):
    registry.save(NodeEntry("lab", "file:/new.db", "k"))
    registry.save(NodeEntry("third", "file:/3.db"))
    assert stored(registry)[1] == {
        "name": "lab",
        "url": "file:/new.db",
        "key": "k",
        "color": "blue",
    }
    assert names(registry) == ["pumphouse", "lab", "third"]


def test_delete(registry):
    registry.delete("pumphouse")
    assert registry.nodes() == [LAB]
    with pytest.raises(ConfigurationError, match=r"Node \[pumphouse\] does not exist"):
        registry.delete("pumphouse")


def test_default_is_the_chosen_one_else_the_first(registry):
    registry.set_default("lab")
    assert registry.default() == LAB
    registry.delete("lab")
    assert registry.default().name == "pumphouse"


def test_only_stored_nodes_can_be_the_default(registry):
    with pytest.raises(ConfigurationError, match=r"view nodes with \[joule node list\]"):
        registry.set_default("mars")


def test_the_default_file_can_be_chosen_and_no_stored_node_is_then_the_default(registry):
    registry.set_default("local")
    assert registry.default() is None
    registry.save(NodeEntry("local", "http://here"))
    assert registry.default().url == "http://here"


def test_rename_keeps_place_default_and_unknown_keys(registry):
    registry.set_default("lab")
    registry.rename("lab", "bench")
    assert names(registry) == ["pumphouse", "bench"]
    assert registry.default() == NodeEntry("bench", LAB.url, "", {"color": "blue"})
    registry.rename("bench", "bench")
    assert registry.default().name == "bench"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("mars", "venus", "does not exist"),
        ("lab", "pumphouse", "exists already"),
        ("lab", "", "may not be empty"),
        ("lab", " x", "no blanks"),
        ("lab", "a\nb", "no control characters"),
    ],
)
def test_rename_refused(registry, old, new, reason):
    with pytest.raises(ConfigurationError, match=reason):
        registry.rename(old, new)
    assert (registry.directory / "nodes.json").read_text() == STORED


def test_an_unknown_name_says_how_to_add_it(registry):
    with pytest.raises(ConfigurationError, match=r"Node \['mars'\] is not available"):
        registry.get("mars")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[\n  {"name": "a",\n   "url" "b"}\n]', "line 3 column 10"),
        (b"[", "line 1 column 2"),
        (b"{}", "not a list"),
        (b"[5]", "entry 1 is not an object"),
        (b'[{"name": "a", "url": "b"}, {"name": "a"}]', "entry 2 needs"),
        (b'[{"name": 5, "url": "b"}]', "entry 1 needs"),
        (b'[{"name": "a", "url": "b", "key": 7}]', "entry 1 needs"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_broken_file_is_named_and_left_alone(registry, content, reason):
    path = registry.directory / "nodes.json"
    path.write_bytes(content)
    for use in (registry.nodes, registry.default, lambda: registry.save(LAB)):
        with pytest.raises(ConfigurationError, match=reason) as caught:
            use()
        assert str(path) in caught.value.message
    assert path.read_bytes() == content


def test_an_empty_file_holds_no_nodes(registry):
    (registry.directory / "nodes.json").write_text("\n")
    assert registry.nodes() == []


def test_a_missing_key_is_empty(registry):
    (registry.directory / "nodes.json").write_text('[{"name": "a", "url": "b", "key": null}]')
    assert registry.nodes() == [NodeEntry("a", "b")]


def test_a_directory_in_place_of_the_file(empty):
    (empty.directory / "nodes.json").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="Cannot read"):
        empty.nodes()


def test_a_file_in_place_of_the_directory(tmp_path):
    (tmp_path / "config").write_text("")
    registry = Registry(tmp_path / "config")
    assert registry.nodes() == []
    with pytest.raises(ConfigurationError, match="Cannot write"):
        registry.save(LAB)


def test_a_linked_file_stays_a_link(registry, tmp_path):
    path, kept = registry.directory / "nodes.json", tmp_path / "dotfiles.json"
    path.rename(kept)
    path.symlink_to(kept)
    registry.delete("pumphouse")
    assert path.is_symlink()
    assert [entry["name"] for entry in json.loads(kept.read_text())] == ["lab"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config", "dotfiles.json"]


def test_a_failed_write_leaves_the_old_file_and_no_other(registry, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match="No space left"):
        registry.delete("lab")
    assert [p.name for p in registry.directory.iterdir()] == ["nodes.json"]
    assert (registry.directory / "nodes.json").read_text() == STORED


def test_processes_that_save_at_once_lose_nothing(empty):
    code = (
        "import sys; from pathlib import Path\n"
        "from joule_cli.api.registry import NodeEntry, Registry\n"
        "for i in range(20):\n"
        "    Registry(Path(sys.argv[1])).save(NodeEntry(f'{sys.argv[2]}-{i}', 'file:/a'))\n"
    )

    def save_many(number):
        command = [sys.executable, "-c", code, str(empty.directory), str(number)]
        subprocess.run(command, check=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save_many, range(4)))
    assert sorted(names(empty)) == sorted(f"{n}-{i}" for n in range(4) for i in range(20))


@needs_root
def test_under_sudo_the_files_go_to_the_caller(tmp_path):
    directory = tmp_path / "config"
    environ = {
        "JOULE_USER_CONFIG_DIR": str(directory),
        "SUDO_USER": "someone",
        "SUDO_UID": "1234",
        "SUDO_GID": "2345",
    }
    registry = Registry.from_environment(environ)
    registry.save(LAB)
    registry.set_default("lab")
    for path in (directory, directory / "nodes.json", directory / "default_node.txt"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


@needs_root
def test_under_sudo_a_directory_that_exists_keeps_its_owner(registry):
    Registry(registry.directory, owner=(1234, 2345)).save(LAB)
    assert registry.directory.stat().st_uid == 0
    assert (registry.directory / "nodes.json").stat().st_uid == 1234


@pytest.mark.parametrize("uid", ["", "x", "-1"])
def test_strange_sudo_variables_are_ignored(tmp_path, uid):
    environ = {"JOULE_USER_CONFIG_DIR": str(tmp_path / "c"), "SUDO_USER": "a", "SUDO_UID": uid}
    Registry.from_environment(environ).save(LAB)
    assert (tmp_path / "c" / "nodes.json").stat().st_uid == os.geteuid()


class TestDirectory:
    def test_variable_wins(self, tmp_path):
        environ = {"JOULE_USER_CONFIG_DIR": "/etc/here", "HOME": str(tmp_path)}
        assert default_directory(environ) == Path("/etc/here")

    def test_home(self, tmp_path):
        assert default_directory({"HOME": str(tmp_path)}) == tmp_path / ".joule"

    def test_xdg_only_if_there_and_home_is_not(self, tmp_path):
        home, xdg = tmp_path / "home", tmp_path / "xdg"
        environ = {"HOME": str(home), "XDG_CONFIG_HOME": str(xdg)}
        assert default_directory(environ) == home / ".joule"
        (xdg / "joule").mkdir(parents=True)
        assert default_directory(environ) == xdg / "joule"
        (home / ".joule").mkdir(parents=True)
        assert default_directory(environ) == home / ".joule"

    def test_without_home_the_user_database_knows(self):
        home = pwd.getpwuid(os.getuid()).pw_dir
        assert default_directory({}) == Path(home) / ".joule"

    def test_a_user_that_nobody_knows(self, monkeypatch):
        monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
        assert default_directory({"APPDATA": "/app"}) == Path("/app/.joule")
        with pytest.raises(ConfigurationError, match="specify JOULE_USER_CONFIG_DIR"):
            default_directory({})
