"""``python -m benchmarks.workers.key FILE``: make a user of a node file and print the key."""

from __future__ import annotations

import asyncio
import sys
import uuid

from benchmarks.workers.node import open_node


async def make(path: str) -> str:
    async with open_node(path) as node:
        master = await node.master_add("user", uuid.uuid4().hex)
    assert master.key is not None
    return master.key


print(asyncio.run(make(sys.argv[1])))
