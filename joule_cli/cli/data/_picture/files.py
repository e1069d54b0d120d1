"""Reading what a picture shows, and writing the file."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from shutil import rmtree
from typing import TYPE_CHECKING

import click

from joule_cli.cli._ranges import no_rows
from joule_cli.cli._references import expand_event_streams
from joule_cli.cli._run import is_terminal
from joule_cli.cli._settings import current
from joule_cli.cli._times import zone
from joule_cli.cli.data._picture.marks import annotation_lane, event_lane
from joule_cli.cli.event._options import read_chosen
from joule_cli.errors import FormatError, JouleError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from types import ModuleType

    from joule_cli.api.node import Node
    from joule_cli.cli.data._curves import Curves
    from joule_cli.cli.data._picture.marks import Lane
    from joule_cli.cli.data._picture.options import PictureRequest

#: Decimation goes in steps of four; neighbours of a pixel are joined, so that half a row will do.
_ROWS_PER_PIXEL = 2


class EmptyPictureError(JouleError):
    """There is nothing to draw, and an empty picture is not written."""


async def draw_files(
    node: Node, request: PictureRequest, read: Callable[[int], Awaitable[list[Curves]]]
) -> None:
    """Draw streams into files.

    Parameters
    ----------
    read
        Reads the streams, at most so many rows of each.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    EmptyPictureError
        There are no rows.
    FormatError
        A file cannot be written.
    """
    with _matplotlib() as drawing:
        await _draw_files(drawing, node, request, read)


async def _draw_files(
    drawing: ModuleType,
    node: Node,
    request: PictureRequest,
    read: Callable[[int], Awaitable[list[Curves]]],
) -> None:
    settings = current()
    if settings.format is not None:
        raise click.UsageError("A picture is either PNG or SVG; leave out the other formats.")
    if "-" in request.files.values() and is_terminal(sys.stdout):
        raise FormatError("a picture is not written to a terminal", file="-", hint="name a file")
    # a mistake is found before the rows are read
    chosen = read_chosen(request.where, ()).json_filter()
    events = await expand_event_streams(node, request.events) if request.events else []
    width = drawing.WIDTH if request.size is None else request.size[0]
    curves = await read(_ROWS_PER_PIXEL * width)
    if not any(one.pieces for one in curves):
        paths = ", ".join(one.path for one in curves)
        raise EmptyPictureError(await no_rows(node, curves[0].path, *curves[0].asked), object=paths)
    span = drawing.span_of(curves)
    lanes = await _notes(node, curves, span) if request.annotations else []
    lanes += [await event_lane(node, path, span, chosen, request.label) for path, _ in events]
    picture = drawing.Picture(
        curves=curves,
        lanes=lanes,
        node=node.name,
        tz=zone(settings),
        time_form=settings.time,
        by_unit=request.by_unit,
    )
    dpi = request.dpi or drawing.DPI
    # all of them are drawn before the first one is written
    drawn = {
        name: drawing.render(picture, form, request.size, dpi)
        for form, name in request.files.items()
    }
    for name, content in drawn.items():
        _write(name, content, no_clobber=request.no_clobber)


@contextmanager
def _matplotlib() -> Iterator[ModuleType]:
    """Import what draws, and leave nothing of it behind."""
    # it tells about its caches, and cannot be imported with the name of a backend it lacks
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    os.environ["MPLBACKEND"] = "agg"
    place = os.environ.get("MPLCONFIGDIR")
    try:
        try:
            from joule_cli.cli.data._picture import drawing
        except ImportError as exc:
            raise MissingExtraError(
                "pictures need matplotlib, which is not installed",
                hint="install it with: pip install 'joule-cli[plot]'",
            ) from exc
        yield drawing
    finally:
        made = os.environ.get("MPLCONFIGDIR")
        if made is not None and made != place:
            # without a home it makes a place of its own, and removes it only if the interpreter
            # comes to its end
            rmtree(made, ignore_errors=True)


async def _notes(node: Node, curves: Sequence[Curves], span: tuple[int, int]) -> list[Lane]:
    paths = [one.path for one in curves]
    lane = await annotation_lane(node, paths, span, named=len(paths) > 1)
    return [lane] if lane is not None else []


def _write(name: str, content: bytes, *, no_clobber: bool) -> None:
    if name == "-":
        sys.stdout.buffer.write(content)
        return
    from joule_cli.formats.atomic import AtomicFile
    from joule_cli.formats.base import os_failure

    file = AtomicFile(name, no_clobber=no_clobber)
    try:
        file.open().write(content)
    except BaseException as exc:
        file.discard()
        if isinstance(exc, OSError) and not isinstance(exc, BrokenPipeError):
            raise os_failure(exc, name) from exc
        raise
    file.commit()
