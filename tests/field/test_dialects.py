"""A table in any dialect reads back as the same table, or is refused with a remedy."""

from __future__ import annotations

import random
import shlex
from datetime import UTC, datetime, timedelta

import click
import numpy as np
import pytest

from joule_cli.cli._settings import Settings
from joule_cli.errors import JouleError
from joule_cli.formats import open_reader
from joule_cli.formats.table.options import ReadOptions
from tests.field.dialects import BERLIN, COARSE, EPOCH, TIMES, Dialect

NOW = (datetime(2026, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
#: Tables per seed; `-m slow` reads more.
TABLES = 150


def dialect_and_table(rng):
    """Make a dialect and a table that it can hold."""
    time = rng.choice(sorted(TIMES))
    delimiter = rng.choice([",", ";", "\t", "|", ""])
    comma = delimiter in {";", "\t"} and rng.random() < 0.4
    names = rng.sample(["power", "volts", "T1", "größe", "flow_rate", "u"], rng.randint(1, 4))
    spoken = " " in TIMES[time][0](EPOCH, UTC)
    if delimiter == "" and spoken:
        delimiter = "\t"
    dialect = Dialect(
        delimiter=delimiter,
        decimal="," if comma else ".",
        thousands="." if comma and rng.random() < 0.5 else "",
        encoding=rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]),
        end=rng.choice(["\n", "\n", "\r\n", "\r"]),
        time=time,
        zone=BERLIN if TIMES[time][1] and rng.random() < 0.5 else UTC,
        missing=rng.choice(["NaN", "null", "NA", "-"] + ([""] if delimiter else [])),
        time_at=rng.randint(0, len(names)),
        header=rng.choice(["names", "names", "hash"]),
        quote=bool(delimiter) and rng.random() < 0.2,
    )
    if rng.random() < 0.25 and dialect.header == "names" and delimiter:
        dialect.units = [rng.choice(["V", "W", "°C", "l/h"]) for _ in names]
    if rng.random() < 0.25 and dialect.header == "names":
        dialect.titles = rng.choice(
            [["Logger 3"], ["Serial: 12345", ""], ["Station;North", "made by hand"]]
        )
    step = rng.choice([1_000_000, 60_000_000, 900_000_000, 86_400_000_000])
    if time not in COARSE:
        step = rng.choice([step, 250_000, 125])
    moment = datetime(2023, rng.randint(1, 12), rng.randint(1, 28), 14, 25, 7, tzinfo=UTC)
    rows = []
    for _ in range(rng.randint(3, 60)):
        values = [
            None
            if rng.random() < 0.08
            else round(rng.uniform(-2e4, 2e4), rng.randint(1, 6))
            if rng.random() < 0.9
            else float(rng.randint(-99999, 99999))
            for _ in names
        ]
        rows.append((moment, *values))
        moment += timedelta(microseconds=step)
    return dialect, names, rows


def read(file, options):
    """Return the names, the units and the rows that a file is read as."""
    with open_reader(file, None, options) as reader:
        blocks = [block for block in reader.blocks() if block is not None]
        rows = np.concatenate(blocks) if blocks else np.empty(0, reader.head.layout.dtype)
        elements = reader.head.elements
    return [e.name for e in elements], [e.units for e in elements], rows


def check(found, names, units, rows):
    """See that what was read is the table."""
    found_names, found_units, read_rows = found
    assert found_names == names
    if units:
        assert found_units == units
    stamps = [(row[0] - EPOCH) // timedelta(microseconds=1) for row in rows]
    assert read_rows["timestamp"].tolist() == stamps
    expected = np.array([[np.nan if x is None else x for x in row[1:]] for row in rows])
    np.testing.assert_array_equal(read_rows["data"], expected)


def options_of(line):
    """Return the options of a command line that `inspect` printed, as the command reads them."""
    from joule_cli.cli.data._table import _NAMES, read_options
    from joule_cli.cli.data.ingest import ingest

    words = shlex.split(line)
    assert words[:3] == ["joule", "data", "ingest"]
    with ingest.make_context("ingest", words[3:], obj=Settings()) as context:
        table = {name: context.params[name] for name in _NAMES}
        return table["form"], read_options(table, clock=lambda: NOW)


def inspected(file):
    """Return the command line that `inspect` prints for a file."""
    import asyncio

    from joule_cli.cli.data._command_line import command_line
    from joule_cli.formats.registry import open_named_reader
    from joule_cli.ops.inspect import RejectKinds, inspect

    form = ""

    def opened(options):
        nonlocal form
        reader, form = open_named_reader(file, None, options)
        return reader

    kinds = RejectKinds()
    options = options_with(on_reject=kinds.add)
    found = asyncio.run(inspect(opened, options, kinds))
    table = {"renames": (), "where": ()}
    return command_line(str(file), form, "/x/y", table, found, "local")


def options_with(**more):
    return ReadOptions(time_format="auto", clock=lambda: NOW, **more)


@pytest.mark.parametrize("seed", range(4))
def test_any_dialect_reads_back(tmp_path, seed):
    run(tmp_path, random.Random(seed), TABLES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_more_dialects_read_back(tmp_path, seed):
    run(tmp_path, random.Random(seed), 4 * TABLES)


def run(tmp_path, rng, count):
    refused = 0
    for number in range(count):
        dialect, names, rows = dialect_and_table(rng)
        file = tmp_path / f"{number}.{rng.choice(['csv', 'txt', 'dat'])}"
        file.write_bytes(dialect.render(names, rows))
        values = list(zip(*(row[1:] for row in rows), strict=True))
        empty = any(all(value is None for value in column) for column in values)
        zone = {"local": dialect.zone}
        try:
            found = read(file, options_with(**zone))
        except JouleError as exc:
            error = exc
        else:
            error = None
        if error is not None:
            # day and month, or thousands, that nothing tells; a column in which nothing stands
            assert error.hint, error
            in_doubt = "could be" in str(error) or "not clear" in str(error)
            assert empty or in_doubt, (error, dialect)
            refused += 1
            continue
        units = dialect.units if dialect.header == "names" else []
        check(found, names, units, rows)
        if dialect.zone is UTC and number % 5 == 0:
            form, options = options_of(inspected(file))
            with open_reader(file, form, options) as reader:
                assert [e.name for e in reader.head.elements] == names
                again = np.concatenate([b for b in reader.blocks() if b is not None])
            for key in ("timestamp", "data"):
                np.testing.assert_array_equal(again[key], found[2][key])
    assert refused < count / 5


def test_the_command_line_is_one_of_the_shell(tmp_path):
    file = tmp_path / "it's a file.csv"
    file.write_text("time;a b;c\n2024-01-01;1,5;2\n2024-01-02;2,5;3\n")
    form, options = options_of(inspected(file))
    assert (form, options.delimiter, options.decimal) == ("csv", ";", ",")
    assert options.use_columns == ["a b", "c"]
    assert isinstance(click.UsageError("x"), click.ClickException)
