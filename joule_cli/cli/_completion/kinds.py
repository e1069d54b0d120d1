"""Which values each argument and option takes: one table for the whole program.

What a value is can be seen from the parameter's type, or from its name. `_BY_NAME` has those that
need more: the command they belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from joule_cli.cli._completion import paths, values
from joule_cli.cli._options import PATH, STREAM, DurationType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joule_cli.cli._completion.values import Completer

#: Packed text, too.
_TEXTS = (".csv", ".tsv", ".tab", ".txt", ".dat", ".json", ".jsonl", ".ndjson")
_ROWS = (
    *(text + packed for text in _TEXTS for packed in ("", ".gz", ".zst")),
    *(".h5", ".hdf5", ".hdf", ".mat", ".parquet", ".pq", ".arrow", ".feather", ".arrows"),
    *(".xlsx", ".xlsm", ".tdms", ".lvm", ".lp", ".line", ".zip"),
)
_FILE = values.files()
_TIME = values.times()
_INSTANT = values.times(of_stream=False)
_KEEP = values.durations(all="everything is kept", none="nothing is kept")
_COMPRESSION = values.words({"gzip": ".gz", "zstd": ".zst", "none": "as it is"})

#: By the name of the parameter, in any command.
_BY_PARAMETER: dict[str, Completer] = {
    **dict.fromkeys(("start", "end", "before", "timestamps"), _TIME),
    **dict.fromkeys(("last", "chunk_duration"), values.durations()),
    **dict.fromkeys(("file", "to", "rejects", "key_file", "importer_key_file"), _FILE),
    **dict.fromkeys(("lumen_key_file", "password_file"), _FILE),
    **dict.fromkeys(("primary", "secondary"), paths.paths(*paths.DATA)),
    "common_url": values.addresses,
    "common_tz": values.time_zones,
    "common_node": values.nodes,
    "common_timeout": values.durations(),
    "common_time": values.words(
        {
            "us": "microseconds since 1970",
            "ns": "nanoseconds since 1970",
            "ms": "milliseconds since 1970",
            "s": "seconds since 1970",
            "iso": "ISO 8601",
        }
    ),
    "destination_node": values.nodes,
    "elements": paths.elements,
    "keep": _KEEP,
    "compression": _COMPRESSION,
    "from_json": values.files(".json"),
    "intervals": values.files(".csv", ".json"),
    "encoding": values.words({"utf-8": "", "latin-1": "", "cp1252": "", "utf-16": ""}),
    "start_time": _INSTANT,
    "time_format": values.words(
        {
            "auto": "found out",
            "us": "microseconds since 1970",
            "ms": "milliseconds since 1970",
            "s": "seconds since 1970",
            "ns": "nanoseconds since 1970",
            "iso": "ISO 8601, year first",
            "excel": "days, as spreadsheets count them",
            "matlab": "days since the year 0",
            "%d.%m.%Y": "a template",
        }
    ),
    "decimal": values.words({",": "", ".": ""}),
    "thousands": values.words({".": "", ",": ""}),
    "delimiter": values.words({"tab": "", ",": ""}),
}
#: By command and parameter; `None` stands for free text.
_BY_NAME: dict[tuple[str, str], Completer | None] = {
    ("node serve", "path"): values.files(".db"),
    ("node serve", "bind"): values.words({"127.0.0.1": "this machine", "0.0.0.0": "all networks"}),
    ("node serve", "tls_cert"): values.files(".pem", ".crt"),
    ("node serve", "tls_key"): values.files(".pem", ".key"),
    ("node serve", "ca_file"): values.files(".pem", ".crt"),
    ("node serve", "public_url"): None,
    ("node serve", "importer_dir"): values.directories,
    ("node serve", "archive_dir"): values.directories,
    ("node add", "url"): values.addresses,
    ("node add", "ca_file"): values.files(".pem", ".crt"),
    ("node ping", "name"): values.nodes,
    ("node delete", "name"): values.stored_nodes,
    ("node default", "name"): values.nodes,
    ("node rename", "name"): values.stored_nodes,
    ("folder copy", "source"): paths.ends(*paths.FOLDERS),
    ("folder copy", "destination"): paths.ends(*paths.FOLDERS),
    ("stream list", "path"): paths.paths("folders", "streams"),
    ("stream create", "path"): paths.paths(*paths.FOLDERS),
    ("stream create", "elements"): None,
    ("stream update", "element"): paths.one_element,
    # a folder follows the streams
    ("stream move", "source"): paths.paths("folders", "streams"),
    ("event move", "source"): paths.paths("folders", "events"),
    ("stream delete", "stream"): paths.paths("streams", "events"),
    ("stream copy", "source"): paths.ends(*paths.DATA),
    ("stream copy", "destination"): paths.ends("folders", "streams"),
    ("data copy", "source"): paths.ends(*paths.DATA),
    ("data copy", "destination"): paths.ends("folders", "streams"),
    ("data copy", "keep"): values.durations(source="as the source", all="", none=""),
    ("stream copy", "keep"): values.durations(source="as the source", all="", none=""),
    ("data write", "file"): values.files(*_ROWS),
    ("data ingest", "files"): values.files(*_ROWS),
    ("data inspect", "file"): values.files(*_ROWS),
    ("data ingest", "stream"): paths.paths("folders", "streams"),
    ("data export", "streams"): paths.paths("folders", "streams"),
    ("data merge", "destination"): paths.paths("folders", "streams"),
    ("data filter mean", "destination"): paths.paths("folders", "streams"),
    ("data filter median", "destination"): paths.paths("folders", "streams"),
    ("data mean", "destination"): paths.paths("folders", "streams"),
    ("data median", "destination"): paths.paths("folders", "streams"),
    ("data plot", "png"): values.files(".png"),
    ("data plot", "svg"): values.files(".svg"),
    ("data plot", "events"): paths.paths(*paths.EVENTS),
    ("data plot", "where"): paths.one_field(after=" "),
    ("data plot", "label"): paths.one_field(),
    ("event list", "path"): paths.paths("folders", "events"),
    ("event create", "path"): paths.paths(*paths.FOLDERS),
    ("event create", "like"): paths.paths(*paths.EVENTS),
    ("event update", "drop_field"): paths.one_field(),
    ("event read", "fields"): paths.fields,
    ("event read", "where"): paths.one_field(after=" "),
    ("event count", "where"): paths.one_field(after=" "),
    ("event remove", "where"): paths.one_field(after=" "),
    ("event copy", "where"): paths.one_field(after=" "),
    ("event write", "items"): paths.fields_or_files(*_TEXTS),
    ("event copy", "source"): paths.ends(*paths.EVENTS),
    ("event copy", "destination"): paths.ends("folders", "events"),
    ("event write", "start"): _INSTANT,
    ("event write", "end"): _INSTANT,
    ("annotation create", "start"): _INSTANT,
    ("annotation create", "end"): _INSTANT,
    ("annotation create", "source"): values.files(".csv", ".json", ".jsonl"),
    ("db query", "file"): values.files(".sql"),
    ("module info", "module"): values.members("modules"),
    ("module logs", "module"): values.members("modules"),
    ("module logs", "since"): _INSTANT,
    ("proxy info", "proxy"): values.members("proxies"),
    ("master delete", "name"): values.masters,
    ("master add", "remote_access_url"): None,
    ("follower delete", "name"): values.members("followers"),
    ("archive inspect", "archive"): values.files(".zip"),
    ("archive upload", "path"): values.files(".zip"),
    ("admin authorize", "url"): values.addresses,
    ("help", "topic"): values.topics,
}


def completer(command: str, param: click.Parameter) -> Completer | None:
    """Return what offers the values of a parameter, `None` if its type does or nothing can.

    Parameters
    ----------
    command
        The words of the command, such as ``data read``.
    """
    name = param.name or ""
    if (command, name) in _BY_NAME:
        return _BY_NAME[command, name]
    if isinstance(param.type, click.Choice):
        return None
    if name in _BY_PARAMETER:
        return _BY_PARAMETER[name]
    if param.type is STREAM:
        return paths.paths(*(paths.EVENTS if command.startswith("event ") else paths.DATA))
    if param.type is PATH:
        return paths.paths(*paths.FOLDERS)
    if isinstance(param.type, click.Path):
        return _FILE
    return values.durations() if isinstance(param.type, DurationType) else None


class _Offering(click.ParamType[Any]):
    """A type that offers values besides."""

    def __init__(self, inner: click.ParamType[Any], offer: Completer) -> None:
        self.name = inner.name
        self._inner = inner
        self._offer = offer

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._inner.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        return self._offer(ctx, param, incomplete)


def assign(ctx: click.Context, params: Iterable[click.Parameter]) -> None:
    """Make the parameters of a command offer their values."""
    names: list[str] = []
    at: click.Context | None = ctx
    while at is not None and at.parent is not None:
        names.insert(0, at.info_name or "")
        at = at.parent
    command = " ".join(names)
    for param in params:
        if isinstance(param.type, _Offering):
            continue
        found = completer(command, param)
        if found is not None:
            param.type = _Offering(param.type, found)
        if isinstance(param, click.Option) and param.expose_value is False:
            # left out of help because another option stands for them
            param.hidden = False
