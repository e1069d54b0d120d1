from __future__ import annotations

import gzip
import io
import subprocess
import sys

import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import FORMATS, WriteOptions, format_of, open_reader, open_writer
from joule_cli.formats.registry import sniff
from joule_cli.formats.source import ByteSource
from tests.contracts.format_contract import SMALL, joined, make_head, make_rows


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.h5", "hdf5"), ("a.HDF5", "hdf5"), ("a.hdf", "hdf5"), ("a.csv", "csv"),
        ("a.tsv", "tsv"), ("a.jsonl", "jsonl"), ("a.ndjson", "jsonl"), ("a.json", "json"),
        ("a.txt", "text"), ("a.dat", "text"), ("a.csv.gz", "csv"), ("a.b.jsonl.zst", "jsonl"),
        ("a.gz", None), ("a.h5.gz", None), ("a", None),
        ("a.parquet", "parquet"), ("a.PQ", "parquet"), ("a.arrow", "arrow"),
        ("a.feather", "arrow"), ("a.arrows", "arrow"), ("a.parquet.gz", None),
        ("a.xlsx", "excel"), (".csv", None),
        ("dir.csv/a", None),
    ],
)  # fmt: skip
def test_suffixes(name, expected):
    assert format_of(name) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1 2 3\n", "text"),
        (b"\n# note, with a comma\n1 2\n", "text"),
        (b"1,2\n", "csv"),
        (b"time;a\n", "csv"),
        (b"time\ta\n", "csv"),
        (b"# x\ntimestamp,a\n", "csv"),
        (b'{"timestamp": 1, "data": 2}\n', "jsonl"),
        (b"[1, 2]\n[2, 3]\n", "jsonl"),
        (b"null\n[2, 3]\n", "jsonl"),
        (b'{"stream": {}, "data": [[1, 2]]}', "json"),
        (b'{"stream": {},\n"data": []}', "json"),
        (b"[[1, 2]]", "json"),
        (b"[\n[1, 2]]", "json"),
        (b"[[1, 2], " + b"[3, 4], " * 300_000, "json"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (b"PAR1\x15\x04", "parquet"),
        (b"P", "text"),
        (b"ARROW1\0\0", "arrow"),
        (b"\xff\xff\xff\xff\x10\0\0\0", "arrow"),
        (gzip.compress(b"1,2\n", mtime=0), "csv"),
        (b"1 2", "text"),
    ],
)  # fmt: skip
def test_the_first_line_tells_the_format(text, expected):
    source = ByteSource(io.BytesIO(text))
    assert sniff(source) == expected


def test_a_named_file_of_unknown_suffix(tmp_path):
    path = tmp_path / "rows"
    for name in ("text", "csv", "tsv", "jsonl", "json", "hdf5", "parquet", "arrow"):
        with open_writer(path, make_head(), name) as writer:
            writer.write(make_rows(2))
        with open_reader(path) as reader:
            assert len(joined(reader, SMALL if FORMATS[name].binary else reader.head.layout)) == 2


def test_hdf5_is_written_without_a_suffix(tmp_path):
    open_writer(tmp_path / "rows", make_head()).close()
    assert (tmp_path / "rows").read_bytes().startswith(b"\x89HDF")


def test_an_unknown_format(tmp_path):
    with pytest.raises(FormatError, match="there is no format 'xlsx', only text, csv, tsv"):
        open_reader(tmp_path / "a", "xlsx")
    with pytest.raises(FormatError, match="there is no format 'xlsx'"):
        open_writer(tmp_path / "a", make_head(), "xlsx")


def test_compression_can_be_named(tmp_path):
    path = tmp_path / "a.csv"
    with open_writer(path, make_head(), options=WriteOptions(compression="gzip:9")) as writer:
        writer.write(make_rows(3))
    assert gzip.decompress(path.read_bytes()).startswith(b"timestamp,e0,e1\n")
    for bad in ("lzf", "gzip:a", "rar"):
        with pytest.raises(FormatError, match="compression"):
            open_writer(path, make_head(), options=WriteOptions(compression=bad))


def test_members_of_gzip_follow_each_other():
    data = gzip.compress(b"1 1\n2 ") + gzip.compress(b"") + gzip.compress(b"2\n") + b"\0" * 600
    with open_reader(io.BytesIO(data)) as reader:
        assert len(joined(reader, reader.head.layout)) == 2
    with pytest.raises(FormatError, match="the gzip data is damaged"):
        open_reader(io.BytesIO(data + b"more"))


def test_only_what_is_needed_is_imported():
    program = (
        "import sys, joule_cli.formats as f, io\n"
        "list(f.open_reader(io.BytesIO(b'1,2\\n')))\n"
        "assert 'joule_cli.formats.containers.delimited' in sys.modules\n"
        "heavy = {'h5py', 'pyarrow', 'joule_cli.formats.containers.json', 'aiohttp'}\n"
        "print([m for m in sys.modules if m in heavy])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_package_that_is_missing_is_named(tmp_path):
    program = (
        "import sys\n"
        "sys.modules['pyarrow'] = None\n"
        "from joule_cli.errors import MissingExtraError\n"
        "from joule_cli.formats import open_reader, open_writer\n"
        "for name in ('a.parquet', 'a.arrow'):\n"
        "    try:\n"
        "        open_reader(name)\n"
        "    except MissingExtraError as exc:\n"
        "        print(exc.message, exc.hint, sep=': ')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout.splitlines() == [
        f"{title} files need pyarrow, which is not installed: "
        "install it with: pip install 'joule-cli[parquet]'"
        for title in ("Parquet", "Arrow")
    ], done.stderr
