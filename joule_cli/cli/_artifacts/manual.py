"""The pages of `man/`, made from the commands and the topics.

They are in man(7), which both man-db and mandoc read.
"""

from __future__ import annotations

import re
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

import click

from joule_cli import __version__
from joule_cli.cli._lazy import Command, Group
from joule_cli.cli._options import PathType
from joule_cli.cli._settings import common_options
from joule_cli.cli._topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Of the version; mandoc finds fault with pages that have none.
_DATE = "2026-11-28"

#: What arguments stand for, by command and name, or by name.
_ARGUMENTS = {
    "ARCHIVE": "An archive file.",
    "COMMAND": "The command to explain.",
    "DESTINATION": "The path of the stream to write; it is created if it does not exist.",
    "FIELD=VALUE": "With --start, a field of the one event and its value.",
    "FILE": "A file; - is standard input.",
    "FOLDER": "The path or the id of a folder.",
    "GLOB": "A path with *, ?, [...] or **, which spans folders.",
    "ID": "The id of an annotation, as joule annotation list prints it.",
    "IDENTIFIER": "The name of the user, or the address of the node.",
    "KEY": "The key that opens the node.",
    "MODULE": "The name or the id of a module.",
    "NAME": "The name of a node.",
    "NEW": "The new name.",
    "PATH": "The path or the id of a stream.",
    "PATH:TYPE[NAME,...]": "The path, the datatype and the elements in one.",
    "PROXY": "The name or the id of a proxy.",
    "[-- PSQL ARGS]": "Options and arguments for psql, as they are.",
    "SOURCE": "The path or the id of the stream to read.",
    "SQL": "The query; - is standard input.",
    "STREAM": "The path or the id of a stream.",
    "TITLE": "A few words.",
    "TOPIC": f"One of {', '.join(TOPICS)}.",
    "URL": "Its address, such as http://HOST:PORT, https://HOST, unix:PATH or file:PATH.",
    "{bash|zsh|fish}": "The shell.",
    "{user|joule|lumen}": "A user, a Joule node, or a Lumen server.",
    "joule admin FILE": "The file of the backup.",
    "joule archive upload PATH": "An archive file, or a folder of them.",
    "joule data copy SOURCE": "A stream, NODE:/path on another node, or a pattern.",
    "joule data copy DESTINATION": "A stream, or NODE:/path on another node; "
    "for a pattern a folder.",
    "joule event copy SOURCE": "A stream, or NODE:/path on another node.",
    "joule event copy DESTINATION": "A stream, or NODE:/path on another node.",
    "joule event create PATH": "The path of the new stream.",
    "joule event move DESTINATION": "The path of a folder.",
    "joule event move SOURCE": "The path or the id of a stream.",
    "joule event rename NAME": "The new name.",
    "joule folder copy SOURCE": "A folder, or NODE:/path on another node.",
    "joule folder copy DESTINATION": "A folder, or NODE:/path on another node.",
    "joule folder PATH": "The path or the id of a folder.",
    "joule folder move DESTINATION": "The path of the folder to move it into.",
    "joule folder move SOURCE": "The path or the id of a folder.",
    "joule folder rename NAME": "The new name.",
    "joule follower NAME": "The name of a node, as joule follower list prints it.",
    "joule master NAME": "The name, as joule master list prints it.",
    "joule node serve PATH": "The file of the node.",
    "joule stream copy SOURCE": "A stream, NODE:/path on another node, or a pattern.",
    "joule stream copy DESTINATION": "A stream, or NODE:/path on another node; "
    "for a pattern a folder.",
    "joule stream create PATH": "The path of the new stream.",
    "joule stream move DESTINATION": "The path of a folder.",
    "joule stream move SOURCE": "The path or the id of a stream.",
    "joule stream rename NAME": "The new name.",
}

_ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
)
#: A command, a mention of a topic, an option, a name in capitals.
_MARKED = re.compile(
    r"(?P<topic>\(?joule help (?P<name>" + "|".join(TOPICS) + r")\b\)?)"
    r"|(?P<option>(?<![\w-])--?[A-Za-z][\w-]*)"
    r"|(?P<place>(?<![\w$/%.-])[A-Z][A-Z0-9_]+(?![\w/]))"
)
#: Capitals that are no place for something else.
_WORDS = {
    *("API", "CSV", "HDF5", "HTTP", "HTTPS", "ID", "ISO", "JSON", "NULL", "RFC", "SIGHUP"),
    *("SIGINT", "SIGTERM", "SQL", "TCP", "TLS", "TSV", "UNIX", "URL", "UTC", "UTF"),
}


def _dashed(path: str) -> str:
    return path.replace(" ", "-")


# -- one page -------------------------------------------------------------------------------------


