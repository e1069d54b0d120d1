"""The common options: what they are, and the one object that collects their values.

Every command accepts them, as do the root and the groups, so ``joule --json folder list``,
``joule folder --json list`` and ``joule folder list --json`` are the same. A command that declares
an option of the same spelling keeps its own.

A command reads them with ``current()``; it never sees them as arguments.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

#: Formats that every command can print.
FORMATS = ("table", "plain", "csv", "tsv", "json", "jsonl")
#: Further formats, which a command must name in its `formats`.
DATA_FORMATS = ("text", "hdf5", "parquet", "arrow")


class Settings:
    """Values of the common options of one run of the program.

    `yes` and `progress` belong to options that only some commands have.
    """

    def __init__(self) -> None:
        self.node: str | None = None
        self.url: str | None = None
        self.timeout_s: float | None = None
        self.format: str | None = None
        self.columns: list[str] | None = None
        self.header = True
        self.limit: int | None = None
        self.time: str | None = None
        self.tz: str | None = None
        self.quiet = False
        self.verbose = 0
        self.color = "auto"
        self.no_input = bool(os.environ.get("JOULE_NO_INPUT"))
        self.yes = False
        self.progress: bool | None = None
        self._now: int | None = None

    @property
    def debug(self) -> bool:
        """Whether tracebacks are wanted."""
        return self.verbose >= 2 or os.environ.get("JOULE_DEBUG", "") not in {"", "0"}

    @property
    def machine(self) -> bool:
        """Whether the output is JSON, so that messages must not mix with it."""
        return self.format in {"json", "jsonl"}

    @property
    def now(self) -> int:
        """The one reading of the clock, µs, that all relative times of this run refer to."""
        if self._now is None:
            import time

            self._now = time.time_ns() // 1000
        return self._now

    def set_format(self, name: str, ctx: click.Context | None = None) -> None:
        """Choose the output format; two different choices contradict each other."""
        if self.format not in {None, name}:
            raise click.UsageError(f"The formats {self.format} and {name} exclude each other.", ctx)
        self.format = name


def current() -> Settings:
    """Return the settings of the command that is running."""
    found = click.get_current_context().find_object(Settings)
    return found if found is not None else Settings()


def _stores(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        settings = ctx.find_object(Settings)
        if value is None or value is False or settings is None:
            return
        match attribute:
            case "format":
                settings.set_format(value, ctx)
            case "verbose":
                settings.verbose += value
            case "columns":
                settings.columns = [name.strip() for name in value.split(",") if name.strip()]
            case "header":
                settings.header = False
            case "timeout":
                settings.timeout_s = _read_timeout(value)
            case "no_color":
                settings.color = "never"
            case "time" | "tz":
                # before the command does anything
                _check_time_option(attribute, value)
                setattr(settings, attribute, value)
            case _:
                setattr(settings, attribute, value)

    return callback


def _check_time_option(attribute: str, value: str) -> None:
    from joule_cli.series.time import find_zone, format_time

    tz = find_zone(value if attribute == "tz" else "UTC")
    if attribute == "time":
        format_time(0, value, tz)


def _read_timeout(value: str) -> float:
    from joule_cli.series.duration import parse_duration

    return parse_duration(value, unit_us=1_000_000) / 1_000_000


def _option(names: str, attribute: str, help: str, **attrs: Any) -> click.Option:
    flags = names.split()
    # the storage name must not meet a parameter of a command
    return click.Option(
        [f"common_{flags[-1].strip('-').replace('-', '_')}", *flags],
        expose_value=False,
        callback=_stores(attribute),
        help=help,
        **attrs,
    )


@lru_cache(maxsize=2)
def common_options(short_node: bool) -> list[click.Option]:
    """Return the common options; ``-n`` means the node on the root only."""
    flag = {"is_flag": True, "default": None}
    return [
        _option(
            "-n --node" if short_node else "--node",
            "node",
            "Name of the node; local is your own file.",
            metavar="NAME",
        ),
        _option(
            "--url",
            "url",
            "Address of the node, such as http://HOST:PORT or file:PATH.",
            metavar="URL",
        ),
        _option(
            "--timeout",
            "timeout",
            "Give up when a node sends (next to) nothing for this long, such as 10s; 0 for never.",
            metavar="D",
        ),
        _option(
            "--format",
            "format",
            "Output format: table, plain, csv, tsv, json or jsonl; also --csv, --json ...",
            type=click.Choice([*FORMATS, *DATA_FORMATS]),
            metavar="FORMAT",
        ),
        *(
            _option(
                f"--{name}",
                "format",
                f"Same as --format {name}.",
                flag_value=name,
                default=None,
                hidden=True,
            )
            for name in ("csv", "tsv", "json", "jsonl")
        ),
        _option("--columns", "columns", "Columns to print, comma separated.", metavar="LIST"),
        _option("--no-header", "header", "Leave out the line with the column names.", **flag),
        _option(
            "--limit",
            "limit",
            "Print at most this many records.",
            type=click.IntRange(min=0),
            metavar="N",
        ),
        _option(
            "--time",
            "time",
            "How times are printed: us, ns, ms, s, iso or a strftime template.",
            metavar="FORM",
        ),
        _option("--tz", "tz", "Time zone of times read and printed.", metavar="ZONE"),
        _option("-q --quiet", "quiet", "Print errors and data only.", **flag),
        _option("-v --verbose", "verbose", "Tell more; twice for tracebacks.", count=True),
        _option(
            "--color",
            "color",
            "Use colour: auto, always or never.",
            type=click.Choice(["auto", "always", "never"]),
            metavar="WHEN",
        ),
        _option("--no-color", "no_color", "Same as --color never.", hidden=True, **flag),
        _option("--no-input", "no_input", "Never ask; fail where an answer is needed.", **flag),
    ]
