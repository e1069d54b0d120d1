"""What every file format does; subclass and name the suffix."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joule_cli.errors import FormatError, LayoutMismatchError
from joule_cli.formats import (
    ReadOptions,
    StreamHead,
    WriteOptions,
    Writer,
    format_of,
    open_reader,
    open_writer,
)
from joule_cli.model.data_stream import DATATYPES, DataStream, Element
from joule_cli.series.intervals import Interval
from joule_cli.series.layout import Layout

INT64 = np.iinfo(np.int64)

SMALL = Layout("float32", 2)

#: Rows, or `None` for an interval break.
Items = Sequence[np.ndarray | None]


def make_rows(n: int, start: int = 1, layout: str = "float32_2") -> np.ndarray:
    rows = np.zeros(n, Layout.parse(layout).dtype)
    rows["timestamp"] = np.arange(start, start + n) * 1000
    rows["data"] = rows["timestamp"][:, None] / 8 % 120 + np.arange(rows["data"].shape[1])
    return rows


def make_head(layout: str | Layout = "float32_2", **fields) -> StreamHead:
    layout = Layout.parse(layout) if isinstance(layout, str) else layout
    elements = [Element(f"e{i}", units="V", index=i) for i in range(layout.width)]
    stream = DataStream("s", datatype=layout.datatype, elements=elements)
    values = {"layout": layout, "elements": elements, "path": "/lab/s", "stream": stream}
    return StreamHead(**(values | fields))


def spans(items: Items) -> list[Interval]:
    """The intervals that the rows of `items` make."""
    out: list[Interval] = []
    fresh = True
    for rows in items:
        if rows is None:
            fresh = True
        elif len(rows):
            first, last = int(rows["timestamp"][0]), int(rows["timestamp"][-1])
            out.append(Interval(first if fresh else out.pop().start, last + 1))
            fresh = False
    return out


def joined(items: Iterable[np.ndarray | None], layout: Layout) -> np.ndarray:
    rows = [item for item in items if item is not None]
    return np.concatenate(rows) if rows else np.empty(0, layout.dtype)


@st.composite
def any_rows(draw, datatype: str) -> tuple[Layout, np.ndarray]:
    """Rows with any timestamps and any values but NaN, by their bits."""
    layout = Layout(datatype, draw(st.integers(1, 4)))
    stamps = sorted(draw(st.sets(st.integers(INT64.min, INT64.max - 1), max_size=12)))
    rows = np.zeros(len(stamps), layout.dtype)
    rows["timestamp"] = stamps
    size = rows["data"].nbytes
    bits = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), layout.element)
    flat = np.where(np.isnan(bits), 0, bits)
    special = special_values(layout.element)[: len(flat)]
    if draw(st.booleans()):
        flat[: len(special)] = special
    rows["data"] = flat.reshape(rows["data"].shape)
    return layout, rows


def special_values(element: np.dtype) -> list:
    if element.kind == "f":
        info = np.finfo(element)
        return [
            -0.0,
            np.inf,
            -np.inf,
            info.smallest_subnormal,
            -info.smallest_subnormal,
            info.max,
            info.min,
            0.1,
        ]
    limits = np.iinfo(element)
    return [limits.min, limits.max, limits.max - 1, min(limits.max, 2**53 + 1)]


class FormatContract:
    suffix: str
    #: Whether a file without rows is an empty file, which no reader takes.
    empty_without_rows = False
    #: Whether the end of the file tells that it is complete.
    has_end = False
    can_append = True
    write_options = WriteOptions(mark_intervals=True)

    def read_options(self, layout: Layout) -> ReadOptions:
        return ReadOptions(datatype=layout.datatype)

    def as_stored(self, rows: np.ndarray) -> np.ndarray:
        """The rows as this format can hold them."""
        return rows

    def head(self, layout: Layout, items: Items) -> StreamHead:
        return make_head(layout)

    def write(self, place: Path | IO[bytes], items: Items, layout: Layout, **options) -> None:
        write_options = replace(self.write_options, **options)
        head = self.head(layout, items)
        with open_writer(place, head, self.name, write_options) as writer:
            for rows in items:
                if rows is None:
                    writer.interval_break()
                else:
                    writer.write(rows)

    def through(self, items: Items, layout: Layout) -> list[np.ndarray | None]:
        """Write and read again."""
        with tempfile.TemporaryDirectory() as place:
            path = self.path(Path(place))
            self.write(path, items, layout)
            return self.read(path, layout)

    def open(self, place: Path | IO[bytes], layout: Layout) -> Writer:
        return open_writer(place, self.head(layout, []), self.name, self.write_options)

    @property
    def name(self) -> str:
        return format_of(f"rows{self.suffix}")

    def read(self, place: Path | IO[bytes], layout: Layout, **options) -> list[np.ndarray | None]:
        read_options = replace(self.read_options(layout), **options)
        with open_reader(place, self.name, read_options) as reader:
            assert reader.head.layout == layout
            return list(reader)

    def path(self, place: Path) -> Path:
        return place / f"rows{self.suffix}"

    # round trips

    @pytest.mark.parametrize("datatype", DATATYPES)
    def test_every_row_comes_back_bit_for_bit(self, datatype):
        @given(any_rows(datatype))
        def check(drawn: tuple[Layout, np.ndarray]) -> None:
            layout, rows = drawn
            rows = self.as_stored(rows)
            if not len(rows) and self.empty_without_rows:
                return
            back = joined(self.through([rows], layout), layout)
            assert back.tobytes() == rows.tobytes()

        check()

    def test_intervals_come_back(self):
        @given(st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=12))
        def check(sizes: list[int | None]) -> None:
            items: list[np.ndarray | None] = []
            start = 1
            for size in sizes:
                items.append(None if size is None else make_rows(size, start))
                start += size or 0
            if start == 1 and self.empty_without_rows:
                return
            back = self.through(items, SMALL)
            assert spans(back) == spans(items)
            assert joined(back, SMALL).tobytes() == joined(items, SMALL).tobytes()
            breaks = [True, *(rows is None for rows in back), True]
            assert not back or not any(a and b for a, b in pairwise(breaks))

        check()

    def test_many_rows_come_back_in_large_blocks(self, tmp_path):
        layout = Layout("float32", 2)
        rows = make_rows(200_000)
        self.write(self.path(tmp_path), [rows], layout)
        back = self.read(self.path(tmp_path), layout)
        assert joined(back, layout).tobytes() == rows.tobytes()
        assert len(back) < 20
        assert max(map(len, back)) <= 400_000

    def test_a_file_without_rows(self, tmp_path):
        layout = Layout("float32", 2)
        self.write(self.path(tmp_path), [], layout)
        if self.empty_without_rows:
            with pytest.raises(FormatError) as caught:
                self.read(self.path(tmp_path), layout)
            assert caught.value.sentence() == f"{self.path(tmp_path)}: the file is empty"
        else:
            assert self.read(self.path(tmp_path), layout) == []

    def test_a_file_can_be_continued(self, tmp_path):
        layout, path = Layout("float32", 2), self.path(tmp_path)
        first, second = make_rows(5), make_rows(3, 6)
        self.write(path, [first], layout)
        if not self.can_append:
            with pytest.raises(FormatError, match="cannot be continued"):
                self.write(path, [second], layout, append=True)
            return
        with open_reader(path, options=self.read_options(layout)) as reader:
            assert reader.last_timestamp() == 5000
        self.write(path, [second], layout, append=True)
        back = joined(self.read(path, layout), layout)
        assert back.tobytes() == np.concatenate([first, second]).tobytes()

    def test_a_break_before_what_is_added(self, tmp_path):
        layout, path = Layout("float32", 2), self.path(tmp_path)
        if self.can_append:
            self.write(path, [make_rows(5)], layout)
            self.write(path, [None, make_rows(3, 6)], layout, append=True)
            assert [len(spans([rows])) for rows in self.read(path, layout)] == [1, 0, 1]

    def test_wide_rows(self, tmp_path):
        layout = Layout("int16", 700)
        rows = make_rows(300, layout="int16_700")
        self.write(self.path(tmp_path), [rows], layout)
        assert joined(self.read(self.path(tmp_path), layout), layout).tobytes() == rows.tobytes()

    # bad input

    def check_error(self, path: Path, layout: Layout = SMALL, **options) -> str:
        """The sentence with which reading fails, without the directory."""
        with pytest.raises(FormatError) as caught:
            self.read(path, layout, **options)
        return caught.value.sentence().replace(f"{path.parent}/", "")

    def test_cut_at_any_byte(self, tmp_path):
        layout, path = Layout("int32", 2), self.path(tmp_path)
        items = [make_rows(3, layout="int32_2"), None, make_rows(3, 4, layout="int32_2")]
        self.write(path, items, layout)
        whole = path.read_bytes()
        rows = joined(items, layout)
        step = max(1, len(whole) // 400)
        for size in range(0, len(whole), step):
            path.write_bytes(whole[:size])
            back, warnings, error = self.what_is_left(path, layout)
            if error is not None:
                assert error.file == str(path)
                continue
            if self.has_end:
                # no more than the last line feed is missing
                assert size >= len(whole) - 1
                continue
            # lines that are complete are right; a last one without an end is warned of
            sure = max(0, len(back) - bool(warnings))
            assert sure == 0 or back.dtype == layout.dtype
            assert back[:sure].tobytes() == rows[:sure].tobytes() or sure == 0

    def what_is_left(
        self, path: Path, layout: Layout
    ) -> tuple[np.ndarray, list[str], FormatError | None]:
        try:
            with open_reader(path, options=self.read_options(layout)) as reader:
                return joined(reader, reader.head.layout), reader.tally.warnings, None
        except FormatError as exc:
            return np.empty(0, layout.dtype), [], exc

    def test_an_empty_file(self, tmp_path):
        self.path(tmp_path).touch()
        assert self.check_error(self.path(tmp_path)) == f"rows{self.suffix}: the file is empty"

    def test_a_missing_file(self, tmp_path):
        sentence = self.check_error(self.path(tmp_path))
        assert sentence == f"rows{self.suffix}: no such file or directory"

    def test_a_directory(self, tmp_path):
        self.path(tmp_path).mkdir()
        sentence = self.check_error(self.path(tmp_path))
        assert sentence == f"rows{self.suffix}: is a directory, not a file"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_forbidden_file(self, tmp_path):
        self.path(tmp_path).touch(mode=0)
        sentence = self.check_error(self.path(tmp_path))
        assert sentence == f"rows{self.suffix}: permission denied"

    @pytest.mark.parametrize("noise", [b"\0" * 300, b"\xff\xfe\xfd" * 50, b"%PDF-1.4\n%\xe2\xe3\n"])
    def test_a_file_of_another_kind(self, tmp_path, noise):
        self.path(tmp_path).write_bytes(noise)
        with pytest.raises(FormatError) as caught:
            self.read(self.path(tmp_path), Layout("float32", 2))
        assert caught.value.file == str(self.path(tmp_path))

    # writing

    def test_rows_of_another_layout_are_refused(self, tmp_path):
        with (
            pytest.raises(LayoutMismatchError),
            open_writer(self.path(tmp_path), make_head()) as writer,
        ):
            writer.write(make_rows(1, layout="float32_3"))
        assert list(tmp_path.iterdir()) == []

    def test_an_unfinished_file_leaves_the_old_one(self, tmp_path):
        path = self.path(tmp_path)
        path.write_bytes(b"old")
        writer = open_writer(path, make_head())
        writer.write(make_rows(100_000))
        writer.flush()
        assert path.read_bytes() == b"old"
        writer.close(complete=False)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_an_existing_file_can_be_kept(self, tmp_path):
        path = self.path(tmp_path)
        path.write_bytes(b"old")
        with pytest.raises(FormatError, match="exists already"):
            open_writer(path, make_head(), options=WriteOptions(no_clobber=True))
        assert path.read_bytes() == b"old"

    def test_a_directory_that_does_not_exist(self, tmp_path):
        path = tmp_path / "none" / f"rows{self.suffix}"
        with pytest.raises(FormatError) as caught:
            open_writer(path, make_head())
        assert caught.value.sentence() == f"{path}: no such file or directory"

    def test_closing_twice_does_nothing(self, tmp_path):
        layout = Layout("float32", 2)
        writer = self.open(self.path(tmp_path), layout)
        writer.write(make_rows(2))
        writer.close()
        writer.close(complete=False)
        with open_reader(self.path(tmp_path), options=self.read_options(layout)) as reader:
            reader.close()
        assert len(joined(self.read(self.path(tmp_path), layout), layout)) == 2


class TextFormatContract(FormatContract):
    """What the formats made of text do, beyond the rest."""

    def through(self, items: Items, layout: Layout) -> list[np.ndarray | None]:
        file = io.BytesIO()
        self.write(file, items, layout)
        return self.read(io.BytesIO(file.getvalue()), layout)

    @pytest.mark.parametrize("compression", [".gz", ".zst"])
    def test_compressed(self, tmp_path, compression):
        layout = Layout("float32", 2)
        path = tmp_path / f"rows{self.suffix}{compression}"
        rows = make_rows(3000)
        self.write(path, [rows], layout)
        whole = path.read_bytes()
        assert whole[:2] in (b"\x1f\x8b", b"\x28\xb5")
        assert joined(self.read(path, layout), layout).tobytes() == rows.tobytes()
        for size in (len(whole) - 1, len(whole) // 2, 5):
            path.write_bytes(whole[:size])
            sentence = self.check_error(path, layout)
            assert sentence.startswith(f"{path.name}: the file is cut: its ")
        path.write_bytes(whole[:100] + b"\xff\xff" + whole[102:])
        assert path.name in self.check_error(path, layout)

    @pytest.mark.parametrize("compression", [".gz", ".zst"])
    def test_output_that_was_cut_has_no_end_of_compressed_data(self, tmp_path, compression):
        layout = Layout("float32", 2)
        path = tmp_path / f"rows{self.suffix}{compression}"
        with path.open("wb") as file:
            kind = {".gz": "gzip", ".zst": "zstd"}[compression]
            options = replace(self.write_options, compression=kind)
            writer = open_writer(file, self.head(layout, []), self.name, options)
            writer.write(make_rows(50_000))
            writer.close(complete=False)
        assert self.check_error(path, layout).startswith(f"{path.name}: the file is ")

    def test_a_pipe(self):
        layout = Layout("float32", 2)
        rows = make_rows(1000)
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb") as target:
            with self.open(target, layout) as writer:
                writer.write(rows)
            target.close()
            with open_reader(source, self.name, self.read_options(layout)) as reader:
                back = joined(reader, layout)
            assert not source.closed
        assert back.tobytes() == rows.tobytes()

    def test_the_format_of_a_pipe_is_found_out(self):
        layout = Layout("float32", 2)
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb") as target:
            with self.open(target, layout) as writer:
                writer.write(make_rows(2))
            target.close()
            with open_reader(source, options=self.read_options(layout)) as reader:
                assert joined(reader, layout).tobytes() == make_rows(2).tobytes()

    def test_a_full_disk(self):
        with Path("/dev/full").open("wb", buffering=0) as full:
            writer = open_writer(full, make_head(), self.name)
            with pytest.raises(FormatError, match="no space left on device"):
                writer.write(make_rows(100_000))
            writer.close(complete=False)

    def test_a_broken_pipe_stays_a_broken_pipe(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "wb", buffering=0) as target:
            writer = open_writer(target, make_head(), self.name)
            with pytest.raises(BrokenPipeError):
                writer.write(make_rows(100_000))
            writer.close(complete=False)
