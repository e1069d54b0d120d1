"""joule data export, and joule data ingest as its inverse"""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Joule
from tests.cli.filling import fill

T0 = 1_700_000_000_000_000
X = f"{T0} 1\n{T0 + 1_000_000} 2\n# interval break\n{T0 + 9_000_000} 3\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    joule = Joule(tmp_path_factory.mktemp("export"))
    joule("data", "write", "/a/x", "--create", "float32[x:V]", stdin=X)
    odd = ("--create", "int16[p,q]", "--accept-times")
    joule("data", "write", "/a/b/y", *odd, stdin="5 1 2\n6 3 4\n")
    joule.ok("stream", "create", "/a/none:float64[x]")
    joule.ok("annotation", "create", "/a/x", "note", "--start", T0)
    return joule


@pytest.mark.parametrize("format", ["hdf5", "csv", "jsonl", "json", "text"])
@pytest.mark.parametrize("split", [[], ["--split", "5s"]])
def test_a_tree_comes_back(data, tmp_path, format, split):
    out = data.ok("data", "export", "/a", "--to", tmp_path, "--format", format, *split, "--json")
    assert sum(entry["rows"] for entry in json.loads(out)) == 5
    node = Joule(tmp_path / "node")
    node.folder.mkdir()
    node.ok("data", "ingest", tmp_path, "-q")
    for path in ("/a/x", "/a/b/y", "/a/none"):
        assert node.ok("data", "read", path, "-m") == data.ok("data", "read", path, "-m")
    assert node("stream", "get", "/a/x", "--json").json()["elements"][0]["units"] == "V"
    assert "note" in node.ok("annotation", "list", "/a/x", "--csv")


def test_a_dry_run_writes_nothing(data, tmp_path):
    to = tmp_path / "out"
    found = data("data", "export", "/a/*", "--to", to, "--dry-run", "--json").json()
    assert {entry["path"]: entry["rows"] for entry in found} == {"/a/x": 3, "/a/none": 0}
    assert not to.exists()


def test_what_is_complete_is_kept(data, tmp_path):
    export = ("data", "export", "/a/x", "--to", f"{tmp_path}/", "--format", "csv", "--resume")
    data.ok(*export)
    file = tmp_path / "a/x.csv"
    first = file.stat().st_mtime_ns
    assert data(*export, "--json").json()[0]["kept"]
    file.write_text("cut")
    assert not data(*export, "--json").json()[0]["kept"]
    assert file.read_text().startswith("timestamp,x\n")
    assert file.stat().st_mtime_ns != first


def test_one_file(data, tmp_path):
    file = tmp_path / "x.csv"
    out = data.ok("data", "export", "/a/x", "--to", file, "--csv")
    assert out == f"path,file,rows,bytes\n/a/x,{file},3,{file.stat().st_size}\n"
    assert file.read_text().splitlines()[3] == "# interval break"
    data.ok("data", "export", "/a/b/y", "--to", tmp_path / "y.csv.gz", "-i", "q", "-e", "6")
    assert data.ok("data", "ingest", tmp_path / "y.csv.gz", "-s", "/c/y", "--accept-times")
    assert data.ok("data", "read", "/c/y") == "5 2\n"


def test_suffixes_follow_the_compression(data, tmp_path):
    data.ok(
        *("data", "export", "/a/x", "/a/b/y", "--to", tmp_path, "--format", "csv"),
        *("--compression", "zstd", "--jobs", "2", "--no-annotations"),
    )
    assert (tmp_path / "a/x.csv.zst").read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    assert (tmp_path / "a/b/y.csv.zst").exists()


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (["/nothing", "--to", "out"], 1, "/nothing"),
        (["/a/z*", "--to", "out"], 1, "nothing matches: /a/z*"),
        (["/a/x"], 2, "--to"),
        (["/a/x", "--to", "-"], 2, "file"),
        (["/a/x", "--to", "x.csv", "--format", "hdf5"], 2, "suffix"),
        (["/a/x", "--to", "x.cvs"], 2, "if it is a directory, write x.cvs/."),
        (["/a/x", "--to", "x.csv", "--annotations"], 2, "directory"),
        (["/a/x", "--to", "/proc/none/x.csv"], 1, "/proc/none"),
        (["/a", "--to", "out", "--split", "1d", "-r", "5"], 1, "not split"),
    ],
)
def test_errors(data, options, status, text):
    result = data("data", "export", *options)
    assert (result.status, result.out) == (status, "")
    assert text in result.err
    assert not (data.folder / "out").exists()


