"""Which files are made, and of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from joule_cli.cli._artifacts.manual import command_page, topic_page
from joule_cli.cli._completion.scripts import SCRIPTS
from joule_cli.cli._settings import Settings
from joule_cli.cli._topics import TOPICS
from joule_cli.cli.app import root

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where bash, zsh and fish look for the completions of a program.
COMPLETIONS = {
    "bash": "completions/joule.bash",
    "zsh": "completions/_joule",
    "fish": "completions/joule.fish",
}


def artifacts() -> dict[str, str]:
    """Return the text of each file by its path below the root of the checkout."""
    pages = {f"man/{ctx.command_path.replace(' ', '-')}.1": command_page(ctx) for ctx in contexts()}
    topics = {f"man/joule-{name}.7": topic_page(name) for name in TOPICS}
    return pages | topics | {path: SCRIPTS[shell] for shell, path in COMPLETIONS.items()}


def contexts(
    command: click.Command = root, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """Give a context of 80 columns for each command of the tree, without other names for it."""
    ctx = click.Context(
        command,
        parent,
        info_name=command.name,
        obj=Settings(),
        max_content_width=80,
        terminal_width=80,
        **cast("dict[str, Any]", command.context_settings),
    )
    yield ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            if inner is not None:
                yield from contexts(inner, ctx)
