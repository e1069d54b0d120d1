"""`joule node serve` as it runs: in a process of its own, stopped, killed, and among others."""

from __future__ import annotations

import asyncio
import configparser
import fcntl
import http.client
import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from joule_cli.api import get_node
from joule_cli.api.connect import create_tcp_node
from joule_cli.cli.node_serve import serve
from tests.certificates import make_certificates
from tests.cli.conftest import PROGRAM, write_rows

ROW = np.dtype([("timestamp", "<i8"), ("data", "<f4", (2,))])
DEADLINE_S = 30
EXAMPLES = Path(__file__).parents[2] / "examples"


class Server:
    """A server under test; its log is read to the end by a thread."""

    def __init__(self, joule, *args, env=None, **options):
        self.lines = []
        self._arrived = threading.Condition()
        self.process = subprocess.Popen(
            [*PROGRAM, "node", "serve", *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=joule.environment({"JOURNAL_STREAM": "1:2", **(env or {})}),
            cwd=joule.folder,
            **options,
        )
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        for line in self.process.stderr:
            with self._arrived:
                self.lines.append(line.rstrip("\n"))
                self._arrived.notify_all()
        with self._arrived:
            self.lines.append(None)
            self._arrived.notify_all()

    def wait_for(self, pattern):
        """Return the match of the first line of the log that has it."""
        found = None

        def there():
            nonlocal found
            found = next(
                (m for line in self.lines if line and (m := re.search(pattern, line))), None
            )
            return found or None in self.lines

        with self._arrived:
            self._arrived.wait_for(there, DEADLINE_S)
        assert found, self.lines
        return found

    @property
    def url(self):
        return self.wait_for(r"^serving .* at (\S+)")[1]

    def stop(self, number=signal.SIGTERM):
        """Send a signal, wait for the end, and return the status."""
        self.process.send_signal(number)
        return self.end()

    def end(self):
        status = self.process.wait(DEADLINE_S)
        self._thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return status


@contextmanager
def running(joule, *args, **options):
    server = Server(joule, *args, **options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)
        elif not server.process.stderr.closed:
            server.end()


def new_key(joule):
    return json.loads(joule.ok("master", "add", "user", "tester", "--json"))["key"]


def status_of(url, headers):
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
            return response.status
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


def first_line(client):
    with client.makefile("rb") as stream:
        return stream.readline()


# how it begins and ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_serves_until_a_signal(joule, number):
    joule.ok("stream", "create", "/a/flow:float32[x,y]")
    key = new_key(joule)
    with running(joule, "--port", "0", "--name", "lab") as server:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)
        assert server.lines[0] == f"serving {joule.folder}/joule.db as [lab] at {server.url}"
        env = {"JOULE_URL": server.url, "JOULE_API_KEY": key}
        assert "/a/flow" in joule.ok("stream", "list", env=env)
        assert json.loads(joule.ok("node", "info", "--json", env=env))["name"] == "lab"
        assert status_of(f"{server.url}/version", {}) == 403
        assert server.stop(number) == 0
        assert server.lines[-3:] == ["stopping", "stopped", None]
        assert "Traceback" not in str(server.lines)


def test_first_start_makes_the_file_and_tells_how_to_get_a_key(joule):
    with running(joule, "new/n.db", "--port", "0") as server:
        hint = server.wait_for(
            "no key of this node exists yet; make one for yourself on this machine with: "
            "joule (.*); for others with: joule (.*)"
        )
        assert (joule.folder / "new" / "n.db").exists()
        url = f"--url file:{joule.folder}/new/n.db"
        authorize = f"{url} admin authorize --url {server.url}"
        assert hint.groups() == (authorize, f"{url} master add user NAME")
        # what it says works while the node is served
        joule.ok(*authorize.split(), "--user", "me")
        made = json.loads(joule.ok(*hint[2].replace("NAME", "alice").split(), "--json"))
        assert status_of(f"{server.url}/version", {"X-API-KEY": made["key"]}) == 200
        assert server.stop() == 0
        assert made["key"] not in str(server.lines)
    with running(joule, "new/n.db", "--port", "0") as server:
        assert server.url
        server.stop()
        assert "nobody" not in str(server.lines)


