"""`joule completion`: the scripts that make shells complete the command line."""

from __future__ import annotations

import click

from joule_cli.cli._lazy import command
from joule_cli.cli._output import emit_text


@command(
    "completion",
    examples=[
        'eval "$(joule completion bash)"',
        "joule completion fish > joule.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes a shell complete commands, paths and names.

    An installed package brings the scripts along, and shells look for them there. If yours does
    not, load the script from its configuration: eval "$(joule completion bash)" in ~/.bashrc,
    eval "$(joule completion zsh)" behind compinit in ~/.zshrc, or joule completion fish | source
    in ~/.config/fish/config.fish.

    The names of a node are kept in your cache directory, for a minute or as long as
    JOULE_COMPLETION_TTL says.
    """
    from joule_cli.cli._completion.scripts import SCRIPTS

    emit_text(SCRIPTS[shell].rstrip("\n"))
