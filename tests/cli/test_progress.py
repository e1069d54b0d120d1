"""How far long work got: every command that may take long tells a person, and nobody else."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from joule_cli.daemon import administration
from joule_cli.engine.stores.sqlite import backup
from joule_cli.formats import StreamHead, open_writer
from joule_cli.model import DataStream, Element, Event, EventStream
from joule_cli.series.layout import Layout
from tests.archives import flow_model, npy, write_archive
from tests.cli.test_help import CONTEXTS
from tests.nodes import FileNode

#: Seconds since 1970.
T0_S = 1_700_000_000
#: Commands that may take long, with a call that does and what the line says.
LONG = {
    "data read": ("/a/x -f x.csv", "reading"),
    "data write": ("/a/new --create float32_1 x.txt", "writing"),
    "data ingest": ("x.txt --stream /a/new --create", "ingesting"),
    "data export": ("/a --to out", "exporting"),
    "data copy": ("/a/x /a/new", "copying"),
    "stream copy": ("/a/x /a/new", "copying"),
    "folder copy": ("/a /b", "copying"),
    "data merge": ("-p /a/x -s /a/y -d /a/new --yes", "merging"),
    "data filter mean": ("/a/x /a/new -w 3 --yes", "filtering"),
    "data filter median": ("/a/x /a/new -w 3 --yes", "filtering"),
    "data mean": ("/a/x /a/new -w 3 --yes", "filtering"),
    "data median": ("/a/x /a/new -w 3 --yes", "filtering"),
    "data consolidate": ("/a/x /a/y --redecimate", "consolidating"),
    "data split": ("/a/x /a/y --max-gap 1h", "splitting"),
    "data decimate": ("/a/x /a/y", "decimating"),
    "data drop-decimations": ("/a/x /a/y --yes", "dropping"),
    "data delete": ("/a/x /a/y --all --yes", "deleting"),
    "stream delete": ("/a/x /a/y --yes", "deleting"),
    "event read": ("/a/e -f e.csv", "reading"),
    "event write": ("/a/e e.jsonl", "writing"),
    "event copy": ("/a/e /a/new", "copying"),
    "admin check": ("", "checking"),
    "admin backup": ("copy.db", "backing up"),
    "admin restore": ("copy.db --yes", "restoring"),
    "admin repair": ("--to whole.db", "repairing"),
    "admin compact": ("", "compacting"),
    "admin erase": ("--yes", "erasing"),
    "folder delete": ("/a --yes", "deleting"),
    "event delete": ("/a/e --yes", "deleting"),
    "event remove": ("/a/e --all --yes", "removing"),
    "event count": ("/a/e", "counting"),
    "data count": ("/a/x /a/y", "counting"),
}
#: The same for a command whose node is another one.
ELSEWHERE = {"archive upload"}

_RATE = re.compile(r"[\d.,]+ (rows|events|records|streams|B|KiB|MiB|GiB)/s")
ROWS = 60_000


async def _fill(file):
    async with FileNode("lab", file) as node:
        for name in ("x", "y"):
            stream = DataStream(name=name, elements=[Element(name=name)])
            await node.data_stream_create(stream, "/a")
            rows = np.zeros(ROWS, [("timestamp", "<i8"), ("data", "<f4", (1,))])
            rows["timestamp"] = np.arange(1, ROWS + 1) * 1000
            async with await node.data_write(f"/a/{name}") as pipe:
                await pipe.write(rows)
        await node.event_stream_create(EventStream(name="e"), "/a")
        await node.event_stream_write("/a/e", [Event(i, i + 1) for i in range(5000)])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loaded")
    asyncio.run(_fill(folder / "joule.db"))
    return (folder / "joule.db").read_bytes()


@pytest.fixture
def long(forked, loaded):
    """Runs a command of the table where there is much to do."""
    folder = forked.folder
    for name in ("joule.db", "copy.db"):
        (folder / name).write_bytes(loaded)
    (folder / "x.txt").write_text("".join(f"{T0_S + i} {i}\n" for i in range(1, ROWS)))
    lines = (
        f'{{"start_time": {T0_S + i}, "end_time": {T0_S + i + 1}, "content": {{}}}}\n'
        for i in range(5000)
    )
    (folder / "e.jsonl").write_text("".join(lines))

    def run(path, *more, **options):
        if path == "admin backup":
            (folder / "copy.db").unlink()
        return forked(f"{path} {LONG[path][0]}", *more, pause_s=0, **options)

    run.forked, run.folder = forked, folder
    return run


def test_every_command_with_the_option_is_tried():
    having = {
        path.removeprefix("joule ")
        for path, ctx in CONTEXTS.items()
        if any("--progress" in p.opts for p in ctx.command.own_params(ctx))
    }
    assert having == {*LONG, *ELSEWHERE}


@pytest.mark.parametrize("path", LONG)
def test_a_person_sees_a_line_that_goes_away(long, path):
    shown = long(path, typed="", env={"TERM": "xterm", "LANG": "C.UTF-8"})
    assert shown.status == 0, shown.out
    assert f"\r{LONG[path][1]}  " in shown.out
    # a small backup is written at once
    assert _RATE.search(shown.out) or path == "admin backup"
    # it is taken back at the end
    assert "\r\x1b[K" in shown.out.rpartition(f"\r{LONG[path][1]}  ")[2]


@pytest.mark.parametrize("path", LONG)
def test_nobody_else_sees_anything(long, path):
    result = long(path)
    assert (result.status, result.err) == (0, "")
    assert LONG[path][1] not in result.out


@pytest.mark.parametrize("path", ["data copy", "data export", "admin check", "event write"])
def test_lines_on_request(long, path):
    result = long(path, "--progress")
    assert result.status == 0
    lines = result.err.splitlines()
    assert lines
    # a file of events is checked as a whole before anything is stored
    assert all(line.startswith((LONG[path][1], "checking  ")) for line in lines)
    assert "\r" not in result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize("option", ["--quiet", "--no-progress"])
def test_no_line_for_who_wants_none(long, option):
    shown = long("data copy", option, typed="", env={"TERM": "xterm"})
    assert (shown.status, "copying" in shown.out) == (0, False)
    result = long("data export", "--quiet", "--progress")
    assert (result.status, result.out, result.err) == (0, "", "")


@pytest.mark.parametrize("path", sorted(set(LONG) - {"admin backup"}))
def test_the_share_that_is_done_and_the_time_that_is_left(long, path):
    shown = long(path, typed="", env={"TERM": "xterm", "LANG": "C.UTF-8"})
    form = rf"\r{LONG[path][1]}  [█░]{{5,24}} +\d+%  [^\r]+/s  \d+ s left\x1b"
    assert re.search(form, shown.out)


def test_a_part_is_known_by_its_share_of_the_time(long):
    shown = long("data export", "--end", "30000000", typed="", env={"TERM": "xterm"})
    # half of the rows of two streams
    assert re.findall(r"exporting +\S+ +(\d+)% ", shown.out) == ["50", "100"]


@pytest.mark.parametrize("end", ["csv.gz", "json.zst", "h5", "parquet"])
def test_files_count_by_what_is_read_of_them(long, end):
    folder = long.folder
    for name, start in (("one", 0), ("two", 10**9)):
        rows = np.zeros(200_000, [("timestamp", "<i8"), ("data", "<f4", (1,))])
        rows["timestamp"] = np.arange(start, start + len(rows))
        head = StreamHead(layout=Layout("float32", 1), elements=[Element("x")])
        with open_writer(folder / f"{name}.{end}", head) as writer:
            writer.write(rows)
    shown = long.forked(
        f"data ingest one.{end} two.{end} --stream /a/new --create --time-format us --accept-times",
        typed="",
        pause_s=0,
        env={"TERM": "xterm"},
    )
    assert shown.status == 0, shown.out
    lines = re.findall(
        r"\ringesting +\S+ +(\d+)%  ([\d,]+) rows [^\r]* (\d+) s left\x1b", shown.out
    )
    shares = [int(share) for share, _, _ in lines]
    assert shares == sorted(shares)
    assert len(shares) > 3
    assert (shares[-1], lines[-1][1], lines[-1][2]) == (100, "400,000", "0")
    # the second file is about as large as the first
    assert any(35 < share < 65 for share in shares)


def test_a_file_that_is_looked_at_first(long):
    assert long("data ingest", typed="", env={"TERM": "xterm"}).status == 0
    call = "data ingest x.txt --stream /a/new"
    shown = long.forked(f"{call} --on-conflict replace", typed="", pause_s=0, env={"TERM": "xterm"})
    form = r"\r{}  \S+ +100%  59,999 rows [^\r]*  0 s left\x1b"
    at = [re.search(form.format(word), shown.out) for word in ("checking", "ingesting")]
    assert at[0].end() < at[1].start()
    planned = long.forked(f"{call} --dry-run", typed="", pause_s=0, env={"TERM": "xterm"})
    assert re.search(form.format("checking"), planned.out)
    assert "ingesting" not in planned.out


async def test_a_backup_tells_how_much_is_written(tmp_path, monkeypatch):
    # a report at every step, so that a small file is enough
    monkeypatch.setattr(backup, "_STEPS", 5)
    monkeypatch.setattr(backup, "_PAUSE_S", 0)
    async with FileNode("lab", tmp_path / "joule.db") as node:
        stream = DataStream(name="noise", datatype="float64", elements=[Element(name="x")])
        await node.data_stream_create(stream, "/a")
        rows = np.zeros(2_000_000, [("timestamp", "<i8"), ("data", "<f8", (1,))])
        rows["timestamp"] = np.arange(1, len(rows) + 1)
        rows["data"] = np.random.default_rng(1).random((len(rows), 1))
        async with await node.data_write("/a/noise") as pipe:
            await pipe.write(rows)
        told = []
        size = await administration(node).backup(
            tmp_path / "copy.db", progress=lambda done, total: told.append((done, total))
        )
        assert any(0 < done < size for done, _ in told)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        told.clear()
        await administration(node).restore(
            tmp_path / "copy.db", progress=lambda done, total: told.append((done, total))
        )
        assert told[-1][0] == told[-1][1] == size


def test_a_failure_is_told_below_the_line(forked):
    shown = forked(
        "data decimate /lab/rows /lab/other",
        typed="",
        pause_s=0,
        env={"TERM": "xterm", "JOULE_URL": f"file:{forked.folder}/joule.db"},
    )
    assert shown.status == 0
    write_archive(forked.folder / "b.zip", data=[("flow", flow_model(), {"1.dat": npy([1])})])
    shown = forked("archive upload lab.zip b.zip", typed="", pause_s=0, env={"TERM": "xterm"})
    assert shown.status == 1
    assert shown.out.count("Error: ") == 2
    for line in shown.out.split("\n"):
        # what stands before an error on its line has been wiped away
        before, found, _ = line.partition("Error: ")
        assert not found or not before or before.endswith("\x1b[K")
