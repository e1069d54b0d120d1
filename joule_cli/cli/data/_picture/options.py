"""The options that ask for a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from joule_cli.cli._options import STREAM

F = TypeVar("F", bound=Callable[..., Any])


class SizeType(click.ParamType[tuple[int, int]]):
    """Width and height in pixels, as in 1200x600."""

    name = "size"
    least, most = 200, 12_000

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        width, _, height = value.partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            self.fail(f"'{value}' is not WIDTHxHEIGHT, as in 1200x600.", param, ctx)
        size = int(width), int(height)
        if not all(self.least <= side <= self.most for side in size):
            self.fail(f"a side has {self.least} to {self.most:,} pixels.", param, ctx)
        return size


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """What the options say about a picture.

    Parameters
    ----------
    files
        Names by form, ``png`` or ``svg``.
    dpi
        `None` for the one at which sizes in points look right.
    """

    files: dict[str, str]
    size: tuple[int, int] | None
    dpi: int | None
    no_clobber: bool
    by_unit: bool
    events: tuple[str | int, ...]
    where: tuple[str, ...]
    label: str | None
    annotations: bool


def picture_options(command: F) -> F:
    """Add the options of a picture; the command gets ``picture: PictureRequest | None``."""

    @click.option("--png", metavar="FILE", help="Draw a picture; - is standard output.")
    @click.option("--svg", metavar="FILE", help="The same in a form that scales.")
    @click.option(
        "--size",
        type=SizeType(),
        metavar="WxH",
        help="Pixels of a picture; by default 1200 across, and as many down as it needs.",
    )
    @click.option(
        "--dpi",
        type=click.IntRange(48, 600),
        metavar="N",
        help="Pixels per inch, by default 96; texts and lines are twice as large with 192.",
    )
    @click.option("--no-clobber", is_flag=True, help="Refuse to replace the file of a picture.")
    @click.option(
        "--panels",
        type=click.Choice(["units", "elements"]),
        help="In a picture, a panel for all elements of the same units (default), or for each.",
    )
    @click.option(
        "--events",
        type=STREAM,
        multiple=True,
        metavar="STREAM",
        help="Show the events of this stream in a picture; may be repeated.",
    )
    @click.option(
        "--where",
        multiple=True,
        metavar="'FIELD OP VALUE'",
        help="Only events whose content matches, as in joule event read.",
    )
    @click.option(
        "--label", metavar="FIELD", help="Field that names events; by default the first text."
    )
    @click.option(
        "--annotations/--no-annotations",
        default=None,
        help="Whether a picture shows annotations; by default it does.",
    )
    @wraps(command)
    def with_picture(*args: Any, **kwargs: Any) -> Any:
        kwargs["picture"] = _request({name: kwargs.pop(name) for name in _OPTIONS})
        return command(*args, **kwargs)

    return with_picture  # type: ignore[return-value]  # click only sees that it is callable


#: Suffixes of pictures and of documents with pictures.
_PICTURES = {
    *("png", "svg", "svgz", "jpg", "jpeg", "jpe", "gif", "webp", "bmp", "tif", "tiff", "ico"),
    *("avif", "heic", "pdf", "ps", "eps", "emf", "wmf", "pgf"),
}

_OPTIONS = (
    *("png", "svg", "size", "dpi", "no_clobber", "panels"),
    *("events", "where", "label", "annotations"),
)


def _request(given: dict[str, Any]) -> PictureRequest | None:
    files = {form: given[form] for form in ("png", "svg") if given[form] is not None}
    if not files:
        options = {f"--{name.replace('_', '-')}": given[name] for name in _OPTIONS}
        # false is a value that was given, too
        options["--annotations"] = given["annotations"] is not None
        refuse(options, "needs a picture, see --png and --svg.")
        return None
    if not given["events"]:
        refuse({"--where": given["where"], "--label": given["label"]}, "needs --events.")
    for form, name in files.items():
        _check_suffix(form, name)
    if len(files) == 2 and len(set(files.values())) == 1:
        raise click.UsageError("--png and --svg need two files.")
    return PictureRequest(
        files=files,
        size=given["size"],
        dpi=given["dpi"],
        no_clobber=given["no_clobber"],
        by_unit=given["panels"] != "elements",
        events=given["events"],
        where=given["where"],
        label=given["label"],
        annotations=given["annotations"] is not False,
    )


def _check_suffix(form: str, name: str) -> None:
    """Refuse a file whose suffix says that it is another kind of picture."""
    suffix = name.rpartition(".")[2].lower()
    if suffix != form and suffix in _PICTURES:
        advice = f"use --{suffix}" if suffix in {"png", "svg"} else f"the suffix is .{form}"
        raise click.UsageError(f"--{form} cannot write {name}; {advice}.")


def refuse(options: dict[str, Any], why: str) -> None:
    """Refuse the first option that was given."""
    for option, value in options.items():
        if value not in (None, False, ()):
            raise click.UsageError(f"{option} {why}")
