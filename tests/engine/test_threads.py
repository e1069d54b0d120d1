"""Threads that work for an event loop."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref

import pytest

from joule_cli.engine.stores.sqlite.threads import Threads

UNCLOSED = """
import asyncio, threading, time
from joule_cli.engine.stores.sqlite.threads import Threads

threads = Threads(1, "test")
began = threading.Event()

def job():
    began.set()
    time.sleep(0.2)
    print("done", flush=True)

async def main():
    task = asyncio.create_task(threads.run(job))
    while not began.is_set():
        await asyncio.sleep(0)
    task.cancel()

asyncio.run(main())
"""


@pytest.fixture
def one():
    threads = Threads(1, "test")
    yield threads
    threads.stop()


async def test_jobs_run_in_the_order_of_the_calls(one: Threads):
    order: list[int] = []
    await asyncio.gather(*(one.run(lambda i=i: order.append(i)) for i in range(50)))
    assert order == list(range(50))


async def test_what_a_job_raises_is_raised_to_its_caller(one: Threads):
    def job() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        await one.run(job)
    assert await one.run(lambda: 3) == 3


async def test_a_second_job_does_not_wait_for_a_first_one_whose_caller_was_cancelled():
    threads = Threads(2, "test")
    began, goes_on = threading.Event(), threading.Event()

    def long() -> None:
        began.set()
        goes_on.wait()

    task = asyncio.create_task(threads.run(long))
    while not began.is_set():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await threads.run(lambda: 1) == 1
    goes_on.set()
    threads.stop()


async def test_a_job_that_waits_is_left_out_when_its_caller_is_cancelled(one: Threads):
    goes_on, done = threading.Event(), []
    first = asyncio.create_task(one.run(goes_on.wait))
    second = asyncio.create_task(one.run(lambda: done.append(2)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    await first
    await one.run(lambda: done.append(3))
    assert done == [3]


async def test_one_thread_is_enough_for_jobs_one_after_the_other():
    threads = Threads(2, "test")
    names = {await threads.run(lambda: threading.current_thread().name) for _ in range(20)}
    threads.stop()
    assert names == {"test_0"}


async def test_a_thread_keeps_no_result(one: Threads):
    class Result:
        pass

    found = weakref.ref(await one.run(Result))
    # the loop lets go of the handle that has brought it
    await asyncio.sleep(0)
    gc.collect()
    assert found() is None


def test_a_program_that_ends_without_stopping_them_ends_after_the_job():
    run = subprocess.run(
        [sys.executable, "-c", UNCLOSED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "done\n", "")
