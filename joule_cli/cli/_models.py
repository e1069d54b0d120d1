"""Models of streams as text: from options and files, and back."""

from __future__ import annotations

import json
import re
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from joule_cli.cli._options import PATH, STREAM
from joule_cli.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")

#: Keys that YAML reads as text without quotes.
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def keep_option(what: str) -> Callable[[F], F]:
    """Add ``--keep``; `what` says of which things it is told how long they are kept."""
    return click.option("--keep", metavar="D", help=f"How long {what}: all, none or a duration.")


def from_json_option(command: F) -> F:
    """Add ``--from-json``."""
    return click.option(
        "--from-json", metavar="FILE", help="Take all attributes from a file, - for stdin."
    )(command)


def template_options(command: F) -> F:
    """Add ``--like`` and ``--from-json``, of which a command takes one."""

    @click.option("--like", type=STREAM, metavar="STREAM", help="Take all attributes of this one.")
    @from_json_option
    @wraps(command)
    def templated(*args: Any, **kwargs: Any) -> Any:
        if kwargs["like"] is not None and kwargs["from_json"] is not None:
            raise click.UsageError("--like and --from-json exclude each other.")
        return command(*args, **kwargs)

    return templated  # type: ignore[return-value]  # click only sees that it is callable


def new_place(path: str) -> tuple[str, str]:
    """Split the path of a new stream, which has to have a name, as `split_path` does."""
    folder, name = split_path(path)
    if not name:
        raise click.UsageError("The path needs a name after the last slash.")
    return folder, name


def set_given(model: object, **values: Any) -> None:
    """Set the attributes whose options are given."""
    for attribute, value in values.items():
        if value is not None:
            setattr(model, attribute, value)


def split_path(path: str) -> tuple[str, str]:
    """Split the path of something new into its folder and its name."""
    # a bare integer is a name here: nothing exists yet that could have an id
    at = str(PATH.convert(f"/{path.strip('/')}", None, None))
    folder, name = at.rsplit("/", 1)
    return folder or "/", name


def read_keep(text: str | None) -> int | None:
    """Read ``--keep``, which may be missing."""
    if text is None:
        return None
    from joule_cli.series.time import parse_keep

    return parse_keep(text)


def read_stream_model(file: str, build: Callable[[dict[str, Any]], T], what: str) -> T:
    """Read a model as the commands ``get`` and ``info`` print it with ``--json``.

    Parameters
    ----------
    file
        ``-`` is stdin.
    build
        Makes the model of its wire form.
    what
        Names the kind of model in errors.

    Raises
    ------
    FormatError
        The file cannot be read, or is not such a model.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        value: Any = json.loads(text)
    except OSError as exc:
        raise FormatError(exc.strerror or "cannot be read", file=file) from exc
    except json.JSONDecodeError as exc:
        raise FormatError(
            f"not JSON: {exc.msg.lower()}", file=file, line=exc.lineno, column=exc.colno
        ) from exc
    except UnicodeDecodeError as exc:
        raise FormatError("not UTF-8 text", file=file) from exc
    if isinstance(value, dict) and isinstance(value.get("stream"), dict):
        # what info prints
        value = value["stream"]
    try:
        return build({"name": "", **value})
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise FormatError(f"not the model of {what}", file=file) from exc


def yaml_lines(value: dict[str, Any], indent: str = "") -> list[str]:
    """Return a model as lines of YAML."""
    lines = []
    for key, item in value.items():
        name = f"{indent}{_yaml_key(key)}:"
        if isinstance(item, dict) and item:
            lines.append(name)
            lines.extend(yaml_lines(item, f"{indent}  "))
        elif not isinstance(item, list):
            # a JSON scalar is a YAML scalar
            lines.append(f"{name} {json.dumps(item, ensure_ascii=False)}")
        else:
            lines.append(name)
            for each in item:
                inner = yaml_lines(each, f"{indent}    ")
                lines.append(f"{indent}  - {inner[0].lstrip()}")
                lines.extend(inner[1:])
    return lines


def _yaml_key(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key) and key.lower() not in _NOT_TEXT:
        return key
    return json.dumps(key, ensure_ascii=False)
