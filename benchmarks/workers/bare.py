"""``python -m benchmarks.workers.bare FD``: a server for bytes, which stores nothing.

``POST /`` takes a body, ``GET /?bytes=N`` gives one, in parts of the size that a node sends.
"""

from __future__ import annotations

import asyncio
import os
import sys

from aiohttp import web

PART_BYTES = 512 * 1024


async def take(request: web.Request) -> web.Response:
    size = 0
    while part := await request.content.readany():
        size += len(part)
    return web.Response(text=str(size))


async def give(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    left = int(request.query["bytes"])
    part = memoryview(os.urandom(min(PART_BYTES, left)))
    while left:
        piece = part[:left]
        await response.write(piece)
        left -= len(piece)
    await response.write_eof()
    return response


async def main(descriptor: int) -> None:
    app = web.Application()
    app.router.add_post("/", take)
    app.router.add_get("/", give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with os.fdopen(descriptor, "w") as ready:
        ready.write("http://{}:{}\n".format(*runner.addresses[0][:2]))
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    import signal
    from contextlib import suppress

    # ends as if it had been interrupted: with status 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))
