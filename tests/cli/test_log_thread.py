"""The log of a server, and readers of it that stop reading."""

from __future__ import annotations

import fcntl
import logging
import os
import queue
import re
import select
import threading
import time
from contextlib import suppress

import pytest

from joule_cli.cli._log_thread import ThreadedLog

DEADLINE_S = 20


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        yield reader, writer


def say(handler, text):
    handler.handle(logging.makeLogRecord({"msg": text}))


def line(number):
    return f"{number:06}{'.' * 93}"


def test_everything_is_written_in_order_before_it_is_closed(pipe):
    reader, writer = pipe
    handler = ThreadedLog(writer.fileno())
    for number in range(20):
        say(handler, line(number))
    say(handler, "half a character \udc9f")
    handler.close()
    writer.close()
    expected = [*map(line, range(20)), r"half a character \udc9f"]
    assert reader.read().decode().splitlines() == expected


@pytest.mark.parametrize("is_blocking", [True, False])
def test_what_has_no_room_is_counted_in_its_place(pipe, is_blocking):
    reader, writer = pipe
    os.set_blocking(writer.fileno(), is_blocking)
    handler = ThreadedLog(writer.fileno(), most_waiting=10)
    begin = time.monotonic()
    for number in range(1000):
        say(handler, line(number))
    assert time.monotonic() - begin < DEADLINE_S
    got = b""
    # until there is room for the next one
    while not handler._waiting.empty():
        got += os.read(reader.fileno(), 4096)
    say(handler, "again")
    handler.close()
    writer.close()
    *told, last = (got + reader.read()).decode().splitlines()
    assert last == "again"
    number = lost = 0
    for each in told:
        if missing := re.fullmatch(r"(\d+) lines? of the log are missing here: .*", each):
            number += int(missing[1])
            lost += int(missing[1])
        else:
            assert each == line(number)
            number += 1
    assert number == 1000
    assert 0 < lost < 1000


def test_a_loss_is_told_at_the_end_too(pipe):
    reader, writer = pipe
    handler = ThreadedLog(writer.fileno(), most_waiting=2)
    for number in range(100):
        say(handler, line(number))
    got = []
    thread = threading.Thread(target=lambda: got.append(reader.read()))
    thread.start()
    # as soon as the reader has made room
    deadline = time.monotonic() + DEADLINE_S
    while not handler._waiting.empty():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    handler.close()
    writer.close()
    thread.join()
    assert b"lines of the log are missing here" in got[0].splitlines()[-1]


def test_closing_does_not_wait_for_a_reader_for_ever(pipe):
    reader, writer = pipe
    handler = ThreadedLog(writer.fileno(), most_waiting=1)
    for number in range(100):
        say(handler, line(number))
    begin = time.monotonic()
    handler.close()
    assert time.monotonic() - begin < DEADLINE_S / 2
    # lets the thread go
    while handler._thread.is_alive():
        if select.select([reader], [], [], 0.01)[0]:
            os.read(reader.fileno(), 4096)
        with suppress(queue.Full):
            handler._waiting.put_nowait(None)


def test_a_reader_that_is_gone_harms_nobody(pipe):
    reader, writer = pipe
    reader.close()
    handler = ThreadedLog(writer.fileno())
    for number in range(100):
        say(handler, line(number))
    handler.close()
    assert not handler._thread.is_alive()
