"""A process that serves a node file on a UNIX socket until it is killed, also by itself.

``python -m tests.remote.mortal FILE SOCKET [STREAM ROWS]``: with a stream, it kills itself when
that has as many rows. Says on standard output when it listens.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from joule_cli.errors import StreamNotFound
from tests.nodes import FileNode
from tests.serving import serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def mortal(
    file: Path, place: Path, dies_at: tuple[str, int] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run the process until the block ends.

    Parameters
    ----------
    dies_at
        A stream and a number of rows.
    """
    arguments = [sys.executable, "-m", "tests.remote.mortal", str(file), str(place)]
    if dies_at is not None:
        arguments += [dies_at[0], str(dies_at[1])]
    place.unlink(missing_ok=True)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


async def _main(file: Path, place: Path, stream: str = "", rows: str = "") -> None:
    async with FileNode("mortal", file) as node, serve(node, unix=place):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if not stream:
            await asyncio.Event().wait()
        while await _count(node, stream) < int(rows):
            await asyncio.sleep(0.002)
        os.kill(os.getpid(), signal.SIGKILL)


async def _count(node: FileNode, stream: str) -> int:
    try:
        return await node.data_count(stream)
    except StreamNotFound:
        return 0


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
