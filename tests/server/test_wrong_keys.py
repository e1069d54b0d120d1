"""Who guesses keys has to wait, and nobody else."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING

import aiohttp
import pytest

from joule_cli.server.refusals import Refusal
from joule_cli.server.settings import ServerSettings
from joule_cli.server.wrong_keys import WrongKeys
from tests.serving import KEY, serve

if TYPE_CHECKING:
    from joule_cli.api.node import Node

FREE = 20


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that are asked for; none of them takes time."""
    asked: list[float] = []

    async def sleep(seconds):
        asked.append(seconds)

    monkeypatch.setattr("joule_cli.server.wrong_keys.asyncio.sleep", sleep)
    return asked


class Door:
    def __init__(self, delay_s: float = 0.1) -> None:
        self.now = 0.0
        self.keys = WrongKeys(delay_s, lambda: self.now)

    async def wrong(self, address: str = "192.0.2.1", number: int = 1) -> None:
        for each in range(number):
            await self.keys.wait(address, f"wrong {each}")
            self.keys.note(address, f"wrong {each}", right=False)


async def test_waits_double_up_to_a_limit(waits: list[float]):
    door = Door()
    await door.wrong(number=FREE)
    assert waits == []
    await door.wrong(number=9)
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


async def test_other_addresses_do_not_wait(waits: list[float]):
    door = Door()
    await door.wrong("192.0.2.1", FREE + 1)
    waits.clear()
    for address in ("192.0.2.2", "2001:db8::1", ""):
        await door.wrong(address)
    assert waits == []


async def test_ipv6_addresses_of_one_network_are_one_client(waits: list[float]):
    door = Door()
    for number in range(FREE):
        await door.wrong(f"2001:db8::{number:x}")
    await door.wrong("2001:db8::ffff")
    assert waits == [0.1]
    await door.wrong("2001:db8:0:1::1")
    assert waits == [0.1]


async def test_wrong_keys_are_forgotten(waits: list[float]):
    door = Door()
    await door.wrong(number=FREE + 1)
    door.now += 60
    waits.clear()
    await door.wrong(number=6)
    assert waits == [0.1]


async def test_a_key_that_was_right_does_not_wait(waits: list[float]):
    door = Door()
    door.keys.note("192.0.2.1", "right", right=True)
    await door.wrong(number=FREE + 1)
    waits.clear()
    await door.keys.wait("192.0.2.1", "right")
    assert waits == []
    await door.keys.wait("192.0.2.1", "another")
    assert waits != []


async def test_few_wait_at_a_time():
    door = Door()
    for _ in range(FREE):
        door.keys.note("192.0.2.1", "x", right=False)
    tasks = [asyncio.create_task(door.keys.wait("192.0.2.1", "x")) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await door.keys.wait("192.0.2.1", "x")
    assert refused.value.status == 429
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert door.keys._waiting == 0


async def test_memory_is_bounded(waits: list[float]):
    door = Door()
    for number in range(10_000):
        address = str(ipaddress.IPv4Address(2**31 + number))
        door.keys.note(address, "x", right=False)
        door.keys.note(address, "y", right=True)
    assert len(door.keys._guesses) == len(door.keys._right) == 4096


async def test_no_waits_at_all(waits: list[float]):
    await Door(0).wrong(number=100)
    assert waits == []


async def test_guesses_at_a_served_node_and_its_other_clients(node: Node):
    settings = ServerSettings(name="n", stop_timeout_s=1)
    async with serve(node, settings=settings) as served, aiohttp.ClientSession() as session:

        async def status(key, path="/version.json"):
            async with session.get(served.url + path, headers={"X-API-KEY": key}) as response:
                return response.status

        assert await status(KEY) == 200
        for number in range(FREE):
            assert await status(f"wrong {number}") == 403
        guesses = [asyncio.create_task(status(f"wrong {number}")) for number in range(20)]
        # no key at all is no guess, and the right one goes on
        assert await status(KEY) == 200
        assert await status("") == 403
        assert sorted(await asyncio.gather(*guesses)) == [403] * 4 + [429] * 16
        # the key of importers is right, though not here
        settings.importer_key = "importer"
        await asyncio.gather(*(status("importer", "/folders.json") for _ in range(2)))


async def test_the_server_tells_no_versions(node: Node):
    async with serve(node) as served, aiohttp.ClientSession() as session:
        for key in (KEY, ""):
            for path in ("/version", "/nothing", "/data"):
                for method in ("GET", "PATCH", "HEAD"):
                    async with session.request(
                        method, served.url + path, headers={"X-API-KEY": key}
                    ) as response:
                        assert response.headers.getall("Server") == ["joule"]
        host, _, port = served.url.rpartition("/")[2].partition(":")
        for text in (b"garbage\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(text)
            found = await reader.read()
            writer.close()
            assert b"Server: joule\r\n" in found
            assert b"aiohttp" not in found
            assert b"Python" not in found