def test_second_signal_ends_it_at_once(joule):
    stream_id = create(joule, "/a/flow")
    key = new_key(joule)
    with (
        running(joule, "--port", "0", "--grace", "10min") as server,
        open_upload(server.url, key, stream_id) as upload,
    ):
        upload.send(rows(0, 10))
        wait_for_rows(joule, "/a/flow", 10)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("^stopping")
        assert server.stop() == -signal.SIGTERM
    wait_for_rows(joule, "/a/flow", 10)


def test_open_upload_is_finished_before_the_end(joule):
    stream_id = create(joule, "/a/flow")
    key = new_key(joule)
    with running(joule, "--port", "0") as server:
        with open_upload(server.url, key, stream_id) as upload:
            upload.send(rows(0, 10))
            wait_for_rows(joule, "/a/flow", 10)
            server.process.send_signal(signal.SIGTERM)
            server.wait_for("^stopping")
            upload.send(rows(10, 10))
            assert upload.end() == (200, b"ok")
        assert server.end() == 0
    wait_for_rows(joule, "/a/flow", 20)


def test_tells_the_service_manager(joule, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_S)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with running(joule, "--port", "0", env=env) as server:
            ready = manager.recv(4096).decode().splitlines()
            assert ready == ["READY=1", f"STATUS=serving at {server.url}"]
            assert server.stop() == 0
            assert manager.recv(4096).decode().splitlines()[0] == "STOPPING=1"


def test_service_manager_that_is_gone_does_no_harm(joule, tmp_path):
    with running(joule, "--port", "0", env={"NOTIFY_SOCKET": str(tmp_path / "x")}) as server:
        assert server.url
        assert server.stop() == 0


def test_tells_through_a_descriptor(joule):
    reading, writing = os.pipe()
    with running(joule, "--port", "0", "--ready-fd", writing, pass_fds=[writing]) as server:
        os.close(writing)
        with os.fdopen(reading) as stream:
            assert stream.read() == f"{server.url}\n"
        assert server.stop() == 0


def test_goes_on_when_nobody_reads_its_log(joule):
    """A parent that keeps the pipes of its child and never looks at them."""
    key = new_key(joule)
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*PROGRAM, "node", "serve", "--port", "0", "--ready-fd", str(writing)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=joule.environment(),
        cwd=joule.folder,
        pass_fds=[writing],
    )
    try:
        os.close(writing)
        # as small as a pipe can be: it is full after a few dozen requests
        room = fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        with os.fdopen(reading) as stream:
            port = int(stream.read().rpartition(":")[2])
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        n_requests = 3 * room // 40
        for _ in range(n_requests):
            client.request("GET", "/version.json", headers={"X-API-KEY": key})
            with client.getresponse() as response:
                assert response.status == 200
                response.read()
        client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        kept = process.stderr.read().decode()
        assert 0 < kept.count("GET /version.json") < n_requests
    finally:
        process.kill()
        process.communicate()


def test_unit_file_names_options_that_exist():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(EXAMPLES / "joule.service")
    assert parser["Service"]["Type"] == "notify"
    program, *args = shlex.split(parser["Service"]["ExecStart"])
    assert Path(program).name == "joule"
    assert args[:2] == ["node", "serve"]
    values = serve.make_context("serve", args[2:]).params
    assert values["path"].startswith("/var/lib/" + parser["Service"]["StateDirectory"])
    assert str(values["socket_path"].parent) == "/run/" + parser["Service"]["RuntimeDirectory"]


# what it refuses


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["--tls-key", "x"], 2, "--tls-key needs --tls-cert"),
        (["--tls-cert", "none"], 1, "cannot read the file: No such file"),
        (["--tls-cert", "joule.db"], 1, "cannot use the certificate"),
        (["--bind", "192.0.2.1"], 1, "cannot listen on [192.0.2.1:8088]"),
        (["--socket", "joule.db"], 1, "a file is in the way"),
        (["--proxy", "x"], 1, "a proxy is NAME=URL"),
        (["--proxies-file", "none"], 1, "cannot read the proxies"),
        (["--importer-dir", "none"], 1, "the directory of importers does not exist"),
        (["--importer-key-file", "none"], 1, "cannot read the key"),
        (["--archive-dir", "none"], 1, "the directory does not exist"),
        (["--body-limit", "much"], 2, "is not a size"),
        (["--public-url", "x"], 2, "--public-url must begin with"),
        (["--name", " "], 2, "name of a node"),
        (["http://127.0.0.1:1"], 1, "only a node in a file of this machine can be served"),
        (["x.db", "--node", "y"], 2, "exclude each other"),
        (["--port", "0", "--ready-fd", "99"], 1, "cannot write to the file descriptor"),
    ],
)
def test_mistakes(joule, args, status, message):
    joule.ok("folder", "create", "/a")
    result = joule("node", "serve", *args)
    assert result.status == status
    assert message in result.err
    assert "Traceback" not in result.err


