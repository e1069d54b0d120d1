"""joule data read --live"""

from __future__ import annotations

import csv
import json
import signal
import threading

import h5py
import pytest

from tests.cli.following import Running
from tests.cli.serving import running
from tests.nodes import FileNode
from tests.serving import KEY, serve

T0 = 1_700_000_000_000_000
BREAK = "# interval break"
STREAM = "/a/x"


def times(lines):
    """Times behind `T0`, and breaks as they are."""
    return [line if line == BREAK else int(line.split()[0]) - T0 for line in lines]


def rows(*offsets):
    return "".join(f"{T0 + offset} {offset}\n" for offset in offsets)


@pytest.fixture(params=["file", "served"])
def node(request, joule):
    """The program on a file, or on a node that is served, with empty streams."""
    if request.param == "file":
        create_streams(joule)
        yield joule
        return

    with running(lambda stack: start(stack, joule.folder / "served.db")) as served:
        joule.env.update({"JOULE_URL": served.url, "JOULE_API_KEY": KEY})
        create_streams(joule)
        yield joule


async def start(stack, path, **options):
    node = await stack.enter_async_context(FileNode("plant", path))
    return await stack.enter_async_context(serve(node, **options))


def create_streams(joule):
    joule.ok("stream", "create", f"{STREAM}:float64[v]")
    joule.ok("stream", "create", "/a/none:float64[v]", "--keep", "none")


def writing(joule, stream=STREAM, *options):
    return Running(joule, "data", "write", stream, "--flush", "10ms", *options, writes=True)


def store(joule, *offsets):
    joule.ok("data", "write", "-q", STREAM, stdin=rows(*offsets))


def follow(joule, *options, stream=STREAM):
    """Follow a stream; the header tells that the subscription stands."""
    reader = Running(joule, "data", "read", stream, "--live", "-m", "--csv", *options)
    assert reader.lines(1) == ["timestamp,v"]
    return reader


def csv_times(lines):
    return [line if line == BREAK else int(line.split(",")[0]) - T0 for line in lines]


def test_rows_come_as_they_are_written(node):
    store(node, 1, 2)
    with follow(node) as reader, writing(node) as writer:
        writer.write(rows(10, 11))
        assert csv_times(reader.lines(2)) == [10, 11]
        writer.write(f"{BREAK}\n{rows(20)}")
        assert csv_times(reader.lines(2)) == [BREAK, 20]
        assert reader.end() == (0, [], [])
        writer.write(rows(30))
        assert writer.end(None)[0] == 0
    assert times(node.ok("data", "read", STREAM).splitlines()) == [1, 2, 10, 11, 20, 30]


def test_a_writer_that_stops_and_comes_back(node):
    with follow(node) as reader:
        for offset in (10, 20):
            with writing(node) as writer:
                writer.write(rows(offset))
                assert writer.end(None)[0] == 0
        assert csv_times(reader.lines(3)) == [10, BREAK, 20]
        with writing(node, STREAM, "--merge-gap", "1ms") as writer:
            writer.write(rows(30))
            assert csv_times(reader.lines(1)) == [30]
        assert reader.end(signal.SIGTERM) == (0, [], [])


def test_history_and_live_rows_are_joined(node):
    """A writer that never rests: whatever is read when, each row comes once, with its breaks."""
    store(node, 1, 2)
    done = threading.Event()
    with writing(node) as writer:

        def produce():
            offset = 10
            while not done.is_set():
                text = rows(*range(offset, offset + 10))
                writer.write(f"{text}{BREAK}\n" if offset % 50 == 0 else text)
                offset += 10
                done.wait(0.002)
            last.append(offset - 1)

        last = []
        producer = threading.Thread(target=produce)
        producer.start()
        try:
            options = ("--start", T0 + 2, "--limit", 3000)
            with Running(node, "data", "read", STREAM, "--live", "-m", *options) as reader:
                status, lines, errors = reader.end(None)
        finally:
            done.set()
            producer.join()
        assert writer.end(None)[0] == 0
    assert (status, errors) == (0, [])
    stored = node.ok("data", "read", STREAM, "-m", "--start", T0 + 2).splitlines()
    assert lines == stored[: len(lines)]
    assert len([line for line in lines if line != BREAK]) == 3000