def command_page(ctx: click.Context) -> str:
    """Return the page in section 1 of a command or a group."""
    command, path = _command(ctx), ctx.command_path
    first, *more = _paragraphs(command.help or "")
    lines = [*_head(_dashed(path), 1, first)]
    lines += [".SH SYNOPSIS", _synopsis(path, ctx), ".SH DESCRIPTION", *_filled(_marked(first))]
    for paragraph in more:
        lines += [".PP", *_filled(_marked(paragraph))]
    if isinstance(command, Command) and command.formats:
        formats = ", ".join(command.formats)
        lines += [".PP", *_filled(_marked(f"Formats beyond those of every command: {formats}."))]
    lines += _section("ARGUMENTS", _arguments(path, ctx))
    own = [p for p in command.own_params(ctx) if isinstance(p, click.Option)]
    lines += _section("OPTIONS", _options(ctx, own))
    if ctx.parent is None:
        lines += _section("OPTIONS OF EVERY COMMAND", _options(ctx, common_options(True)))
    elif not isinstance(command, Group):
        lines += [".PP", *_filled(f"Options of every command, such as {_marked('--json')}, are in")]
        lines.append(_reference("joule", 1, "."))
    if isinstance(command, Group):
        lines += _section("COMMANDS", _commands(path, ctx))
    lines += [".SH EXIT STATUS", "0 when all is well; see", _reference("joule-exit-status", 7, ".")]
    lines += [".SH ENVIRONMENT", "See", _reference("joule-environment", 7, ".")]
    lines += [".SH EXAMPLES", *_literal(command.examples)]
    topics = [f"joule-{topic}" for topic in TOPICS]
    lines += _see_also([(name, 1) for name in _relatives(path, ctx)] + [(t, 7) for t in topics])
    return "\n".join(lines) + "\n"


def _command(ctx: click.Context) -> Command | Group:
    assert isinstance(ctx.command, Command | Group)
    return ctx.command


def topic_page(name: str) -> str:
    """Return the page in section 7 of a topic."""
    title, text = TOPICS[name]
    lines = _head(f"joule-{name}", 7, title)
    for block in _blocks(text):
        lines += block
    others = [(f"joule-{other}", 7) for other in TOPICS if other != name]
    return "\n".join([*lines, *_see_also([("joule", 1), *others])]) + "\n"


def _head(name: str, section: int, sentence: str) -> list[str]:
    title = _code(name).upper()
    about = sentence.rstrip(".")
    return [
        ".\\\" Made from the program's own help; see joule_cli/cli/_artifacts.",
        f'.TH {title} {section} {_DATE} "joule\\-cli {__version__}" "Joule Manual"',
        # names are copied from here: not a letter may be added to them
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{_code(name)} \\- {_code(about[0].lower() + about[1:])}",
    ]


def _section(title: str, lines: list[str]) -> list[str]:
    return [f".SH {title}", *lines] if lines else []


def _synopsis(path: str, ctx: click.Context) -> str:
    pieces = [re.sub(r"[A-Z]+", _italic, _code(p)) for p in ctx.command.collect_usage_pieces(ctx)]
    return " ".join([f"\\fB{_code(path)}\\fR", *pieces])


def _italic(found: re.Match[str]) -> str:
    return f"\\fI{found[0]}\\fR"


def _arguments(path: str, ctx: click.Context) -> list[str]:
    lines = []
    for param in _command(ctx).own_params(ctx):
        if isinstance(param, click.Argument):
            metavar = param.make_metavar(ctx)
            patterns = isinstance(param.type, PathType) and "GLOB" not in metavar
            also = f"There may be several{', and patterns with *, ?, [...], **' * patterns}."
            for name, several in _places(metavar):
                text = f"{_meaning(path, name)} {also if several else ''}"
                lines += [".TP", f"\\fI{_code(name)}\\fR", *_filled(_marked(text.strip()))]
    return lines


def _places(metavar: str) -> list[tuple[str, bool]]:
    """Return what one argument may be, and whether it may be given more than once."""
    if metavar.startswith("[--") or "," in metavar or "{" in metavar:
        return [(name, False) for name in metavar.split(" | ")]
    all_several = metavar.endswith("]...") or (metavar.endswith("...") and " | " not in metavar)
    names = metavar.replace("[", "").replace("]", "").split("|")
    return [(name.strip(" ."), all_several or name.strip().endswith("...")) for name in names]


def _meaning(path: str, name: str) -> str:
    words = path.split()
    keys = [*(" ".join([*words[:n], name]) for n in range(len(words), 1, -1)), name]
    found = [_ARGUMENTS[key] for key in keys if key in _ARGUMENTS]
    assert found, f"say in {__file__} what {name} of '{path}' is"
    return found[0]


