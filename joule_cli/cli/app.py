"""The root of the program: its groups, and the way in and out."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

import click

from joule_cli.cli import _run
from joule_cli.cli._lazy import RootGroup, completing
from joule_cli.cli._settings import Settings

#: ``{name: ("module:attribute", "short help")}``; help is printed from here.
GROUPS = {
    "node": ("joule_cli.cli.node:node", "Choose and describe the nodes that commands use."),
    "folder": ("joule_cli.cli.folder:folder", "List and manage the folders of a node."),
    "stream": ("joule_cli.cli.stream:stream", "List, create and manage data streams."),
    "data": (
        "joule_cli.cli.data:data",
        "Read, write, copy and compute the rows of data streams.",
    ),
    "event": (
        "joule_cli.cli.event:event",
        "Record, find and manage events: labelled spans of time.",
    ),
    "annotation": ("joule_cli.cli.annotation:annotation", "Read and write notes on streams."),
    "db": ("joule_cli.cli.db:db", "Ask in SQL, or connect to the database behind the node."),
    "module": ("joule_cli.cli.module:module", "See what the modules of a node do."),
    "proxy": ("joule_cli.cli.proxy:proxy", "See the web interfaces behind a node."),
    "master": ("joule_cli.cli.master:master", "Choose who may control a node."),
    "follower": (
        "joule_cli.cli.follower:follower",
        "See which nodes a node can control, and let others join it.",
    ),
    "archive": (
        "joule_cli.cli.archive:archive",
        "Inspect archives, and import them into a node.",
    ),
    "admin": ("joule_cli.cli.admin:admin", "Check, back up and repair the node's own file."),
    "completion": (
        "joule_cli.cli.completion:completion",
        "Print the script that makes a shell complete commands, paths and names.",
    ),
    "help": ("joule_cli.cli.help:help_", "Explain a command or a topic."),
}


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from joule_cli import __version__

        click.echo(f"joule {__version__}")
        ctx.exit()


@click.group(
    "joule",
    cls=RootGroup,
    lazy=GROUPS,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=[
        'joule stream create "/house/mains:float32[volts,amps]"',
        "joule folder list --layout",
        "joule help times",
    ],
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def root() -> None:
    """Store, look at and move the data of sensors.

    Without any configuration the node is one file in your data directory.
    """


def main() -> NoReturn:
    """Run the `joule` program and end the process."""
    _open_standard_streams()
    if completing():
        from joule_cli.cli._completion.shells import complete

        complete(root)
        sys.exit(0)
    settings = Settings()

    def program() -> None:
        # click's own main() would turn Ctrl-C into status 1
        with root.make_context("joule", sys.argv[1:], obj=settings) as ctx:
            root.invoke(ctx)

    _run.guard(program, settings)


def _open_standard_streams() -> None:
    # A closed descriptor would be given to the next file that is opened, and output would end up
    # there. Standard output gets one that refuses writing, so that a lost answer is an error.
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, mode), number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a name that the terminal cannot show is escaped, not a failure
        sys.stdout.reconfigure(errors="backslashreplace")
