from __future__ import annotations

import io
import random
import zipfile

import h5py
import numpy as np
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import ReadOptions
from joule_cli.formats.containers.foreign import foreign
from joule_cli.formats.containers.zipped import open_zip
from tests.formats.containers.support import failure, kept, names, read

CSV = b"timestamp,x\n" + b"".join(b"%d,%d\n" % (1_700_000_000_000_000 + i, i) for i in range(999))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.zip"


def opened(path, **given):
    return kept(open_zip(path, ReadOptions(**given)))


def save(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name.replace("__", "."), content)
    return path


def hdf5() -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as out:
        out["timestamp"] = [1, 2]
        out["data"] = [5.5, 6.5]
    return file.getvalue()


def test_the_only_file_is_read_as_what_it_is(path):
    container = opened(save(path, a__csv=CSV))
    assert names(container) == ["timestamp", "x"]
    assert container.name == str(path)
    assert "a.csv in a zip archive" in container.notes
    assert len(read(container)) == 999
    assert read(opened(save(path, a__jsonl=b'{"t": 1}\n{"t": 2}\n'))) == [[1], [2]]
    # without a suffix, by what it begins with
    assert read(opened(save(path, a=b'{"t": 1}\n{"t": 2}\n'))) == [[1], [2]]


def test_formats_that_go_to_and_fro(path):
    container = opened(save(path, a__h5=hdf5()))
    assert read(container) == [[1, 5.5], [2, 6.5]]


def test_what_macos_adds_does_not_count(path):
    with zipfile.ZipFile(path, "w") as out:
        out.mkdir("lab")
        out.writestr("lab/a.jsonl", b'{"t": 1}\n')
        out.writestr("__MACOSX/lab/._a.jsonl", b"x")
        out.writestr("lab/.DS_Store", b"x")
    assert read(opened(path)) == [[1]]


def test_an_open_file_stays_open(path):
    save(path, a__csv=CSV)
    with path.open("rb") as file:
        assert len(read(kept(open_zip(file, ReadOptions())))) == 999
        assert not file.closed


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "the archive is empty"),
        ({"a__csv": b"1", "b__csv": b"2"}, "the archive holds 2 files: a.csv, b.csv"),
        ({"a__zip": b"1"}, "the archive holds another archive"),
        ({"x__npy": b"1", "y__npy": b"1"}, "the file is a file of NumPy arrays, which is not read"),
        ({"word/document__xml": b"1", "b": b""}, "the file is a Word document, which is not read"),
        ({"mimetype": b"1", "content__xml": b""},
         "the file is an OpenDocument file, which is not read"),
        ({"a__csv": b""}, "the file is empty"),
    ],
)  # fmt: skip
def test_what_is_refused(path, members, reason):
    save(path, **members)
    assert failure(lambda: opened(path), path) == reason


def test_many_files_are_not_all_listed(path):
    save(path, **{f"f{i:02}": b"" for i in range(30)})
    assert failure(lambda: opened(path), path).endswith("f19 and 10 more")


def test_a_file_that_is_too_large(path, monkeypatch):
    monkeypatch.setattr("joule_cli.formats.containers.zipped._MOST_BYTES", 1000)
    said = "the file in the archive is too large: more than 0 GB"
    assert failure(lambda: opened(save(path, a__h5=hdf5())), path) == said


def test_what_is_no_archive(path):
    path.write_bytes(CSV)
    assert failure(lambda: opened(path), path) == "the file is no zip archive, or cut"


@pytest.mark.parametrize("suffix", ["csv", "h5"])
def test_damage_is_an_error_of_the_archive(path, suffix):
    draw = random.Random(1)
    content = hdf5() if suffix == "h5" else CSV + np.random.default_rng(1).bytes(99).hex().encode()
    whole = save(path, **{f"a__{suffix}": content}).read_bytes()
    errors = []
    for _ in range(100):
        changed = bytearray(whole)
        if draw.random() < 0.3:
            del changed[draw.randrange(len(changed)) :]
        for _ in range(draw.randint(0, 3)):
            if changed:
                changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            container = opened(path)
            list(container.batches())
        except FormatError as exc:
            errors.append(exc)
    assert {error.file for error in errors} == {str(path)}


# files that are not read


@pytest.mark.parametrize(
    ("head", "name", "reason"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls", "an Excel 97 workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.doc", "an old Office document"),
        (b"MATLAB 5.0 MAT-file, Platform", "a.mat", "a MATLAB 5 file"),
        (b"SQLite format 3\0", "home.db", "an SQLite database"),
        (b"%PDF-1.7", "a", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "a", "a PNG picture"),
        (b"7z\xbc\xaf\x27\x1c", "a", "a 7z archive"),
        (b"Rar!\x1a\x07\1", "a", "a RAR archive"),
        (b"BZh91AY", "a", "bzip2 data"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a", "a WAV recording"),
        (b"\x93NUMPY\1\0", "a", "an array of NumPy"),
        (bytes(257) + b"ustar\0", "a", "a tar archive"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML>", "a.csv", "an HTML page"),
        (b"<?xml version='1.0'?>", "a.csv", "an XML document"),
    ],
)
def test_files_are_named_for_what_they_are(head, name, reason):
    error = foreign(head, name)
    assert error.sentence() == f"{name}: the file is {reason}, which is not read"


@pytest.mark.parametrize(
    "head", [b"", b"timestamp,x\n", b"PK\3\4", b"{}", b"TDSm", b"1 2 3\n", b"\n"]
)
def test_other_files_are_not(head):
    assert foreign(head) is None


def test_the_remedy_for_old_workbooks():
    assert foreign(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls").hint == "save it as .xlsx or CSV"