def test_some_that_fail_do_not_stop_the_others(data, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.h5").mkdir()
    result = data("data", "export", "/a", "--to", tmp_path, "--jsonl")
    assert result.status == 3
    assert {json.loads(line)["path"] for line in result.out.splitlines()} == {"/a/b/y", "/a/none"}
    assert str(tmp_path / "a/x.h5") in result.err


@pytest.mark.parametrize("which", [["/a"], ["/a/x", "/a/y"], ["/a/x*"]])
def test_several_streams_do_not_fit_into_one_file(joule, which):
    fill(joule, "/a/x", (0, 3))
    fill(joule, "/a/y", (0, 3))
    refused = joule("data", "export", *which, "--to", "all.csv")
    assert refused.status == 2
    assert "all.csv is one file" in refused.err
    assert not (joule.folder / "all.csv").exists()


FORMS = ["csv", "tsv", "txt", "jsonl"]


def _whole(data, tmp_path, suffix, *options):
    """Export everything, and return the file and what it should be again."""
    file = tmp_path / f"x.{suffix}"
    data.ok("data", "export", "/a/x", "--to", file, "-q", *options)
    return file, file.read_bytes()


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("command", ["read", "export"])
def test_a_last_line_that_is_cut_is_written_anew(data, tmp_path, suffix, command):
    file, whole = _whole(data, tmp_path, suffix, "-e", T0 + 2_000_000)
    start = len(whole.rstrip(b"\n").rpartition(b"\n")[0]) + 1
    for end in (start + 3, len(whole) - 1):
        file.write_bytes(whole[:end])
        target = ["-f", file] if command == "read" else ["--to", file, "-q"]
        data.ok("data", command, "/a/x", *target, "--resume", "-e", T0 + 2_000_000)
        assert file.read_bytes() == whole


@pytest.mark.parametrize("suffix", FORMS)
def test_a_file_with_no_whole_line_is_not_touched(data, tmp_path, suffix):
    file, whole = _whole(data, tmp_path, suffix)
    file.write_bytes(whole[:5])
    result = data("data", "export", "/a/x", "--to", file, "--resume")
    assert (result.status, file.read_bytes()) == (1, whole[:5])
    assert "no line of it is whole" in result.err


BERLIN = ["--time", "iso", "--tz", "Europe/Berlin"]


@pytest.mark.parametrize(
    ("suffix", "made", "asked", "told"),
    [
        *((suffix, BERLIN, [], "--time iso --tz +01:00") for suffix in FORMS),
        *((suffix, [], ["--time", "s"], "--time us") for suffix in FORMS),
        ("csv", BERLIN, ["--time", "iso"], "--time iso --tz +01:00"),
        ("csv", ["--time", "iso"], ["--time", "iso", "--tz", "Asia/Tokyo"], "--tz UTC"),
        ("csv", [], ["--time", "iso"], "--time us"),
        ("csv", ["--time", "s"], [], "--time s"),
        ("csv", ["--time", "ns"], [], "--time ns"),
        ("csv", ["--time", "ms"], ["--time", "%Y-%m-%dT%H:%M:%S"], "--time ms"),
    ],
)
def test_a_file_is_continued_with_its_own_times_only(data, tmp_path, suffix, made, asked, told):
    file, whole = _whole(data, tmp_path, suffix, *made)
    result = data("data", "export", "/a/x", "--to", file, "--resume", *asked)
    assert (result.status, result.out, file.read_bytes()) == (1, "", whole)
    assert told in result.err
    data.ok("data", "export", "/a/x", "--to", file, "--resume", "-q", *made)
    assert file.read_bytes() == whole


def test_times_without_a_zone_are_looked_for_in_the_stream(data, tmp_path):
    form = ["--time", "%Y-%m-%dT%H:%M:%S"]
    file, whole = _whole(data, tmp_path, "csv", *form, "--tz", "Europe/Berlin")
    for zone in ("Asia/Tokyo", "UTC"):
        result = data("data", "export", "/a/x", "--to", file, "--resume", *form, "--tz", zone)
        assert (result.status, file.read_bytes()) == (1, whole)
        assert "is not in the stream" in result.err
    data.ok(
        *("data", "export", "/a/x", "--to", file, "--resume", "-q", *form),
        *("--tz", "Europe/Berlin"),
    )
    assert file.read_bytes() == whole


def test_lines_are_continued_in_their_shape(data, tmp_path):
    file, whole = _whole(data, tmp_path, "jsonl", "--arrays")
    result = data("data", "export", "/a/x", "--to", file, "--resume")
    assert (result.status, file.read_bytes()) == (1, whole)
    assert "with --arrays" in result.err
