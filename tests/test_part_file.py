"""Files that are written beside their place, by several processes at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from joule_cli.part_file import PartFile, lock_folder, make_folder, write_whole

_OWNER = """
import sys
from pathlib import Path
from joule_cli.part_file import PartFile
part = PartFile(Path(sys.argv[1]))
part.path.write_bytes(b"unfinished")
print(part.path.name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def target(tmp_path):
    return tmp_path / "a.csv"


@pytest.fixture
def own(target):
    """Starts processes that own a part file."""
    processes = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", _OWNER, target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def names(target) -> list[str]:
    return sorted(entry.name for entry in target.parent.iterdir())


def kill(process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_owners_at_the_same_time_have_a_file_each(target):
    first, second = PartFile(target), PartFile(target)
    assert names(target) == ["a.csv.1.part", "a.csv.part"]
    second.path.write_bytes(b"second")
    first.path.write_bytes(b"first, and longer")
    second.commit()
    assert target.read_bytes() == b"second"
    first.commit()
    assert target.read_bytes() == b"first, and longer"
    assert names(target) == ["a.csv"]


def test_the_part_file_of_a_living_process_stays(own, target):
    _, name = own()
    assert name == "a.csv.part"
    write_whole(target, b"mine")
    assert names(target) == ["a.csv", "a.csv.part"]
    assert target.with_name(name).read_bytes() == b"unfinished"


def test_part_files_of_killed_processes_are_removed(own, target):
    owners = [own() for _ in range(3)]
    assert names(target) == ["a.csv.1.part", "a.csv.2.part", "a.csv.part"]
    # the others stay: the lowest number is free, and one in the middle
    kill(owners[1][0])
    kill(owners[0][0])
    part = PartFile(target)
    assert names(target) == ["a.csv.2.part", "a.csv.part"]
    kill(owners[2][0])
    part.commit()
    assert names(target) == ["a.csv"]


def test_one_of_an_older_version_is_removed(target):
    target.with_name("a.csv.part").write_bytes(b"left over")
    target.with_name("a.csv.part-wal").write_bytes(b"left over")
    write_whole(target, b"new")
    assert names(target) == ["a.csv"]


def test_what_is_no_file_stays(target):
    target.with_name("a.csv.part").mkdir()
    target.with_name("a.csv.1.part").symlink_to(target)
    write_whole(target, b"new")
    assert names(target) == ["a.csv", "a.csv.1.part", "a.csv.part"]


def test_discard_leaves_what_was(target):
    target.write_bytes(b"old")
    part = PartFile(target)
    part.path.write_bytes(b"new")
    part.discard()
    part.discard()
    assert names(target) == ["a.csv"]
    assert target.read_bytes() == b"old"


def test_without_replacing_the_first_one_stays(target):
    part = PartFile(target)
    target.write_bytes(b"from elsewhere")
    with pytest.raises(FileExistsError):
        part.commit(replace=False)
    assert names(target) == ["a.csv"]
    assert target.read_bytes() == b"from elsewhere"


def test_mode(target):
    write_whole(target, b"key", mode=0o600)
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_leaves_nothing(target):
    target.mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(target, b"new")
    assert names(target) == ["a.csv"]


@pytest.mark.parametrize("durable", [True, False])
def test_file_and_folder_are_flushed(target, monkeypatch, durable):
    flushed = []
    fsync = os.fsync

    def flush(descriptor):
        fsync(descriptor)
        place = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        flushed.append((place, target.exists()))

    monkeypatch.setattr(os, "fsync", flush)
    write_whole(target, b"new", durable=durable)
    # the file before it has its name, the folder after that
    both = [(f"{target}.part", False), (str(target.parent), True)]
    assert flushed == (both if durable else [])


def test_folders_are_flushed_too(tmp_path, monkeypatch):
    flushed = []
    fsync = os.fsync

    def flush(descriptor):
        fsync(descriptor)
        flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    monkeypatch.setattr(os, "fsync", flush)
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert sorted(flushed) == [str(tmp_path), str(tmp_path / "a")]


def test_a_lock_on_a_folder_keeps_others_waiting(tmp_path):
    held = lock_folder(tmp_path)
    code = "import sys; from pathlib import Path; from joule_cli.part_file import lock_folder;"
    code += "print('asked', flush=True); lock_folder(Path(sys.argv[1])); print('got', flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "asked\n"
        assert other.poll() is None
        os.close(held)
        assert other.stdout.readline() == "got\n"
