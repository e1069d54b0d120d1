"""Models of streams as text: from options and files, and back."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from joule_cli.cli._options import PATH
from joule_cli.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Keys that YAML reads as text without quotes.
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def split_path(path: str) -> tuple[str, str]:
    """Split the path of something new into its folder and its name."""
    # a bare integer is a name here: nothing exists yet that could have an id
    at = str(PATH.convert(f"/{path.strip('/')}", None, None))
    folder, name = at.rsplit("/", 1)
    return folder or "/", name


def read_keep(text: str) -> int:
    """Read ``--keep``."""
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
