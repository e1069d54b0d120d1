"""What the examples of the API reference take for granted."""

from __future__ import annotations

import numpy as np

import joule_cli as joule

#: The rows of the examples: the first and last three as they are shown, and enough between them
#: for three points.
VALUES = [0, 10, 20, *range(30, 20_000, 10), 661380, 661390, 661400]
TIMES = np.linspace(1551730769556442, 1551751850896756, len(VALUES)).astype(int).tolist()
TIMES[:3] = 1551730769556442, 1551730769657062, 1551730769757882
TIMES[-3:] = 1551751850688250, 1551751850795677, 1551751850896756


_time_now = joule.utilities.time_now


def set_clock(*times):
    """Let the times to come be these, until `clear`."""
    joule.utilities.time_now = iter(times).__next__


async def clear(node, opened):
    """Close what an example left open, and empty the node."""
    joule.utilities.time_now = _time_now
    for pipe in opened:
        await pipe.close()
    opened.clear()
    for folder in (await node.folder_root()).children:
        await node.folder_delete(folder, recursive=True)


async def make_stream(node, path, datatype="int32"):
    """Create a stream with one element."""
    folder, _, name = path.rpartition("/")
    stream = joule.api.DataStream(name=name, datatype=datatype)
    stream.elements = [joule.api.Element(name="Element1", units=None)]
    return await node.data_stream_create(stream, folder)


async def fill(node, path, times, values=None):
    """Write rows with given values, or with 0, 10, 20, ..."""
    values = range(0, 10 * len(times), 10) if values is None else values
    async with await node.data_write(path) as pipe:
        await pipe.write(list(zip(times, values, strict=True)))
