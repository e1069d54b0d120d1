from __future__ import annotations

import os
import stat
import threading

import pytest

from joule_cli.errors import FormatError
from joule_cli.formats.atomic import AtomicFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.csv"


def names(path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir())


def test_the_file_appears_when_it_is_complete(path):
    file = AtomicFile(path)
    file.open().write(b"new")
    assert names(path) == ["a.csv.part"]
    file.commit()
    assert names(path) == ["a.csv"]
    assert path.read_bytes() == b"new"
    file.discard()
    assert path.read_bytes() == b"new"


def test_discard_leaves_what_was(path):
    path.write_bytes(b"old")
    file = AtomicFile(path)
    file.open().write(b"new")
    file.discard()
    file.discard()
    assert names(path) == ["a.csv"]
    assert path.read_bytes() == b"old"


def test_a_left_over_part_file_is_replaced(path):
    path.with_name("a.csv.part").write_bytes(b"junk that is longer")
    file = AtomicFile(path)
    file.open().write(b"new")
    file.commit()
    assert path.read_bytes() == b"new"


def test_mode_and_link_are_kept(path):
    path.write_bytes(b"old")
    path.chmod(0o640)
    link = path.with_name("link.csv")
    link.symlink_to(path)
    file = AtomicFile(link)
    file.open().write(b"new")
    file.commit()
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_continuing(path):
    path.write_bytes(b"old")
    file = AtomicFile(path, append=True)
    assert file.continues
    file.open().write(b"+new")
    assert path.read_bytes() == b"old"
    file.commit()
    assert path.read_bytes() == b"old+new"
    fresh = AtomicFile(path.with_name("b"), append=True)
    assert not fresh.continues
    fresh.discard()


def test_a_file_that_appears_meanwhile_is_kept(path):
    file = AtomicFile(path, no_clobber=True)
    file.open().write(b"new")
    path.write_bytes(b"from elsewhere")
    with pytest.raises(FormatError, match="the file exists already"):
        file.commit()
    assert path.read_bytes() == b"from elsewhere"
    assert names(path) == ["a.csv"]


def test_a_new_file_with_no_clobber(path):
    file = AtomicFile(path, no_clobber=True)
    file.open().write(b"new")
    file.commit()
    assert names(path) == ["a.csv"]


def test_a_named_pipe_is_written_directly(path):
    os.mkfifo(path)
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(path.read_bytes()))
    thread.start()
    file = AtomicFile(path)
    assert file.direct
    file.open().write(b"rows")
    file.commit()
    thread.join(5)
    assert got == [b"rows"]
    assert names(path) == ["a.csv"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_directory(tmp_path):
    with pytest.raises(FormatError) as caught:
        AtomicFile(tmp_path)
    assert caught.value.sentence() == f"{tmp_path}: is a directory, not a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_must_not_be_written(path):
    path.write_bytes(b"old")
    path.chmod(0o440)
    with pytest.raises(FormatError) as caught:
        AtomicFile(path)
    assert caught.value.sentence() == f"{path}: permission denied"


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(FormatError, match="name too long"):
        AtomicFile(tmp_path / ("x" * 300))
