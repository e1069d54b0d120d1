"""Formats by name and by suffix."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from joule_cli.errors import FormatError, MissingExtraError
from joule_cli.formats.base import Place, Reader, ReadOptions, StreamHead, WriteOptions, Writer

if TYPE_CHECKING:
    from joule_cli.formats.source import ByteSource

#: What the files of binary formats begin with.
_MAGICS = {
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"FEA1": "arrow",
    b"\xff\xff\xff\xff": "arrow",
}
#: How far the first line is looked for.
_SNIFF_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: its module and classes are imported when they are used.

    Parameters
    ----------
    title
        For sentences.
    seeks
        It cannot be read from a pipe.
    extra
        Installs what the module needs.
    """

    name: str
    suffixes: tuple[str, ...]
    module: str
    reader: str
    writer: str
    binary: bool = False
    appendable: bool = True
    title: str = ""
    seeks: bool = False
    extra: str | None = None


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("text", (".txt", ".dat"), "text", "TextReader", "TextWriter"),
        Format("csv", (".csv",), "csv", "CsvReader", "CsvWriter"),
        Format("tsv", (".tsv",), "csv", "TsvReader", "TsvWriter"),
        Format("jsonl", (".jsonl", ".ndjson"), "jsonl", "JsonlReader", "JsonlWriter"),
        Format("json", (".json",), "json", "JsonReader", "JsonWriter", appendable=False),
        Format(
            "hdf5",
            (".h5", ".hdf5", ".hdf"),
            "hdf5",
            "Hdf5Reader",
            "Hdf5Writer",
            binary=True,
            title="HDF5",
            seeks=True,
        ),
        Format(
            "parquet",
            (".parquet", ".pq"),
            "parquet",
            "ParquetReader",
            "ParquetWriter",
            binary=True,
            title="Parquet",
            seeks=True,
            extra="parquet",
        ),
        Format(
            "arrow",
            (".arrow", ".feather", ".arrows"),
            "arrow",
            "ArrowReader",
            "ArrowWriter",
            binary=True,
            title="Arrow",
            extra="parquet",
        ),
    )
}
_BY_SUFFIX = {suffix: f.name for f in FORMATS.values() for suffix in f.suffixes}


def format_of(path: str | os.PathLike[str]) -> str | None:
    """Return the name of the format that a file's suffix stands for, else `None`.

    ``.gz`` and ``.zst`` may follow the suffix of a text format.
    """
    name = os.fspath(path).lower()
    found = _BY_SUFFIX.get(Path(name).suffix)
    if found is None and name.endswith((".gz", ".zst")):
        found = _BY_SUFFIX.get(Path(Path(name).stem).suffix)
        if found is not None and FORMATS[found].binary:
            return None
    return found


def _format(name: str) -> Format:
    try:
        return FORMATS[name]
    except KeyError:
        known = ", ".join(FORMATS)
        raise FormatError(f"there is no format {name!r}, only {known}") from None


def _load(found: Format, attribute: str) -> Any:
    try:
        module = importlib.import_module(f"joule_cli.formats.{found.module}")
    except ImportError as exc:
        if found.extra is None:
            raise
        raise MissingExtraError(
            f"{found.title} files need pyarrow, which is not installed",
            hint=f"install it with: pip install 'joule-cli[{found.extra}]'",
        ) from exc
    return getattr(module, attribute)


def open_reader(
    place: Place, format: str | None = None, options: ReadOptions | None = None
) -> Reader:
    """Open a file of rows.

    Parameters
    ----------
    place
        A file name or an open binary file. Pipes are read too, but HDF5 and Parquet need to seek.
    format
        One of `FORMATS`; `None` takes the suffix, else looks at the first line.

    Raises
    ------
    FormatError
        The file cannot be opened, is empty or does not begin as its format demands.
    MissingExtraError
        The format needs a package that is not installed.
    """
    options = options or ReadOptions()
    name = format
    if name is None and isinstance(place, str | os.PathLike):
        name = format_of(place)
    if name is not None:
        return _read(name, place, options)
    from joule_cli.formats.source import ByteSource

    source = ByteSource(place, options.encoding)
    try:
        name = sniff(source)
        if not FORMATS[name].seeks:
            return _read(name, source, options)
    except BaseException:
        source.close()
        raise
    source.close()
    if isinstance(place, str | os.PathLike):
        return _read(name, place, options)
    # its first bytes are read already
    raise FormatError(
        f"{FORMATS[name].title} can only be read from a file, not from a pipe",
        file=source.name,
        hint="name the file, or its format if the input can seek",
    )


def _read(name: str, place: Place | ByteSource, options: ReadOptions) -> Reader:
    found = _format(name)
    reader: Reader = _load(found, found.reader)(place, options)
    return reader


def open_writer(
    place: Place,
    head: StreamHead,
    format: str | None = None,
    options: WriteOptions | None = None,
) -> Writer:
    """Open a file for rows.

    Parameters
    ----------
    place
        A file name or an open binary file; HDF5 needs a name.
    format
        One of `FORMATS`; `None` takes the suffix, else HDF5.

    Raises
    ------
    FormatError
        The file cannot be written.
    MissingExtraError
        The format needs a package that is not installed.
    """
    if format is None:
        format = (format_of(place) if isinstance(place, str | os.PathLike) else None) or "hdf5"
    found = _format(format)
    options = options or WriteOptions()
    if options.append and not found.appendable:
        raise FormatError(f"a file of the format {found.name} cannot be continued")
    writer: Writer = _load(found, found.writer)(place, head, options)
    return writer


def sniff(source: ByteSource) -> str:
    """Tell the format from the first line that is no comment."""
    head = source.peek()
    while any(len(head) < len(magic) and magic.startswith(head) for magic in _MAGICS):
        if not source.peek_more():
            break
        head = source.peek()
    for magic, name in _MAGICS.items():
        if head.startswith(magic):
            return name
    line = first_line(source)
    if line.startswith((b"{", b"[", b"null")):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            return "json"
        if isinstance(value, dict):
            return "json" if "data" in value and "timestamp" not in value else "jsonl"
        if isinstance(value, list) and value and isinstance(value[0], list | dict):
            return "json"
        return "jsonl"
    return "csv" if any(mark in line for mark in (b",", b";", b"\t")) else "text"


def first_line(source: ByteSource) -> bytes:
    """Return the first line that is no comment, without reading it; empty if there is none."""
    while True:
        data = source.peek()
        lines = data.split(b"\n")
        ended = lines[:-1]
        for line in ended:
            if line.strip() and not line.lstrip().startswith(b"#"):
                return line.strip()
        if len(data) > _SNIFF_BYTES or not source.peek_more():
            return lines[-1].strip()
