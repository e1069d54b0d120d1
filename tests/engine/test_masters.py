"""Masters, followers and keys in a node file."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING

import apsw
import pytest

from joule_cli.daemon import administration, peers
from joule_cli.engine.keys import new_key
from joule_cli.engine.stores.sqlite.migrations import APPLICATION_ID, MIGRATIONS
from joule_cli.errors import (
    ApiError,
    ConflictError,
    FollowerNotFound,
    MasterNotFound,
    ModuleNotFound,
    NameTakenError,
    ProxyNotFound,
)
from tests.nodes import FileNode

if TYPE_CHECKING:
    from pathlib import Path

CHOSEN = "a key that its user has chosen himself"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "joule.db"


@pytest.fixture
async def lab(path):
    async with FileNode("lab", path) as node:
        yield node


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def content(folder):
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_a_user_is_listed_without_the_key(lab):
    bob = await lab.master_add("user", "bob")
    assert len(bob.key) == 43
    assert bob.key not in repr(bob)
    [listed] = await lab.master_list()
    assert (listed.master_type, listed.name, listed.key) == ("USER", "bob", None)
    assert listed.to_json() == {"id": bob.id, "name": "bob", "type": "USER", "grantor_id": None}


async def test_the_file_has_no_key_of_a_master(lab, tmp_path):
    generated = (await lab.master_add("user", "bob")).key
    await lab.master_add("USER", "eve", api_key=CHOSEN)
    stored = content(tmp_path)
    assert b"bob" in stored
    assert generated.encode() not in stored
    assert CHOSEN.encode() not in stored


async def test_keys_are_found_until_their_master_is_deleted(lab):
    keys = peers(lab)
    bob = await lab.master_add("user", "bob")
    eve = await lab.master_add("user", "eve", api_key=CHOSEN)
    assert await keys.find(bob.key) == bob.id
    assert await keys.find(CHOSEN) == eve.id
    for wrong in ("", "x", bob.key[:-1], bob.key + " ", bob.key.swapcase(), "\udc80", "é" * 50):
        assert await keys.find(wrong) is None
    await lab.master_delete("user", "bob")
    keys.forget()
    assert await keys.find(bob.key) is None
    assert await keys.find(CHOSEN) == eve.id


async def test_a_key_deleted_by_another_process_ends_within_a_second(lab, path, monkeypatch):
    keys = peers(lab)
    bob = await lab.master_add("user", "bob")
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    assert await keys.find(bob.key) == bob.id
    async with FileNode("other", path) as other:
        await other.master_delete("user", "bob")
    assert await keys.find(bob.key) == bob.id
    now += 1.1
    assert await keys.find(bob.key) is None


async def test_refused_masters(lab):
    await lab.master_add("user", "bob", api_key=CHOSEN)
    with pytest.raises(NameTakenError, match="User already exists"):
        await lab.master_add("user", "bob")
    with pytest.raises(ConflictError, match="already in use"):
        await lab.master_add("user", "eve", api_key=CHOSEN)
    with pytest.raises(ApiError, match="API Key must be at least 32 characters"):
        await lab.master_add("user", "eve", api_key="k" * 31)
    for key in ("k" * 32 + "\n", "k" * 31 + "é", " " + "k" * 32):
        with pytest.raises(ApiError, match="printable ASCII"):
            await lab.master_add("user", "eve", api_key=key)
    for name in ("", " ", "a\nb", None, 5):
        with pytest.raises(ApiError, match="identifier"):
            await lab.master_add("user", name)
    with pytest.raises(ApiError, match=r"master_type must be \[user\|joule\|lumen\]"):
        await lab.master_add("admin", "eve")
    for kind in ("joule", "joule_node", "LUMEN_NODE"):
        with pytest.raises(ApiError, match="only a served node"):
            await lab.master_add(kind, "http://192.0.2.1")
    assert [master.name for master in await lab.master_list()] == ["bob"]


async def test_deleting_masters(lab):
    await peers(lab).add_master("JOULE_NODE", "bob")
    await lab.master_add("user", "bob")
    with pytest.raises(MasterNotFound, match=r"user \[eve\] is not a master of node \[lab\]"):
        await lab.master_delete("user", "eve")
    with pytest.raises(MasterNotFound, match=r"lumen_node \[bob\] is not a master"):
        await lab.master_delete("lumen", "bob")
    await lab.master_delete("joule", "bob")
    [left] = await lab.master_list()
    assert left.master_type == "USER"
    await lab.master_remove(left)
    await lab.master_add("user", "bob")
    await lab.master_remove("bob")
    await peers(lab).add_master("JOULE_NODE", "central")
    await lab.master_remove("joule_node", "central")
    with pytest.raises(ApiError):
        await lab.master_remove(5)
    assert await lab.master_list() == []


async def test_a_master_that_is_replaced_loses_the_key(lab):
    keys = peers(lab)
    old = await keys.add_master("JOULE_NODE", "central")
    assert await keys.find(old.key) == old.id
    with pytest.raises(NameTakenError):
        await keys.add_master("JOULE_NODE", "central")
    new = await keys.add_master("JOULE_NODE", "central", replace=True, grantor_id=old.id)
    assert await keys.find(old.key) is None
    assert await keys.find(new.key) == new.id
    # who granted it is gone
    assert [m.grantor_id for m in await lab.master_list()] == [None]


async def test_who_granted_it(lab):
    keys = peers(lab)
    bob = await lab.master_add("user", "bob")
    await keys.add_master("USER", "eve", grantor_id=bob.id)
    await keys.add_master("USER", "kim", grantor_id=99)
    assert [m.grantor_id for m in await lab.master_list()] == [None, bob.id, None]
    await lab.master_delete("user", "bob")
    assert [m.grantor_id for m in await lab.master_list()] == [None, None]


async def test_deleting_one_follower_deletes_one(lab):
    keys = peers(lab)
    await keys.add_follower("a", "key a", "http://192.0.2.1:8088")
    await keys.add_follower("b", "key b", "http://192.0.2.2:8088")
    with pytest.raises(FollowerNotFound, match="follower not found"):
        await lab.follower_delete("c")
    await lab.follower_delete("a")
    assert [(f.name, f.location, f.key) for f in await lab.follower_records()] == [
        ("b", "http://192.0.2.2:8088", "key b")
    ]
    assert "key b" not in repr(await lab.follower_records())
    await lab.follower_remove("b")
    assert await lab.follower_records() == []


async def test_a_follower_at_the_same_place_is_replaced_another_is_not(lab):
    keys = peers(lab)
    await keys.add_follower("a", "key a", "http://192.0.2.1:8088")
    await keys.add_follower("a2", "key a2", "http://192.0.2.1:8088")
    for name, key in (("a2", "key b"), ("b", "key a2")):
        with pytest.raises(ConflictError, match=r"http://192\.0\.2\.1:8088"):
            await keys.add_follower(name, key, "http://192.0.2.2:8088")
    [follower] = await lab.follower_records()
    assert (follower.name, follower.key) == ("a2", "key a2")


async def test_the_files_of_a_node_are_private(lab, path, tmp_path):
    await lab.folder_create("/a")
    assert {f.name: mode(f) for f in path.parent.glob("joule.db*")} == {
        "joule.db": 0o600,
        "joule.db-lock": 0o600,
        "joule.db-shm": 0o600,
        "joule.db-wal": 0o600,
    }
    await administration(lab).backup(tmp_path / "copy.db")
    assert mode(tmp_path / "copy.db") == 0o600


async def test_a_file_that_everybody_could_read_is_closed_for_the_first_follower(lab, path):
    await lab.folder_create("/a")
    for file in path.parent.glob("joule.db*"):
        file.chmod(0o664)
    await lab.master_add("user", "bob")
    assert mode(path) == 0o664
    await peers(lab).add_follower("a", "key a", "http://192.0.2.1:8088")
    assert {mode(f) for f in path.parent.glob("joule.db*")} == {0o660}


async def test_erasing_keeps_the_keys_unless_told(lab):
    keys = peers(lab)
    bob = await lab.master_add("user", "bob")
    await keys.add_follower("a", "key a", "http://192.0.2.1:8088")
    await lab.folder_create("/a")
    await administration(lab).erase()
    assert (await lab.folder_root()).children == []
    assert await keys.find(bob.key) == bob.id
    assert len(await lab.follower_records()) == 1
    await administration(lab).erase(links=True)
    assert await lab.master_list() == await lab.follower_records() == []


async def test_a_backup_has_the_masters(lab, tmp_path):
    bob = await lab.master_add("user", "bob")
    await administration(lab).backup(tmp_path / "copy.db")
    async with FileNode("copy", tmp_path / "copy.db") as copy:
        assert await peers(copy).find(bob.key) == bob.id


async def test_a_file_from_before_masters_is_brought_up_to_date(path):
    old = apsw.Connection(str(path))
    for step in MIGRATIONS[:2]:
        old.execute(step)
    old.execute("INSERT INTO node VALUES ('uuid', 'x')")
    old.execute("INSERT INTO folder (name, updated_at) VALUES ('root', 0)")
    old.pragma("application_id", APPLICATION_ID)
    old.pragma("user_version", 2)
    old.close()
    async with FileNode("lab", path) as node:
        assert await node.master_list() == []
        await node.master_add("user", "bob")
        assert len(await node.master_list()) == 1


async def test_reading_peers_makes_no_file(lab, path):
    assert await lab.master_list() == await lab.follower_records() == []
    assert await peers(lab).find("key") is None
    assert not path.exists()


async def test_a_file_runs_no_modules_and_has_no_proxies(lab):
    assert await lab.module_list(statistics=True) == await lab.proxy_list() == []
    for call in (lab.module_get("x"), lab.module_logs(5)):
        with pytest.raises(ModuleNotFound, match="module does not exist"):
            await call
    with pytest.raises(ProxyNotFound, match="proxy does not exist"):
        await lab.proxy_get(0)
    with pytest.raises(ApiError, match="only a served node imports archives"):
        await lab.archive_upload("x.zip")


def test_a_new_key_is_no_option():
    """A key is typed as an argument: one of 64 would begin with a dash."""
    keys = {new_key() for _ in range(2000)}
    assert len(keys) == 2000
    assert not [key for key in keys if key.startswith("-")]
    assert {len(key) for key in keys} == {43}