def test_history_of_a_stream_that_rests(node):
    store(node, 1, 2)
    store(node, 5)
    with follow(node, "--start", "min") as reader:
        assert csv_times(reader.lines(4)) == [1, 2, BREAK, 5]
        store(node, 7)
        assert csv_times(reader.lines(2)) == [BREAK, 7]
        assert reader.end() == (0, [], [])


def test_rows_before_a_start_to_come_are_left_out(node):
    with follow(node, "--start", T0 + 10) as reader:
        store(node, 1, 2, 10, 11)
        assert csv_times(reader.lines(2)) == [10, 11]


def test_duration_and_limit_end_it(node):
    result = node("data", "read", STREAM, "--live", "--duration", "200ms")
    assert (result.status, result.out, result.err) == (0, "", "")
    result = node("data", "read", STREAM, "--live", "--duration", "200ms", "--fail-empty")
    assert (result.status, result.out) == (1, "")
    with follow(node, "--limit", 2) as reader:
        store(node, 1, 2, 3)
        assert csv_times(reader.lines(2)) == [1, 2]
        assert reader.end(None) == (0, [], [])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), f"{T0 + 1} 1"),
        (("--jsonl",), f'{{"timestamp":{T0 + 1},"v":1}}'),
        (("--jsonl", "--arrays"), f"[{T0 + 1},1]"),
        (("--tsv", "--no-header", "--time", "iso"), "2023-11-14T22:13:20.000001+00:00\t1"),
    ],
)
def test_formats_line_by_line(joule, options, expected):
    create_streams(joule)
    with writing(joule) as writer:
        writer.write(rows(0))
        with Running(joule, "data", "read", STREAM, "--live", "--start", T0, *options) as reader:
            reader.lines(1)
            writer.write(rows(1))
            (line,) = reader.lines(1)
            assert line.replace(" ", "") == expected.replace(" ", "") if options else expected
            status, rest, errors = reader.end()
    assert (status, rest, errors) == (0, [], [])


def test_a_json_document_is_complete_at_the_end(joule):
    create_streams(joule)
    store(joule, 1, 2)
    options = ("--live", "--start", "min", "--limit", "3", "--json")
    with Running(joule, "data", "read", STREAM, *options) as reader:
        store(joule, 3)
        status, lines, _ = reader.end(None)
    assert status == 0
    assert [row[0] - T0 for row in json.loads("\n".join(lines))["data"]] == [1, 2, 3]


@pytest.mark.parametrize("file", ["rows.csv", "rows.h5"])
def test_a_file_is_complete_at_the_end_and_continued(joule, file):
    create_streams(joule)
    path = joule.folder / file
    store(joule, 1, 2)
    live = ("data", "read", STREAM, "--live", "-q", "-m", "--start", "min", "-f", file)
    joule.ok(*live, "--limit", 2)
    store(joule, 5)
    joule.ok(*live, "--append", "--limit", 1)
    if file.endswith(".h5"):
        with h5py.File(path) as found:
            assert (found["timestamp"][:, 0] - T0).tolist() == [1, 2, 5]
            assert (found["intervals"][:] - T0).tolist() == [[1, 3], [5, 6]]
    else:
        with path.open() as opened:
            lines = [line[0] for line in csv.reader(opened)]
        assert lines == ["timestamp", str(T0 + 1), str(T0 + 2), BREAK, str(T0 + 5)]


def test_ctrl_c_completes_a_file(joule):
    create_streams(joule)
    store(joule, 1)
    part = joule.folder / "rows.csv.part"
    with Running(
        joule, "data", "read", STREAM, "--live", "--start", "min", "-f", "rows.csv"
    ) as run:
        with writing(joule) as writer:
            waiting = threading.Event()
            while not (part.exists() and str(T0 + 1) in part.read_text()):
                assert run.process.poll() is None
                waiting.wait(0.01)
            writer.write(rows(2))
            while str(T0 + 2) not in part.read_text():
                waiting.wait(0.01)
        assert run.end()[0] == 0
    assert (joule.folder / "rows.csv").read_text().count("\n") == 3
    assert not part.exists()


def test_what_has_no_end_is_not_bounded(joule):
    create_streams(joule)
    (joule.folder / "spans.csv").write_text("start,end\n1,2\n")
    for options in (("--end", "now"), ("--max-rows", 5), ("--intervals", "spans.csv")):
        result = joule("data", "read", STREAM, "--live", *options)
        assert result.status == 1
        assert result.err == f"Error: --live and {options[0]} exclude each other\n"
    for options in (("--duration", "1s"), ("--reconnect",)):
        assert joule("data", "read", STREAM, *options).status == 2
    assert joule("data", "read", "/a/other", "--live").status == 1


