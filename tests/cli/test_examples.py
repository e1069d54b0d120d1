"""Every example of the help does what it says, in bash, on a node that has what it names."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from aiohttp import web

from joule_cli.model import (
    Annotation,
    DataStream,
    Element,
    Event,
    EventStream,
    Module,
    ModuleStatistics,
)
from tests.archives import T, flow_model, npy, write_archive, write_importer
from tests.certificates import make_certificates
from tests.cli.conftest import forks
from tests.cli.serving import running
from tests.cli.test_help import CONTEXTS
from tests.nodes import FileNode
from tests.serving import listening

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000
EXAMPLES = {path: ctx.command.examples for path, ctx in CONTEXTS.items()}

#: Examples that are not run, and why.
NOT_RUN = {
    "joule node add meter https://meter.example/joule --key-file meter.key": "no such machine",
    "joule data copy meter:/mains local:/mains --last 1d": "no such machine",
    "joule master add joule http://192.0.2.1:8088": "no such machine",
    "joule master add lumen lumen.example --lumen-key-file lumen.key": "no such machine",
    "joule --url file:lab.db admin authorize --url http://192.0.2.1:8088": "no such machine",
    "joule data plot /house/mains --live --last 10m": "draws on a terminal",
    "joule admin authorize": "looks for a node that is served at the usual port of this machine",
}
#: What must have been done before an example; else there is what `_fill` and `_files` make.
BEFORE = {
    'joule stream create "/house/mains:float32[volts,amps]"': "rm joule.db",
    'joule stream create "/house/mains:float32[volts:V,amps:A]"': "rm joule.db",
    "joule event create /house/events --field power:numeric --field 'kind:category[heat,cool]'": (
        "joule event delete /house/events /house/alarms --yes"
    ),
    "joule data ingest mains.h5 --stream /house/mains": (
        "joule data read /house/mains --last 1m -f mains.h5"
    ),
    "joule data ingest exported/ --stream /restored": "joule data export /house --to exported",
    "joule data intervals /house/mains --diff /archive/mains --csv > missing.csv": (
        "joule data copy /house/mains /archive/mains --last 1h --yes"
    ),
    "joule archive upload exports/ --recursive --flush": (
        "joule stream delete '/imported/inlet flow' --yes"
    ),
    "joule archive upload exports/ --dry-run": "cp export.zip exports",
    "joule master add user alice --key-file alice.key": "joule master delete user alice",
    "joule master delete user alice": "joule master add user alice",
}
#: Examples without an end, with what they say at first; they are interrupted then.
ENDLESS = {
    "joule node serve": " at http",
    "joule data read /house/mains --live": '{"timestamp":',
    "joule module list -s --watch": "filter",
    "joule module logs filter --follow": "filtering",
}
#: Where the absolute places of examples are here.
PLACES = {
    "/data/lab.db": "lab.db",
    "/backup/joule.db": "backup/joule.db",
    "/run/joule/api": "{folder}/api",
    "/tmp/joule/api": "{folder}/api",
}
#: Examples for a node that runs modules and has a database server.
OF_MODULES = ("joule module", "joule proxy", "joule db connect", 'eval "$(joule db connect')
#: Examples for a node that is served.
OF_SERVED = ("joule archive upload", "joule node add here")
#: Programs that examples name.
PROGRAMS = {
    "sensor": "printf '%s\\n' 20.5 20.6 20.7",
    "psql": 'test "$PGHOST" = 127.0.0.1',
}


def _elements(*names):
    return [Element(name=name, units=name[0].upper()) for name in names]


async def _rows(node, path, names, times, datatype="float32"):
    folder, name = path.rsplit("/", 1)
    stream = DataStream(name=name, datatype=datatype, elements=_elements(*names))
    stream = await node.data_stream_create(stream, folder)
    rows = np.zeros(len(times), [("timestamp", "<i8"), ("data", "<f4", (len(names),))])
    rows["timestamp"] = times
    rows["data"] = (np.arange(len(times)) % 240)[:, None]
    async with await node.data_write(stream) as pipe:
        await pipe.write(rows)


async def _fill(file, now):
    day = now - np.arange(86_400, 0, -1) * SECOND
    minute = day[-60:]
    async with FileNode("local", file) as node:
        await _rows(node, "/house/mains", ["volts", "amps"], day)
        await _rows(node, "/house/solar", ["power"], minute)
        await _rows(node, "/house/kitchen/temperature", ["degrees"], minute)
        await _rows(node, "/house/old/heater", ["power"], minute)
        await _rows(node, "/house/pump", ["power", "phase"], minute)
        for path in ("/tmp/x", "/tmp/run-1/a", "/tmp/run-2/a"):
            await _rows(node, path, ["x"], minute)
        await _rows(node, "/a/x", ["in"], minute)
        await _rows(node, "/a/y", ["out"], minute + SECOND // 2)
        fields = {"power": "numeric", "kind": 'category:["heat","cool","test"]'}
        for path in ("/house/events", "/house/alarms", "/tmp/events", "/tmp/run-1/events"):
            folder, name = path.rsplit("/", 1)
            stream = EventStream(name=name, event_fields=fields)
            stream = await node.event_stream_create(stream, folder)
            spans = [(now - n * 3600 * SECOND, kind) for n, kind in ((3, "heat"), (2, "test"))]
            events = [Event(t, t + SECOND, content={"power": 200, "kind": k}) for t, k in spans]
            await node.event_stream_write(stream, events)
        for n in range(13):
            note = Annotation(title=f"fridge {n}", start=now - (n + 1) * 1800 * SECOND)
            await node.annotation_create(note, "/house/mains")
        await node.master_add("user", "carol")
        await node.store_follower("pumphouse", "a key of the pumphouse", "http://192.0.2.1:8088")


def _files(folder, now):
    times = [now - (100 - n) * SECOND for n in range(100)]
    log = ["when,volts,amps", *(f"{t},{n},{n}" for n, t in enumerate(times))]
    (folder / "log.csv").write_text("\n".join(log) + "\n")
    (folder / "rows.txt").write_text("".join(f"{n}\n" for n in range(100)))
    (folder / "notes.csv").write_text(f"start,title\n{times[0]},heater\n")
    (folder / "events.csv").write_text(f"start_time,end_time,power,kind\n{now},,100,heat\n")
    (folder / "report.sql").write_text('SELECT max(volts) FROM "house/mains"')
    for name in ("meter.key", "alice.key"):
        (folder / name).write_text("a-key-that-its-user-has-chosen-0123456789\n")
    archive = [("flow", flow_model(), {f"{T}.dat": npy([T, T + 500])})]
    write_archive(folder / "export.zip", data=archive)
    (folder / "exports").mkdir()
    shutil.copy(folder / "export.zip", folder / "exports")
    shutil.copy(folder / "joule.db", folder / "lab.db")
    shutil.copy(folder / "joule.db", folder / "old.db")
    shutil.copytree(folder, folder / "backup", ignore=lambda _, names: {*names} - {"joule.db"})
    (folder / ".config" / "fish" / "completions").mkdir(parents=True)
    write_importer(folder / "importers")
    make_certificates(folder)


class Served:
    """A node that runs modules, serves an interface, and has a database server."""

    async def start(self, stack):
        app = web.Application()
        filtering = Module(
            2, "filter", "running median", False, {}, {}, ModuleStatistics(15910, 1.7, 2.0, 0.4)
        ).to_json()
        grafana = {"id": 0, "name": "grafana", "url": "http://127.0.0.1:3000/"}
        database = {
            "username": "joule",
            "password": "secret",
            "port": 5432,
            "database": "joule",
            "host": "127.0.0.1",
        }
        logs = ["[2026-03-01T08:15:30.250000]: filtering"]
        for path, answer in {
            "/modules.json": [filtering],
            "/module.json": filtering,
            "/module/logs.json": logs,
            "/proxies.json": [grafana],
            "/proxy.json": grafana,
            "/db/connection.json": database,
        }.items():
            app.router.add_get(path, self._says(answer))
        return await stack.enter_async_context(listening(app))

    def _says(self, answer):
        async def handle(request):
            return web.json_response(answer)

        return handle


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    now = time.time_ns() // 1000
    asyncio.run(_fill(folder / "joule.db", now))
    _files(folder, now)
    return folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    for name, text in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    forks().install(folder)
    return folder


@pytest.fixture(scope="module")
def served():
    with running(Served().start) as url:
        yield url


@dataclass
class Place:
    """A folder for examples, in which they are run on its node or another one."""

    folder: Path
    programs: Path

    def _environment(self, url):
        return {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "JOULE_URL": url or f"file:{self.folder}/joule.db",
            "JOULE_USER_CONFIG_DIR": str(self.folder / "config"),
            "LC_ALL": "C.UTF-8",
        }

    def run(self, line, url=None):
        return subprocess.run(
            ["bash", "-c", line],
            input="y\n" * 9,
            capture_output=True,
            encoding="utf-8",
            cwd=self.folder,
            env=self._environment(url),
            timeout=60,
            check=False,
        )

    @contextmanager
    def started(self, line, first, url=None):
        """Run a line without an end, and interrupt it at the end of the block."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            cwd=self.folder,
            env=self._environment(url),
        )
        with process:
            said = ""
            while first not in said:
                text = process.stdout.readline()
                assert text, f"{line}\n{said}"
                said += text
            try:
                yield
            finally:
                process.send_signal(signal.SIGINT)
                process.stdout.read()
        assert process.returncode == 0, line