def _options(ctx: click.Context, options: Iterable[click.Option]) -> list[str]:
    lines = []
    for option in options:
        record = option.get_help_record(ctx)
        if record is not None:
            names = " ".join(_option_word(word) for word in record[0].split())
            lines += [".TP", names, *_filled(_marked(" ".join(record[1].split())))]
    return lines


def _option_word(word: str) -> str:
    if word.startswith("-"):
        bare = word.rstrip(",")
        return f"\\fB{_code(bare)}\\fR{',' * (len(word) - len(bare))}"
    return word if word == "/" else f"\\fI{_code(word)}\\fR"


def _commands(path: str, ctx: click.Context) -> list[str]:
    lines = []
    for command in _inner(ctx):
        lines += [".TP", _reference(_dashed(f"{path} {command.name}"), 1)]
        lines += _filled(_marked(_paragraphs(command.help or "")[0]))
    return lines


def _inner(ctx: click.Context) -> Iterator[click.Command]:
    """Give the commands of a group, without other names for them."""
    group = ctx.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if command is not None and command.name == name:
            yield command


def _relatives(path: str, ctx: click.Context) -> Iterator[str]:
    """Give the group a command is in, and the other commands of it."""
    parent = ctx.parent
    if parent is None:
        return
    yield _dashed(parent.command_path)
    if parent.parent is not None:
        for command in _inner(parent):
            if command is not ctx.command:
                yield _dashed(f"{parent.command_path} {command.name}")


def _see_also(names: Iterable[tuple[str, int]]) -> list[str]:
    *most, last = names
    references = [_reference(name, section, ",") for name, section in most]
    return [".SH SEE ALSO", *references, _reference(*last)]


def _reference(name: str, section: int, end: str = "") -> str:
    return f".BR {_code(name)} ({section}){end}"


# -- texts ----------------------------------------------------------------------------------------


def _paragraphs(help: str) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in help.split("\n\n") if paragraph.strip()]


def _code(text: str) -> str:
    """Escape what the formatter would read, or print as another character."""
    return text.translate(_ESCAPES)


def _marked(text: str) -> str:
    """Escape prose, with options in bold, places in italics and topics as references."""
    out, at = [], 0
    for found in _MARKED.finditer(text):
        out.append(_code(text[at : found.start()]))
        out.append(_mark(found))
        at = found.end()
    return "".join([*out, _code(text[at:])])


def _mark(found: re.Match[str]) -> str:
    if found["topic"]:
        reference = f"\\fBjoule\\-{_code(found['name'])}\\fR(7)"
        return f"(see {reference})" if found["topic"].startswith("(") else reference
    if found["option"]:
        return f"\\fB{_code(found[0])}\\fR"
    return found[0] if found[0] in _WORDS else _italic(found)


def _filled(text: str) -> list[str]:
    """Break text into lines, none of which looks like a request."""
    lines = textwrap.wrap(text, 78, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{line}" if line.startswith((".", "'")) else line for line in lines]


def _literal(lines: Iterable[str]) -> list[str]:
    shown = [_code(line) for line in lines]
    return [".nf", ".RS 4", *(f"\\&{s}" if s[:1] == "." else s for s in shown), ".RE", ".fi"]


# -- topics ---------------------------------------------------------------------------------------

_COLUMNS = re.compile(r"  (\S.*?)(?:  +(\S.*))?")


def _blocks(text: str) -> Iterator[list[str]]:
    """Tell headings, paragraphs, terms and lines as they are apart by how they are laid out."""
    pieces = [piece.split("\n") for piece in re.split(r"\n\n+", text.rstrip("\n"))]
    headed = False
    for n, lines in enumerate(pieces):
        if len(lines) == 1 and lines[0][0] != " " and (n == 0 or lines[0][-1] not in ".,:"):
            yield [f".SH {_code(_heading(lines[0]))}"]
            headed = True
            continue
        if lines[0].startswith(" "):
            blocks = list(_indented(lines))
        else:
            blocks = [[".PP", *_filled(_marked(" ".join(lines)))]]
        if headed and blocks[0][0] == ".PP":
            # a heading has made room already
            del blocks[0][0]
        headed = False
        yield from blocks


def _heading(line: str) -> str:
    # the options in a heading keep their case, as those of other pages do
    words, bracket, rest = line.partition(" (")
    return f"{words.upper()}{bracket}{rest}"


def _indented(lines: list[str]) -> Iterator[list[str]]:
    terms: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("   "):
            terms[-1][1].append(line.strip())
        else:
            found = _COLUMNS.fullmatch(line)
            assert found is not None
            terms.append((found[1], [found[2]] if found[2] else []))
    for explained, group in groupby(terms, lambda term: bool(term[1])):
        if not explained:
            yield [".PP", *_literal(term for term, _ in group)]
            continue
        for term, texts in group:
            yield [".TP", f"\\fB{_code(term)}\\fR", *_filled(_marked(" ".join(texts)))]
