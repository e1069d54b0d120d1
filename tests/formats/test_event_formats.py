"""Files of events: nothing is lost, nothing wrong gets through."""

from __future__ import annotations

import gzip
import io
import json
import math

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from joule_cli.errors import FormatError
from joule_cli.formats.events import (
    EVENT_FORMATS,
    EventReadOptions,
    EventWriteOptions,
    Fields,
    open_event_reader,
    open_event_writer,
)
from joule_cli.formats.events.cells import cell_of, value_of
from joule_cli.model import Event

DECLARED = Fields(
    {"power": "numeric", "note": "string", "kind": 'category:["heat","cool: fast"]', "id": "string"}
)


def written(events, form, block=None, **options):
    """The bytes of a file of events, written in blocks."""
    out = io.BytesIO()
    with open_event_writer(out, form, EventWriteOptions(**options)) as writer:
        for begin in range(0, len(events), block or len(events) or 1):
            writer.write(events[begin : begin + (block or len(events))])
    return out.getvalue()


def read(data, form=None, **options):
    """All events of a file."""
    place = io.BytesIO(data) if isinstance(data, bytes) else data
    with open_event_reader(place, form, EventReadOptions(**options)) as reader:
        return [event for block in reader.blocks() for event in block.events]


def identities(events):
    return [(e.id, e.event_stream_id, e.node_uuid) for e in events]


# -- values

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(
        (
            *("1", "-0", "1.0", "1e5", "true", "null", '"a"', "[]", "{}", " 5", "NaN", "Infinity"),
            *("", "1e999", "0x1", "007", "a,b", 'a"b', "a\nb", "a\r\nb", "\r", "#x", " x ", "\t"),
            *("\x00", "1" * 30, "-" + "9" * 19, "\ufeff", "\u2028", "=1+1", '"', '""', "truth"),
        )
    ),
)
numbers = st.one_of(
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**63, -(2**63) - 1, 2**64, 2**53 + 1, -0.0, 5e-324, 1.7976931348623157e308]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)
names = st.one_of(
    texts,
    st.sampled_from(["power", "note", "kind", "start", "end", "id", "content", "start_time", "x"]),
)
objects = st.dictionaries(names, values, max_size=5)


def events_of(contents):
    times = st.integers(-(2**63), 2**63 - 2)

    @st.composite
    def event(draw):
        start = draw(times)
        end = draw(st.one_of(st.none(), st.integers(start + 1, 2**63 - 1)))
        return Event(start, end, draw(contents))

    return st.lists(event(), max_size=6)


