from __future__ import annotations

import random
import zipfile
from datetime import date, datetime, time, timedelta

import pytest

from joule_cli.errors import FormatError
from joule_cli.formats.containers.excel import ExcelContainer
from tests.formats.containers.support import failure, kept, names, options, read
from tests.formats.containers.workbook import save

T = datetime(2024, 5, 1, 12, 0, 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.xlsx"


def opened(path, **given):
    return kept(ExcelContainer(path, options(**given)))


def table(n=3, start=T):
    return [[start + timedelta(seconds=i), 1.5 + i, f"s{i}"] for i in range(n)]


def test_a_header_times_and_numbers(path):
    save(path, {"Mess": [["Time", "Power [W]", "note"], *table()]})
    container = opened(path)
    assert (container.unit, container.notes[0]) == ("row", "sheet 'Mess'")
    assert [(c.name, c.units) for c in container.columns][:1] == [("Time", "")]
    assert read(container) == table()
    (batch,) = opened(path).batches()
    assert [batch.number(at) for at in range(3)] == [2, 3, 4]
    assert batch.text(1) == "2024-05-01 12:00:01,2.5,s1"


def test_title_lines_units_and_empty_rows(path):
    rows = [["Report of May"], [], ["t", "p", "q"], ["s", "kW", "kvar"], [T, 1.5, 2.5], [],
            [T + timedelta(seconds=1), 3.5, None]]  # fmt: skip
    save(path, {"A": rows})
    container = opened(path)
    assert names(container) == ["t", "p", "q"]
    assert [c.units for c in container.columns] == ["s", "kW", "kvar"]
    assert read(container) == [rows[4], rows[6]]
    assert [[b.number(at) for at in range(2)] for b in opened(path).batches()] == [[5, 7]]


def test_without_a_header(path):
    save(path, {"A": [[T, 1.0, True], [T + timedelta(seconds=1), None, False]]})
    container = opened(path)
    assert names(container) == ["", "", ""]
    assert read(container) == [[T, 1.0, True], [T + timedelta(seconds=1), None, False]]


def test_dates_are_midnight_unless_the_time_has_its_own_column(path):
    save(path, {"A": [["t", "x"], [date(2024, 5, 1), 1.0], [T, 2.0]]})
    assert read(opened(path)) == [[datetime(2024, 5, 1), 1.0], [T, 2.0]]
    save(path, {"A": [["d", "t", "x"], [date(2024, 5, 1), time(12, 30), 1.0]] * 1})
    assert read(opened(path)) == [["2024-05-01", "12:30:00", 1.0]]


def test_the_first_sheet_that_shows_and_is_filled(path):
    sheets = {"hid": [["a", "b"], *table()], "empty": [], "B": [["t", "x"], [T, 1.0]],
              "C": [["t", "y"], [T, 2.0]]}  # fmt: skip
    save(path, sheets, hidden=["hid"])
    container = opened(path)
    assert names(container) == ["t", "x"]
    assert container.warnings == [f"{path}: only the sheet 'B' is read, not 'C' (--dataset NAME)"]
    assert names(opened(path, dataset="C")) == ["t", "y"]
    assert opened(path, dataset="hid").warnings == []
    said = "there is no sheet 'D', only 'hid', 'empty', 'B', 'C'"
    assert failure(lambda: opened(path, dataset="D"), path) == said


def test_only_the_chosen_columns(path):
    save(path, {"A": [["t", "x", "n"], *table()]})
    assert read(opened(path), [0, 2]) == [[row[0], row[2]] for row in table()]


def test_many_rows(path):
    save(path, {"A": [["t", "x", "n"], *table(40_000)]})
    container = opened(path)
    assert len(read(container)) == 40_000


def test_workbooks_that_hold_no_table(path):
    save(path, {"A": []})
    assert failure(lambda: opened(path), path) == "the workbook holds no table"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"t,x\n1,2\n", "the file is no Excel workbook (.xlsx)"),
        (b"PK\3\4abc", "the file is cut or damaged"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "the file is an Excel 97 workbook, which is not read",
        ),
    ],
)
def test_what_is_no_workbook(path, content, reason):
    path.write_bytes(content)
    assert failure(lambda: opened(path), path) == reason


def test_an_archive_that_is_no_workbook(path):
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("a.csv", "t,x\n")
    assert failure(lambda: opened(path), path) == "the file is no Excel workbook (.xlsx)"


def test_a_workbook_that_unpacks_to_too_much(path, monkeypatch):
    monkeypatch.setattr("joule_cli.formats.containers.excel._MOST_BYTES", 1000)
    save(path, {"A": table(100)})
    assert failure(lambda: opened(path), path).startswith("the workbook is too large: it unpacks")


def test_damage_is_an_error_of_the_file(path):
    draw = random.Random(1)
    save(path, {"A": [["t", "x", "n"], *table(50)]})
    whole = path.read_bytes()
    for _ in range(150):
        content = bytearray(whole)
        if draw.random() < 0.3:
            del content[draw.randrange(len(content)) :]
        for _ in range(draw.randint(0, 3)):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8) if content else 0
        path.write_bytes(content)
        try:
            container = opened(path)
            container.sample()
            list(container.batches())
        except FormatError:
            pass


def test_an_open_file_stays_open(path):
    save(path, {"A": [["t", "x", "n"], *table()]})
    with path.open("rb") as file:
        assert read(opened(file)) == table()
        assert not file.closed
