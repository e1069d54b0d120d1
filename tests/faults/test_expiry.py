"""Clocks that are wrong, and times that are: what a stream keeps stays."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from joule_cli.model import DataStream, Element, Event, EventStream
from tests.edited import edit
from tests.nodes import FileNode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
YEARS = 10 * 365 * DAY
T0 = 1_700_000_000 * SECOND


class Machine:
    """A node file on a machine whose clock can be set."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.time = T0
        self.running = 5 * HOUR

    def goes_on(self, time: int) -> None:
        self.time += time
        self.running += time

    def starts_again(self, off: int = 60 * SECOND) -> None:
        self.time += off
        self.running = 30 * SECOND

    def node(self) -> FileNode:
        return FileNode("demo", self.path, clock=lambda: self.time, ticks=lambda: self.running)

    async def write(self, *times: int, stream: str = "/a/s") -> None:
        """Write rows in a process of their own; in order of time within it."""
        async with self.node() as node, await node.data_write(stream) as pipe:
            for time in times or (self.time,):
                await pipe.write([[time, 1.0]])
                await pipe.close_interval()

    async def times(self, stream: str = "/a/s") -> list[int]:
        async with self.node() as node:
            return (await node.data_read_array(stream))["timestamp"].tolist()

    async def count(self) -> int:
        async with self.node() as node:
            return await node.data_count("/a/s")


@pytest.fixture
async def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "joule.db")
    async with machine.node() as node:
        for name, keep in (("s", DAY), ("all", -1)):
            stream = DataStream(name, datatype="float64", elements=[Element("x")], keep_us=keep)
            await node.data_stream_create(stream, "/a")
        await node.event_stream_create(EventStream("e", keep_us=DAY), "/a")
    return machine


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def log() -> Iterator[list[str]]:
    handler, logger = Lines(), logging.getLogger("joule_cli.engine")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(before)


async def test_rows_expire_as_time_goes_by(machine: Machine, log):
    for _ in range(50):
        await machine.write()
        machine.goes_on(HOUR)
    assert await machine.times() == [T0 + i * HOUR for i in range(25, 50)]
    async with machine.node() as node:
        assert (await node.data_stream_info("/a/s")).expired == 25
    assert sum("expired: 1 row of the stream s" in line for line in log) == 25
    assert not any("clock" in line for line in log)


async def test_a_clock_ten_years_ahead_expires_nothing(machine: Machine, log):
    await machine.write()
    machine.goes_on(HOUR)
    await machine.write()
    machine.time += YEARS
    await machine.write()
    assert await machine.times() == [T0, T0 + HOUR, T0 + HOUR + YEARS]
    [told] = [line for line in log if "clock" in line]
    assert "2033" in told
    assert "2023-11-14" in told
    # nor later, when it was set right: then the rows are those of the future
    machine.time -= YEARS
    for _ in range(3):
        machine.goes_on(HOUR)
        await machine.write()
    assert await machine.count() == 6
    assert sum("clock" in line for line in log) == 1
    async with machine.node() as node:
        assert (await node.data_stream_info("/a/s")).expired == 0


