"""joule module, joule proxy"""

from __future__ import annotations

import json
import signal

import pytest
from aiohttp import web

from joule_cli.cli.module import overlap
from joule_cli.model import Module, ModuleStatistics
from tests.cli.serving import running
from tests.serving import listening

VISUALIZER = Module(
    0,
    "Visualizer",
    "web interface",
    True,
    {"random": "/live/random", "mean": "/live/mean"},
    {},
    ModuleStatistics(15910, 1_700_000_000.7, 2.04, 0.4095),
)
STOPPED = Module(2, "7", "", False, {}, {}, ModuleStatistics(None, None, None, None))
STAMPS = [f"[2026-03-01T08:15:{second:02}.250000]: line {second}" for second in range(5)]


class Node:
    """A Joule 1.0.1 node with two modules and a proxy."""

    def __init__(self):
        self.modules = [VISUALIZER, STOPPED]
        self.logs = [STAMPS[:3]]
        self.asked = []

    async def start(self, stack):
        app = web.Application()
        app.router.add_get("/modules.json", self.list)
        app.router.add_get("/module.json", self.get)
        app.router.add_get("/module/logs.json", self.lines)
        app.router.add_get("/proxies.json", self.proxies)
        app.router.add_get("/proxy.json", self.proxy)
        return await stack.enter_async_context(listening(app))

    async def list(self, request):
        self.asked.append(request.query["statistics"])
        found = [each.to_json() for each in self.modules]
        if request.query["statistics"] == "0":
            for each in found:
                del each["statistics"]
        return web.json_response(found)

    def _find(self, request):
        for each in self.modules:
            if request.query.get("name") == each.name or request.query.get("id") == str(each.id):
                return each
        raise web.HTTPNotFound(text="module does not exist")

    async def get(self, request):
        return web.json_response(self._find(request).to_json())

    async def lines(self, request):
        self._find(request)
        return web.json_response(self.logs.pop(0) if len(self.logs) > 1 else self.logs[0])

    async def proxies(self, request):
        return web.json_response([{"id": 0, "name": "web", "url": "http://127.0.0.1:8099/"}])

    async def proxy(self, request):
        if "web" in request.query.values() or "0" in request.query.values():
            return web.json_response({"id": 0, "name": "web", "url": "http://127.0.0.1:8099/"})
        return web.Response(status=404, text="404: proxy does not exist")


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def url(node, joule):
    with running(node.start) as address:
        joule.env["JOULE_URL"] = address
        yield address


@pytest.mark.usefixtures("url")
def test_list(joule, node):
    assert [line.split() for line in joule.ok("module", "list").splitlines()] == [
        ["name", "inputs", "outputs"],
        ["Visualizer", "/live/random,", "/live/mean", "-"],
        ["7", "-", "-"],
    ]
    assert node.asked == ["0"]
    lines = joule.ok("module", "list", "-s").splitlines()
    assert lines[0].endswith("CPU %  Mem %")
    assert lines[1].endswith("  2.0    0.4")
    assert lines[2].endswith("    -      -")
    found = json.loads(joule.ok("module", "list", "-s", "--json"))
    assert found == [VISUALIZER.to_json(), STOPPED.to_json()]
    assert "statistics" not in json.loads(joule.ok("module", "list", "--json"))[0]
    csv = joule.ok("module", "list", "-s", "--csv")
    assert csv.splitlines()[1] == 'Visualizer,"/live/random, /live/mean",,2.0,0.4'


@pytest.mark.usefixtures("url")
def test_failed_modules_are_for_monitoring(joule, node):
    result = joule("module", "list", "--failed")
    assert (result.status, result.err) == (1, "")
    assert [line.split()[0] for line in result.out.splitlines()] == ["name", "7"]
    node.modules = [VISUALIZER]
    assert joule.ok("module", "list", "--failed", "--json") == "[]\n"


