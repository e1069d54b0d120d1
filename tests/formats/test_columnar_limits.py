"""Parquet and Arrow files that unpack to far more than they are."""

from __future__ import annotations

import io
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats import columnar_limits
from joule_cli.formats.columnar_limits import check_arrow, check_message, check_parquet

MANY = 40_000_000  # rows: 320 MB, which pack to some kB


def table(rows: int, value: float = 0.0) -> pa.Table:
    return pa.table({"t": np.arange(rows), "x": np.full(rows, value), "s": ["text"] * rows})


def parquet(content: pa.Table, **options) -> io.BytesIO:
    out = io.BytesIO()
    pq.write_table(content, out, **options)
    return out


def arrow(content: pa.Table, kind: str = "file", codec: str | None = "zstd", **options):
    out = io.BytesIO()
    write = pa.ipc.IpcWriteOptions(compression=codec)
    make = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with make(out, content.schema, options=write) as writer:
        writer.write_table(content, **options)
    return out


def checked(file: io.BytesIO) -> None:
    file.seek(0)
    if file.read(4) == b"PAR1":
        file.seek(0)
        check_parquet(file, pq.ParquetFile(file).metadata, "x")
    else:
        check_arrow(file, "x")


# files of people


@pytest.mark.parametrize("rows", [0, 1, 100_000])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4"])
@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_parquet_files_pass(rows, compression, dictionary, version):
    checked(
        parquet(
            table(rows),
            compression=compression,
            use_dictionary=dictionary,
            data_page_version=version,
            row_group_size=30_000,
            data_page_size=10_000,
            write_page_checksum=True,
            write_statistics=True,
        )
    )


def test_parquet_files_with_large_statistics_pass():
    checked(parquet(pa.table({"s": ["x" * 100_000, "y" * 100_000]})))


@pytest.mark.parametrize("rows", [0, 1, 100_000])
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow_files_pass(rows, codec, kind):
    checked(arrow(table(rows), kind, codec, max_chunksize=10_000))


def test_arrow_files_with_dictionaries_and_lists_pass():
    words = pa.array(["a", "b", None] * 1000).dictionary_encode()
    lists = pa.array([[1, 2], [], None] * 1000)
    checked(arrow(pa.table({"w": words, "l": lists, "n": pa.nulls(3000)})))


def test_messages_of_a_pipe_are_checked_one_by_one():
    out = arrow(table(50_000), "stream", max_chunksize=10_000)
    out.seek(0)
    seen = 0
    for message in pa.ipc.MessageReader.open_stream(out):
        body = message.body

        def read(offset, size, body=body):
            return body.slice(offset, size).to_pybytes()

        size = check_message(message.metadata.to_pybytes(), read, "-")
        assert size == (0 if body is None else body.size)
        seen += 1
    assert seen == 6


# files that mean harm


def test_a_page_that_unpacks_to_too_much():
    content = pa.table({"x": np.zeros(MANY)})
    bomb = parquet(
        content,
        compression="zstd",
        use_dictionary=False,
        data_page_size=2**31 - 1,
        row_group_size=MANY,
        write_batch_size=MANY,
        max_rows_per_page=MANY,
    )
    assert len(bomb.getvalue()) < 1_000_000
    with pytest.raises(FormatError, match=r"the column 'x' unpacks from [\d,]+ to 320,000,009"):
        checked(bomb)


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_a_batch_that_unpacks_to_too_much(kind):
    bomb = arrow(pa.table({"x": np.zeros(MANY)}), kind, "zstd")
    assert len(bomb.getvalue()) < 1_000_000
    with pytest.raises(FormatError, match=r"a batch unpacks from [\d,]+ to 320,000,000 bytes"):
        checked(bomb)


def test_a_dictionary_that_unpacks_to_too_much():
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["\0" * 300_000_000, "b"]))
    bomb = arrow(pa.table({"w": words}), codec="zstd")
    assert len(bomb.getvalue()) < 1_000_000
    with pytest.raises(FormatError, match="a batch unpacks from"):
        checked(bomb)


def test_rows_that_are_told_once():
    runs = pa.RunEndEncodedArray.from_arrays(
        pa.array([2**31 - 1], pa.int32()),
        pa.array([1.0]),
        pa.run_end_encoded(pa.int32(), pa.float64()),
    )
    with pytest.raises(FormatError, match="a batch unpacks from"):
        checked(arrow(pa.table({"x": runs}), codec=None))


@pytest.mark.parametrize("told", [2**62, -(2**62), -2])
def test_a_buffer_that_lies_about_its_size(told):
    out = bytearray(arrow(pa.table({"x": np.zeros(100_000)})).getvalue())
    at = out.index((800_000).to_bytes(8, "little"))
    out[at : at + 8] = told.to_bytes(8, "little", signed=True)
    with pytest.raises(FormatError):
        checked(io.BytesIO(bytes(out)))


def test_limits_follow_the_size_of_the_piece(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(columnar_limits, "_ANY_BYTES", 1000)
    rng = np.random.default_rng(1)
    checked(parquet(pa.table({"x": rng.random(100_000)}), use_dictionary=False))
    checked(arrow(pa.table({"x": rng.random(100_000)})))
    for bomb in (
        parquet(pa.table({"x": np.zeros(100_000)}), compression="zstd", use_dictionary=False),
        arrow(pa.table({"x": np.zeros(100_000)})),
    ):
        with pytest.raises(FormatError, match="unpacks from"):
            checked(bomb)


@pytest.mark.parametrize(
    "make",
    [
        lambda: parquet(table(20_000), compression="zstd", row_group_size=7000),
        lambda: arrow(table(20_000), max_chunksize=7000),
        lambda: arrow(table(20_000), "stream", max_chunksize=7000),
    ],
    ids=["parquet", "arrow", "stream"],
)
def test_damaged_files_are_told_or_pass(make):
    """Nothing but the error of this package comes out, and the check ends."""
    rng = random.Random(20261128)
    good = make()
    metadata = pq.ParquetFile(good).metadata if good.getvalue()[:4] == b"PAR1" else None
    told = 0
    for _ in range(300):
        content = bytearray(good.getvalue())
        for _ in range(rng.randrange(1, 20)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        file = io.BytesIO(bytes(content[: rng.randrange(len(content) // 2, len(content) + 1)]))
        try:
            if metadata is None:
                check_arrow(file, "x")
            else:
                check_parquet(file, metadata, "x")
        except FormatError:
            told += 1
    assert told > 0