def test_key_with_a_password_is_not_asked_for(joule, tmp_path):
    made = make_certificates(tmp_path / "pki")
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", made.key, "-aes256", "-passout", "pass:secret"]
    subprocess.run([*command, "-out", locked], check=True)
    shown = joule.terminal("node", "serve", "--tls-cert", made.certificate, "--tls-key", locked)
    assert shown.status == 1
    assert "cannot use the certificate" in shown.out


def test_second_server_of_a_file(joule):
    with running(joule, "--port", "0") as server:
        assert server.url
        result = joule("node", "serve", "--port", "0")
        assert result.status == 1
        assert result.err.startswith(
            f"Error: another process serves this node: {joule.folder}/joule.db\n"
        )
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    # nothing is left of the first that was killed
    with running(joule, "--port", "0") as server:
        assert server.url
        assert server.stop() == 0


# what it offers


def test_reverse_proxy_on_the_socket(joule, tmp_path):
    key = new_key(joule)
    path = tmp_path / "api"
    with running(joule, "--socket", path) as server:
        assert server.url == f"unix:{path}"
        assert oct(path.stat().st_mode)[-3:] == "660"
        behind = "X-Auth-Required: true\r\n"
        with_key = f"{behind}X-API-KEY: {key}\r\n"
        for header, expected in [("", 200), (behind, 403), (with_key, 200)]:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(f"GET /version HTTP/1.0\r\nHost: x\r\n{header}\r\n".encode())
                assert first_line(client).split()[1] == str(expected).encode()
        assert server.stop() == 0
        # alone, it needs no hint about keys
        assert "nobody" not in str(server.lines)
    assert not path.exists()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with running(joule, "--socket", path) as server:
        assert server.url == f"unix:{path}"
        assert "folder / is empty" in joule.ok("--url", f"unix:{path}", "folder", "list")
        assert server.stop() == 0


def test_tls(joule, tmp_path):
    certificates = make_certificates(tmp_path / "pki")
    key = new_key(joule)
    options = ["--tls-cert", certificates.certificate, "--tls-key", certificates.key]
    with running(joule, "--bind", "localhost", "--port", "0", *options) as server:
        url = f"https://localhost:{server.url.rpartition(':')[2]}"
        env = {"JOULE_URL": url, "JOULE_API_KEY": key}
        trusted = {"JOULE_CA_FILE": str(certificates.authority)}
        assert joule.ok("node", "ping", env=env | trusted)
        assert joule("node", "ping", env=env).status == 1
        assert server.stop() == 0


def test_open_to_the_network_without_tls_is_told_once(joule):
    with running(joule, "--bind", "0.0.0.0", "--port", "0") as server:
        server.wait_for("keys and data cross the network")
        assert server.stop() == 0
        assert sum("cross the network" in line for line in server.lines[:-1]) == 1


def test_proxies_from_options_and_a_file(joule, tmp_path):
    key = new_key(joule)
    (tmp_path / "proxies.conf").write_text("[Proxies]\nfirst = http://127.0.0.1:1\n")
    options = ["--proxies-file", "proxies.conf", "--proxy", "second=http://127.0.0.1:2/x"]
    with running(joule, "--port", "0", *options) as server:
        env = {"JOULE_URL": server.url, "JOULE_API_KEY": key}
        listed = json.loads(joule.ok("proxy", "list", "--json", env=env))
        assert [each["name"] for each in listed] == ["first", "second"]
        assert server.stop() == 0


def test_nothing_secret_in_the_log(joule, tmp_path):
    key, importer_key = new_key(joule), "importer-key-of-this-test-0123456789"
    (tmp_path / "importer.key").write_text(importer_key)
    with running(joule, "-vv", "--port", "0", "--importer-key-file", "importer.key") as server:
        for wrong in (key, key[:-1], importer_key):
            status_of(f"{server.url}/version?key={wrong}&X-API-KEY={wrong}", {"X-API-KEY": wrong})
        with socket.create_connection(server.url[7:].split(":")) as client:
            client.sendall(f"GET / HTTP/1.1\r\nX-API-KEY: {key}\r\n\x01: {key}\r\n\r\n".encode())
            assert b" 400 " in first_line(client)
        server.stop()
        log = "\n".join(server.lines[:-1])
        assert '"GET /version" 200' in log
        assert '"GET /version" 403' in log
        assert key[:-1] not in log
        assert importer_key not in log


