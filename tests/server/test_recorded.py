"""Our node answers the recorded requests as Joule 1.0.1 did.

Every exception is in one of the tables below, with its reason.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from joule_cli.daemon import peers
from joule_cli.engine.master import insert_master
from joule_cli.engine.node import EmbeddedNode
from joule_cli.model import DataStream, Element
from joule_cli.server.proxy_config import make_proxies
from joule_cli.server.settings import ServerSettings
from tests.server.others import OtherNodes
from tests.server.replay import Answer, Difference, Replay, read_recording
from tests.serving import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

#: Beginnings of paths that are not answered yet.
NOT_ANSWERED = {
    "/data": "rows",
}

#: Ports of the other nodes of the recorded joins, and the port where nobody listens.
OTHERS = (18091, 18092)
NOBODY = 18099

#: Requests that are not sent, because the answer would change what the later ones find.
NOT_SENT = {
    "stream_create_err_bad_datatype": "our node stores all types of the row encoding",
    "event_create_err_category_colon": "A14: a category may contain a colon",
    "event_write_err_end_null": "our node has events without an end",
    **dict.fromkeys(
        (
            "modules",
            "modules_statistics_0",
            "modules_statistics_1",
            "module_by_name",
            "module_by_id",
            "module_name_wins",
            "module_logs_name",
            "module_logs_id",
            "app_list",
            "app_auth_module",
        ),
        "our node runs no modules",
    ),
    **dict.fromkeys(
        (
            "stream_info_flow",
            "stream_info_f1",
            "stream_info_f4",
            "stream_info_i16",
            "stream_info_i32",
            "stream_info_i64",
            "stream_info_f64",
            "stream_info_big",
            "stream_info_big_dropped",
            "stream_info_big_after_delete",
        ),
        "rows are not answered yet",
    ),
}

#: Folders that are named by a request before an answer tells their id, with their paths.
FOLDERS = {"event_create_dest_id": {106: "/rec/events"}}


@dataclass(frozen=True)
class Instead:
    """What our node answers, and why it is not what was recorded."""

    status: int
    body: str
    reason: str


_FAULT = "a request is at fault, where 1.0.1 fell into a server fault"


def fault(body: str) -> Instead:
    return Instead(int(body[:3]), body, _FAULT)


_JSON = fault("400: invalid json")
_NO_FOLDER = fault("404: folder does not exist")

INSTEAD = {
    "module_err_id_text": fault("400: parameter id must be an int"),
    "app_auth_err_no_header": fault("400: invalid id"),
    "master_add_err_key_in_use": fault("400: API Key is already in use"),
    "follower_add_err_bad_json": _JSON,
    "interface_path": Instead(502, "502: the interface [peerweb]", "our node serves interfaces"),
    "masters_after_failed_join": Instead(200, "[{", "a listed defect: the entry was left behind"),
    "master_delete_after_failed_join": Instead(
        404, "404: joule_node [http://127.0.0.1:", "a listed defect: the entry was left behind"
    ),
    "followers_after_delete": Instead(200, '[{"id": 2, "name": "fake-b"', "A2: all were deleted"),
    "db_connection": Instead(
        400,
        "400: this node keeps its data in a file, there is no SQL server to connect to",
        "our node needs no PostgreSQL",
    ),
    "stream_get_first_char_ignored": Instead(
        404, "404: stream does not exist", "a listed defect: the first character was ignored"
    ),
    "event_read_err_filter_not_list": Instead(
        400, "400: invalid filter string, must be a list of groups", "A15: the message was empty"
    ),
    "event_read_err_filter_object": Instead(
        400, "400: invalid filter string, must be a list of groups", "A15: the message was empty"
    ),
    "event_read_err_limit_zero_empty": Instead(
        200, '{"count": 0, "events": [], "type": "events"}', "no more events than asked for"
    ),
    "event_read_err_histogram_short": Instead(
        200, '{"count": 5, "events": [{"id": -1, ', "A6: short ranges failed"
    ),
    "event_read_err_filter_numeric_on_text": Instead(
        200, '{"count": 0, "events": [], "type": "events"}', "text is not a number, and no match"
    ),
    "stream_create_err_unknown_dest_id": _NO_FOLDER,
    "stream_move_err_unknown_dest_id": _NO_FOLDER,
    "folder_move_err_unknown_dest_id": _NO_FOLDER,
    "event_create_err_unknown_dest_id": _NO_FOLDER,
    "event_move_err_unknown_dest_id": _NO_FOLDER,
    "folder_get_err_malformed_0": _NO_FOLDER,
    "folder_get_err_malformed_1": _NO_FOLDER,
    "folder_get_err_malformed_2": _NO_FOLDER,
    "folder_get_err_malformed_3": _NO_FOLDER,
    "folder_move_err_malformed_source": _NO_FOLDER,
    "stream_get_err_id_text": fault("400: parameter id must be an int"),
    "folder_update_err_bad_json": _JSON,
    "folder_move_err_bad_json": _JSON,
    "annotation_create_err_bad_json": _JSON,
    "annotation_update_err_bad_json": _JSON,
    "folder_map_err_none": fault("400: specify data_stream_elements"),
    "event_create_err_field_not_string": Instead(
        400,
        "Invalid stream specification: invalid value in event_fields, "
        "must be [numeric|string|category:cat1,cat2,...]",
        _FAULT,
    ),
    "event_write_err_end_before_start": fault("400: event 0: end ["),
    "event_write_err_end_equals_start": fault("400: event 0: end ["),
    "event_read_err_limit_zero_subset": fault("400: limit parameter must be an integer > 0"),
    "event_read_err_filter_gt_null": fault("400: invalid filter value, gt/gte"),
    "event_read_err_filter_empty_group": fault("400: invalid filter string, a group must"),
}

LINES = read_recording("daemon")


def is_sent(line: dict[str, Any]) -> bool:
    path = line["request"]["path"]
    return not (
        "direction" in line  # sent by the recorded node
        or line["name"] in NOT_SENT
        or path.startswith(tuple(NOT_ANSWERED))
    )


SENT = [line for line in LINES if is_sent(line)]
Outcome = tuple[Answer, Difference | None]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """The answers to all requests, by the name of the line, and how they differ."""
    return asyncio.run(_send_all(tmp_path_factory.mktemp("recorded")))


async def _send_all(folder: Path) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    others = OtherNodes(line for line in LINES if "direction" in line)
    async with others.serve(OTHERS, NOBODY), _served(folder) as replay:
        for line in map(others.moved, SENT):
            for recorded, path in FOLDERS.get(line["name"], {}).items():
                await replay.learn_folder(recorded, path)
            answer = await replay.send(line)
            try:
                replay.compare(line, answer)
            except Difference as exc:
                found[line["name"]] = (answer, exc)
            else:
                found[line["name"]] = (answer, None)
    assert others.differences == []
    assert others.expected == []
    return found


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[Replay]:
    """A node as the recorded one was at the beginning."""
    settings = ServerSettings(
        name="peer",
        importer_key="TESTIMPORTKEY",
        port=8090,
        proxies=make_proxies([("peerweb", "http://127.0.0.1:8099")]),
        stop_timeout_s=1,
    )
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        node = await enter(EmbeddedNode("peer", folder / "peer.db"))
        # written all the time, and therefore locked
        live = []
        for name in ("random", "mean"):
            elements = [Element(name=f"e{i}") for i in range(4)]
            stream = await node.data_stream_create(DataStream(name, elements=elements), "/live")
            await enter(await node.data_write(stream))
            live.append(stream)
        # shorter than a key may be, so that it is put there directly
        await node.database.write(
            lambda connection: insert_master(connection, "USER", "peeruser", "TESTKEY", None)
        )
        keys = peers(node)
        socket = folder / "api"
        served = await enter(serve(node, keys=keys, settings=settings))
        await enter(serve(node, keys=keys, settings=settings, unix=socket))
        session = await enter(aiohttp.ClientSession())
        connector = aiohttp.UnixConnector(str(socket))
        replay = Replay(
            session, served.url, await enter(aiohttp.ClientSession(connector=connector))
        )
        replay.ids.learn("folder", 1, (await node.folder_root()).id or 0)
        for number, stream in enumerate(live, 1):
            replay.ids.learn("data_stream", number, stream.id or 0)
        yield replay


@pytest.mark.parametrize("name", [x["name"] for x in SENT if x["name"] not in INSTEAD])
def test_answer_is_the_recorded_one(name: str, outcomes: dict[str, Outcome]):
    answer, difference = outcomes[name]
    assert difference is None, f"{difference}\n{answer.body[:500]!r}"


@pytest.mark.parametrize("name", INSTEAD)
def test_answer_is_better_than_the_recorded_one(name: str, outcomes: dict[str, Outcome]):
    answer, difference = outcomes[name]
    assert difference is not None, "this is no exception any more"
    assert answer.status == INSTEAD[name].status
    assert answer.body.decode().startswith(INSTEAD[name].body)


def test_every_exception_names_a_line():
    names = {line["name"] for line in LINES}
    assert not (NOT_SENT.keys() | INSTEAD.keys()) - names
    for path in NOT_ANSWERED:
        assert any(line["request"]["path"].startswith(path) for line in LINES)


def test_every_server_fault_of_the_recorded_node_is_an_exception():
    faults = {line["name"] for line in SENT if line["response"]["status"] >= 500}
    assert faults <= INSTEAD.keys()
    assert all(INSTEAD[name].status < 500 for name in faults)