def same(a, b):
    """Equal, with types: 1 is not 1.0, nor True."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return a == b


def all_same(found, events):
    assert [(e.start_time, e.end_time) for e in found] == [
        (e.start_time, e.end_time) for e in events
    ]
    for one, other in zip(found, events, strict=True):
        assert same(one.content, other.content), (one.content, other.content)


@pytest.mark.parametrize("form", EVENT_FORMATS)
@given(data=st.data())
def test_anything_comes_back_as_it_was(form, data):
    contents = objects if data.draw(st.booleans()) else st.one_of(objects, values)
    events = data.draw(events_of(contents))
    # declared fields hold what is not of their type as well: nobody checks what a node takes
    file = written(events, form, data.draw(st.sampled_from([None, 1])), fields=DECLARED)
    typed = Fields()
    typed.kinds = DECLARED.kinds
    all_same(read(file, form, fields=typed), events)


well_typed = st.fixed_dictionaries(
    {},
    optional={
        "power": numbers,
        "note": texts,
        "kind": st.sampled_from(["heat", "cool: fast"]),
        "extra": values,
    },
)


@pytest.mark.parametrize("form", EVENT_FORMATS)
@given(data=st.data())
def test_what_fits_the_fields_passes_them(form, data):
    events = data.draw(events_of(well_typed))
    file = written(events, form, fields=DECLARED)
    if events:
        all_same(read(file, fields=DECLARED), events)


@given(values, st.sampled_from([None, "text", "numeric"]))
@example("1", None)
@example("", "text")
def test_a_cell_holds_a_value_or_leaves_it_alone(value, kind):
    cell = cell_of(value, kind)
    if cell is None:
        assert kind is not None
    else:
        assert cell != ""
        assert same(value_of(cell, kind), value)


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        (None, "abc", "abc"),
        (None, "12", 12),
        (None, '"12"', "12"),
        (None, "1.50", 1.5),
        (None, "true", True),
        (None, "True", "True"),
        (None, "null", None),
        (None, "[1, 2]", [1, 2]),
        (None, "{broken", "{broken"),
        (None, "NaN", "NaN"),
        (None, "1e999", "1e999"),
        ("text", "12", "12"),
        ("text", '"12"', '"12"'),
        ("text", "null", "null"),
        ("numeric", "12", 12),
        ("numeric", "+5", 5),
        ("numeric", ".5", 0.5),
        ("numeric", " 007 ", 7),
        ("numeric", "1E3", 1000.0),
    ],
)
def test_cells(kind, cell, value):
    assert same(value_of(cell, kind), value)


@pytest.mark.parametrize("cell", ["abc", "nan", "inf", "1e999", "1_000", "true", '"1"', " ", "0x1"])
def test_what_is_no_number(cell):
    with pytest.raises(ValueError, match="is not a number"):
        value_of(cell, "numeric")


# -- the forms

EVENTS = [
    Event(10, 20, {"note": "öl, 5", "x": "1"}, 1, 7, "u"),
    Event(30, None, {"power": 1.5, "x": None, "y": [1]}, 2, 7, "u"),
]


def test_csv():
    assert written(EVENTS, "csv", fields=DECLARED).decode() == (
        "start_time,end_time,power,note,kind,x,y,content\n"
        '10,20,,"öl, 5",,"""1""",,\n'
        "30,,1.5,,,null,[1],\n"
    )


def test_csv_with_ids_and_without_header():
    file = written(EVENTS, "csv", fields=DECLARED, ids=True, header=False).decode()
    assert file.splitlines()[1] == "30,,1.5,,,null,[1],,2"


def test_fields_are_columns_by_their_first_appearance_in_the_first_block():
    events = [Event(1, 2, {"b": 1, "a": 2}), Event(2, 3, {"c": 3, "a": 4})]
    assert written(events, "csv").decode() == (
        "start_time,end_time,b,a,c,content\n1,2,1,2,,\n2,3,,4,3,\n"
    )
    assert written(events, "csv", block=1).decode() == (
        'start_time,end_time,b,a,content\n1,2,1,2,\n2,3,,4,"{""c"":3}"\n'
    )


def test_a_thousand_fields_do_not_make_a_thousand_columns():
    events = [Event(i, None, {f"k{i}": i}) for i in range(1000)]
    file = written(events, "csv")
    assert file.split(b"\n")[0].count(b",") == 102
    all_same(read(file), events)


def test_selected_fields():
    chosen = {"fields": DECLARED, "select": ["y", "note"]}
    assert written(EVENTS, "csv", **chosen).decode() == (
        'start_time,end_time,y,note\n10,20,,"öl, 5"\n30,,[1],\n'
    )
    lines = written(EVENTS, "jsonl", **chosen).decode().splitlines()
    # an id would let it replace the whole event
    assert lines[1] == '{"start_time":30,"end_time":null,"content":{"y":[1]}}'
    lines = written(EVENTS, "jsonl", ids=True, **chosen).decode().splitlines()
    assert json.loads(lines[1])["id"] == 2


def test_json_lines():
    assert written(EVENTS, "jsonl").decode().splitlines()[0] == (
        '{"id":1,"event_stream_id":7,"start_time":10,"end_time":20,'
        '"content":{"note":"öl, 5","x":"1"},"node_uuid":"u"}'
    )
    assert identities(read(written(EVENTS, "jsonl"))) == [(1, 7, "u"), (2, 7, "u")]


def test_json_is_one_array():
    assert json.loads(written(EVENTS, "json", block=1))[1]["start_time"] == 30
    assert written([], "json") == b"[]\n"
    assert identities(read(written(EVENTS, "json"))) == [(1, 7, "u"), (2, 7, "u")]


def test_a_cut_array_stays_open():
    out = io.BytesIO()
    writer = open_event_writer(out, "json")
    writer.write(EVENTS)
    writer.close(complete=False)
    with pytest.raises(FormatError, match="cut"):
        read(out.getvalue())


@pytest.mark.parametrize(
    ("form", "empty"),
    [
        ("csv", b"start_time,end_time,power,note,kind,content\n"),
        ("tsv", b"start_time\tend_time\tpower\tnote\tkind\tcontent\n"),
        ("json", b"[]\n"),
        ("jsonl", b""),
    ],
)
def test_no_events(form, empty):
    assert written([], form, fields=DECLARED) == empty
    assert read(empty) == []
    assert read(empty, form) == []
    assert read(b"", form) == []


def test_times_in_another_form():
    form = {"format_time": lambda t: f"1970-01-01T00:00:00.{t:06d}+00:00"}
    for name in EVENT_FORMATS:
        all_same(read(written(EVENTS, name, **form), time_format="auto"), EVENTS)
    assert read(b"start;end;x\n1.5;2;a\n", time_format="s") == [Event(1500000, 2000000, {"x": "a"})]


# -- files

EXPECTED = [Event(10, 20, {"a": 1}), Event(30, None, {"a": "b c"})]


@pytest.mark.parametrize(
    "text",
    [
        "start_time,end_time,a\n10,20,1\n30,,b c\n",
        "\ufeffstart_time,end_time,a\r\n10,20,1\r\n30,,b c\r\n",
        "# made by hand\n\nstart_time;end_time;a\n10;20;1\n# note\n\n30;;b c",
        "a\tstart\tend\n1\t10\t20\nb c\t30\t\n",
        'end_time,"start_time",content\n20,10,"{""a"": 1}"\n,30,"{""a"":\n ""b c""}"\n',
        '[{"start_time":10,"end_time":20,"content":{"a":1}},'
        '{"start_time":30,"content":{"a":"b c"}}]',
        '[\n {"content": {"a": 1}, "start_time": 10, "end_time": 20\n },\n\n'
        '{"start_time":30,"end_time":null,"content":{"a":"b c"}}\n]\n\n',
        '{"start_time":10,"end_time":20,"content":{"a":1}}\n\n# x\n'
        '{"start_time": 30, "content": {"a": "b c"}}\n',
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_the_format_is_found_out(tmp_path, text, pack):
    file = tmp_path / "events"
    file.write_bytes(pack(text.encode()))
    assert read(file) == EXPECTED


def test_one_event_as_a_document():
    assert (
        read(b'{\n "start_time": 10,\n "end_time": 20,\n "content": {"a": 1}\n}\n') == EXPECTED[:1]
    )


@pytest.mark.parametrize("name", ["e.csv", "e.tsv.gz", "e.json.zst", "e.jsonl", "e.ndjson", "e"])
def test_suffixes(tmp_path, name):
    with open_event_writer(tmp_path / name) as writer:
        writer.write(EVENTS)
        assert not (tmp_path / name).exists()
    begin = (tmp_path / name).read_bytes()[:4]
    assert begin.startswith(b"\x1f\x8b") == name.endswith(".gz")
    assert begin.startswith(b"\x28\xb5\x2f\xfd") == name.endswith(".zst")
    all_same(read(tmp_path / name), EVENTS)


@pytest.mark.parametrize("name", ["e.h5", "e.txt"])
def test_suffixes_of_rows(tmp_path, name):
    with pytest.raises(FormatError, match="events have no format"):
        open_event_writer(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", EVENT_FORMATS)
def test_many_events_pass_through_a_pipe_in_pieces(form):
    events = [
        Event(i, i + 5, {"power": i, "note": f'Grüße, {i}\n"{"x" * (i % 50)}"'}, i)
        for i in range(30_000)
    ]
    file = written(events, form, 1000, fields=DECLARED, ids=True)

    class Dribble(io.RawIOBase):
        """Gives a few bytes at a time, as a pipe does."""

        def __init__(self):
            self._left = io.BytesIO(file)

        def read(self, size=-1):
            return self._left.read(9973)

    found = []
    lines = []
    with open_event_reader(Dribble(), None, EventReadOptions(fields=DECLARED)) as reader:
        for block in reader.blocks():
            found += block.events
            lines.append(block.line)
            assert len(block.events) <= 20_000
    assert len(lines) > 3
    assert lines == sorted(lines)
    all_same(found, events)
    assert [e.id for e in found] == [e.id for e in events]


# -- what is wrong, and where


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # JSON lines
        (
            '{"start_time":1}\n{"start_time":2\n',
            "-:2: not JSON: unexpected end of data (column 16)",
        ),
        ('{"start_time":1}\n{}\n', "-:2: start_time is missing"),
        ('{"start_time":1}\n[1]\n', "-:2: expected an object"),
        ('{"start_time":1,"power":"on"}\n', "-:1: power: 'on' is not a number"),
        ('{"start_time":1,"start_time":2}\n', "-:1: the key 'start_time' occurs twice"),
        ('{"start_time":1,"content":{"a":1,"a":2}}\n', "-:1: the key 'a' occurs twice"),
        (
            '{"start_time":5,"end_time":5}\n',
            "-:1: end_time 5 (1970-01-01 00:00:00.000005+00:00) must be after start_time 5 (1970-",
        ),
        ('{"start_time":true}\n', "-:1: start_time: true is not a time"),
        ('{"start_time":[1]}\n', "-:1: start_time: [1] is not a time"),
        ('{"start_time":9223372036854775808}\n', "-:1: start_time: "),
        ('{"start_time":"noon"}\n', "-:1: start_time: 'noon' is not a time in microseconds"),
        ('{"start_time":1,"id":"a"}\n', '-:1: id must be an integer, not "a"'),
        ('{"start_time":1,"node_uuid":1}\n', "-:1: node_uuid must be a text, not 1"),
        (
            '{"start_time":1,"content":{"x":NaN}}\n',
            "-:1: not JSON: unexpected character, expected a JSON value (column 32)",
        ),
        ('{"start_time":1,"content":{"x":1e999}}\n', "not JSON: "),
        ('{"start_time":1,"content":{"x":[1e999,1234567890123456789012]}}\n', "not finite"),
        ('{"start_time":1,"content":{"x":[NaN,1234567890123456789012]}}\n', "NaN is not JSON"),
        ('{"start_time":1,"content":"\\ud800"}\n', "-:1:"),
        ('{"start_time":1,"content":["\\ud800",1234567890123456789012]}\n', "-:1:"),
        ('{"start_time":1,"content":' + "[" * 2000 + "]" * 2000 + "}\n", "-:1"),
        # fields
        ('{"start_time":1,"content":{"power":"5"}}\n', "-:1: the field 'power' must be a number"),
        ('{"start_time":1,"content":{"power":true}}\n', "must be a number, not true"),
        ('{"start_time":1,"content":{"note":5}}\n', "-:1: the field 'note' must be a text, not 5"),
        ('{"start_time":1,"content":{"kind":"wet"}}\n', "must be one of heat, cool: fast, not"),
        ('{"start_time":1,"content":{"kind":1}}\n', "the field 'kind' must be a text, not 1"),
        # JSON
        ('[{"start_time":1},\n {"start_time":"x"}]', "-:2: start_time: 'x' is not"),
        ('[{"start_time":1},\n {"start_time":2}', "-: the document is cut"),
        ('[{"start_time":1},\n', "-: the document is cut"),
        ('[{"start_time":1}\n {"start_time":2}]', "-:1:18: not JSON: expected ',' and another row"),
        ('[{"start_time":1}]\n5', "-:2:1: something stands after the end"),
        ('[{"start_time":1},]', "-:1:18: not JSON: expected ',' and another row"),
        ('[{"start_time":1, "content": {"a": NaN}}]', "-:1: not JSON: "),
        ('{"start_time":1,\n "content": {"a": NaN}}', "-:2:19: not JSON, or cut: "),
        ('{"start_time":1,\n "content', "not JSON, or cut: "),
        ("[1]", "-:1:2: not JSON: expected an array or an object"),
        ('[{"start_time":1},\n[5]]', "-:2: expected an object"),
        ('[{"start_time":1},\nnull]', "-:2: expected an object"),
        ('[{"start_time":1,\n "end', "-: the document is cut"),
        # CSV
        ("start_time,end_time\n1,2\n3\n", "-:3: expected 2 columns, found 1"),
        ("start_time,end_time\n1,2\nx,5\n", "-:3: start_time: 'x' is not a time in microseconds"),
        ("start_time,end_time\n,5\n", "-:2: start_time is missing"),
        ("start_time,power\n1,2\n2,abc\n", "-:3: power: 'abc' is not a number"),
        ("start_time,kind\n1,wet\n", "-:2: the field 'kind' must be one of"),
        ("start_time,content\n1,{a\n", "-:2: the column 'content' has no JSON but '{a'"),
        ("start_time,content,a\n1,[],5\n", "-:2: there is no place for the fields"),
        ("start_time,id\n1,x\n", "-:2: id must be an integer, not 'x'"),
        ('start_time,note\n1,"a\nb\n\n2,"c"\n', "-:2: the quotation marks are not in pairs"),
        ('start_time,note\n1,a\n2,"b\nc\n', "-:3: the quotation marks are not in pairs"),
        ('start_time,note\n1,"a"b\n', "-:2: the quotation marks are not in pairs"),
        ("when,note\n1,a\n", "-: there is no column 'start_time', only 'when', 'note'"),
        ("start_time,a,a\n", "-: there are two columns 'a'"),
        ("hello world\n", "-: there is no column 'start_time'"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(FormatError) as failure:
        read(text.encode(), fields=DECLARED)
    assert message in failure.value.sentence()


def test_text_that_is_not_utf8():
    for text in (
        b'{"start_time":1}\n{"start_time":2,"content":"\xff"}\n',
        b"start_time,x\n1,\xff\n",
    ):
        with pytest.raises(FormatError) as failure:
            read(text)
        assert failure.value.sentence().startswith("-:2:")
    with pytest.raises(FormatError, match="UTF-8"):
        read(b'[{"start_time":1,"content":"\xff"}]')
    assert read("start_time;x\n1;ö\n".encode("latin-1"), encoding="latin-1")[0].content == {
        "x": "ö"
    }


def rejected(text, **options):
    bad = []
    found = read(
        text.encode(), on_reject=lambda *reject: bad.append(reject), fields=DECLARED, **options
    )
    return [event.start_time for event in found], [(line, raw) for line, raw, _ in bad]


def test_bad_events_are_left_out():
    assert rejected('{"start_time":1}\n{"start_time":\n\n{"start_time":3}\n{}\n') == (
        [1, 3],
        [(2, '{"start_time":'), (5, "{}")],
    )
    assert rejected('[{"start_time":1},\n{"start_time":2,\n"content":{"power":"x"}},\n [5]]') == (
        [1],
        [(2, '{"start_time":2,"content":{"power":"x"}}'), (4, "[5]")],
    )
    assert rejected("[[5]]\n") == ([], [(1, "[5]")])


def test_bad_records_of_csv_are_left_out():
    assert rejected('start_time,note\n1,a\nx,b\n3,"c\nd"\n4\n5,e\n') == (
        [1, 3, 5],
        [(3, "x,b"), (6, "4")],
    )
    # a quotation mark that is never closed costs its line only
    assert rejected('start_time,note\n1,a\n2,"b\n3,c\n4,d\n') == ([1, 3, 4], [(3, '2,"b')])


def test_keys_that_come_later():
    first = '{"start_time":1,"a":1}\n' * 600
    last = '{"start_time":2,"end_time":3,"b":2,"id":7,"content":{"c":3}}\n'
    event = read((first + last).encode())[-1]
    assert (event.end_time, event.id, event.content) == (3, 7, {"b": 2, "c": 3})
    with pytest.raises(FormatError, match="'stop', which may be the end"):
        read((first + '{"start_time":2,"stop":3}\n').encode())


def test_null_and_missing_fields_fit():
    content = {"power": None, "note": None, "other": {"any": "thing"}}
    assert DECLARED.fit(content)
    assert DECLARED.fit({})
    assert DECLARED.fit([1])


@pytest.mark.parametrize(
    ("text", "warns"), [('{"start_time":1}', False), ("start_time,x\n1,2", True), ("[]", False)]
)
def test_a_file_that_may_be_cut(text, warns):
    with open_event_reader(io.BytesIO(text.encode())) as reader:
        list(reader.blocks())
    assert bool(reader.tally.warnings) == warns
