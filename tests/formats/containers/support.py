"""Containers opened and read to their end."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joule_cli.errors import FormatError
from joule_cli.formats.containers.base import SAMPLE_ROWS, Batch, Container

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


#: What a test has opened.
OPEN: list[Container] = []


def kept(container: Container) -> Any:
    """Have a container closed by the next one, or when the test ends."""
    close_all()
    OPEN.append(container)
    return container


def close_all() -> None:
    while OPEN:
        OPEN.pop().close()


def options(**given) -> Any:
    """What containers may ask for, as the user left it."""
    return SimpleNamespace(
        **{
            "encoding": "utf-8",
            "dataset": None,
            "time_dataset": None,
            "delimiter": None,
            "skip_lines": 0,
            "header": None,
            "stamps": None,
        }
        | given
    )


def plain(cells) -> list:
    """Cells as Python objects; datetime64 as text, which keeps its unit."""
    if isinstance(cells, list):
        return cells
    if cells.dtype.kind == "M":
        mask = np.ma.getmaskarray(cells)
        return [
            None if gone else str(cell) for cell, gone in zip(np.asarray(cells), mask, strict=True)
        ]
    return cells.tolist()


def rows_of(batch: Batch, columns: Collection[int] | None = None) -> list[list]:
    if not batch.size:
        return []
    width = len(batch.flat) // batch.size if batch.flat is not None else len(batch.cells)
    found = [plain(batch.column(at)) for at in (range(width) if columns is None else columns)]
    return [list(row) for row in zip(*found, strict=True)] if found else []


def read(container: Container, columns: Collection[int] | None = None, exact=()) -> list:
    """All rows, and `None` for breaks, while what every container promises is looked at."""
    with_close(container)
    sample = container.sample()
    assert sample.size <= SAMPLE_ROWS
    assert container.sample().size == sample.size
    chosen = range(len(container.columns)) if columns is None else columns
    container.choose(chosen, exact)
    out: list = []
    numbers: list[int] = []
    shares: list[float] = []
    for batch in container.batches():
        if batch is None:
            out.append(None)
            continue
        assert batch.size
        rows = rows_of(batch, chosen)
        assert len(rows) == batch.size or not chosen
        out += [rows[at] for at in range(batch.size) if at not in batch.bad]
        numbers += [batch.number(at) for at in range(batch.size)]
        assert all(isinstance(batch.text(at), str) for at in range(batch.size))
        if container.share is not None:
            shares.append(container.share)
    assert all(a <= b for a, b in pairwise(numbers))
    assert all(a <= b for a, b in pairwise([0, *shares, 1]))
    if columns is None and not exact and sample.size and not sample.bad:
        first = [row for row in out if row is not None][: sample.size]
        # numbers of a text may be text in the sample
        assert [list(map(str, row)) for row in rows_of(sample)] == [
            list(map(str, row)) for row in first
        ]
    container.close()
    container.close()
    return out


def with_close(container: Container) -> None:
    """What a container always has."""
    assert isinstance(container.kind, str)
    assert isinstance(container.notes, list)
    assert isinstance(container.warnings, list)
    assert len(container.columns)


def names(container: Container) -> list[str]:
    return [column.name for column in container.columns]


def failure(act: Callable[[], Any], path=None) -> str:
    """The sentence of the error that `act` ends with, without the name of the file."""
    with pytest.raises(FormatError) as caught:
        act()
    text = caught.value.sentence()
    return text if path is None else text.replace(f"{path}: ", "").replace(f"{path}, ", "")


def bad_rows(container: Container) -> list[tuple[int, str]]:
    """The rows that the container cannot read, by their number."""
    container.sample()
    container.choose(range(len(container.columns)))
    with_bad = [batch for batch in container.batches() if batch is not None]
    return [(b.number(at), reason.text) for b in with_bad for at, reason in sorted(b.bad.items())]
