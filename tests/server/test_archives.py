"""Archives sent to a served node."""

from __future__ import annotations

import asyncio
import fcntl
import gzip
import io
from typing import TYPE_CHECKING

import aiohttp
import pytest

from joule_cli.daemon import archive_importer
from joule_cli.errors import ApiError, AuthorizationError, FormatError
from joule_cli.remote.node import RemoteNode
from joule_cli.server.settings import ServerSettings
from tests.archives import T, event, flow_model, npy, write_archive, write_importer
from tests.nodes import FileNode
from tests.serving import KEY, serve

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def node(tmp_path: Path):
    async with FileNode("lab", tmp_path / "lab.db") as found:
        yield found


@pytest.fixture
async def served(node, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    settings = ServerSettings(
        name="lab",
        importer_key="importer-key",
        import_archive=archive_importer(node, write_importer(tmp_path / "importers")),
        archive_directory=kept,
        stop_timeout_s=1,
    )
    async with serve(node, settings=settings) as found:
        yield found


@pytest.fixture
async def remote(served):
    async with RemoteNode("lab", served.url, key=KEY) as found:
        yield found


@pytest.fixture
def archive(tmp_path):
    members = {f"{T + 1}.dat": npy([T, T + 1])}
    return write_archive(
        tmp_path / "a.zip",
        data=[("flow", flow_model(), members)],
        events=[("starts", [event(T, note="x")])],
    )


async def test_an_archive_is_imported_and_kept(remote, node, archive, tmp_path):
    log = await remote.archive_upload(archive)
    assert log.errors == log.warnings == []
    assert [m.message for m in log.info] == [
        "creating data stream /imported/inlet flow",
        "importing 4 rows of data into /imported/inlet flow",
        "creating event stream /imported/starts",
        "imported 1 events into /imported/starts",
    ]
    assert await node.data_intervals("/imported/inlet flow") == [[T, T + 2]]
    [kept] = (tmp_path / "kept").iterdir()
    assert kept.read_bytes() == archive.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600
    again = await remote.archive_upload(str(archive))
    assert [m.message for m in again.errors] == [
        "data at 2023-11-14 22:13:20 already exists in target"
    ]


async def test_the_importer_key_opens_this_and_nothing_else(served, archive):
    async with RemoteNode("lab", served.url, key="importer-key") as importer:
        assert (await importer.archive_upload(archive)).errors == []
        with pytest.raises(AuthorizationError):
            await importer.folder_root()


async def test_what_is_no_archive(remote, tmp_path):
    for content in (b"", b"this is not a zip file"):
        file = tmp_path / "x.zip"
        file.write_bytes(content)
        with pytest.raises(ApiError, match="invalid joule archive") as caught:
            await remote.archive_upload(file)
        assert caught.value.status == 400
    with pytest.raises(FormatError, match="No such file"):
        await remote.archive_upload(tmp_path / "missing.zip")


async def test_a_node_without_importers(node, archive, tmp_path):
    async with (
        serve(node) as served,
        RemoteNode("lab", served.url, key=KEY) as remote,
    ):
        log = await remote.archive_upload(archive)
        assert log.to_json() == {
            "info": [],
            "warnings": [],
            "errors": [
                {
                    "source_label": None,
                    "destination": None,
                    "message": "No importer defined for archive [exports] from node [pumphouse]",
                    "target_type": None,
                }
            ],
        }
        (tmp_path / "x.zip").write_bytes(b"PK")
        with pytest.raises(ApiError, match="invalid joule archive"):
            await remote.archive_upload(tmp_path / "x.zip")


async def test_a_body_larger_than_any_json(served, archive):
    padded = archive.read_bytes() + b"\0" * 3_000_000  # not an archive any more
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{served.url}/archive.json", data=io.BytesIO(padded), headers={"X-API-KEY": KEY}
        ) as response,
    ):
        assert (response.status, await response.text()) == (400, "400: invalid joule archive")


# what is not kept


async def post(served, body, key=KEY):
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{served.url}/archive.json", data=io.BytesIO(body), headers={"X-API-KEY": key}
        ) as response,
    ):
        return response.status, await response.text()


async def test_a_refused_archive_is_not_kept(served, archive, tmp_path):
    assert (await post(served, b"no archive"))[0] == 400
    assert (await post(served, archive.read_bytes()[:-30]))[0] == 400
    unexpected = write_archive(tmp_path / "b.zip", name="nobody expects it")
    status, text = await post(served, unexpected.read_bytes())
    assert (status, "No importer defined" in text) == (200, True)
    assert list((tmp_path / "kept").iterdir()) == []


async def test_an_archive_whose_client_goes_away_is_not_kept(served, archive, tmp_path):
    host, _, port = served.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /archive.json HTTP/1.1\r\nHost: x\r\nX-API-KEY: {KEY}\r\nContent-Length: 99999\r\n"
    )
    writer.write(head.encode() + b"\r\nPK")
    while not list((tmp_path / "kept").iterdir()):
        await writer.drain()
        await asyncio.sleep(0)
    writer.transport.abort()
    while list((tmp_path / "kept").iterdir()):
        await asyncio.sleep(0)


async def test_what_a_killed_server_left_is_removed_and_what_arrives_is_not(served, tmp_path):
    kept = tmp_path / "kept"
    (kept / "1.zip.part").write_bytes(b"left")
    (kept / "1.zip").write_bytes(b"precious")
    with (kept / "2.zip.part").open("wb") as arriving:
        fcntl.flock(arriving, fcntl.LOCK_EX)
        assert (await post(served, b"no archive"))[0] == 400
    assert sorted(path.name for path in kept.iterdir()) == ["1.zip", "2.zip.part"]


@pytest.mark.parametrize("packed", [False, True])
async def test_archives_are_bounded_one_by_one_and_in_all(node, archive, tmp_path, packed):
    body = archive.read_bytes()
    kept = tmp_path / "kept"
    kept.mkdir()
    settings = ServerSettings(
        name="lab",
        import_archive=archive_importer(node, write_importer(tmp_path / "importers")),
        archive_directory=kept,
        archive_limit_bytes=len(body),
        archive_quota_bytes=2 * len(body) + 100,
        stop_timeout_s=1,
    )
    headers = {"X-API-KEY": KEY} | ({"Content-Encoding": "gzip"} if packed else {})

    async def send(body):
        sent = gzip.compress(body) if packed else body
        async with session.post(
            f"{served.url}/archive.json", data=io.BytesIO(sent), headers=headers
        ) as found:
            return found.status, await found.text()

    async with serve(node, settings=settings) as served, aiohttp.ClientSession() as session:
        too_large = (413, f"413: an archive may have {len(body):,} bytes")
        assert await send(body + b"\0") == too_large
        assert await send(body + b"\0" * 5_000_000) == too_large
        for _ in range(2):
            assert (await send(body))[0] == 200
        full = (413, f"413: archives may have {2 * len(body) + 100:,} bytes in all")
        assert await send(body) == full
        assert len(list(kept.iterdir())) == 2
        next(kept.iterdir()).unlink()
        assert (await send(body))[0] == 200
