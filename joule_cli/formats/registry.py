"""Formats by name and by suffix."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from joule_cli.errors import FormatError, MissingExtraError
from joule_cli.formats.base import FileRef, StreamHead, WriteOptions, Writer
from joule_cli.formats.table.options import CONTAINER_OPTIONS, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joule_cli.formats.containers.base import Container
    from joule_cli.formats.source import ByteSource
    from joule_cli.formats.table.reader import TableReader

    Opener = Callable[[FileRef | ByteSource, ReadOptions], Container]

#: What the files of binary formats begin with.
_MAGICS = {
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"FEA1": "arrow",
    b"\xff\xff\xff\xff": "arrow",
    b"MATLAB 7.3": "hdf5",
    b"PK\x03\x04": "zip",
    b"TDSm": "tdms",
    b"LabVIEW Measurement": "lvm",
}
#: So many bytes tell what a file is.
_HEAD_BYTES = 4096
#: How far the first line is looked for.
_SNIFF_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: its modules and classes are imported when they are used.

    Parameters
    ----------
    container, writer
        ``module:Class`` below `joule_cli.formats`; without a writer it is only read.
    takes
        The options of containers that mean something here.
    title
        For sentences.
    seeks
        It cannot be read from a pipe.
    extra, needs
        What installs the package that the module needs, and its name.
    """

    name: str
    suffixes: tuple[str, ...]
    container: str
    writer: str | None = None
    takes: frozenset[str] = frozenset()
    binary: bool = False
    appendable: bool = True
    title: str = ""
    seeks: bool = False
    extra: str | None = None
    needs: str = ""


