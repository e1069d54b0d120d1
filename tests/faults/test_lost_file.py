"""A node file that gets another name, place or content while it is open."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from joule_cli.engine.stores.sqlite.serving import only_server
from joule_cli.errors import ConflictError, FileMovedError, StreamInUseError
from joule_cli.model import EventStream
from tests.cli.conftest import PROGRAM, Joule
from tests.cli.test_node_serve import create, new_key, rows, running
from tests.engine.writers import made_stream, rows_at
from tests.nodes import FileNode

if TYPE_CHECKING:
    import apsw

DEADLINE_S = 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place" / "joule.db"


@pytest.fixture
def joule(tmp_path: Path) -> Joule:
    (tmp_path / "place").mkdir(exist_ok=True)
    return Joule(tmp_path / "place")


def beside(path: Path) -> Path:
    return path.parent.parent / "moved.db"


def rename(path: Path) -> Path:
    return path.rename(beside(path))


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    make_other(path.with_name("other.db")).replace(path)


def rename_folder(path: Path) -> Path:
    return path.parent.rename(path.parent.with_name("elsewhere")) / path.name


def link(path: Path) -> None:
    beside(path).hardlink_to(path)


def make_other(path: Path) -> Path:
    """Make another node, in another process: this one may have the first one open."""
    code = (
        "import asyncio, pathlib, sys\n"
        "from tests.nodes import FileNode\n"
        "async def main():\n"
        "    async with FileNode('other', pathlib.Path(sys.argv[1])) as node:\n"
        "        from tests.engine.writers import made_stream\n"
        "        await node.data_stream_create(made_stream('other'), '/other')\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)
    return path


LOSSES = [rename, remove, replace, rename_folder, link]


async def times_in(path: Path) -> list[int]:
    async with FileNode("after", path, create=False) as node:
        return (await node.data_read_array("/a/s"))["timestamp"].tolist()


# -- in this process


@pytest.mark.parametrize("lose", LOSSES)
async def test_rows_are_not_acknowledged_by_a_file_that_is_gone(path: Path, lose):
    node = FileNode("demo", path)
    await node.data_stream_create(made_stream("s"), "/a")
    pipe = await node.data_write("/a/s")
    await pipe.write(rows_at([10], pipe.dtype))
    moved = lose(path)
    with pytest.raises(FileMovedError):
        await pipe.write(rows_at([20], pipe.dtype))
    with pytest.raises(FileMovedError):
        await node.data_stream_create(made_stream("t"), "/a")
    with pytest.raises(FileMovedError):
        await node.event_stream_create(EventStream("e"), "/a")
    # the end of the interval cannot be stored either
    with pytest.raises(FileMovedError):
        await node.close()
    if found := path if lose is link else moved:
        # all that was acknowledged, also without the log under the old name
        times = await times_in(Path(shutil.copy(found, found.with_name("copy.db"))))
        assert times in ([10], [10, 20])


async def test_a_change_while_it_is_committed_is_not_acknowledged(path: Path):
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")

        def change(connection: apsw.Connection) -> None:
            connection.execute("UPDATE node SET value = value")
            # called within COMMIT, after the last look before it
            connection.set_commit_hook(lambda: path.unlink() or False)

        with pytest.raises(FileMovedError):
            await node.storage.database.write(change)


@pytest.mark.parametrize("lose", [rename, remove, replace, rename_folder])
async def test_readers_and_followers_notice(path: Path, lose):
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        pipe = await node.data_subscribe("/a/s", follow=True)
        lose(path)
        with pytest.raises(FileMovedError):
            await pipe.read()
        with pytest.raises(FileMovedError):
            await node.data_stream_get("/a/s")
        await pipe.close()


async def test_a_symbolic_link_that_leads_elsewhere(path: Path, tmp_path: Path):
    other = make_other(tmp_path / "other.db")
    path.symlink_to(tmp_path / "real.db")
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        path.unlink()
        path.symlink_to(other)
        with pytest.raises(FileMovedError, match="replaced"):
            await node.data_stream_create(made_stream("t"), "/a")


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
async def test_a_log_that_is_removed(path: Path, suffix: str):
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        async with await node.data_write("/a/s") as pipe:
            await pipe.write(rows_at([10], pipe.dtype))
        Path(f"{path}{suffix}").unlink()
        # looked at twice a second
        node.storage.database.file._looked = node.storage.database.file._looked_beside = 0.0
        with pytest.raises(FileMovedError, match=suffix):
            await node.data_stream_create(made_stream("t"), "/a")
    assert await times_in(path) == [10]


async def test_the_next_file_of_the_name_does_not_get_the_log(path: Path):
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        async with await node.data_write("/a/s") as pipe:
            await pipe.write(rows_at(range(10), pipe.dtype))
        other = make_other(path.with_name("other.db"))
        whole = other.read_bytes()
        other.replace(path)
        # others would read this log with that file
        with pytest.raises(FileMovedError, match="still writes"):
            async with FileNode("new", path) as new:
                await new.folder_root()
    async with FileNode("new", path, create=False) as new:
        assert [each.name for each in (await new.folder_root()).children] == ["other"]
    assert path.read_bytes() == whole


async def test_a_second_name_is_read_but_not_written(path: Path):
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
    link(path)
    for name in (path, beside(path)):
        async with FileNode("demo", name) as node:
            assert (await node.data_stream_get("/a/s")).name == "s"
            with pytest.raises(FileMovedError, match="hard link") as failure:
                await node.data_stream_create(made_stream("t"), "/a")
            assert "cp" in failure.value.hint
        with pytest.raises(FileMovedError, match="hard link"), only_server(name):
            pass
    beside(path).unlink()
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("t"), "/a")


@pytest.mark.parametrize("name", [".joule.db.new", "joule.db.part", "joule.db.1.part"])
async def test_a_name_that_a_killed_command_left_is_no_second_one(path: Path, name: str):
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
    left = path.with_name(name)
    left.hardlink_to(path)
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("t"), "/a")
    assert not left.exists()


async def test_one_server_and_one_producer_through_symbolic_links(path: Path):
    async with FileNode("demo", path) as node:
        await node.data_stream_create(made_stream("s"), "/a")
        other = path.parent.parent / "link.db"
        other.symlink_to(path)
        async with FileNode("same", other) as same, await node.data_write("/a/s"):
            with pytest.raises(StreamInUseError):
                await same.data_write("/a/s")
            assert (await same.data_stream_get("/a/s")).is_destination
        with only_server(path), pytest.raises(ConflictError), only_server(other):
            pass
    assert not Path(f"{other}-lock").exists()


# -- a server


@pytest.mark.parametrize("lose", LOSSES)
def test_a_server_ends_when_its_file_is_lost(joule: Joule, lose):
    path = joule.folder / "joule.db"
    stream_id = create(joule, "/a/flow")
    key = new_key(joule)
    with running(joule, path, "--port", "0", "--grace", "1s") as server:
        host = server.url.removeprefix("http://")

        def upload(first: int, *, chunked: bool = False) -> tuple[int, str]:
            client = http.client.HTTPConnection(host, timeout=DEADLINE_S)
            headers = {"X-API-KEY": key}
            body = rows(first, 10)
            client.request(
                "POST",
                f"/data?id={stream_id}",
                iter([body]) if chunked else body,
                headers,
                encode_chunked=chunked,
            )
            with client.getresponse() as response:
                answer = response.status, response.read().decode()
            client.close()
            return answer

        assert upload(0) == (200, "ok")
        moved = lose(path)
        refused, told = upload(10)
        assert (refused, told[:4]) == (503, "503:")
        server.wait_for("the file of the node .*; every request is refused, and the server ends")
        assert server.process.wait(DEADLINE_S) == 4
        server.end()
        assert "Traceback" not in str(server.lines)
        assert any("503" in line for line in server.lines if line)
    found = path if lose is link else moved
    if found is not None:
        copied = found.with_name("copied.db")
        shutil.copy(found, copied)
        count = Joule(path.parent.parent).ok("data", "count", "/a/flow", "--url", f"file:{copied}")
        # a commit under way when the file was lost is refused, though some file may have it
        assert count.split()[-1] in {"10", "20"}


def test_an_upload_that_cannot_be_repeated_gets_no_503(joule: Joule):
    """The original client would send an empty body the second time, and hear that all is well."""
    path = joule.folder / "joule.db"
    stream_id = create(joule, "/a/flow")
    key = new_key(joule)
    with running(joule, path, "--port", "0", "--grace", "1s") as server:
        client = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=DEADLINE_S)
        headers = {"X-API-KEY": key, "Transfer-Encoding": "chunked"}
        client.putrequest("POST", f"/data?id={stream_id}")
        for name, value in headers.items():
            client.putheader(name, value)
        client.endheaders()
        path.rename(beside(path))
        body = rows(0, 10)
        client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        with client.getresponse() as response:
            assert response.status == 500
            assert response.headers["joule-error"] in {"file_moved_error", "storage_error"}
        client.close()
        assert server.process.wait(DEADLINE_S) == 4


def test_a_file_with_a_second_name_is_not_served(joule: Joule):
    path = joule.folder / "joule.db"
    joule.ok("folder", "create", "/a")
    link(path)
    for name in (path, beside(path)):
        result = joule("node", "serve", name, "--port", "0")
        assert result.status == 4
        assert "hard link" in result.err
        assert "Traceback" not in result.err


def test_a_command_that_writes_what_a_program_prints_ends(joule: Joule):
    path = joule.folder / "joule.db"
    joule.ok("stream", "create", "/a/flow:float32[x]")
    process = subprocess.Popen(
        [*PROGRAM, "data", "write", "/a/flow"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=joule.environment(),
        cwd=joule.folder,
        encoding="utf-8",
    )
    with process:
        process.stdin.write("1700000000000000 1\n")
        process.stdin.flush()
        deadline = time.monotonic() + DEADLINE_S
        while joule.ok("data", "count", "/a/flow").split()[-1] != "1":
            assert time.monotonic() < deadline
        path.rename(beside(path))
        process.stdin.write("1700000000000001 2\n")
        process.stdin.flush()
        told = process.stderr.read()
        # a row was stored before
        assert process.wait(DEADLINE_S) == 3
    assert "was renamed or removed while it was open" in told
    assert not path.exists()