@pytest.mark.parametrize("processes", ["one", "many"])
async def test_a_clock_is_believed_after_a_day(machine: Machine, log, processes: str):
    """A machine that was off for a month."""
    await machine.write()
    machine.starts_again(30 * DAY)
    await machine.write()
    if processes == "one":
        async with machine.node() as node, await node.data_write("/a/s") as pipe:
            for _ in range(24 * 6 - 1):
                machine.goes_on(HOUR // 6)
                await pipe.write([[machine.time, 1.0]])
            assert T0 in (await node.data_read_array("/a/s"))["timestamp"]
            machine.goes_on(HOUR // 6)
            await pipe.write([[machine.time, 1.0]])
    else:
        for _ in range(23):
            machine.goes_on(HOUR)
            await machine.write()
        assert T0 in await machine.times()
        machine.goes_on(HOUR)
        await machine.write()
    assert T0 not in await machine.times()
    assert [line for line in log if "clock" in line][1:] == [
        f"the clock is believed after a day, {line_time(machine.time)}; what is old expires"
    ]


def line_time(time: int) -> str:
    return str(datetime.fromtimestamp(time // SECOND, UTC))


async def test_the_day_may_have_pauses(machine: Machine):
    await machine.write()
    machine.starts_again(30 * DAY)
    for day in range(4):
        await machine.write()
        machine.goes_on(6 * HOUR)
        await machine.write()
        assert (T0 in await machine.times()) == (day < 3)
        machine.starts_again(18 * HOUR)


async def test_a_clock_that_jumps_again_has_to_wait_again(machine: Machine, log):
    await machine.write()
    for _ in range(4):
        machine.time += YEARS
        await machine.write()
        machine.goes_on(20 * HOUR)
        await machine.write()
    assert await machine.count() == 9
    assert sum("the clock shows" in line for line in log) == 4


async def test_a_week_without_writing_is_no_jump(machine: Machine, log):
    """The machine was running all the time."""
    await machine.write()
    machine.goes_on(7 * DAY)
    await machine.write()
    assert await machine.times() == [T0 + 7 * DAY]
    assert not any("clock" in line for line in log)


async def test_writing_to_other_streams_keeps_the_clock_known(machine: Machine, log):
    await machine.write()
    for _ in range(40):
        machine.starts_again(20 * HOUR)
        await machine.write(stream="/a/all")
    await machine.write()
    assert await machine.times() == [machine.time]
    assert not any("clock" in line for line in log)


async def test_a_clock_that_starts_in_1970_and_is_set(machine: Machine):
    await machine.write()
    real = machine.time
    machine.starts_again()
    machine.time = 5 * SECOND
    await machine.write()
    machine.goes_on(60 * SECOND)
    machine.time = real + 2 * HOUR
    await machine.write()
    assert await machine.times() == [T0, real + 2 * HOUR]
    # it goes on with the clock that is right: nothing has to be believed anew
    machine.goes_on(DAY)
    await machine.write()
    assert await machine.times() == [real + 2 * HOUR, machine.time]


async def test_rows_of_the_far_future_expire_nothing(machine: Machine):
    await machine.write()
    machine.goes_on(HOUR)
    await machine.write(machine.time, T0 + YEARS)
    for _ in range(30):
        machine.goes_on(HOUR)
        await machine.write()
    # only what is older than a day, by the clock
    times = await machine.times()
    assert times == [T0 + i * HOUR for i in range(7, 32)] + [T0 + YEARS]


async def test_without_newer_rows_the_old_ones_stay(machine: Machine):
    """A recording of last year is not gone before it was seen."""
    machine.goes_on(365 * DAY)
    await machine.write(stream="/a/all")
    await machine.write(T0, T0 + HOUR)
    assert await machine.times() == [T0, T0 + HOUR]
    await machine.write(T0 + 3 * DAY)
    assert await machine.times() == [T0 + 3 * DAY]


async def test_a_file_from_before_this_was_noted(machine: Machine, log):
    await machine.write()
    edit(machine.path, "DELETE FROM node WHERE key = 'clock'")
    machine.starts_again(YEARS)
    await machine.write()
    assert await machine.times() == [T0, machine.time]
    assert any("the clock shows" in line for line in log)


async def write_event(machine: Machine, start: int | None = None) -> None:
    start = machine.time if start is None else start
    async with machine.node() as node:
        await node.event_stream_write("/a/e", [Event(start, start + SECOND)])


async def starts(machine: Machine) -> list[int]:
    async with machine.node() as node:
        return [event.start_time for event in await node.event_stream_read("/a/e")]


async def test_events_too(machine: Machine, log):
    await write_event(machine)
    machine.time += YEARS
    await write_event(machine)
    assert await starts(machine) == [T0, T0 + YEARS]
    machine.time -= YEARS
    machine.goes_on(2 * DAY)
    await write_event(machine)
    assert await starts(machine) == [T0 + 2 * DAY, T0 + YEARS]
    async with machine.node() as node:
        assert (await node.event_stream_info("/a/e")).expired == 1
    assert log[-1] == "expired: 1 event of the stream e"


async def test_what_has_expired_is_forgotten_with_the_stream(machine: Machine):
    await machine.write()
    machine.goes_on(2 * DAY)
    await machine.write()
    async with machine.node() as node:
        keys = await node.storage.database.read(
            lambda c: list(c.execute("SELECT value FROM node WHERE key GLOB 'expired *'"))
        )
        assert keys == [("1",)]
        await node.data_stream_delete("/a/s")
        keys = await node.storage.database.read(
            lambda c: list(c.execute("SELECT value FROM node WHERE key GLOB 'expired *'"))
        )
        assert keys == []