_TEXT = frozenset({"encoding", "delimiter", "header", "skip_lines", "last_line"})
_JSON = frozenset({"encoding"})
_HDF5 = frozenset({"dataset", "time_dataset"})

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format(
            "text",
            (".txt", ".dat"),
            "containers.delimited:DelimitedContainer",
            "text_writer:TextWriter",
            takes=_TEXT,
            title="text",
        ),
        Format(
            "csv",
            (".csv",),
            "containers.delimited:DelimitedContainer",
            "csv_writer:CsvWriter",
            takes=_TEXT,
            title="CSV",
        ),
        Format(
            "tsv",
            (".tsv", ".tab"),
            "containers.delimited:TabContainer",
            "csv_writer:TsvWriter",
            takes=_TEXT,
            title="TSV",
        ),
        Format(
            "jsonl",
            (".jsonl", ".ndjson"),
            "containers.jsonl:JsonlContainer",
            "jsonl_writer:JsonlWriter",
            takes=_JSON,
            title="JSON lines",
        ),
        Format(
            "json",
            (".json",),
            "containers.json:open_json",
            "json_writer:JsonWriter",
            takes=_JSON | {"dataset"},
            appendable=False,
            title="JSON",
        ),
        Format(
            "hdf5",
            (".h5", ".hdf5", ".hdf", ".mat"),
            "containers.hdf5:open_hdf5",
            "hdf5_writer:Hdf5Writer",
            takes=_HDF5,
            binary=True,
            title="HDF5",
            seeks=True,
        ),
        Format(
            "parquet",
            (".parquet", ".pq"),
            "containers.parquet:ParquetContainer",
            "parquet_writer:ParquetWriter",
            binary=True,
            title="Parquet",
            seeks=True,
            extra="parquet",
            needs="pyarrow",
        ),
        Format(
            "arrow",
            (".arrow", ".feather", ".arrows"),
            "containers.arrow:ArrowContainer",
            "arrow_ipc_writer:ArrowWriter",
            binary=True,
            title="Arrow",
            extra="parquet",
            needs="pyarrow",
        ),
        Format(
            "excel",
            (".xlsx", ".xlsm"),
            "containers.excel:ExcelContainer",
            takes=frozenset({"dataset", "header", "skip_lines"}),
            binary=True,
            title="Excel",
            seeks=True,
            extra="excel",
            needs="python-calamine",
        ),
        Format(
            "tdms",
            (".tdms",),
            "containers.tdms:open_tdms",
            takes=frozenset({"dataset"}),
            binary=True,
            title="TDMS",
            seeks=True,
            extra="tdms",
            needs="nptdms",
        ),
        Format(
            "lvm",
            (".lvm",),
            "containers.lvm:LvmContainer",
            takes=_JSON,
            title="LabVIEW measurement",
        ),
        Format(
            "influx",
            (".lp", ".line"),
            "containers.influx:LineProtocolContainer",
            takes=_JSON,
            title="InfluxDB line protocol",
        ),
        Format(
            "influx-csv",
            (),
            "containers.influx:AnnotatedCsvContainer",
            takes=_JSON,
            title="annotated CSV of InfluxDB",
        ),
        Format(
            "zip",
            (".zip",),
            "containers.zipped:open_zip",
            takes=frozenset(CONTAINER_OPTIONS),
            binary=True,
            title="zip",
            seeks=True,
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


def _load(found: Format, place: str) -> Any:
    module, _, attribute = place.partition(":")
    try:
        loaded = importlib.import_module(f"joule_cli.formats.{module}")
    except ImportError as exc:
        if found.extra is None:
            raise
        raise MissingExtraError(
            f"{found.title} files need {found.needs}, which is not installed",
            hint=f"install it with: pip install 'joule-cli[{found.extra}]'",
        ) from exc
    return getattr(loaded, attribute)


def open_reader(
    place: FileRef, format: str | None = None, options: ReadOptions | None = None
) -> TableReader:
    """Open a file of rows.

    Parameters
    ----------
    place
        A file name or an open binary file. Pipes are read too, but HDF5 and Parquet need to seek.
    format
        One of `FORMATS`; `None` takes the suffix, else looks at the first bytes.

    Raises
    ------
    FormatError
        The file cannot be opened, is empty, is not what its format demands, or the options do
        not fit it.
    MissingExtraError
        The format needs a package that is not installed.
    """
    return open_named_reader(place, format, options or ReadOptions())[0]


def open_named_reader(
    place: FileRef, format: str | None, options: ReadOptions
) -> tuple[TableReader, str]:
    """Open a file of rows and tell its format; docstring of `open_reader` applies."""
    from joule_cli.formats.table.reader import TableReader

    container, name = open_container(place, format, options)
    reopen = None
    if isinstance(place, str | os.PathLike) and Path(place).is_file():

        def reopen() -> Container:
            return _contain(name, place, options)

    return TableReader(container, options, reopen), name


def open_container(
    place: FileRef,
    format: str | None,
    options: ReadOptions,
    kinds: Mapping[str, Opener] | None = None,
) -> tuple[Container, str]:
    """Open a file as a table; docstring of `open_reader` applies.

    Parameters
    ----------
    kinds
        What opens a format in place of the container of rows; text may then be empty.

    Returns
    -------
    container, name
        The table, and the name of its format.
    """
    if format is not None:
        return _contain(format, place, options, kinds), format
    if isinstance(place, str | os.PathLike):
        name = _told(_head_of(place), os.fspath(place)) or format_of(place)
        if name is not None:
            return _contain(name, place, options, kinds), name
    from joule_cli.formats.source import ByteSource

    source = ByteSource(place, options.encoding, may_be_empty=kinds is not None)
    try:
        name = sniff(source)
        if not FORMATS[name].seeks:
            return _contain(name, source, options, kinds), name
    except BaseException:
        source.close()
        raise
    source.close()
    if isinstance(place, str | os.PathLike):
        return _contain(name, place, options, kinds), name
    # its first bytes are read already
    raise FormatError(
        f"{FORMATS[name].title} can only be read from a file, not from a pipe",
        file=source.name,
        hint="name the file, or its format if the input can seek",
    )


def _head_of(path: str | os.PathLike[str]) -> bytes:
    """Return the first bytes of a file on disk; nothing if the container has to say why not."""
    try:
        if not Path(path).is_file():
            return b""
        with Path(path).open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def _told(head: bytes, name: str) -> str | None:
    """Return the format that the first bytes of a file tell, whatever its suffix.

    Raises
    ------
    FormatError
        They are those of a kind of file that is not read.
    """
    from joule_cli.formats.containers.foreign import foreign

    for magic, found in _MAGICS.items():
        if head.startswith(magic):
            excel = found == "zip" and format_of(name) == "excel"
            return "excel" if excel else found
    error = foreign(head, name)
    if error is not None:
        raise error
    if head.lstrip(b'\xef\xbb\xbf \t\r\n"').startswith((b"#group", b"#datatype", b"#default")):
        from joule_cli.formats.containers.influx import is_annotated

        return "influx-csv" if is_annotated(head) else None
    return None


def _contain(
    name: str,
    place: FileRef | ByteSource,
    options: ReadOptions,
    kinds: Mapping[str, Opener] | None = None,
) -> Container:
    found = _format(name)
    for field, option in CONTAINER_OPTIONS.items():
        if field not in found.takes and getattr(options, field) is not None:
            raise FormatError(
                f"{option} is not for {found.title or found.name} files",
                file=getattr(place, "name", None) if not isinstance(place, str) else place,
            )
    if kinds is not None and name in kinds:
        return kinds[name](place, options)
    container: Container = _load(found, found.container)(place, options)
    return container


def open_writer(
    place: FileRef,
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
    if found.writer is None:
        raise FormatError(f"files of the format {found.name} are only read, not written")
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
    told = _told(head, source.name)
    if told is not None:
        return told
    line = first_line(source)
    if line.startswith((b"{", b"[", b"null")):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            # a bad first line of many, or a document over several lines
            closed = line.startswith(b"{") and line.count(b"{") == line.count(b"}")
            return "jsonl" if closed else "json"
        if isinstance(value, dict):
            has_time = not value.keys().isdisjoint(("timestamp", "start_time", "start"))
            return "json" if "data" in value and not has_time else "jsonl"
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
