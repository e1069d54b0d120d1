"""What our own writer says about a stream, in lines that begin with #."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import orjson

from joule_cli.formats.containers.base import Told
from joule_cli.model.data_stream import DATATYPES, DataStream, Element

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANNOTATION: Final = re.compile(
    r"#[ \t]*(path|datatype|elements|decimation_level|interval_column): (.*)"
)


def told_by(texts: Sequence[str]) -> Told:
    """Return what the lines before a table say about its stream."""
    notes: dict[str, str] = {}
    for text in texts:
        for line in text.split("\n"):
            found = _ANNOTATION.fullmatch(line.strip())
            if found:
                notes[found[1]] = _unescaped(found[2])
    if not notes:
        return Told()
    level = notes.get("decimation_level", "1")
    elements: list[Element] = []
    try:
        elements = [Element.from_json(e) for e in orjson.loads(notes.get("elements", "[]"))]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        elements = []
    datatype = notes.get("datatype")
    stream = None
    if elements and datatype in DATATYPES:
        name = notes.get("path", "").rpartition("/")[2]
        stream = DataStream(name=name, datatype=datatype, elements=elements)
    return Told(
        own=True,
        path=notes.get("path"),
        stream=stream,
        elements=elements,
        datatype=datatype if datatype in DATATYPES else None,
        decimation_level=int(level) if level.isdecimal() and level != "0" else 1,
        interval_column=notes.get("interval_column"),
    )


def _unescaped(text: str) -> str:
    """Undo what the writer does to texts that go over several lines."""
    if not text.startswith('"'):
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if isinstance(value, str) else text
