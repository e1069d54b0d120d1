"""The thread for blocking calls."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing

import pytest

from joule_cli.ops.worker import Worker, read_ahead


async def test_calls_run_in_one_other_thread():
    async with Worker("w") as worker:
        threads = {await worker.call(threading.get_ident) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


async def test_errors_come_back():
    async with Worker("w") as worker:
        with pytest.raises(KeyError):
            await worker.call({}.__getitem__, "x")
        assert await worker.call(len, "abc") == 3


async def test_a_stuck_call_is_left_behind():
    release = threading.Event()
    try:
        async with Worker("w") as worker:
            started = threading.Event()

            def stuck():
                started.set()
                release.wait(30)

            task = asyncio.ensure_future(worker.call(stuck))
            await asyncio.to_thread(started.wait, 10)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=5)
            assert done
            assert task.cancelled()
    finally:
        release.set()


async def test_items_are_made_one_ahead():
    made = []

    def items():
        for n in range(5):
            made.append(n)
            yield n

    async with Worker("w") as worker, aclosing(read_ahead(worker, items())) as ahead:
        assert await anext(ahead) == 0
        await asyncio.sleep(0)  # lets the next call start
        await worker.call(int)  # after that one
        assert made == [0, 1]
        assert [item async for item in ahead] == [1, 2, 3, 4]


async def test_the_error_of_an_item_comes_after_the_items_before_it():
    def items():
        yield 1
        raise KeyError("bad")

    async with Worker("w") as worker, aclosing(read_ahead(worker, items())) as ahead:
        assert await anext(ahead) == 1
        with pytest.raises(KeyError):
            await anext(ahead)
