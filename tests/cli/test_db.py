"""joule db info, connect, query"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import subprocess
import time

import pytest

from tests.cli.conftest import PROGRAM, Joule

pytest.importorskip("duckdb")

T0 = 1_700_000_000_000_000
SECOND = 1_000_000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    joule = Joule(tmp_path_factory.mktemp("db"))
    rows = "".join(f"{T0 + i * SECOND} {i / 10} {i}\n" for i in range(1000))
    joule("data", "write", "/house/mains", "--create", "float32[volts,amps]", stdin=rows)
    return joule


def query(data, sql, *options, **kwargs):
    return data.ok("db", "query", sql, *options, **kwargs)


TWO = 'SELECT time, volts FROM "house/mains" LIMIT 2'


@pytest.mark.parametrize(
    ("options", "out"),
    [
        (["--csv"], f"time,volts\n{T0},0.0\n{T0 + SECOND},0.1\n"),
        (["--csv", "--no-header"], f"{T0},0.0\n{T0 + SECOND},0.1\n"),
        (["--tsv"], f"time\tvolts\n{T0}\t0.0\n{T0 + SECOND}\t0.1\n"),
        (["--jsonl"], f'{{"time":{T0},"volts":0.0}}\n{{"time":{T0 + SECOND},"volts":0.1}}\n'),
        (
            ["--json"],
            f'[\n{{"time":{T0},"volts":0.0}},\n{{"time":{T0 + SECOND},"volts":0.1}}\n]\n',
        ),
        (
            ["--plain"],
            "time                       volts\n"
            "2023-11-14 22:13:20+00:00    0.0\n2023-11-14 22:13:21+00:00    0.1\n",
        ),
        (
            ["--csv", "--time", "iso"],
            "time,volts\n2023-11-14T22:13:20+00:00,0.0\n2023-11-14T22:13:21+00:00,0.1\n",
        ),
        (["--csv", "--limit", "1"], f"time,volts\n{T0},0.0\n"),
        (["--json", "--limit", "0"], "[]\n"),
        (["--csv", "--columns", "volts"], "volts\n0.0\n0.1\n"),
        (
            ["--csv", "--columns", "volts,time", "--time", "s"],
            "volts,time\n0.0,1700000000\n0.1,1700000001\n",
        ),
    ],
)
def test_formats(data, options, out):
    options = ["--format", "plain"] if options == ["--plain"] else options
    assert query(data, TWO, *options) == out


def test_a_table_on_a_terminal(data):
    shown = data.terminal("db", "query", TWO).out
    assert "│ 2023-11-14 22:13:21+00:00 │   0.1 │" in shown


EVERYTHING = """SELECT 1.50 AS d, 170141183460469231731687303715884105727 AS h,
INTERVAL 1 MONTH AS i, [1, NULL] AS l, {'x': 'nan'::DOUBLE, 'y': ['inf'::FLOAT, '-inf']} AS s,
'a"b,c' AS t,
NULL AS n, 'nan'::DOUBLE AS nan, 'inf'::FLOAT AS inf, true AS b,
DATE '2024-02-29' AS date, '\\xAA'::BLOB AS blob, '{"k": 1}'::JSON AS j, 1 AS x, 2 AS x"""


def test_every_type_as_json(data):
    (row,) = json.loads(query(data, EVERYTHING, "--json"))
    assert row == {
        "d": 1.5,
        "h": 2**127 - 1,
        "i": "1 month",
        "l": [1, None],
        "s": {"x": "nan", "y": ["inf", "-inf"]},
        "t": 'a"b,c',
        "n": None,
        "nan": "nan",
        "inf": "inf",
        "b": True,
        "date": "2024-02-29",
        "blob": "\\xAA",
        "j": {"k": 1},
        "x#13": 1,
        "x#14": 2,
    }
    assert '"d":1.50' in query(data, EVERYTHING, "--json")


def test_every_type_as_csv(data):
    header, row = csv.reader(io.StringIO(query(data, EVERYTHING, "--csv")))
    assert dict(zip(header, row, strict=True)) | {"s": ""} == {
        "d": "1.50",
        "h": str(2**127 - 1),
        "i": "1 month",
        "l": "[1,null]",
        "s": "",
        "t": 'a"b,c',
        "n": "",
        "nan": "nan",
        "inf": "inf",
        "b": "true",
        "date": "2024-02-29",
        "blob": "\\xAA",
        "j": '{"k": 1}',
        "x#13": "1",
        "x#14": "2",
    }


def test_nothing_found(data):
    sql = 'SELECT volts FROM "house/mains" WHERE volts < 0'
    assert query(data, sql, "--csv") == "volts\n"
    assert query(data, sql, "--json") == "[]\n"
    assert query(data, sql, "--jsonl") == ""


def test_sql_from_a_file_and_from_standard_input(data):
    (data.folder / "q.sql").write_text(f"-- two rows\n{TWO};\n")
    expected = query(data, TWO, "--csv")
    assert data.ok("db", "query", "--file", "q.sql", "--csv") == expected
    assert data.ok("db", "query", "-", "--csv", stdin=TWO) == expected
    assert data.ok("db", "query", "--file", "-", "--csv", stdin=TWO) == expected
    missing = data("db", "query", "--file", "none.sql")
    assert (missing.status, missing.err) == (1, "Error: none.sql: no such file or directory\n")
    assert data("db", "query", "SELECT 1", "--file", "q.sql").status == 2


def test_tables(data):
    found = data.ok("db", "query", "--csv").splitlines()
    assert found[-3:] == [
        "house/mains,time,TIMESTAMPTZ",
        "house/mains,volts,FLOAT",
        "house/mains,amps,FLOAT",
    ]
    assert data.ok("db", "query", "--tables", "--csv").splitlines() == found


def test_local_time(data):
    sql = "SELECT date_trunc('day', time) AS day FROM \"house/mains\" LIMIT 1"
    for extra, env in ((["--tz", "Asia/Tokyo"], {}), ([], {"JOULE_TZ": "Asia/Tokyo"})):
        out = query(data, sql, "--time", "%Y-%m-%d %H:%M %z", "--csv", *extra, env=env)
        assert out.splitlines()[1] == "2023-11-15 00:00 +0900"


@pytest.mark.parametrize(
    ("sql", "err"),
    [
        (
            'SELECT volt FROM "house/mains"',
            'Error: referenced column "volt" not found in FROM clause; candidate bindings: '
            '"volts"\nLINE 1: SELECT volt FROM "house/mains"\n               ^\n',
        ),
        (
            'SELECT 1 FROM "house/main"',
            'Error: there is no table "house/main"\nLINE 1: SELECT 1 FROM "house/main"\n'
            '                      ^\nDid you mean "house/mains"?\n',
        ),
        (
            "SELEC 1",
            'Error: syntax error at or near "SELEC"\nLINE 1: SELEC 1\n        ^\n',
        ),
        (
            "DELETE FROM x",
            "Error: only queries can be run, and this is a DELETE statement\n"
            "A query begins with SELECT, FROM, WITH, VALUES, DESCRIBE or SUMMARIZE.\n",
        ),
    ],
)
def test_errors(data, sql, err):
    result = data("db", "query", sql)
    assert (result.status, result.out, result.err) == (1, "", err)


def test_an_error_in_the_middle_leaves_the_array_open(data):
    sql = "SELECT CASE WHEN i > 40000 THEN error('stop here') END FROM range(50000) r(i)"
    result = data("db", "query", sql, "--json")
    assert result.status == 1
    assert not result.out.rstrip().endswith("]")
    assert result.error()["code"] == "query_error"
    assert "stop here" in result.error()["message"]


def test_an_unknown_column_and_format(data):
    result = data("db", "query", TWO, "--columns", "x")
    assert (result.status, "Unknown column 'x'. The columns are time, volts." in result.err) == (
        2,
        True,
    )
    assert data("db", "query", TWO, "--format", "hdf5").status == 2


def test_the_reader_goes_away(data):
    line = "joule db query 'FROM range(100000000)' --csv | head -n 2; echo ${PIPESTATUS[0]}"
    result = data.shell(line)
    assert (result.out, result.err) == ("range\n0\n141\n", "")


@pytest.mark.parametrize("send", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_query(data, send):
    sql = "SELECT sum(hash(i)) FROM range(1000000000000) r(i)"
    child = subprocess.Popen(
        [*PROGRAM, "db", "query", sql],
        env=data.environment(),
        cwd=data.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(1.5)
    child.send_signal(send)
    begin = time.monotonic()
    out, err = child.communicate(timeout=20)
    assert time.monotonic() - begin < 3
    assert (child.returncode, out, err) == (128 + send, b"", b"")


def test_memory_is_bounded(data):
    line = (
        "joule db query 'SELECT i, i * 2 AS j FROM range(2000000) r(i)' --csv | "
        "{ head -c 100 >/dev/null; grep VmHWM /proc/$(pgrep -n -f 'range.2000000')/status; "
        "cat > /dev/null; }"
    )
    words = data.shell(line).out.split()
    assert int(words[1]) < 250_000


@pytest.mark.parametrize("name", ["duckdb", "pyarrow"])
def test_without_a_package_of_the_extra(data, name):
    place = data.folder / f"no-{name}"
    place.mkdir()
    (place / f"{name}.py").write_text("raise ImportError(__name__)\n")
    result = data("db", "query", "SELECT 1", env={"PYTHONPATH": str(place)})
    assert (result.status, result.err) == (
        1,
        "Error: SQL over samples needs DuckDB and PyArrow\n"
        "Install them with: pip install 'joule-cli[sql]'.\n",
    )


def test_info_of_a_file(data):
    file = data.folder / "joule.db"
    assert data.ok("db", "info") == f"\n    Kind:     SQLite file\n    Database: {file}\n"
    assert json.loads(data.ok("db", "info", "--json")) == {
        "username": "",
        "port": 0,
        "database": str(file),
        "host": "",
    }
    assert data.ok("db", "info", "--dsn") == f"sqlite:///file:{file}?mode=ro&uri=true\n"


def test_a_file_has_no_psql(data):
    result = data("db", "connect")
    assert (result.status, result.out, result.err) == (
        1,
        "",
        f"Error: the node is a file, which psql cannot open: {data.folder / 'joule.db'}\n"
        "Ask in SQL with: joule db query.\n",
    )


def test_psql_gets_everything_in_its_environment(tmp_path):
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\necho "$PGHOST $PGPORT $PGDATABASE $PGUSER $PGPASSWORD $*"\n')
    psql.chmod(psql.stat().st_mode | stat.S_IXUSR)
    code = (
        "from joule_cli.cli.db.connect import environment, start_psql\n"
        "from joule_cli.model import ConnectionInfo\n"
        "info = ConnectionInfo('u', 'p w', 5433, 'd', 'h')\n"
        "start_psql(environment(info), ['-c', 'SELECT 1'])\n"
    )
    done = subprocess.run(
        [PROGRAM[0].replace("bin/joule", "bin/python"), "-c", code],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "h 5433 d u p w -c SELECT 1\n"
