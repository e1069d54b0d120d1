"""Text with cells in quotation marks."""

from __future__ import annotations

import io

import pytest

from joule_cli.formats.containers.delimited import DelimitedContainer
from joule_cli.formats.table.options import ReadOptions


def opened(text, **options):
    return DelimitedContainer(io.BytesIO(text.encode()), ReadOptions(**options))


def rows(container):
    """Each row with its line: its cells, or what is wrong with it."""
    every = range(len(container.columns))
    container.choose(every, every)
    found = []
    for batch in container.batches():
        for row in range(batch.size if batch else 0):
            cells = [batch.cell(row, at) for at in every]
            bad = batch.bad.get(row)
            found.append((batch.number(row), bad.text if bad else cells))
    return found


LINES = 'time,note,x\n1714550400,"a\nb",1\n1714550401,"c\r\n# d\n\n""e",2\n'


def test_cells_keep_their_line_ends():
    container = opened(LINES)
    assert container.sample().cells[1] == ["a\nb", 'c\r\n# d\n\n"e']
    assert rows(container) == [
        (2, ["1714550400", "a\nb", "1"]),
        (4, ["1714550401", 'c\r\n# d\n\n"e', "2"]),
    ]


def test_the_last_record_without_a_line_end():
    for end in ('"c\nd"', '"c\nd",', '"c\n\nd"\r'):
        container = opened(f'time,note\n1714550400,"a\nb"\n1714550401,{end}')
        assert [cells[1][0] for _, cells in rows(container)] == ["a", "c"]
        assert container.warnings == ["the last line has no line end, the file may be cut"]


def test_a_cell_goes_over_hundreds_of_lines():
    text = "\n".join(map(str, range(500)))
    long = "x" * 200_000
    found = rows(opened(f'time,note\n1714550400,"{text}"\n1714550401,"{long}"\n'))
    assert [cells[1] for _, cells in found] == [text, long]


def test_comments_stand_between_rows_only():
    text = 'time,note\n1714550400,"a\n# no comment"\n# a comment\n1714550401,b\n'
    assert [cells[1] for _, cells in rows(opened(text))] == ["a\n# no comment", "b"]


def test_marks_inside_cells_are_no_quotation_marks():
    text = 'time,note,x\n1714550400,5" pipe,1\n1714550401,b,2\n1714550402,6" pipe,3\n'
    assert [cells[1] for _, cells in rows(opened(text))] == ['5" pipe', "b", '6" pipe']


def test_a_mark_that_is_never_closed_costs_its_line():
    text = 'time,note\n1714550400,a\n1714550401,"b\n1714550402,c\n1714550403,d\n'
    assert [(line, cells) for line, cells in rows(opened(text)) if line == 3] == [
        (3, "the quotation marks are not in pairs")
    ]
    assert len(rows(opened(text))) == 4


@pytest.mark.parametrize(
    ("last", "kept"),
    [("1714550403,on", True), ("1714550403,of", False), ("1714550403,off", True)],
)
def test_a_word_that_stands_above_is_not_cut(last, kept):
    found = rows(opened(f"time,state\n1714550400,on\n1714550401,off\n{last}"))
    assert isinstance(found[-1][1], list) == kept