def test_a_stream_that_keeps_nothing_is_followed_on_a_served_node(joule):
    path = joule.folder / "served.db"
    with running(lambda stack: start(stack, path)) as served:
        joule.env.update({"JOULE_URL": served.url, "JOULE_API_KEY": KEY})
        create_streams(joule)
        with follow(joule, "--start", "now", stream="/a/none") as reader:
            pass
        with follow(joule, stream="/a/none") as reader:
            for offset in (10, 20):
                with writing(joule, "/a/none") as writer:
                    writer.write(rows(offset))
                    expected = [10] if offset == 10 else [BREAK, 20]
                    assert csv_times(reader.lines(len(expected))) == expected
                    assert writer.end(None)[0] == 0
            assert reader.end() == (0, [], [])
    assert joule.ok("data", "count", "/a/none", "--url", f"file:{path}") == "0\n"


def test_a_stream_that_keeps_nothing_leaves_nothing_in_a_file(joule):
    create_streams(joule)
    result = joule("data", "read", "/a/none", "--live")
    assert result.status == 1
    assert "keeps no rows" in result.err
    assert "served node" in result.err


def test_a_node_that_goes_away_is_a_failure_unless_it_may_come_back(joule):
    path, socket = joule.folder / "served.db", joule.folder / "socket"
    url = f"unix:{socket}"
    joule.env["JOULE_URL"] = f"file:{path}"
    create_streams(joule)
    store(joule, 1)
    joule.env["JOULE_URL"] = url
    with running(lambda stack: start(stack, path, unix=socket)):
        plain = follow(joule, "--start", "min")
        stubborn = follow(joule, "--start", "min", "--reconnect")
        assert csv_times(plain.lines(1) + stubborn.lines(1)) == [1, 1]
    with plain, stubborn:
        status, lines, errors = plain.end(None)
        assert (status, lines) == (3, [])
        assert errors[0].startswith("Error: ")
        assert stubborn.error_line().endswith("; trying again")
        # while the node is away
        joule.ok("data", "write", "-q", STREAM, "--url", f"file:{path}", stdin=rows(5, 6))
        with running(lambda stack: start(stack, path, unix=socket)):
            assert csv_times(stubborn.lines(3)) == [BREAK, 5, 6]
            store(joule, 9)
            assert csv_times(stubborn.lines(2)) == [BREAK, 9]
            assert stubborn.end() == (0, [], [])


def test_a_reader_that_leaves_ends_it_quietly(joule):
    create_streams(joule)
    store(joule, *range(1, 100))
    result = joule.shell(
        f"set -o pipefail; joule data read {STREAM} --live --start min --limit 99 | head -1"
    )
    assert result.out == f"{T0 + 1} 1\n"
    assert (result.status in {0, 141}, result.err) == (True, "")


def test_programs_that_write_one_file_leave_a_whole_one_each(joule):
    create_streams(joule)
    store(joule, 1, 2)
    file, part = joule.folder / "rows.csv", joule.folder / "rows.csv.part"
    live = ("data", "read", STREAM, "--live", "--start", "min", "-f", "rows.csv")
    with Running(joule, *live) as first, Running(joule, *live) as second:
        waiting = threading.Event()
        for each in (part, joule.folder / "rows.csv.1.part"):
            while not (each.exists() and str(T0 + 2) in each.read_text()):
                assert first.process.poll() is second.process.poll() is None
                waiting.wait(0.01)
        joule.ok("data", "export", STREAM, "--to", "rows.csv", "--limit", 1, "-q")
        assert file.read_text() == f"timestamp,v\n{T0 + 1},1\n"
        assert first.end()[0] == 0
        whole = file.read_text()
        assert whole == f"timestamp,v\n{T0 + 1},1\n{T0 + 2},2\n"
        second.end(signal.SIGKILL)
    assert file.read_text() == whole
    assert len(list(joule.folder.glob("rows.csv*.part"))) == 1
    joule.ok("data", "export", STREAM, "--to", "rows.csv", "-q")
    assert list(joule.folder.glob("rows.csv*")) == [file]
