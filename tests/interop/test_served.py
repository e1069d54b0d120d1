"""Modules, proxies and archives of a served node, through the original."""

from __future__ import annotations

import pytest

from joule_cli.daemon import archive_importer
from joule_cli.model import Proxy
from tests.archives import T, event, flow_model, npy, write_archive, write_importer
from tests.interop.original import OriginalError
from tests.nodes import FileNode


async def done(site, *arguments):
    """Return what a command printed that has to end well."""
    shown = await site.joule(*arguments)
    assert shown.code == 0, shown
    return shown.out


@pytest.fixture
async def proxied(open_site):
    proxies = (Proxy(0, "grafana", "http://127.0.0.1:3000/"), Proxy(1, "wiki", "http://wiki/"))
    return await open_site("pump", settings={"proxies": proxies})


async def test_proxies(proxied):
    script = """
        listed = await node.proxy_list()
        found = [await node.proxy_get(each) for each in ("wiki", 1, listed[1])]
        return listed, found
    """
    listed, found = await proxied.run(script)
    assert [(p["id"], p["name"], p["target_url"]) for p in listed] == [
        (0, "grafana", "http://127.0.0.1:3000/"),
        (1, "wiki", "http://wiki/"),
    ]
    assert found == [listed[1]] * 3
    shown = await done(proxied, "proxy", "list")
    assert "│    1 │ wiki    │ http://wiki/" in shown
    info = await done(proxied, "proxy", "info", "wiki")
    assert f"Proxy URL:\n\t{proxied.served.url}/interface/p1/\nSource URL:\n\thttp://wiki/" in info
    none = await proxied.joule("proxy", "info", "none")
    assert none.err.endswith("Error: 404: proxy does not exist [404]\n")


async def test_no_modules(site):
    script = "return [await node.module_list(), await node.module_list(statistics=True)]"
    assert await site.run(script) == [[], []]
    listed = await done(site, "module", "list", "--statistics")
    assert "Name" in listed
    for script in ("node.module_get('x')", "node.module_get(5)", "node.module_logs('x')"):
        with pytest.raises(OriginalError, match=r"^ApiError: module does not exist \[404\]$"):
            await site.run(f"await {script}")
    for command in ("info", "logs"):
        shown = await site.joule("module", command, "x")
        assert shown.err.endswith("Error: module does not exist [404]\n")


@pytest.fixture
async def importing(open_site, tmp_path):
    """A node that imports archives."""
    kept = tmp_path / "kept"
    kept.mkdir()
    async with FileNode("lab", tmp_path / "lab.db") as node:
        settings = {
            "import_archive": archive_importer(node, write_importer(tmp_path / "importers")),
            "archive_directory": kept,
            "importer_key": "only for archives",
        }
        yield await open_site("lab", settings=settings)


@pytest.fixture
def archives(tmp_path):
    """A folder with two archives, of which the second has a stream that nobody wants."""
    folder = tmp_path / "archives"
    folder.mkdir()
    for name, label, begin in (("a.zip", "flow", T), ("b.zip", "unknown", T + 10)):
        write_archive(
            folder / name,
            data=[(label, flow_model(), {f"{begin + 1}.dat": npy([begin, begin + 1])})],
            events=[("starts", [event(begin, note="x")])],
        )
    return folder


async def test_archives_are_uploaded(importing, archives):
    log = await importing.run(
        "return await node.archive_upload(path)", path=str(archives / "a.zip")
    )
    told = [entry["message"] for entry in log["info"]]
    assert "importing 4 rows of data into /imported/inlet flow" in told
    assert "imported 1 events into /imported/starts" in told
    assert (log["warnings"], log["errors"]) == ([], [])
    script = """
        pipe = await node.data_read("/imported/inlet flow")
        await pipe.not_empty()
        rows = await pipe.read()
        pipe.consume(len(rows))
        await pipe.close()
        return rows, await node.event_stream_read_list("/imported/starts")
    """
    rows, events = await importing.run(script)
    assert rows == [[T, 0, 1], [T + 1, 2, 3]]
    assert [e["content"] for e in events] == [{"note": "x"}]
    again = await importing.run(
        "return await node.archive_upload(path)", path=str(archives / "a.zip")
    )
    assert "already exists in target" in again["errors"][0]["message"]


async def test_the_importer_key(importing, archives):
    script = """
        importer = joule.api.create_tcp_node(node.url, "only for archives")
        try:
            log = await importer.archive_upload(path)
            await importer.folder_root()
        except joule.errors.ApiError as exc:
            return log, str(exc)
        finally:
            await importer.close()
    """
    log, refused = await importing.run(script, path=str(archives / "a.zip"))
    assert log["errors"] == []
    assert refused == "403: Forbidden [403]"


async def test_archive_commands(importing, archives, tmp_path):
    inspected = await done(importing, "archive", "inspect", "--verbose", archives / "a.zip")
    assert "Path:      /live/flow" in inspected
    told = await done(importing, "archive", "upload", "--verbose", archives / "a.zip")
    assert "importing 4 rows of data into /imported/inlet flow" in told
    (archives / "a.zip").unlink()
    shown = await done(importing, "archive", "upload", archives)
    assert "\tNo match for data stream with label [unknown]\n" in shown
    write_archive(
        archives / "c.zip", data=[("flow", flow_model(), {f"{T + 51}.dat": npy([T + 50, T + 51])})]
    )
    shown = await done(importing, "archive", "upload", "--flush", archives)
    assert f"{archives / 'c.zip'}\t[OK]" in shown
    assert [file.name for file in archives.iterdir()] == ["b.zip"]
    (tmp_path / "none.zip").write_bytes(b"this is not a zip file")
    for command in ("inspect", "upload"):
        refused = await importing.joule("archive", command, tmp_path / "none.zip")
        assert refused.code == 1
    with pytest.raises(OriginalError, match=r"^ApiError: 400: invalid joule archive \[400\]$"):
        await importing.run("await node.archive_upload(path)", path=str(tmp_path / "none.zip"))


async def test_a_node_without_importers(site, archives):
    shown = await done(site, "archive", "upload", archives / "a.zip")
    assert "No importer defined for archive [exports] from node [pumphouse]" in shown
