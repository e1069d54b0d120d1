from __future__ import annotations

import random

import numpy as np
import pytest
from nptdms import ChannelObject, TdmsWriter

from joule_cli.errors import FormatError
from joule_cli.formats.containers.tdms import open_tdms
from tests.formats.containers.support import close_all, failure, kept, names, options, read

START = np.datetime64("2024-01-01T00:00:00.500000")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tdms"


def opened(path, **given):
    return kept(open_tdms(path, options(**given)))


def channel(name, values, group="g", **properties):
    return ChannelObject(group, name, np.asarray(values), properties)


def wave(name, values, start=START, step=0.25, **more):
    told = {"wf_increment": step, **more}
    if start is not None:
        told["wf_start_time"] = start
    return channel(name, values, **told)


def save(path, *segments):
    close_all()
    with TdmsWriter(path) as out:
        for segment in segments:
            out.write_segment(segment)
    return path


def test_times_from_a_beginning_and_a_step(path):
    save(
        path, [wave("Volt", [1.5, 2.5, 3.5], unit_string="V"), wave("n", np.array([1, 2, 3], "i2"))]
    )
    container = opened(path)
    assert [(c.name, c.units, c.kind, c.aware) for c in container.columns] == [
        ("time", "", "time", True), ("Volt", "V", "number", False), ("n", "", "number", False)
    ]  # fmt: skip
    assert container.columns[2].dtype == np.dtype("i2")
    assert container.told.time_column == "time"
    assert read(container) == [
        ["2024-01-01T00:00:00.500000", 1.5, 1],
        ["2024-01-01T00:00:00.750000", 2.5, 2],
        ["2024-01-01T00:00:01.000000", 3.5, 3],
    ]
    assert read(opened(path), [2]) == [[1], [2], [3]]


def test_a_channel_of_times(path):
    stamps = np.array([START, START + np.timedelta64(1, "s")])
    save(path, [channel("T", stamps), wave("x", [1.0, 2]), channel("s", ["a", "b"])])
    container = opened(path)
    assert [(c.name, c.kind) for c in container.columns] == [
        ("T", "time"), ("x", "number"), ("s", "text")]  # fmt: skip
    assert read(container) == [
        ["2024-01-01T00:00:00.500000", 1, "a"], ["2024-01-01T00:00:01.500000", 2, "b"]
    ]  # fmt: skip


def test_times_without_a_beginning_are_seconds(path):
    save(path, [wave("x", [1.0, 2], start=None, wf_start_offset=10.0)])
    container = opened(path)
    assert (container.columns[0].units, container.columns[0].kind) == ("s", "number")
    assert read(container) == [[10, 1], [10.25, 2]]


def test_channels_without_times(path):
    save(path, [channel("a", [1.0, 2]), channel("b", [3.0, 4])])
    container = opened(path)
    assert (names(container), container.told.time_column) == (["a", "b"], None)
    assert read(container) == [[1, 3], [2, 4]]


def test_a_group_is_chosen(path):
    save(path, [channel("a", [1.0, 2]), channel("b", [3.0], group="h"), channel("c", [3.0], "h")])
    said = "the file holds several groups: g (1 channels of 2 values), h (2 channels of 1 values)"
    assert failure(lambda: opened(path), path) == said
    assert names(opened(path, dataset="h")) == ["b", "c"]
    assert names(opened(path, dataset="h/c")) == ["c"]
    assert failure(lambda: opened(path, dataset="x"), path).startswith("there is no group 'x'")


def test_channels_of_other_times_are_refused_and_of_other_lengths_left_out(path):
    save(path, [wave("a", [1.0, 2]), wave("b", [3.0, 4], step=0.5)])
    assert failure(lambda: opened(path), path) == (
        "the channels 'a', 'b' do not have the same times"
    )
    assert read(opened(path, dataset="g/b"))[1] == ["2024-01-01T00:00:01.000000", 4]
    save(path, [wave("a", [1.0, 2]), wave("b", [3.0], step=0.5)])
    container = opened(path)
    assert names(container) == ["time", "a"]
    assert container.warnings == [f"{path}: channels of another length are left out: 'b'"]


def test_many_segments_and_rows(path):
    parts = np.arange(200_000.0).reshape(8, -1)
    save(path, *([wave("x", part)] for part in parts))
    container = opened(path)
    assert [row[1] for row in read(container)] == list(range(200_000))


def test_no_values(path):
    save(path, [channel("x", np.array([], "f8"))])
    assert failure(lambda: opened(path), path) == "the file holds no channel with values"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"t,x\n", "the file is not TDMS"),
        (b"TDSh" + bytes(60), "the file is an index of a TDMS file, without its data"),
        (b"%PDF-1.7", "the file is a PDF document, which is not read"),
        (b"TDSm\1\2", "the file holds no channel with values"),
    ],
)
def test_what_is_no_tdms(path, content, reason):
    path.write_bytes(content)
    assert failure(lambda: opened(path), path) == reason


def test_a_file_that_was_cut_says_so(path):
    save(path, [wave("x", np.arange(100.0))])
    path.write_bytes(path.read_bytes()[:-20])
    container = opened(path)
    assert len(read(container)) == 97
    assert container.warnings == [f"{path}: the last segment has no end, the file may be cut"]


def test_an_open_file_stays_open(path):
    save(path, [wave("x", [1.0, 2])])
    with path.open("rb") as file:
        assert len(read(opened(file))) == 2
        assert not file.closed


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_damage_is_an_error_of_the_file(path):
    draw = random.Random(1)
    stamps = START + np.arange(20).astype("m8[s]")
    save(path, [channel("T", stamps), wave("x", np.arange(20.0)), channel("s", ["a"] * 20)])
    whole = path.read_bytes()
    for _ in range(200):
        content = bytearray(whole)
        if draw.random() < 0.3:
            del content[draw.randrange(len(content)) :]
        for _ in range(draw.randint(0, 3)):
            if content:
                content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        try:
            container = opened(path)
            container.sample()
            for batch in container.batches():
                if batch.first > 100_000:
                    break
        except FormatError:
            pass
