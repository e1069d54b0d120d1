"""Files beside a node are no more open than the node, in a process that masks nothing."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from joule_cli import part_file
from joule_cli.daemon import administration, repair_file
from joule_cli.engine.stores.sqlite import connection
from joule_cli.engine.stores.sqlite.serving import only_server
from joule_cli.model import EventStream
from tests.engine.writers import made_stream, rows_at
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def masks_nothing():
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def modes(folder: Path) -> dict[str, int]:
    return {each.name: mode(each) for each in folder.iterdir() if each.is_file()}


@pytest.fixture
def unpublished(monkeypatch) -> dict[str, int]:
    """The modes of what lies in a folder just before a file there gets its name."""
    seen: dict[str, int] = {}
    real = part_file.publish

    def publish(part: Path, target: Path, **options) -> None:
        seen.update(modes(part.parent))
        real(part, target, **options)

    monkeypatch.setattr(part_file, "publish", publish)
    monkeypatch.setattr(connection, "publish", publish)
    return seen


async def fill(node: FileNode) -> None:
    await node.data_stream_create(made_stream("s"), "/a")
    async with await node.data_write("/a/s") as pipe:
        await pipe.write(rows_at(range(100), pipe.dtype))
    await node.event_stream_create(EventStream("e"), "/a")


async def test_in_every_step(tmp_path: Path, unpublished):
    path = tmp_path / "joule.db"
    async with FileNode("demo", path) as node:
        await fill(node)
        with only_server(path):
            found = modes(tmp_path)
        assert found == dict.fromkeys(
            ["joule.db", "joule.db-lock", "joule.db-shm", "joule.db-wal"], 0o600
        )
        admin = administration(node)
        for _ in range(3):
            await admin.backup(tmp_path / "copy.db", keep=2)
        await admin.restore(tmp_path / "copy.db.1")
        await admin.compact()
    await repair_file(path, tmp_path / "mended.db", lambda done, total: None, lambda seen: None)
    await repair_file(path, tmp_path / "new" / "m.db", lambda done, total: None, lambda seen: None)
    assert mode(tmp_path / "new") == 0o700
    made = {"joule.db", "joule.db-lock", "copy.db", "copy.db.1", "copy.db.2", "mended.db"}
    assert made <= modes(tmp_path).keys()
    assert {".joule.db.new", "copy.db.part", "mended.db.part"} <= unpublished.keys()
    assert {
        name: bits for name, bits in (unpublished | modes(tmp_path)).items() if bits & 0o077
    } == {}


async def test_behind_a_symbolic_link(tmp_path: Path):
    """A link that leads to where there is nothing yet, and to a folder that is missing."""
    path, real = tmp_path / "link.db", tmp_path / "new" / "real.db"
    path.symlink_to(real)
    async with FileNode("demo", path) as node:
        await fill(node)
        names = [f"real.db{suffix}" for suffix in ("", "-lock", "-shm", "-wal")]
        assert modes(real.parent) == dict.fromkeys(names, 0o600)
    assert path.is_symlink()
    assert mode(real.parent) == 0o700


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o660, 0o644, 0o666])
async def test_a_node_that_its_owner_has_opened(tmp_path: Path, bits: int):
    path = tmp_path / "joule.db"
    async with FileNode("demo", path) as node:
        await fill(node)
    path.chmod(bits)
    async with FileNode("demo", path) as node:
        async with await node.data_write("/a/s") as pipe:
            await pipe.write(rows_at([1000], pipe.dtype))
            found = modes(tmp_path)
        assert found.keys() == {path.name + suffix for suffix in ("", "-lock", "-shm", "-wal")}
        assert {name: open_ for name, open_ in found.items() if open_ & ~bits} == {}
        await administration(node).backup(tmp_path / "copy.db")
    assert mode(tmp_path / "copy.db") == 0o600


async def test_a_link_shared_with_a_group_is_closed_with_its_file(tmp_path: Path):
    path, real = tmp_path / "link.db", tmp_path / "real.db"
    path.symlink_to(real)
    async with FileNode("demo", path) as node:
        await fill(node)
    real.chmod(0o666)
    async with FileNode("demo", path) as node:
        async with await node.data_write("/a/s") as pipe:
            await pipe.write(rows_at([1000], pipe.dtype))
            connection.close_to_others(path)
            found = modes(tmp_path)
        del found["link.db"]
        assert found == dict.fromkeys(found, 0o660)
        assert len(found) == 4
