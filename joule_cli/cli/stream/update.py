"""Attributes of streams and their elements."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._lazy import Command
from joule_cli.cli._models import from_json_option, keep_option, read_keep, set_given
from joule_cli.cli._options import STREAM
from joule_cli.cli._output import emit_ok
from joule_cli.cli._references import Ref, find_stream
from joule_cli.cli._run import with_node
from joule_cli.cli.stream.create import read_model
from joule_cli.errors import LayoutMismatchError
from joule_cli.series.nearest import among

if TYPE_CHECKING:
    from joule_cli.api.node import Node
    from joule_cli.model import DataStream, Element

_KEYS = (
    *("name", "units", "plottable", "display_type", "offset", "scale_factor"),
    *("default_min", "default_max"),
)
_CLEARED = {
    "units": "",
    "offset": 0.0,
    "scale_factor": 1.0,
    "default_min": None,
    "default_max": None,
}
_ASSIGNMENT = re.compile(r"[a-z_]+=", re.ASCII)
_BOOLEANS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class _UpdateCommand(Command):
    """Lets ``--element REF`` take the KEY=VALUE words that follow it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        joined: list[str] = []
        words = list(args)
        while words:
            word = words.pop(0)
            if word == "--":
                joined.extend([word, *words])
                break
            if word.startswith("--element="):
                words.insert(0, word.removeprefix("--element="))
            elif word != "--element" or not words:
                joined.append(word)
                continue
            taken = [words.pop(0)]
            while words and _ASSIGNMENT.match(words[0]):
                taken.append(words.pop(0))
            joined.append(f"--element={json.dumps(taken)}")
        return super().parse_args(ctx, joined)


@click.command(
    "update",
    cls=_UpdateCommand,
    examples=[
        "joule stream update /house/mains --description 'main breaker' --keep 52w",
        "joule stream update /house/mains --element volts units=V default_min=0",
        "joule stream update 5 --element 0 name=L1 --element 1 name=L2",
    ],
)
@click.argument("path", type=STREAM)
@click.option("--name", metavar="NAME", help="New name.")
@click.option("--description", metavar="TEXT", help="New description.")
@keep_option("rows are kept")
@click.option("--decimate/--no-decimate", default=None, help="Store decimated levels.")
@click.option(
    "--element",
    multiple=True,
    metavar="REF KEY=VALUE...",
    help=f"Change an element, given by index or name; 'none' clears. Keys: {', '.join(_KEYS)}.",
)
@from_json_option
@with_node
async def update(
    node: Node,
    path: Ref,
    name: str | None,
    description: str | None,
    keep: str | None,
    decimate: bool | None,
    element: tuple[str, ...],
    from_json: str | None,
) -> None:
    """Change attributes of a stream or its elements.

    The datatype and the number of elements stay as they are.
    """
    if not element and (name, description, keep, decimate, from_json) == (None,) * 5:
        raise click.UsageError("Nothing to change.")
    changes = [json.loads(text) for text in element]
    keep_us = read_keep(keep)
    model = None if from_json is None else read_model(from_json)
    stream = (await find_stream(node, path)).model
    if model is not None:
        _take_over(stream, model)
    set_given(stream, name=name, description=description, keep_us=keep_us, decimate=decimate)
    for reference, *assignments in changes:
        _change(_element(stream, reference), assignments)
    await node.data_stream_update(stream)
    if stream.id is not None:
        stream = await node.data_stream_get(stream.id)
    emit_ok(value=stream.to_json())


def _take_over(stream: DataStream, model: DataStream) -> None:
    if model.layout != stream.layout:
        raise LayoutMismatchError(
            f"the file describes a stream of the layout {model.layout}, not {stream.layout}"
        )
    stream.name = model.name or stream.name
    stream.description = model.description
    stream.keep_us = model.keep_us
    stream.decimate = model.decimate
    for mine, given in zip(stream.elements, model.elements, strict=True):
        for key in _KEYS:
            setattr(mine, key, getattr(given, key))


def _element(stream: DataStream, reference: str) -> Element:
    # a name wins over an index, as paths win over patterns
    for element in stream.elements:
        if element.name == reference:
            return element
    if reference.isascii() and reference.isdigit() and int(reference) < len(stream.elements):
        return stream.elements[int(reference)]
    known = among(reference, [e.name for e in stream.elements], "elements")
    raise click.BadParameter(f"no element '{reference}'; {known}")


def _change(element: Element, assignments: list[str]) -> None:
    if not assignments:
        raise click.BadParameter("--element needs at least one KEY=VALUE")
    for assignment in assignments:
        key, _, text = assignment.partition("=")
        if key not in _KEYS:
            raise click.BadParameter(f"no attribute '{key}'; {among(key, _KEYS, 'keys')}")
        setattr(element, key, _value(key, text))


def _value(key: str, text: str) -> Any:
    if text.lower() == "none" and key in _CLEARED:
        return _CLEARED[key]
    if key in {"name", "units", "display_type"}:
        return text
    if key == "plottable":
        if text.lower() not in _BOOLEANS:
            raise click.BadParameter(f"'{text}' is not yes or no")
        return _BOOLEANS[text.lower()]
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"'{text}' is not a number") from None
