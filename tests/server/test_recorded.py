"""Our node answers the recorded requests as Joule 1.0.1 did.

Every exception is in one of the tables below, with its reason.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
import pytest

from joule_cli.daemon import peers
from joule_cli.model import DataStream, Element
from joule_cli.series.layout import Layout
from joule_cli.server.proxy_config import make_proxies
from joule_cli.server.settings import ServerSettings
from tests.nodes import FileNode
from tests.server.others import OtherNodes
from tests.server.replay import Answer, Difference, Replay, body_bytes, read_recording
from tests.serving import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

#: Ports of the other nodes of the recorded joins, and the port where nobody listens.
OTHERS = (18091, 18092)
NOBODY = 18099

#: Requests that are not sent, because the answer would change what the later ones find.
NOT_SENT = {
    "stream_create_err_bad_datatype": "our node stores all types of the row encoding",
    "event_create_err_category_colon": "A14: a category may contain a colon",
    "data_subscribe_live": "rows of a module, without an end",
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
    "data_decimate_err_no_rows": Instead(200, "ok", "1.0.1 fell into a server fault"),
    "data_write_err_overlap": Instead(
        400,
        '400: duplicate key value violates unique constraint "stream_pkey" '
        'DETAIL:  Key ("time")=(2023-11-14 22:13:20.00001) already exists.',
        "the name of the constraint is different each time",
    ),
    "data_write_err_decimation_collision": Instead(
        400,
        "400: duplicate key value violates unique constraint",
        "A5; the deletions before it were not recorded",
    ),
    "data_intervals_after_overlap": Instead(
        200, "[[1700000000000000, 1700000000000021], ", "A4: a refused upload changes nothing"
    ),
    "data_read_after_overlap": Instead(200, "", "A4: a refused upload changes nothing"),
    "data_consolidate_repair": Instead(200, '{"num_consolidated": 0}', "A4: nothing was split"),
    "data_write_err_timestamp_range": fault("400: timestamps must lie in the years 1 to 9999"),
    "stream_info_big": Instead(200, '{"id": ', "our node counts the rows"),
    "stream_info_big_after_delete": Instead(200, '{"id": ', "our node counts the rows"),
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

#: Decimated rows: our node leaves no row of an interval out, when a group is not full either; it
#: counts rows where 1.0.1 estimates them, and computes levels that were dropped.
DECIMATED = frozenset(
    {
        "data_read_level_4",
        "data_read_level_16",
        "data_read_max_rows_1",
        "data_json_level_4",
        "data_json_level_16",
        "data_json_max_rows_1",
        "data_json_f1_level_4",
        "data_read_f1_level_4",
        "data_read_f1_level_16",
        "data_read_f1_max_rows_20",
        "data_json_f4_level_4",
        "data_read_f4_level_4",
        "data_read_f4_level_16",
        "data_read_f4_max_rows_20",
        "data_json_i16_level_4",
        "data_read_i16_level_4",
        "data_read_i16_level_16",
        "data_read_i16_max_rows_20",
        "data_json_i32_level_4",
        "data_read_i32_level_4",
        "data_read_i32_level_16",
        "data_read_i32_max_rows_20",
        "data_json_i64_level_4",
        "data_read_i64_level_4",
        "data_read_i64_level_16",
        "data_read_i64_max_rows_20",
        "data_json_f64_level_4",
        "data_read_f64_level_4",
        "data_read_f64_level_16",
        "data_read_f64_max_rows_20",
        "data_read_big_max_rows_4999",
        "data_read_big_max_rows_1300",
        "data_read_big_max_rows_1250",
        "data_read_big_max_rows_1000",
        "data_read_big_max_rows_320",
        "data_read_big_max_rows_300",
        "data_read_big_max_rows_100",
        "data_read_big_max_rows_80",
        "data_read_big_max_rows_50",
        "data_read_big_max_rows_20",
        "data_read_big_max_rows_10",
        "data_read_big_max_rows_5",
        "data_read_big_max_rows_4",
        "data_read_big_max_rows_3",
        "data_read_big_max_rows_2",
        "data_read_big_max_rows_1",
        "data_read_big_level_4",
        "data_read_big_level_16",
        "data_read_big_level_64",
        "data_read_big_level_256",
        "data_read_big_level_1024",
        "data_read_big_level_4096",
        "data_json_big_max_rows_100",
        "data_read_big_window_max_rows_50",
        "data_read_big_level_wins",
        "data_read_big_dropped_level_4",
        "data_read_big_dropped_max_rows_100",
        "data_read_big_redecimated_level_16",
        "data_read_big_redecimated_max_rows_100",
        "data_read_big_level_64_after_delete",
        "data_read_big_consolidated_level_64",
    }
)

LINES = read_recording("daemon")


def is_sent(line: dict[str, Any]) -> bool:
    # some were sent by the recorded node
    return "direction" not in line and line["name"] not in NOT_SENT


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
        # the original asks nobody
        accept_followers=True,
        private_followers=True,
        stop_timeout_s=1,
    )
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        node = await enter(FileNode("peer", folder / "peer.db"))
        # written all the time, and therefore locked
        live = []
        for name in ("random", "mean"):
            elements = [Element(name=f"e{i}") for i in range(4)]
            stream = await node.data_stream_create(DataStream(name, elements=elements), "/live")
            await enter(await node.data_write(stream))
            live.append(stream)
        # shorter than a key may be, so that it is put there directly
        await node.storage.peers.add_master("USER", "peeruser", "TESTKEY")
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


@pytest.mark.parametrize(
    "name", [x["name"] for x in SENT if x["name"] not in INSTEAD and x["name"] not in DECIMATED]
)
def test_answer_is_the_recorded_one(name: str, outcomes: dict[str, Outcome]):
    answer, difference = outcomes[name]
    assert difference is None, f"{difference}\n{answer.body[:500]!r}"


@pytest.mark.parametrize("name", INSTEAD)
def test_answer_is_better_than_the_recorded_one(name: str, outcomes: dict[str, Outcome]):
    answer, difference = outcomes[name]
    assert difference is not None, "this is no exception any more"
    assert answer.status == INSTEAD[name].status
    assert answer.body.startswith(INSTEAD[name].body.encode())


@pytest.mark.parametrize("name", sorted(DECIMATED))
def test_decimated_answer_has_the_recorded_rows_and_more(name: str, outcomes: dict[str, Outcome]):
    answer, difference = outcomes[name]
    assert difference is not None, "this is no exception any more"
    (line,) = [line for line in SENT if line["name"] == name]
    recorded = line["response"]
    assert answer.status == 200
    if "joule-layout" not in recorded["headers"]:
        return
    layout = Layout.parse(answer.headers["joule-layout"])
    level = int(answer.headers["joule-decimation"])
    if recorded["headers"]["joule-decimation"] != str(level):
        return
    assert str(layout) == recorded["headers"]["joule-layout"]
    ours = np.frombuffer(answer.body, layout.dtype)
    theirs = np.frombuffer(body_bytes(recorded["body"]) or b"", layout.dtype)
    if level == 4:  # above, 1.0.1 takes means of means, each rounded
        assert {row.tobytes() for row in theirs} <= {row.tobytes() for row in ours}


def test_every_exception_names_a_line():
    names = {line["name"] for line in LINES}
    assert not (NOT_SENT.keys() | INSTEAD.keys() | DECIMATED) - names


def test_every_server_fault_of_the_recorded_node_is_an_exception():
    faults = {line["name"] for line in SENT if line["response"]["status"] >= 500}
    assert faults <= INSTEAD.keys()
    assert all(INSTEAD[name].status < 500 for name in faults)
