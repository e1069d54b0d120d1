"""Click commands and groups as this program uses them.

`Group(lazy=...)` takes a table ``{name: ("module:attribute", "short help")}``: help is printed
from the table, the module is imported when its command runs. `Command` and `Group` accept the
common options of `_settings`, end their help with examples, and suggest the nearest name for an
unknown one. Declare commands with the group's own decorators::

    @folder.command("list", examples=["joule folder list /house --layout"])
    @click.argument("path", type=PATH)
    @with_node
    async def list_(node: Node, path: str) -> None:
        '''List folders and streams.'''
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

import click

from joule_cli.cli._settings import DATA_FORMATS, Settings, common_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from click.shell_completion import CompletionItem

#: Other names that commands answer to; help does not show them.
SYNONYMS = {"remove": "delete", "destroy": "delete"}


class _Common(click.Command):
    """What commands and groups share."""

    short_node = False
    #: Lets parameters offer their values; set where the shell asks what may follow.
    offer_values: ClassVar[Callable[[click.Context, list[click.Parameter]], None] | None] = None

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def own_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters without the common options."""
        return super().get_params(ctx)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = self.own_params(ctx)
        taken = {name for param in own for name in (*param.opts, *param.secondary_opts)}
        common = [
            option
            for option in common_options(self.short_node)
            if not taken.intersection(option.opts)
        ]
        params = [*own, *common]
        if _Common.offer_values is not None:
            _Common.offer_values(ctx, params)
        return params

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [p for p in self.own_params(ctx) if isinstance(p, click.Option)]
        records = [record for p in own if (record := p.get_help_record(ctx)) is not None]
        if records:
            with formatter.section("Options"):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Command(_Common):
    """A command.

    Parameters
    ----------
    formats
        Output formats beyond the usual ones that this command can print.
    examples
        Command lines shown at the end of the help.
    """

    def __init__(self, *args: Any, formats: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.formats = formats

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("\nOptions of every command, such as --json: see 'joule --help'.\n")
        if self.formats:
            formatter.write(f"Formats beyond those: {', '.join(self.formats)}.\n")
        super().format_epilog(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        settings = ctx.find_object(Settings)
        chosen = settings.format if settings is not None else None
        if chosen in DATA_FORMATS and chosen not in self.formats:
            raise click.UsageError(f"This command has no format {chosen}.", ctx)
        return super().invoke(ctx)


class Group(_Common, click.Group):
    """A group whose commands may live in modules that are not loaded yet.

    Parameters
    ----------
    lazy
        ``{name: ("module:attribute", "short help")}``, shown in this order.
    """

    command_class = Command

    def __init__(
        self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = cmd_name
        if name not in self.lazy and name not in self.commands:
            name = SYNONYMS.get(name, name)
        if name not in self.lazy:
            return self.commands.get(name)
        import importlib

        module, attribute = self.lazy[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def command_items(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the commands that begin with a text, without loading them."""
        from click.shell_completion import CompletionItem

        found = {name: text for name, (_, text) in self.lazy.items()}
        for name, each in self.commands.items():
            if not each.hidden:
                found[name] = each.get_short_help_str(limit=100)
        return [
            CompletionItem(name, help=text)
            for name, text in found.items()
            if name.startswith(incomplete)
        ]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        # click's own would load every command
        return [
            *self.command_items(ctx, incomplete),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        # also while completing: nothing follows a command that there is not
        if command is None:
            raise click.UsageError(f"No such command '{name}'.{self._nearest(ctx, name)}", ctx)
        # a synonym shows up in usage lines under the real name
        return command.name, command, args[1:]

    def _nearest(self, ctx: click.Context, name: str) -> str:
        from joule_cli.series.nearest import nearest

        near = nearest(name, self.list_commands(ctx), 1)
        return f" Did you mean '{near[0]}'?" if near else ""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            if name in self.lazy:
                rows.append((name, self.lazy[name][1]))
            elif not self.commands[name].hidden:
                rows.append((name, self.commands[name].get_short_help_str(limit=100)))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


Group.group_class = Group


class RootGroup(Group):
    """The program itself: shows the common options and takes ``-n`` for the node."""

    short_node = True

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _Common.format_options(self, ctx, formatter)
        records = [
            record
            for option in common_options(self.short_node)
            if (record := option.get_help_record(ctx)) is not None
        ]
        with formatter.section("Options of every command"):
            formatter.write_dl(records)
        self.format_commands(ctx, formatter)


def group(name: str, **attrs: Any) -> Callable[[Callable[..., Any]], Group]:
    """Declare a group of commands; the docstring is its help."""
    return click.group(name, cls=Group, **attrs)


def command(name: str, **attrs: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command that a lazy table names; the docstring is its help."""
    return click.command(name, cls=Command, **attrs)


def let_offer(offer: Callable[[click.Context, list[click.Parameter]], None]) -> None:
    """Have `offer` called with the parameters of every command, so that they offer values."""
    _Common.offer_values = offer


def completing() -> bool:
    """Whether the shell asks for completions instead of running a command."""
    return "_JOULE_COMPLETE" in os.environ