@pytest.mark.usefixtures("url")
def test_watching_ends_well(joule):
    shown = joule.terminal(
        "module", "list", "--watch", "50ms", when="Visualizer", send=signal.SIGINT
    )
    assert shown.status == 0
    assert "/live/mean" in shown.out
    assert joule("module", "list", "--watch", "1s", "--json").status == 2


@pytest.mark.usefixtures("url")
def test_info(joule):
    block = joule.ok("module", "info", "Visualizer")
    for part in ("random: /live/random", "15910", "2.04%", "0.41%", "days"):
        assert part in block
    # a number is an id first, then a name
    for reference in ("2", "7"):
        block = joule.ok("module", "get", reference)
        lines = dict(line.strip().split(":", 1) for line in block.splitlines() if line)
        assert lines["Name"].strip() == "7"
        assert lines["CPU Usage"].strip() == lines["Uptime"].strip() == "—"
    assert json.loads(joule.ok("module", "info", "0", "--json")) == VISUALIZER.to_json()
    missing = joule("module", "info", "none", "--json")
    assert (missing.status, missing.error()["code"]) == (1, "module_not_found")


@pytest.mark.usefixtures("url")
def test_logs(joule):
    assert joule.ok("module", "logs", "Visualizer") == "\n".join(STAMPS[:3]) + "\n"
    assert joule.ok("module", "logs", "0", "--tail", "2").splitlines() == STAMPS[1:3]
    assert joule.ok("module", "logs", "0", "--tail", "0") == ""
    since = ("--since", "2026-03-01T08:15:02")
    assert joule.ok("module", "logs", "0", *since).splitlines() == STAMPS[2:3]
    [line] = joule.ok("module", "logs", "7", *since, "--jsonl").splitlines()
    assert json.loads(line) == {"time": 1_772_352_902_250_000, "line": "line 2"}
    assert joule("module", "logs", "none").status == 1
    assert joule("module", "logs", "0", "--follow", "--json").status == 2
    assert joule("module", "logs", "0", "--since", "start").status == 1


@pytest.mark.usefixtures("url")
def test_following_prints_every_line_once(joule, node):
    node.logs = [STAMPS[:3], STAMPS[:3], STAMPS[1:4], STAMPS[2:]]
    shown = joule.terminal(
        *("module", "logs", "0", "--follow", "--tail", "1"), when="line 4", send=signal.SIGINT
    )
    assert shown.status == 0
    assert [line for line in shown.out.splitlines() if line.startswith("[")] == STAMPS[2:]


def test_old_lines_roll_off():
    assert overlap([], ["a"]) == 0
    assert overlap(["a", "b"], ["a", "b", "c"]) == 2
    assert overlap(["a", "b", "c"], ["c", "d", "e"]) == 1
    assert overlap(["a", "a"], ["a", "a", "a"]) == 2
    assert overlap(["a", "b"], ["c", "d"]) == 0
    assert overlap(["a", "b"], []) == 0


def test_proxies(joule, url):
    assert joule.ok("proxy", "list").split() == [
        *("ID", "Name", "Target", "URL"),
        *("0", "web", "http://127.0.0.1:8099/"),
    ]
    record = {"id": 0, "name": "web", "url": "http://127.0.0.1:8099/"}
    record["proxied_url"] = f"{url}/interface/p0/"
    assert json.loads(joule.ok("proxy", "list", "--json")) == [record]
    for reference in ("web", "0"):
        assert f"{url}/interface/p0/" in joule.ok("proxy", "info", reference)
    assert json.loads(joule.ok("proxy", "get", "web", "--json")) == record
    missing = joule("proxy", "info", "9", "--json")
    assert missing.error()["code"] == "proxy_not_found"


def test_a_file_has_neither(joule):
    assert joule.ok("module", "list", "--json") == joule.ok("proxy", "list", "--json") == "[]\n"
    assert joule("module", "logs", "x").status == 1
