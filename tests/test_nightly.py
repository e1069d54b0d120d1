"""The nightly script of the README, run as cron runs it: with next to nothing around it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from joule_cli.model import DataStream, Element, Event, EventStream
from tests.nodes import FileNode

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
SECTION = README[README.index("\n## Every night\n") :].split("\n## ")[1]
SECOND = 1_000_000


async def _measure(file, now):
    """What a meter has stored in the last two hours."""
    async with FileNode("meter", file) as node:
        for name in ("mains", "solar", "pump"):
            stream = DataStream(name=name, elements=[Element(name="power")])
            await node.data_stream_create(stream, "/house")
            async with await node.data_write(f"/house/{name}") as pipe:
                await pipe.write([[now - i * 60 * SECOND, i] for i in range(120, 0, -1)])
        await node.event_stream_create(EventStream(name="switches"), "/house")
        await node.event_stream_write("/house/switches", [Event(now - SECOND, now)])


async def _counts(file, paths):
    async with FileNode("home", file) as node:
        return [await node.data_count(path) for path in paths]


async def _take_the_name(file, now):
    """Store another stream where the one of the meter belongs."""
    async with FileNode("home", file) as node:
        stream = DataStream(name="pump", datatype="int16", elements=[Element(name="phase")])
        await node.data_stream_create(stream, "/house")
        async with await node.data_write("/house/pump") as pipe:
            await pipe.write([[now, 1]])


class Night:
    """A machine at night: a meter elsewhere, a node here, and the script."""

    def __init__(self, folder):
        self.folder = folder
        self.now = time.time_ns() // 1000
        for name in ("config", "data", "bin"):
            (folder / name).mkdir()
        (folder / "bin" / "joule").symlink_to(Path(sys.executable).with_name("joule"))
        asyncio.run(_measure(folder / "meter.db", self.now))
        self.place_of_meter(f"file:{folder}/meter.db")
        (script,) = re.findall(r"^```bash\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)
        for there, here in (
            ("/var/lib/joule", folder / "data"),
            ("/etc/joule", folder / "config"),
            ("/srv/export", folder / "export"),
            ("/srv/backup", folder / "backup"),
        ):
            assert there in script
            script = script.replace(there, str(here))
        self.script = folder / "nightly"
        self.script.write_text(script)
        self.script.chmod(0o755)

    def place_of_meter(self, url):
        entries = [{"name": "meter", "url": url, "key": ""}]
        (self.folder / "config" / "nodes.json").write_text(json.dumps(entries))

    def run(self):
        """Run the script without terminal, input or home; what it prints would be a mail."""
        path = f"PATH={self.folder}/bin:/usr/bin:/bin"
        done = subprocess.run(
            ["env", "-i", path, "sh", "-c", 'exec "$0" <&-', str(self.script)],
            capture_output=True,
            text=True,
            cwd="/",
            start_new_session=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @property
    def node(self):
        return self.folder / "data" / "joule.db"


@pytest.fixture
def night(tmp_path):
    return Night(tmp_path)


def test_all_is_well_and_no_mail_is_sent(night):
    assert night.run() == (0, "")
    paths = ["/house/mains", "/house/solar", "/house/pump"]
    assert asyncio.run(_counts(night.node, paths)) == [120] * 3
    exported = {path.parts[-2] for path in (night.folder / "export").rglob("*.h5")}
    assert exported == {"mains", "solar", "pump"}
    assert (night.folder / "backup" / "joule.db").stat().st_size > 0
    # and so in the next night, when nothing has been measured meanwhile
    assert night.run() == (0, "")
    assert asyncio.run(_counts(night.node, paths)) == [120] * 3


def test_one_of_several_streams_fails(night):
    asyncio.run(_take_the_name(night.node, night.now))
    status, mail = night.run()
    assert status == 3
    (line,) = mail.splitlines()
    assert line.startswith("Error: ")
    assert "/house/pump" in line
    # the others are there, in the node, in files and in the backup
    assert asyncio.run(_counts(night.node, ["/house/mains", "/house/solar"])) == [120] * 2
    assert {p.parts[-2] for p in (night.folder / "export").rglob("*.h5")} >= {"mains", "solar"}
    assert (night.folder / "backup" / "joule.db").exists()


def test_a_meter_out_of_reach_and_streams_that_grow_old(night):
    assert night.run() == (0, "")
    night.place_of_meter("http://127.0.0.1:1")
    status, mail = night.run()
    assert status == 1
    (line,) = mail.splitlines()
    assert line.startswith("Error: ")
    assert "http://127.0.0.1:1" in line


def test_damage_spreads_into_no_backup(night):
    assert night.run() == (0, "")
    backup = night.folder / "backup" / "joule.db"
    good = backup.read_bytes()
    spoilt = bytearray(night.node.read_bytes())
    for start in range(8192, len(spoilt), 4096):
        spoilt[start + 2000] ^= 1
    night.node.write_bytes(spoilt)
    status, mail = night.run()
    assert status == 1
    assert "fails its checksum" in mail
    assert any(line.startswith("Error: ") and str(night.node) in line for line in mail.splitlines())
    assert [file.name for file in backup.parent.iterdir()] == ["joule.db"]
    assert backup.read_bytes() == good


def test_earlier_backups_are_kept(night):
    for _ in range(3):
        assert night.run() == (0, "")
    names = sorted(file.name for file in (night.folder / "backup").iterdir())
    assert names == ["joule.db", "joule.db.1", "joule.db.2"]
