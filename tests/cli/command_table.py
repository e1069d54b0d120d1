"""A call of every command that works, and one that names what does not exist.

Words are those of a shell. The calls are made in a folder that ``prepare`` has filled.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from joule_cli.model import Annotation, DataStream, Element, Event, EventStream
from tests.archives import flow_model, npy, write_archive
from tests.nodes import FileNode

T = 1_700_000_000_000_000
SECOND = 1_000_000


@dataclass(frozen=True)
class Calls:
    """How a command is called.

    Parameters
    ----------
    works
        Arguments with which it does what it is for; none if that has no end, or takes a program
        that is not there.
    unknown
        Arguments that name an object, a file or a node that does not exist; none if it takes none.
    needs_node
        It speaks with a node, so that one out of reach makes it fail.
    text
        It prints a text that has no JSON form.
    silent
        It prints nothing unless asked for JSON.
    at
        Which node the calls are made to: the file, or one that is served and runs modules.
    """

    works: str | None
    unknown: str | None = None
    needs_node: bool = True
    text: bool = False
    silent: bool = False
    at: str = "file"


COMMANDS = {
    "node serve": Calls(None, "--tls-cert none.pem --tls-key none.key", needs_node=False),
    "node list": Calls("", needs_node=False),
    "node add": Calls("new file:new.db", needs_node=False),
    "node ping": Calls("", "nowhere"),
    "node delete": Calls("stored", "nowhere", needs_node=False),
    "node default": Calls("stored", "nowhere", needs_node=False),
    "node rename": Calls("stored other", "nowhere other", needs_node=False),
    "node info": Calls(""),
    "folder list": Calls("", "/none"),
    "folder info": Calls("/lab", "/none"),
    "folder create": Calls("/new/folder"),
    "folder move": Calls("/lab/inner /elsewhere", "/none /elsewhere"),
    "folder rename": Calls("/lab/inner other", "/none other"),
    "folder update": Calls("/lab --description room", "/none --description room"),
    "folder delete": Calls("/lab/inner -r", "/none"),
    "folder copy": Calls("/lab /copied", "/none /copied"),
    "stream list": Calls("", "/none"),
    "stream info": Calls("/lab/rows", "/none"),
    "stream get": Calls("/lab/rows", "/none"),
    "stream create": Calls("/lab/new:float32[x]", "/lab/new --like /none"),
    "stream update": Calls("/lab/rows --description mains", "/none --description mains"),
    "stream rename": Calls("/lab/rows mains", "/none mains"),
    "stream move": Calls("/lab/rows /elsewhere", "/none /elsewhere"),
    "stream copy": Calls("/lab/rows /lab/copied", "/none /lab/copied"),
    "stream delete": Calls("/lab/rows --yes", "/none --yes"),
    "stream annotations": Calls("/lab/rows", "/none"),
    "stream check": Calls("/lab/rows --min-rows 2", "/none --min-rows 2"),
    "data read": Calls("/lab/rows", "/none"),
    "data write": Calls("/lab/other more.txt", "/none more.txt", silent=True),
    "data ingest": Calls("rows.csv --stream /lab/new", "none.csv --stream /lab/new"),
    "data inspect": Calls("rows.csv", "none.csv", needs_node=False),
    "data export": Calls("/lab/rows --to rows.h5", "/none --to rows.h5"),
    "data count": Calls("/lab/rows", "/none"),
    "data plot": Calls("/lab/rows", "/none"),
    "data intervals": Calls("/lab/rows", "/none"),
    "data copy": Calls("/lab/rows /lab/copied", "/none /lab/copied"),
    "data delete": Calls("/lab/rows --all", "/none --all"),
    "data merge": Calls(
        "-p /lab/rows -s /lab/other -d /lab/both --yes", "-p /lab/rows -s /none -d /lab/both --yes"
    ),
    "data filter mean": Calls("/lab/rows /lab/out -w 3 --yes", "/none /lab/out -w 3 --yes"),
    "data filter median": Calls("/lab/rows /lab/out -w 3 --yes", "/none /lab/out -w 3 --yes"),
    "data mean": Calls("/lab/rows /lab/out -w 3 --yes", "/none /lab/out -w 3 --yes"),
    "data median": Calls("/lab/rows /lab/out -w 3 --yes", "/none /lab/out -w 3 --yes"),
    "data consolidate": Calls("/lab/rows --max-gap 1h", "/none"),
    "data split": Calls("/lab/rows --max-gap 1ms", "/none --max-gap 1ms"),
    "data decimate": Calls("/lab/rows", "/none"),
    "data drop-decimations": Calls("/lab/rows", "/none"),
    "event list": Calls("", "/none"),
    "event info": Calls("/lab/runs", "/none"),
    "event get": Calls("/lab/runs", "/none"),
    "event create": Calls("/lab/new --field load:numeric", "/lab/new --like /none"),
    "event update": Calls("/lab/runs --description tests", "/none --description tests"),
    "event rename": Calls("/lab/runs tests", "/none tests"),
    "event move": Calls("/lab/runs /elsewhere", "/none /elsewhere"),
    "event delete": Calls("/lab/runs --yes", "/none --yes"),
    "event read": Calls("/lab/runs", "/none"),
    "event count": Calls("/lab/runs", "/none"),
    "event write": Calls("/lab/runs --start now load=3", "/none --start now load=3"),
    "event remove": Calls("/lab/runs --all", "/none --all"),
    "event copy": Calls("/lab/runs /lab/copied", "/none /lab/copied"),
    "annotation list": Calls("/lab/rows", "/none"),
    "annotation info": Calls("/lab/rows", "/none"),
    "annotation create": Calls("/lab/rows seen", "/none seen"),
    "annotation update": Calls("1 --title seen", "99 --title seen"),
    "annotation delete": Calls("1", "99"),
    "annotation clear": Calls("/lab/rows --all", "/none --all"),
    "db query": Calls("""'SELECT count(*) AS n FROM "lab/rows"'""", "'SELECT * FROM \"none\"'"),
    "db info": Calls(""),
    "db connect": Calls("--print", at="served"),
    "module list": Calls("", at="served"),
    "module info": Calls("Visualizer", "none", at="served"),
    "module get": Calls("Visualizer", "none", at="served"),
    "module logs": Calls("Visualizer", "none", at="served"),
    "proxy list": Calls("", at="served"),
    "proxy info": Calls("web", "none", at="served"),
    "proxy get": Calls("web", "none", at="served"),
    "master list": Calls(""),
    "master add": Calls("user bob", "user bob --key-file none.key"),
    "master delete": Calls("user alice", "user nobody"),
    "follower list": Calls(""),
    "follower accept": Calls("--for 10m"),
    "follower delete": Calls("pump", "none"),
    "archive inspect": Calls("lab.zip", "more.txt", needs_node=False),
    "archive upload": Calls("lab.zip", at="served"),
    "admin check": Calls(""),
    "admin backup": Calls("saved.db", "more.txt/saved.db"),
    "admin restore": Calls("older.db --yes", "none.db --yes"),
    "admin repair": Calls("--to whole.db", "none.db --to whole.db"),
    "admin compact": Calls(""),
    "admin erase": Calls("--yes"),
    "admin authorize": Calls(None, "--url http://127.0.0.1:{closed}"),
    "completion": Calls("bash", needs_node=False, text=True),
    "help": Calls("times", needs_node=False, text=True),
}

#: Every call of the API, and a command that makes it.
CALLS = {
    "info": "node info",
    "folder_root": "stream list",
    "folder_get": "folder list",
    "folder_create": "folder create /new/folder",
    "folder_move": "folder move /lab/inner /elsewhere",
    "folder_update": "folder update /lab --description room",
    "folder_delete": "folder delete /lab/inner",
    "data_stream_get": "stream rename /lab/rows mains",
    "data_stream_create": "stream create /lab/new:float32[x]",
    "data_stream_update": "stream update /lab/rows --description mains",
    "data_stream_move": "stream move /lab/rows /elsewhere",
    "data_stream_delete": "stream delete /lab/rows --yes",
    "data_stream_annotation_delete": "annotation clear /lab/rows --all",
    "data_read": "data read /lab/rows",
    "data_read_array": "stream info /lab/rows --spark",
    "data_subscribe": "data read /lab/rows --live --duration 20ms",
    "data_write": "data write /lab/other more.txt",
    "data_delete": "data delete /lab/rows --all",
    "data_intervals": "data intervals /lab/rows",
    "data_count": "data count /lab/rows",
    "data_consolidate": "data consolidate /lab/rows --max-gap 1h",
    "data_split": "data split /lab/rows --max-gap 1ms",
    "data_decimate": "data decimate /lab/rows",
    "data_drop_decimations": "data drop-decimations /lab/rows",
    "event_stream_get": "event rename /lab/runs tests",
    "event_stream_create": "event create /lab/new",
    "event_stream_update": "event update /lab/runs --description tests",
    "event_stream_move": "event move /lab/runs /elsewhere",
    "event_stream_delete": "event delete /lab/runs --yes",
    "event_stream_info": "event info /lab/runs",
    "event_stream_read": "event read /lab/runs",
    "event_stream_follow": "event read /lab/runs --follow --start 2020-01-01 --limit 1 --jsonl",
    "event_stream_count": "event count /lab/runs",
    "event_stream_histogram": "event count /lab/runs --histogram",
    "event_stream_write": "event write /lab/runs --start now load=3",
    "event_stream_remove": "event remove /lab/runs --all",
    "annotation_create": "annotation create /lab/rows seen",
    "annotation_find": "annotation delete 1",
    "annotation_update": "annotation update 1 --title seen",
    "annotation_delete": "annotation delete 1",
    "annotation_get": "annotation list /lab/rows",
    "annotation_info": "annotation info /lab/rows",
    "module_list": "module list",
    "module_get": "module info Visualizer",
    "module_logs": "module logs Visualizer",
    "proxy_list": "proxy list",
    "proxy_get": "proxy info web",
    "master_list": "master list",
    "master_add": "master add user bob",
    "master_delete": "master delete user alice",
    "follower_records": "follower list",
    "follower_accept": "follower accept --for 10m",
    "follower_delete": "follower delete pump",
    "db_connection_info": "db info",
    "db_query": "db query 'SELECT 1'",
    "db_tables": "db query",
    "archive_upload": "archive upload lab.zip",
}

#: Calls in whose place commands make another one that does the same.
EQUAL_CALLS = {
    "annotation_create_all": "annotation_create",
    "capabilities": "info",
    "close": "info",
    "data_stream_info": "data_stream_get",
    "db_connect": "db_connection_info",
    "event_stream_read_list": "event_stream_read",
    "follower_list": "follower_records",
    "follower_remove": "follower_delete",
    "master_remove": "master_delete",
}

#: Commands that combine calls which other commands make one by one.
COMBINED = {
    *("node add", "node ping", "folder info", "folder rename", "folder copy"),
    *("stream get", "stream copy", "stream annotations", "stream check"),
    *("data ingest", "data export", "data plot", "data copy", "data merge"),
    *("data mean", "data median", "data filter mean", "data filter median"),
    *("event list", "event get", "event copy", "db connect", "module get", "proxy get"),
}

#: Commands that care for the registry or for files, and need no call of a node.
OFFLINE = {
    *("node serve", "node list", "node delete", "node default", "node rename", "data inspect"),
    *("archive inspect", "admin check", "admin backup", "admin restore", "admin compact"),
    *("admin repair", "admin erase", "admin authorize", "completion", "help"),
}


#: Commands whose output is what they are for, so that ``--quiet`` leaves it.
ANSWERING = {
    *("node list", "node ping", "node info", "folder list", "folder info"),
    *("stream list", "stream info", "stream get", "stream annotations"),
    *("data read", "data count", "data plot", "data intervals", "data inspect"),
    *("event list", "event info", "event get", "event read", "event count"),
    *("annotation list", "annotation info", "annotation create", "db query", "db info"),
    *("db connect", "module list", "module info", "module get", "module logs"),
    *("proxy list", "proxy info", "proxy get", "master list", "master add"),
    *("follower list", "archive inspect", "completion", "help"),
}


def prepare(folder):
    """Fill a folder with a node, its registry, and the files that the calls name."""
    asyncio.run(_fill(folder / "joule.db"))
    asyncio.run(_fill(folder / "older.db"))
    config = folder / "config"
    config.mkdir()
    nodes = [{"name": "stored", "url": f"file:{folder}/stored.db", "key": ""}]
    (config / "nodes.json").write_text(json.dumps(nodes))
    lines = [f"{T + i * SECOND} {i} {i}" for i in range(20, 25)]
    (folder / "more.txt").write_text("\n".join(lines) + "\n")
    table = ["timestamp,x,y", *(line.replace(" ", ",") for line in lines)]
    (folder / "rows.csv").write_text("\n".join(table) + "\n")
    write_archive(
        folder / "lab.zip", data=[("flow", flow_model(), {f"{T}.dat": npy([T, T + SECOND])})]
    )


async def _fill(file):
    async with FileNode("lab", file) as node:
        for name in ("rows", "other"):
            stream = DataStream(name=name, elements=[Element(name="x"), Element(name="y")])
            await node.data_stream_create(stream, "/lab")
        for name, offset in (("/lab/rows", 0), ("/lab/other", SECOND // 4)):
            async with await node.data_write(name) as pipe:
                await pipe.write([[T + offset + i * SECOND, i, 2 * i] for i in range(6)])
                await pipe.close_interval()
                await pipe.write([[T + offset + i * SECOND, i, 2 * i] for i in range(9, 15)])
        await node.folder_create("/lab/inner")
        runs = EventStream(name="runs", event_fields={"load": "numeric"})
        await node.event_stream_create(runs, "/lab")
        events = [Event(T + i, T + i + 5, content={"load": i}) for i in range(3)]
        await node.event_stream_write("/lab/runs", events)
        await node.annotation_create(Annotation(title="on", start=T), "/lab/rows")
        await node.master_add("user", "alice")
        await node.store_follower("pump", "a key of the pump", "http://192.0.2.1:8088")