@pytest.fixture
def place(programs, filled, tmp_path):
    folder = tmp_path / "place"
    shutil.copytree(filled, folder)
    nodes = [{"name": n, "url": f"file:{folder}/{n}.db", "key": ""} for n in ("lab", "other")]
    nodes.append({"name": "backup", "url": f"file:{folder}/backup/joule.db", "key": ""})
    (folder / "config").mkdir()
    (folder / "config" / "nodes.json").write_text(json.dumps(nodes))
    return Place(folder, programs)


@pytest.mark.parametrize("path", EXAMPLES)
def test_examples(path, place, request):
    for example in EXAMPLES[path]:
        if example not in NOT_RUN:
            _run(example, place, request)


def _run(example, place, request):
    if example in BEFORE:
        assert place.run(BEFORE[example]).returncode == 0, BEFORE[example]
    line = example
    for usual, here in PLACES.items():
        line = line.replace(usual, here.format(folder=place.folder))
    with ExitStack() as stack:
        url = None
        if example.startswith(OF_MODULES):
            url = request.getfixturevalue("served")
        elif example.startswith(OF_SERVED):
            url = f"unix:{place.folder}/api"
            serve = "joule node serve joule.db --socket api --importer-dir importers"
            stack.enter_context(place.started(serve, url))
        for begin, first in ENDLESS.items():
            if example.startswith(begin):
                # the usual port may be taken
                line += " --port 0" * line.startswith("joule node serve")
                stack.enter_context(place.started(line, first, url))
                return
        done = place.run(line, url)
    assert (done.returncode, "Error" in done.stderr) == (0, False), (
        f"{line}\n{done.stdout}{done.stderr}"
    )


def test_what_is_said_of_examples_is_said_of_one():
    known = {example for examples in EXAMPLES.values() for example in examples}
    assert set(NOT_RUN) | set(BEFORE) <= known
    for begin in (*ENDLESS, *OF_MODULES, *OF_SERVED):
        assert [example for example in known if example.startswith(begin)], begin
