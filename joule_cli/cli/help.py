"""`joule help`: topics, and the help of any command."""

from __future__ import annotations

import click

from joule_cli.cli._lazy import Command
from joule_cli.cli._output import emit_text


@click.command(
    "help",
    cls=Command,
    examples=["joule help times", "joule help stream create"],
)
@click.argument("topic", nargs=-1, metavar="[TOPIC | COMMAND...]")
@click.pass_context
def help_(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Explain a command or a topic."""
    from joule_cli.cli._topics import TOPICS

    root = ctx.find_root()
    if not topic:
        emit_text(root.get_help())
        emit_text("\nTopics (joule help TOPIC):")
        for name, (title, _) in TOPICS.items():
            emit_text(f"  {name:<13}{title}")
        return
    if len(topic) == 1 and topic[0] in TOPICS:
        emit_text(TOPICS[topic[0]][1])
        return
    at, command = root, root.command
    for word in topic:
        inner = command.get_command(at, word) if isinstance(command, click.Group) else None
        if inner is None:
            said = " ".join(topic)
            raise click.UsageError(f"No such topic or command '{said}'.{_near(at, word)}")
        at, command = click.Context(inner, parent=at, info_name=inner.name), inner
    emit_text(command.get_help(at))


def _near(at: click.Context, word: str) -> str:
    from joule_cli.cli._topics import TOPICS
    from joule_cli.cli.app import GROUPS
    from joule_cli.series.nearest import nearest

    inside = at.command.list_commands(at) if isinstance(at.command, click.Group) else []
    known = inside if at.parent else [*TOPICS, *GROUPS]
    near = nearest(word, known, 1)
    return f" Did you mean '{near[0]}'?" if near else ""
