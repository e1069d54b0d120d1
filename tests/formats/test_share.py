"""The share of a file that is done: of its bytes on disk, or of its rows; never guessed."""

from __future__ import annotations

import gzip
import os
from contextlib import closing
from itertools import pairwise

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.formats import ReadOptions, WriteOptions, open_reader, open_writer, source
from joule_cli.formats.events import EventWriteOptions, open_event_reader, open_event_writer
from joule_cli.formats.source import ByteSource, LineBlocks
from joule_cli.formats.table import order
from joule_cli.model import Event
from tests.contracts.format_contract import make_head, make_rows

ROWS = 150_000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    # a file of some MB has many of them
    monkeypatch.setattr(source, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(order, "_BLOCK_ROWS", 1 << 11)


def shares(reader):
    """The share after each block, and after all of them."""
    with reader:
        found = [reader.share for block in reader.blocks() if block is not None]
        return [*found, reader.share]


def assert_honest(found, least):
    """Check that shares rise steadily up to the end."""
    assert found[-1] == 1
    assert all(a <= b for a, b in pairwise(found))
    assert 0 < found[0] < 0.6
    assert len(set(found)) >= least


def noise(n):
    rows = make_rows(n)
    rows["data"] = np.random.default_rng(1).random(rows["data"].shape)
    return rows


def write(path, **options):
    with open_writer(path, make_head(), options=WriteOptions(**options)) as writer:
        writer.write(noise(ROWS))


@pytest.mark.parametrize("end", ["", ".gz", ".zst"])
@pytest.mark.parametrize("suffix", [".txt", ".csv", ".tsv", ".json", ".jsonl"])
def test_of_text_bytes_on_disk_count(tmp_path, suffix, end):
    path = tmp_path / f"a{suffix}{end}"
    write(path)
    # a document of JSON is read in larger pieces
    assert_honest(shares(open_reader(path)), 3 if suffix == ".json" else 15)


@pytest.mark.parametrize("suffix", [".h5", ".parquet", ".arrow", ".arrows"])
def test_of_columns_rows_count(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write(path)
    found = shares(open_reader(path))
    assert_honest(found, 3)
    # blocks of 65,536 rows
    if suffix != ".arrows":
        assert found[0] == pytest.approx(65_536 / ROWS, abs=0.11)


def test_a_batch_of_all_rows_is_given_bit_by_bit(tmp_path):
    pa = pytest.importorskip("pyarrow")
    rows = noise(ROWS)
    table = pa.table({"timestamp": rows["timestamp"], "x": rows["data"][:, 0]})
    for create in (pa.ipc.new_file, pa.ipc.new_stream):
        with create(str(tmp_path / "a.arrow"), table.schema) as out:
            out.write_batch(table.to_batches()[0])
        found = shares(open_reader(tmp_path / "a.arrow"))
        assert found == pytest.approx([65_536 / ROWS, 131_072 / ROWS, 1, 1], abs=0.02)


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl"])
def test_of_events_bytes_on_disk_count(tmp_path, suffix, end):
    path = tmp_path / f"e{suffix}{end}"
    with open_event_writer(path, options=EventWriteOptions()) as writer:
        writer.write([Event(i, i + 1, {"power": i * 0.7}) for i in range(30_000)])
    assert_honest(shares(open_event_reader(path)), 5)


def test_what_stands_before_the_rows_does_not_count_as_rows(tmp_path):
    write(tmp_path / "a.csv")
    with open_reader(tmp_path / "a.csv", options=ReadOptions()) as reader:
        # the head is read, and a block with it
        assert reader.share < 0.001


def test_an_open_file_counts_from_where_it_stands(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 1_000_000 + b"".join(b"%d 1\n" % i for i in range(100_000)))
    with path.open("rb") as file:
        file.seek(1_000_000)
        assert_honest(shares(open_reader(file, "text")), 10)


def test_nobody_knows_the_end_of_a_pipe(tmp_path):
    ours, theirs = os.pipe()
    os.write(theirs, b"1 1\n2 2\n")
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        assert set(shares(open_reader(pipe, "text"))) == {None}
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        file.write(b"1 1\n2 2\n")
    # what unpacks the file does not tell its size
    with gzip.open(tmp_path / "a.gz") as file:
        assert set(shares(open_reader(file, "text"))) == {None}


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=30),
    st.sampled_from(["plain", "gzip", "zstd", "utf-16"]),
    st.data(),
)
def test_the_share_never_falls(tmp_path_factory, lengths, kind, data):
    text = "".join("ab" * (n // 2) + "\n" for n in lengths)
    packed = {
        "plain": text.encode(),
        "gzip": gzip.compress(text.encode()),
        "zstd": zstandard.compress(text.encode()),
        "utf-16": text.encode("utf-16"),
    }[kind]
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(packed)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(source, "BLOCK_BYTES", 512)
        with closing(ByteSource(path, "utf-16" if kind == "utf-16" else "utf-8")) as opened:
            lines = LineBlocks(opened)
            found = [lines.share]
            while block := lines.block():
                # lines that are given back do not count
                cut = block.find(b"\n", data.draw(st.integers(0, len(block) - 1))) + 1
                lines.put_back(block[cut:])
                found.append(lines.share)
            found.append(lines.share)
    assert found == sorted(found)
    assert found[-1] == 1
