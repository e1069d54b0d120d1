"""Configuration files that say where the streams of archives belong.

::

    [Main]
    name = DataExporter
    node = pumphouse

    [DataStream.1]
    source_label = flow
    path = /imported/flow
    merge_gap = 5s

    [EventStream.1]
    source_label = starts
    path = /imported/starts
    on_conflict = keep_destination

Source: Joule node and modules, "Importer file".
"""

from __future__ import annotations

import configparser
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from joule_cli.errors import ConfigurationError, InvalidReference, TimeFormatError
from joule_cli.ops.streams import split_path
from joule_cli.series.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

ON_CONFLICT: Final = ("keep_source", "keep_destination", "keep_both", "merge")


@dataclass(slots=True, frozen=True)
class Target:
    """Where a stream of an archive goes.

    Parameters
    ----------
    merge_gap
        For rows: continue an interval that ends at most this long before, µs.
    on_conflict
        For events: what to do where one with the same start and end is there already.
    """

    path: str
    merge_gap: int = 0
    on_conflict: str = "keep_both"


@dataclass(slots=True)
class Importer:
    """The targets for archives of one name, by the labels of their streams.

    Parameters
    ----------
    node
        Take archives of this node only.
    """

    name: str
    node: str | None = None
    data: dict[str, Target] = field(default_factory=dict)
    events: dict[str, Target] = field(default_factory=dict)


def find_importer(importers: Sequence[Importer], name: str, node: str) -> Importer | None:
    """Return the importer for an archive; one for its node comes before one for any node."""
    named = [importer for importer in importers if importer.name == name]
    for wanted in (node, None):
        for importer in named:
            if importer.node == wanted:
                return importer
    return None


def read_importers(directory: Path) -> list[Importer]:
    """Return the importers of a directory; files that cannot be used are logged and left out.

    Raises
    ------
    ConfigurationError
        There is no such directory.
    """
    if not directory.is_dir():
        raise ConfigurationError("the directory of importers does not exist", object=str(directory))
    importers = []
    for path in sorted(directory.glob("*.conf")):
        try:
            importers.append(read_importer(path))
        except ConfigurationError as exc:
            log.error("Invalid importer [%s]: %s", path.name, exc.message)  # noqa: TRY400
    return importers


def read_importer(path: Path) -> Importer:
    """Return the importer of one file.

    Raises
    ------
    ConfigurationError
        It cannot be read, or something is missing or wrong in it.
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=path.name)
        name = parser.get("Main", "name", fallback="")
        if not name:
            raise ConfigurationError("[Main] missing name", object=str(path))
        importer = Importer(name, parser.get("Main", "node", fallback=None) or None)
        for section in parser.sections():
            kind = section.partition(".")[0]
            if kind == "DataStream":
                label, target = _target(parser[section], path, events=False)
                importer.data[label] = target
            elif kind == "EventStream":
                label, target = _target(parser[section], path, events=True)
                importer.events[label] = target
    except configparser.Error as exc:
        raise ConfigurationError(exc.message.splitlines()[0], object=str(path)) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError("cannot be read", object=str(path)) from exc
    return importer


def _target(section: configparser.SectionProxy, path: Path, *, events: bool) -> tuple[str, Target]:
    def required(option: str) -> str:
        value = section.get(option)
        if not value:
            raise ConfigurationError(f"[{section.name}] missing {option}", object=str(path))
        return value

    label, place = required("source_label"), required("path")
    try:
        split_path(place)
        merge_gap = parse_duration(section.get("merge_gap", "0"), unit_us=1)
    except (InvalidReference, TimeFormatError) as exc:
        raise ConfigurationError(f"[{section.name}] {exc.sentence()}", object=str(path)) from exc
    if not events:
        return label, Target(place, merge_gap=merge_gap)
    on_conflict = required("on_conflict")
    if on_conflict not in ON_CONFLICT:
        raise ConfigurationError(
            f"[{section.name}] on_conflict must be one of {', '.join(ON_CONFLICT)}",
            object=str(path),
        )
    return label, Target(place, on_conflict=on_conflict)
