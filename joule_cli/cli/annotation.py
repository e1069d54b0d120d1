"""`joule annotation`: notes on data streams."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._deleting import telling
from joule_cli.cli._lazy import group
from joule_cli.cli._options import (
    STREAM,
    Bounds,
    check_order,
    read_bounds,
    safe_options,
    time_bounds,
)
from joule_cli.cli._output import (
    Column,
    count_text,
    emit_block,
    emit_list,
    emit_objects,
    emit_ok,
    emit_text,
    note,
    output_format,
    show_time,
)
from joule_cli.cli._prompt import confirm_or_leave
from joule_cli.cli._ranges import range_text
from joule_cli.cli._references import Ref, expand_streams
from joule_cli.cli._run import for_each, report_interruption, with_node
from joule_cli.cli._settings import current
from joule_cli.errors import ApiError
from joule_cli.series.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joule_cli.api.node import Node
    from joule_cli.model import Annotation, DataStream

COLUMNS = (
    Column("id", kind="number"),
    Column("title"),
    Column("content"),
    Column("start", kind="time"),
    Column("end", kind="time"),
)


@group(
    "annotation",
    examples=[
        "joule annotation create /house/mains 'fridge on' --start 2024-05-01T12:00",
        "joule annotation list /house/mains --last 1d",
    ],
)
def annotation() -> None:
    """Read and write notes on streams."""


@annotation.command(
    "list",
    examples=[
        "joule annotation list /house/mains --last 1w",
        "joule annotation list '/house/**' --search fridge --csv",
    ],
)
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@time_bounds
@click.option("--search", metavar="TEXT", help="Only those with this text in title or content.")
@with_node
async def list_(node: Node, stream: tuple[Ref, ...], bounds: Bounds, search: str | None) -> None:
    """List annotations.

    The range includes annotations that start exactly at its end.
    """
    streams = await expand_streams(node, stream, info=bounds.relative)
    records: list[dict[str, Any]] = []
    for path, model in streams:
        found = await node.annotation_get(path, *await bounds.resolve(node, model))
        records.extend(
            {**note.to_json(), "stream": path}
            for note in found
            if search is None or _mentions(note, search)
        )
    several = Column("stream", shown=len(streams) > 1)
    emit_list(records, [several, *COLUMNS])


def _mentions(note: Annotation, text: str) -> bool:
    wanted = text.casefold()
    return wanted in note.title.casefold() or wanted in (note.content or "").casefold()


@annotation.command("info", examples=["joule annotation info /house/mains"])
@click.argument("stream", type=STREAM, nargs=-1, required=True)
@with_node
async def info(node: Node, stream: tuple[Ref, ...]) -> None:
    """Count annotations, and tell when the first and the last one start."""
    values = [
        {"path": path, **(await node.annotation_info(model)).to_json()}
        for path, model in await expand_streams(node, stream)
    ]

    def show(index: int) -> None:
        value = values[index]
        emit_block(
            [
                ("Path", value["path"]),
                ("Annotations", f"{value['count']:,}"),
                ("First", show_time(value["start"])),
                ("Last", show_time(value["end"])),
            ]
        )

    emit_objects(values, show)


@annotation.command(
    "create",
    examples=[
        "joule annotation create /house/mains 'fridge on'",
        "joule annotation create /house/mains outage --start yesterday\\ 14:00 --end now-1h",
        "joule annotation create /house/mains --from notes.csv",
    ],
)
@click.argument("stream", type=STREAM)
@click.argument("title", required=False)
@click.option("-s", "--start", metavar="T", help="When it begins; by default now.")
@click.option("-e", "--end", metavar="T", help="When it ends; by default it is an instant.")
@click.option("--content", metavar="TEXT", help="A longer text.")
@click.option(
    "--from",
    "source",
    metavar="FILE",
    help="Create those in a file of CSV or JSON lines, - for stdin.",
)
@click.option(
    "--resume", is_flag=True, help="With --from, leave out those that the stream has already."
)
@with_node
async def create(
    node: Node,
    stream: Ref,
    title: str | None,
    start: str | None,
    end: str | None,
    content: str | None,
    source: str | None,
    resume: bool,
) -> None:
    """Create annotations and print their ids.

    Those of a file go into a node file all together or not at all. With a node elsewhere, --resume
    continues what was interrupted.
    """
    from joule_cli.model import Annotation

    if resume and source is None:
        raise click.UsageError("--resume needs --from.")
    if source is not None:
        if (title, start, end, content) != (None,) * 4:
            raise click.UsageError("--from excludes a title, times and content.")
        from joule_cli.cli._notes import read_notes

        notes = read_notes(source)
        # also with no notes at all, a wrong stream is an error
        target = await node.data_stream_get(stream)
    else:
        if title is None:
            raise click.UsageError("Give a TITLE, or a file with --from.")
        bounds = read_bounds(start, end)
        target = await node.data_stream_get(stream, info=bounds.relative)
        first, last = await bounds.resolve(node, target)
        first = first if first is not None else current().now
        check_order(first, last)
        notes = [Annotation(title=title, start=first, end=last, content=content or "")]
    if resume:
        notes = await _missing(node, target, notes)
    with _how_far(stream, notes):
        if source is None:
            stored = [await node.annotation_create(notes[0], target)]
        else:
            stored = await node.annotation_create_all(notes, target)
    if output_format() in {"table", "plain"} and current().columns is None:
        for each in stored:
            emit_text(str(each.id))
    elif source is None:
        emit_ok(value=stored[0].to_json())
    else:
        emit_list((each.to_json() for each in stored), COLUMNS)


async def _missing(node: Node, stream: DataStream, notes: list[Annotation]) -> list[Annotation]:
    from joule_cli.ops.annotations import keep_missing

    missing = await keep_missing(notes, node, stream)
    if n_present := len(notes) - len(missing):
        note(f"{count_text(n_present, 'annotation')} there already")
    return missing


@contextmanager
def _how_far(stream: Ref, notes: list[Annotation]) -> Iterator[None]:
    """Say after a failure or an interruption how many annotations are stored."""
    import asyncio

    from joule_cli.ops.errors import PartialError

    def told() -> str:
        are = "is" if n_stored == 1 else "are"
        return (
            f"{count_text(n_stored, 'annotation')} of {stream} {are} stored; repeat the command "
            "with --resume to create the others"
        )

    try:
        yield
    except (ApiError, asyncio.CancelledError) as exc:
        stored = [note for note in notes if note.id is not None]
        n_stored = len(stored)
        if not stored:
            raise
        if not isinstance(exc, ApiError):
            report_interruption(f"Interrupted. {told()}", str(stream), current())
            raise
        error = PartialError(exc, str(stream), n_stored, stored[-1].start, "annotations")
        error.hint = told()
        raise error from exc


@annotation.command("update", examples=["joule annotation update 12 --title 'fridge off'"])
@click.argument("id", type=int)
@click.option("--title", metavar="TEXT", help="New title.")
@click.option("--content", metavar="TEXT", help="New content.")
@with_node
async def update(node: Node, id: int, title: str | None, content: str | None) -> None:
    """Change title or content; the times of an annotation are fixed."""
    if title is None and content is None:
        raise click.UsageError("Give --title or --content.")
    note = await node.annotation_find(id)
    if title is not None:
        note.title = title
    if content is not None:
        note.content = content
    stored = await node.annotation_update(note)
    emit_ok(value=stored.to_json())


@annotation.command("delete", examples=["joule annotation delete 12 13"])
@click.argument("id", type=int, nargs=-1, required=True)
@safe_options
@with_node
async def delete(node: Node, id: tuple[int, ...], dry_run: bool) -> None:
    """Delete annotations."""
    found = await _find(node, list(dict.fromkeys(id)))
    if dry_run:
        records = ({**note.to_json(), "stream": path} for path, note in found)
        emit_list(records, [Column("stream"), *COLUMNS])
        return
    listing = [f"  {note.id} {note.title} ({path})" for path, note in found]
    confirm_or_leave(f"Delete {count_text(len(found), 'annotation')}?", details=listing)

    async def delete_one(item: tuple[str, Annotation]) -> None:
        await node.annotation_delete(item[1])
        gone.append(item)

    def value(gone: list[tuple[str, Annotation]]) -> dict[str, Any]:
        notes = [{**note.to_json(), "stream": path} for path, note in gone]
        return {"deleted": [note.id for _, note in gone], "annotations": notes}

    with telling(_gone_lines, value) as gone:
        await for_each(found, delete_one)


def _gone_lines(gone: list[tuple[str, Annotation]]) -> list[str]:
    return [
        f"Deleted annotation {note.id} of {one_line(path)}: {one_line(note.title)}"
        f"{range_text(note.start, note.end)}"
        for path, note in gone
    ]


async def _find(node: Node, ids: list[int]) -> list[tuple[str, Annotation]]:
    """Return annotations by id with the path of their stream."""
    found = [await node.annotation_find(number) for number in ids]
    paths = {stream.id: path for path, stream in (await node.folder_root()).streams("/")}
    return [(paths.get(note.stream_id, ""), note) for note in found]


@annotation.command("clear", examples=["joule annotation clear /house/mains --all"])
@click.argument("stream", type=STREAM)
@time_bounds
@click.option("--all", "everything", is_flag=True, help="All annotations of the stream.")
@safe_options
@with_node
async def clear(node: Node, stream: Ref, bounds: Bounds, everything: bool, dry_run: bool) -> None:
    """Delete the annotations of a stream that start in a range, and say how many."""
    if bounds.given == everything:
        raise click.UsageError("Give either a range or --all.")
    start, end = await bounds.resolve(node, stream)
    found = await node.annotation_get(stream, start, end)
    if dry_run:
        emit_list((note.to_json() for note in found), COLUMNS)
        return
    text, value = await delete_annotations(node, stream, found, (start, end))
    emit_ok(text, value)


async def delete_annotations(
    node: Node, stream: Ref, found: list[Annotation], span: tuple[int | None, int | None]
) -> tuple[str, dict[str, Any]]:
    """Delete the annotations of a stream in a range, and return what people and programs read.

    Parameters
    ----------
    found
        Those that are there; before any goes a person is asked.
    """
    number = count_text(len(found), "annotation")
    if found:
        confirm_or_leave(f"Delete {number} of {stream}?")
    await node.data_stream_annotation_delete(stream, *span)
    first = min((note.start for note in found), default=None)
    last = max((note.end or note.start for note in found), default=None)
    text = f"{number} of {one_line(str(stream))} deleted{range_text(first, last)}"
    return text, {"deleted": len(found), "stream": stream, "start": first, "end": last}
