"""The same as commands do, with libraries that these could use."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workers.node import BLOCK_ROWS, create, load, open_node


def plotext(words: list[str]) -> None:
    """Run a command after loading the library."""
    import plotext  # noqa: F401

    _run(words)


def constrained(words: list[str]) -> None:
    """Draw a picture whose parts matplotlib places."""
    from joule_cli.cli.data._picture import drawing

    by_hand = drawing.figure

    def figure(*arguments: Any) -> Any:
        found = by_hand(*arguments)
        found.set_layout_engine("constrained")
        rows = found.add_gridspec(len(found.axes), 1)
        for number, axes in enumerate(found.axes):
            axes.set_subplotspec(rows[number])
            axes.set_in_layout(True)
        # placed once, or the file would be another one each time
        found.draw_without_rendering()
        found.set_layout_engine("none")
        return found

    drawing.figure = figure
    _run(words)


def http_library(words: list[str]) -> None:
    """Ask a node with aiohttp from the first request on."""
    from joule_cli.remote import session

    session.PLAIN_REQUESTS = 0
    _run(words)


def _run(words: list[str]) -> None:
    from joule_cli.__main__ import main

    sys.argv = ["joule", *words]
    main()


def objects(source: str, path: str) -> None:
    """Write a list of rows, each an object in a line of its own."""
    rows = load(source)
    lines = (
        json.dumps({"time": time, **{f"e{i}": value for i, value in enumerate(values)}})
        for time, values in zip(rows["timestamp"].tolist(), rows["data"].tolist(), strict=True)
    )
    Path(path).write_text("[\n" + ",\n".join(lines) + "\n]\n")


def ijson(source: str, path: str, stream: str) -> dict[str, float]:
    return asyncio.run(_ijson(source, path, stream))


async def _ijson(source: str, path: str, stream: str) -> dict[str, float]:
    import ijson as library

    n_rows = 0
    with Path(source).open("rb") as file:
        items = library.items(file, "item", use_float=True)
        async with open_node(path) as node:
            await create(node, stream)
            async with await node.data_write(stream) as pipe:
                while found := list(islice(items, BLOCK_ROWS)):
                    rows = np.empty(len(found), pipe.dtype)
                    rows["timestamp"] = [item["time"] for item in found]
                    for i in range(4):
                        rows["data"][:, i] = [item[f"e{i}"] for item in found]
                    await pipe.write(rows)
                    n_rows += len(found)
    return {"rows": n_rows}
