"""What the original says of a node, over each transport, and how it finds nodes."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE

import pytest

from joule_cli.daemon import served
from joule_cli.model import DataStream, Element
from joule_cli.server.listeners import SocketAddress, TcpAddress
from joule_cli.server.settings import ServerSettings
from tests.certificates import make_certificates
from tests.interop.original import Client, OriginalError, Place
from tests.nodes import FileNode

T = 1_700_000_000_000_000

#: Asks something of each kind: JSON both ways, rows both ways.
ROUND = """
    stream = joule.api.DataStream("flow", elements=[joule.api.Element("rate")])
    stream = await node.data_stream_create(stream, "/plant")
    pipe = await node.data_write(stream)
    await pipe.write(np.array([[T, 1.0], [T + 1, 2.0]]))
    await pipe.close()
    pipe = await node.data_read("/plant/flow")
    rows = await pipe.read()
    pipe.consume(len(rows))
    await pipe.close()
    return (await node.info()).name, rows
"""
ROUND_RESULT = ["pump", [[T, 1.0], [T + 1, 2.0]]]


async def test_info(site):
    told = await site.run("return await node.info()")
    own = await site.node.info()
    assert told == {
        "name": "pump",
        "version": own.version,
        "path": own.path,
        "size_db": told["size_db"],
        "size_free": told["size_free"],
        "size_other": told["size_other"],
        "size_reserved": told["size_reserved"],
    }
    assert all(isinstance(told[key], int) and told[key] >= 0 for key in told if "size" in key)
    shown = await site.joule("node", "info")
    assert shown.code == 0
    assert shown.err == "--connecting to [pump]--\n"
    assert shown.out.splitlines()[:2] == [
        f"Server Version:   \t{own.version}",
        f"Database Location:\t{own.path}",
    ]


async def test_plain_http(site):
    assert await site.run(ROUND, T=T) == ROUND_RESULT
    assert repr(await site.run("return repr(node)")).count(site.served.url) == 1


async def test_unix_socket(open_site, tmp_path):
    site = await open_site("pump", unix=tmp_path / "api")
    assert await site.run(ROUND, T=T) == ROUND_RESULT
    # over a UNIX socket its errors begin with the path
    with pytest.raises(OriginalError, match=r"^ApiError: /folder.json 404: folder does not exist"):
        await site.run("await node.folder_get('/nope')")
    joined = await open_site("central")
    await site.node.master_add("user", "x")
    await joined.run("await node.master_add('user', 'y')")
    assert await site.run("return await node.follower_list()") == []


async def test_https(open_site, tmp_path):
    site = await open_site("pump", certificates=make_certificates(tmp_path / "certificates"))
    assert site.served.url.startswith("https://")
    assert await site.run(ROUND, T=T) == ROUND_RESULT
    shown = await site.joule("data", "read", "/plant/flow")
    assert (shown.code, shown.out) == (0, f"{T} 1.000000\n{T + 1} 2.000000\n")
    unchecked = """
        other = joule.api.node.TcpNode("pump", url, key)
        try:
            return (await other.info()).name
        finally:
            await other.close()
    """
    assert await site.run(unchecked, url=site.served.url, key=site.served.key) == "pump"


async def test_https_with_another_authority(open_site, original, tmp_path):
    site = await open_site("pump", certificates=make_certificates(tmp_path / "certificates"))
    strange = make_certificates(tmp_path / "strange")
    (site.config / "ca.crt").write_bytes(strange.authority.read_bytes())
    refused = await site.joule("node", "info")
    assert refused.code == 1
    assert "the specified certificate authority did not validate this server" in refused.err


async def test_wrong_transport(open_site, original, tmp_path):
    plain = await open_site("plain")
    config = tmp_path / "wrong"
    config.mkdir()
    url = plain.served.url.replace("http:", "https:")
    client = Client(original, config, plain.served, "plain")
    client.add_node("wrong", url, plain.served.key)
    failed = await client.joule("--node", "wrong", "folder", "list")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err == f"--connecting to [wrong]--\nError: Cannot contact node at [{url}]\n"


async def test_the_command_in_a_process_of_its_own(site, original):
    await site.run(ROUND, T=T)
    environment = original.environment | {"JOULE_USER_CONFIG_DIR": str(site.config)}
    process = await asyncio.create_subprocess_exec(
        original.command, "data", "read", "/plant/flow", env=environment, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err
    assert out.decode() == f"{T} 1.000000\n{T + 1} 2.000000\n"


async def test_the_server_of_the_command_line(original, tmp_path):
    """On TCP and on a UNIX socket at once, as a node is served in earnest."""
    (tmp_path / "config").mkdir()
    addresses = [TcpAddress(port=0), SocketAddress(tmp_path / "api")]
    async with FileNode("pump", tmp_path / "pump.db") as node:
        key = (await node.master_add("user", "operator")).key
        async with served(node, ServerSettings(name="pump", stop_timeout_s=1), addresses) as urls:
            tcp, socket = urls
            site = Client(original, tmp_path / "config", Place(tcp, key, None), "pump")
            assert await site.run(ROUND, T=T) == ROUND_RESULT
            local = Client(original, tmp_path / "config", Place(socket, "", None), "pump")
            names = "return [s.name for s in (await node.folder_get('/plant')).data_streams]"
            assert await local.run(names) == ["flow"]


async def test_wrong_key(site):
    site.add_node("stranger", site.served.url, "no" * 20)
    for command in (("folder", "list"), ("data", "read", "/a/b"), ("master", "list")):
        shown = await site.joule("-n", "stranger", *command)
        assert shown.code == 1
        assert shown.err.endswith("Error: 403: Forbidden [403]\n")


async def test_nodes_of_a_user(site):
    host = site.served.url.removeprefix("http://")
    added = await site.joule("node", "add", "again", site.served.url, site.served.key)
    assert (added.code, added.out) == (0, "Added [again] to authorized nodes\n")
    assert [n["name"] for n in json.loads((site.config / "nodes.json").read_text())] == [
        "pump",
        "again",
    ]
    listed = await site.joule("node", "list")
    assert listed.code == 0
    assert "● pump" in listed.out
    assert listed.out.count(host) == 2
    assert (await site.joule("node", "default", "again")).code == 0
    info = await site.joule("node", "info")
    assert info.err == "--connecting to [again]--\n"
    removed = await site.joule("node", "delete", "again")
    assert removed.out == "Removed [again] from nodes\n"
    # a host without scheme is looked for at the port of the original
    none = await site.joule("node", "add", "far", "no-such-host.invalid", "key")
    assert none.code == 1
    assert "unable to contact [no-such-host.invalid], node not added" in none.err


async def test_a_node_is_recognised_over_http(site):
    host = site.served.url.removeprefix("http://")
    detected = await site.run("return await joule.utilities.misc.detect_url(host)", host=host)
    assert detected == site.served.url


async def test_nodes_of_a_user_through_the_library(site):
    script = """
        await node.close()
        joule.api.save_node(joule.api.node.TcpNode("third", url, key))
        joule.api.set_default_node("third")
        names = [each.name for each in joule.api.get_nodes()]
        default = joule.api.get_node()
        info = await default.info()
        await default.close()
        joule.api.delete_node("third")
        other = joule.api.create_tcp_node(url, key, "fourth")
        folders = await other.folder_root()
        await other.close()
        return names, default.name, info.name, folders.name
    """
    told = await site.run(script, url=site.served.url, key=site.served.key)
    assert told == [["pump", "third"], "third", "pump", "root"]


async def test_a_node_in_a_file_has_no_sql_server(site):
    for script in ("await node.db_connection_info()", "await node.db_connect()"):
        with pytest.raises(OriginalError, match="there is no SQL server to connect to") as caught:
            await site.run(script)
        assert caught.value.kind == "ApiError"


async def test_lumen_link(site):
    rates = [Element("rate"), Element("level")]
    stream = await site.node.data_stream_create(DataStream("flow", elements=rates), "/plant/a")
    script = """
        import lzstring
        from joule.api.lumen_link import (
            Axis, DisplayedDataStreamElement, DisplayedEventStream, IRange
        )
        events = await node.event_stream_create(joule.api.EventStream("faults"), "/plant")
        flow = await node.data_stream_get("/plant/a/flow")
        link = await node.create_lumen_link(
            "http://lumen",
            [DisplayedDataStreamElement(flow.elements[1], "Level", "red", Axis.LEFT)],
            [DisplayedEventStream(events, "Faults")],
            main_time_bounds=IRange(T, T + 1000),
        )
        place, _, query = link.partition("?view=")
        view = lzstring.LZString().decompressFromEncodedURIComponent(query)
        return place, json.loads(view), events.id
    """
    place, view, events = await site.run(script, T=T)
    assert place == "http://lumen/explorer"
    [element] = view["elements"]
    assert element["stream_id"] == stream.id
    assert (element["index"], element["axis"]) == (1, "left")
    assert view["event_streams"][0]["id"] == events
    folder = (await site.node.folder_get("/plant/a")).id
    parent = (await site.node.folder_get("/plant")).id
    told = view["joule_objects"]
    assert told["data_stream_element_map"] == {str(stream.elements[1].id): stream.id}
    assert {folder, parent} <= set(json.loads(json.dumps(told)).get("folders", [folder, parent]))
    assert view["main_time_bounds"] == {"min": T / 1000, "max": (T + 1000) / 1000}