def test_no_access_log(joule):
    key = new_key(joule)
    with running(joule, "--port", "0", "--no-access-log") as server:
        assert status_of(f"{server.url}/version", {"X-API-KEY": key}) == 200
        assert "/version" not in str(server.lines)
        # what is refused is told all the same, with the reason
        assert status_of(f"{server.url}/version", {"X-API-KEY": "wrong"}) == 403
        server.stop()
        [line] = [line for line in server.lines if line and "/version" in line]
        assert line.endswith(" wrong key")


# rows on their way


def create(joule, path):
    made = joule.ok("stream", "create", f"{path}:float32[x,y]", "--json")
    return json.loads(made)["id"]


def rows(first, number):
    made = np.zeros(number, ROW)
    made["timestamp"] = np.arange(first + 1, first + number + 1)
    made["data"][:, 0] = made["timestamp"] % 1000
    return made.tobytes()


class Upload:
    """One request with rows, sent bit by bit."""

    def __init__(self, client):
        self._client = client

    def send(self, data):
        self._client.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self):
        self._client.sendall(b"0\r\n\r\n")
        return self.answer()

    def answer(self):
        with self._client.makefile("rb") as stream:
            head, _, body = stream.read().partition(b"\r\n\r\n")
        return int(head.split()[1]), body


@contextmanager
def open_upload(url, key, stream_id):
    with socket.create_connection(url.removeprefix("http://").split(":")) as client:
        client.settimeout(DEADLINE_S)
        head = f"POST /data?id={stream_id} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {key}\r\n"
        client.sendall(f"{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        yield Upload(client)


def wait_for_rows(joule, path, number, *, more=False):
    """Wait until the file has them, as another process sees it; with `more`, at least so many."""

    async def wait():
        async with (
            get_node(url=f"file:{joule.folder}/joule.db") as node,
            asyncio.timeout(DEADLINE_S),
        ):
            while await node.data_count(path) < number:
                await asyncio.sleep(0.005)
            assert more or await node.data_count(path) == number

    asyncio.run(wait())


def test_commands_use_the_file_beside_a_busy_server(joule, tmp_path):
    stream_id = create(joule, "/a/flow")
    create(joule, "/b/other")
    key = new_key(joule)
    with running(joule, "--port", "0", "--no-access-log") as server:
        done, begun = threading.Event(), threading.Event()
        sent = [0]

        def upload_until_done():
            with open_upload(server.url, key, stream_id) as upload:
                while not done.is_set():
                    upload.send(rows(sent[0], 1000))
                    sent[0] += 1000
                    begun.set()
                answers.append(upload.end())

        answers = []
        uploading = threading.Thread(target=upload_until_done)
        uploading.start()
        try:
            assert begun.wait(DEADLINE_S)
            wait_for_rows(joule, "/a/flow", 1, more=True)
            assert "/a/flow" in joule.ok("stream", "list")
            write_rows(joule, "/b/other", range(1, 101))
            written = joule(
                "data", "write", "/b/other", "--accept-times", stdin="1000 1 2\n1001 3 4\n"
            )
            assert written.status == 0
            assert joule.ok("data", "count", "/b/other").split()[-1] == "102"
            assert joule.ok("admin", "check").startswith("OK")
            joule.ok("admin", "backup", tmp_path / "backup.db")
            # and the other way round: who is writing is known to all
            refused = joule("data", "write", "/a/flow", "--accept-times", stdin="1 1 2\n")
            assert (refused.status, "is already being produced" in refused.err) == (1, True)
            env = {"JOULE_URL": server.url, "JOULE_API_KEY": key}
            assert joule.ok("data", "count", "/b/other", env=env).split()[-1] == "102"
        finally:
            done.set()
            uploading.join()
        assert answers == [(200, b"ok")]
        wait_for_rows(joule, "/a/flow", sent[0])
        assert server.stop() == 0
    saved = joule.ok("--url", f"file:{tmp_path}/backup.db", "admin", "check")
    assert saved.startswith("OK")


@pytest.mark.parametrize("rounds", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_kill_in_mid_write_loses_nothing_that_was_acknowledged(joule, rounds):
    """Small uploads, events and folders one after the other; the kill comes at any moment."""
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    rng = random.Random(seed)
    create(joule, "/a/flow")
    joule.ok("event", "create", "/a/e")
    key = new_key(joule)
    done = {"rows": 0, "events": 0, "folders": 0}
    asked = dict(done)
    for round_ in range(rounds):
        with running(joule, "--port", "0", "--no-access-log") as server:
            url = server.url
            killer = threading.Timer(rng.uniform(0.02, 0.4), server.process.kill)
            begin = killer.start
            if round_:
                begin()
                begin = None
            work = work_until_killed(url, key, asked, done, random.Random(rng.random()), begin)
            asyncio.run(work)
            killer.join()
            assert server.end() == -signal.SIGKILL

        async def look():
            async with get_node(url=f"file:{joule.folder}/joule.db") as node:
                found = {
                    "rows": await node.data_count("/a/flow"),
                    "events": await node.event_stream_count("/a/e"),
                    "folders": sum(
                        each.name.startswith("f") for each in (await node.folder_root()).children
                    ),
                }
                for kind, number in found.items():
                    assert done[kind] <= number <= asked[kind], (seed, kind, found, done, asked)
                if found["rows"]:
                    async with await node.data_read("/a/flow") as pipe:
                        read = await pipe.read_all(maxrows=found["rows"] + 1)
                    # a part of the last upload may be there, never with holes
                    expected = np.arange(1, found["rows"] + 1)
                    assert np.array_equal(read["timestamp"], expected), seed
                    assert (read["data"][:, 0] == read["timestamp"] % 1000).all()
                done.update(found)
                asked.update(found)

        asyncio.run(look())
    assert any(done.values())
    assert joule.ok("admin", "check").startswith("OK")


async def work_until_killed(url, key, asked, done, rng, acknowledged):
    """Write without end; `acknowledged` is called once something was."""
    from joule_cli.errors import JouleError
    from joule_cli.model import Event

    async with create_tcp_node(url, key) as node:
        try:
            while True:
                kind = rng.choice(["rows", "rows", "events", "folders"])
                first = done[kind]
                if kind == "rows":
                    number = rng.choice([1, 50, 5000, 100_000])
                    asked[kind] += number
                    async with await node.data_write("/a/flow", merge_gap=10) as pipe:
                        await pipe.write(np.frombuffer(rows(first, number), ROW))
                    done[kind] += number
                elif kind == "events":
                    number = rng.choice([1, 20, 500])
                    asked[kind] += number
                    made = [Event(n, n + 1) for n in range(first, first + number)]
                    await node.event_stream_write("/a/e", made)
                    done[kind] += number
                else:
                    asked[kind] += 1
                    await node.folder_create(f"/f{first}")
                    done[kind] += 1
                if acknowledged is not None:
                    acknowledged()
                    acknowledged = None
        except JouleError:
            return


def test_reads_that_nobody_takes_cost_little(joule):
    """A million rows, asked for twenty times and left in the pipe."""
    stream_id = create(joule, "/a/flow")
    key = new_key(joule)
    n_rows = 1_000_000

    async def fill():
        async with (
            get_node(url=f"file:{joule.folder}/joule.db") as node,
            await node.data_write("/a/flow") as pipe,
        ):
            await pipe.write(np.frombuffer(rows(0, n_rows), ROW))

    asyncio.run(fill())
    head = f"GET /data?id={stream_id} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {key}\r\n\r\n".encode()
    with running(joule, "--port", "0") as server:
        address = server.url.removeprefix("http://").split(":")
        clients = []
        try:
            for _ in range(20):
                client = socket.socket()
                clients.append(client)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect((address[0], int(address[1])))
                client.sendall(head)
                assert client.recv(100).startswith(b"HTTP/1.1 200")

            async def read_all():
                async with create_tcp_node(server.url, key) as node:
                    async with await node.data_read("/a/flow") as pipe:
                        total = 0
                        async for block, _ in pipe.blocks():
                            total += len(block)
                    assert (await node.info()).version
                    return total

            # others get all of theirs, and then the server has had time for what it might hoard
            assert [asyncio.run(read_all()) for _ in range(3)] == [n_rows] * 3
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024
            assert peak < 250, f"{peak} MiB"
            begin = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            for client in clients:
                client.close()
            assert server.end() == 0
            assert time.monotonic() - begin < DEADLINE_S
        finally:
            for client in clients:
                client.close()
