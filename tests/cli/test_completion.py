"""What the program answers when a shell asks for completions."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
import time
from contextlib import closing

import pytest

from joule_cli.cli._completion import kinds, values
from joule_cli.cli._completion.scripts import SCRIPTS
from joule_cli.cli._completion.words import quote_bash, read_line, unquote_fish
from joule_cli.formats.registry import FORMATS
from joule_cli.series.time import parse_duration, parse_time
from tests.cli.completing import AWKWARD, KEY, fill, served, store_nodes
from tests.cli.fork_server import Forks
from tests.cli.serving import running
from tests.cli.shells import COMPLETIONS
from tests.cli.test_help import CONTEXTS
from tests.cli.test_module import Node as NodeWithModules

#: What a warm completion has no time for.
HEAVY = {"aiohttp", "apsw", "asyncio", "dateutil", "h5py", "numpy", "rich", "socket", "ssl"}


@pytest.fixture(scope="module")
def forks():
    with Forks(warm=False) as server:
        yield server


class Completion:
    """Asks as a shell does, for one user with a node file of many names."""

    def __init__(self, forks, folder):
        self.forks = forks
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "JOULE_DATA_DIR": str(folder),
            "JOULE_USER_CONFIG_DIR": str(folder / "config"),
            "TZ": "UTC",
        }

    def run(self, *words, shell="fish", **env):
        env = {**self.env, "_JOULE_COMPLETE": f"{shell}_complete", **env}
        run = self.forks.run(self.folder, *words, env=env)
        assert (run.status, run.err) == (0, "")
        return run

    def lines(self, *words, **env):
        return self.run(*words, **env).out.splitlines()

    def __call__(self, *words, **env):
        """The values; the last word is the one at the cursor."""
        return [line.partition("\t")[0] for line in self.lines(*words, **env)]

    def bash(self, line, replaced="", kind="9"):
        """The state and the texts that bash inserts."""
        state, *texts = self.lines(line, replaced, kind, shell="bash")
        return state, texts

    @property
    def cache(self):
        return sorted((self.folder / ".cache" / "joule").glob("*"))


@pytest.fixture(scope="module")
def complete(forks, tmp_path_factory):
    """On a node that no test changes."""
    folder = tmp_path_factory.mktemp("node")
    fill(folder / "joule.db")
    url = f"file:{folder}/joule.db"
    store_nodes(folder / "config", {"lab": (url, ""), "my lab": (url, "")})
    for name in ("rows.csv", "rows.h5", "notes.md", "more.csv.gz", "two words.csv"):
        (folder / name).touch()
    (folder / "parts").mkdir()
    return Completion(forks, folder)


@pytest.fixture
def fresh(forks, tmp_path):
    """Over an empty folder."""
    return Completion(forks, tmp_path)


def test_commands(complete):
    assert complete("") == list(CONTEXTS["joule"].command.lazy)
    assert complete("str") == ["stream"]
    assert complete("stream", "de") == ["delete"]
    assert complete("node", "s") == ["serve"]
    assert complete("data", "filter", "me") == ["mean", "median"]
    # other names of commands are for hands that know them
    assert complete("stream", "dest") == complete("stream", "rem") == []
    assert complete("no-such", "") == []


def test_what_follows_another_name_of_a_command(complete):
    assert complete("stream", "destroy", "/house/m") == ["/house/mains"]


def test_descriptions(complete):
    assert complete.lines("str") == ["stream\tList, create and manage data streams."]
    assert complete.lines("data", "read", "/house/m") == ["/house/mains\tfloat32_3, grid"]
    assert complete.lines("str", shell="zsh") == [
        "whole\tstream:List, create and manage data streams."
    ]
    assert complete.lines("data", "read", "/meter:7/", shell="zsh") == [
        "whole\t/meter\\:7/a\\:b=c,d@e:float32_3"
    ]


def test_options(complete):
    assert complete("data", "read", "--max") == ["--max-rows"]
    assert complete("data", "read", "--js") == ["--json", "--jsonl"]
    assert complete("--no") == ["--node", "--no-header", "--no-color", "--no-input"]
    # each once, and none behind the end of options
    assert complete("data", "read", "--max-rows", "3", "--max") == []
    assert complete("data", "read", "--", "--max") == []


def test_choices(complete):
    assert complete("folder", "list", "--format", "js") == ["json", "jsonl"]
    assert complete("folder", "list", "--format=js") == ["--format=json", "--format=jsonl"]
    assert complete("--color", "") == ["auto", "always", "never"]
    assert complete("completion", "z") == ["zsh"]
    assert complete("data", "read", "/house/mains", "--compression", "z") == ["zstd"]


def test_nodes(complete):
    assert complete("--node", "") == ["lab", "my lab", "local"]
    assert complete("-n", "my") == ["my lab"]
    assert complete("folder", "list", "--node=l") == ["--node=lab", "--node=local"]
    # what is not stored cannot be forgotten, and nothing twice
    assert complete("node", "delete", "") == ["lab", "my lab"]
    assert complete("node", "delete", "lab", "") == ["my lab"]
    assert complete("data", "copy", "--destination-node", "m") == ["my lab"]


def test_data_streams_one_level_at_a_time(complete):
    begin = ["/größe/", "/hard/", "/house/", "/meter:7/", "/my house/"]
    assert sorted(complete("data", "read", "")) == sorted(begin)
    assert complete("data", "read", "/house/") == ["/house/kitchen/", "/house/mains"]
    assert complete("data", "read", "/house/k") == ["/house/kitchen/"]
    assert complete("data", "read", "/house/kitchen/") == ["/house/kitchen/fridge"]
    assert complete("data", "read", "/my") == ["/my house/"]
    assert complete("data", "read", "/gr") == ["/größe/"]
    assert complete("data", "read", "/hard/") == [f"/hard/{AWKWARD}"]
    assert complete("data", "read", "/nowhere/") == []
    assert complete("data", "intervals", "/house/mains", "--diff", "/house/m") == ["/house/mains"]


def test_a_path_without_a_slash_is_taken_from_the_root(complete):
    assert complete("data", "read", "hou") == ["house/"]
    assert complete("data", "read", "house/m") == ["house/mains"]


def test_event_streams_only_where_events_are_meant(complete):
    assert complete("event", "read", "/") == ["/doors/", "/house/"]
    assert complete("event", "read", "/house/") == ["/house/alarms"]
    assert "/house/alarms" not in complete("data", "read", "/house/")
    assert complete("stream", "delete", "/doors/") == ["/doors/front"]


def test_folders(complete):
    assert complete("folder", "info", "/e") == ["/empty one/"]
    assert complete("folder", "list", "/house/") == ["/house/kitchen/"]
    assert complete("stream", "list", "/house/") == ["/house/kitchen/", "/house/mains"]
    assert complete("stream", "move", "/house/mains", "/e") == ["/empty one/"]
    # where a new stream goes
    assert complete("stream", "create", "/e") == ["/empty one/"]


def test_nodes_and_paths_of_copies(complete):
    ends = complete("data", "copy", "")
    assert {"/house/", "lab:/", "my lab:/", "local:/"} <= set(ends)
    assert complete("data", "copy", "lab:/ho") == ["lab:/house/"]
    assert complete("data", "copy", "my lab:/house/m") == ["my lab:/house/mains"]
    assert complete("folder", "copy", "lab:/e") == ["lab:/empty one/"]
    assert complete("event", "copy", "lab:/do") == ["lab:/doors/"]
    assert complete("data", "copy", "nobody:/ho") == []


def test_elements_of_the_stream_on_the_line(complete):
    asked = ["data", "read", "/house/mains", "-i"]
    assert complete.lines(*asked, "") == ["volts\tV", "amps\tA", "phase 1"]
    assert complete(*asked, "volts,") == ["volts,amps", "volts,phase 1"]
    assert complete(*asked, "volts,am") == ["volts,amps"]
    assert complete("data", "read", "house/mains", "--elements=vo") == ["--elements=volts"]
    assert complete("data", "read", "-i", "") == []
    assert complete("stream", "update", "/house/mains", "--element", "ph") == ["phase 1"]


def test_fields_of_the_event_stream_on_the_line(complete):
    asked = ["event", "read", "/doors/front"]
    assert complete.lines(*asked, "--fields", "") == ["who\tstring", "count\tnumeric"]
    assert complete(*asked, "--fields", "who,") == ["who,count"]
    assert complete(*asked, "--where", "co") == ["count "]
    assert complete("event", "write", "/doors/front", "wh") == ["who="]


def test_times_and_durations(complete):
    times = complete("data", "read", "/house/mains", "--start", "")
    assert {"now-1h", "yesterday", "start", "end-1h", time.strftime("%Y-%m-%d")} <= set(times)
    assert "now-90m" in complete("data", "read", "/house/mains", "--end", "now-90")
    assert "start" not in complete("annotation", "create", "/house/mains", "--start", "")
    assert "15m" in complete("data", "read", "/house/mains", "--last", "15")
    assert {"all", "none", "1d"} <= set(complete("stream", "update", "/house/mains", "--keep", ""))
    assert complete("data", "copy", "--keep", "so") == ["source"]
    assert complete("--tz", "Europe/Berl") == ["Europe/Berlin"]
    assert complete("--time", "i") == ["iso"]


def test_times_and_durations_that_are_offered_can_be_read():
    for text in [*values._TIMES, *values._OF_STREAM]:
        parse_time(text, now=1_700_000_000_000_000)
    for text in values._DURATIONS:
        parse_duration(text)
    for unit in values._UNITS:
        parse_duration(f"3{unit}")


def test_topics_and_commands_of_help(complete):
    assert complete("help", "t") == ["times"]
    assert complete("help", "fo") == ["formats", "folder", "follower"]
    assert complete("help", "data", "re") == ["read"]
    assert complete("help", "data", "read", "") == []


def test_files_by_suffix_and_directories(complete):
    rows = ["more.csv.gz", "parts/", "rows.csv", "rows.h5", "two words.csv"]
    assert [n for n in complete("data", "ingest", "") if n != "config/"] == rows
    assert complete("data", "ingest", "ro") == ["rows.csv", "rows.h5"]
    # where none fits, perhaps the suffix is unusual
    assert complete("archive", "inspect", "not") == ["notes.md"]
    assert complete("node", "serve", "--importer-dir", "pa") == ["parts/"]
    assert complete("node", "serve", "--importer-dir", "ro") == []
    assert complete("--url", "file:jo") == ["file:joule.db"]
    assert complete("--url=file:jo") == ["--url=file:joule.db"]
    assert complete("--url", "h") == ["http://", "https://"]
    assert complete("data", "ingest", "~/ro") == ["~/rows.csv", "~/rows.h5"]
    assert complete("event", "write", "/doors/front", "rows.c") == ["rows.csv"]


def test_zsh_is_told_which_files_it_shall_list(complete):
    def ask(*words):
        return complete.lines(*words, shell="zsh")

    assert ask("archive", "inspect", "") == ["files\t*.zip"]
    assert ask("db", "query", "--file", "x") == ["files\t*.sql"]
    assert ask("annotation", "create", "/a", "--from", "") == ["files\t*(.csv|.json|.jsonl)"]
    assert ask("node", "serve", "--importer-dir", "") == ["directories\t"]


def test_the_node_of_the_line_and_of_the_environment(complete, fresh):
    url = f"file:{complete.folder}/joule.db"
    assert fresh("data", "read", "/") == []
    assert "/house/" in fresh("--url", url, "data", "read", "/")
    assert "/house/" in fresh("data", "read", "--url", url, "/")
    assert "/house/" in fresh("data", "read", "/", JOULE_URL=url)
    assert "/house/" in complete("data", "read", "/", JOULE_NODE="my lab")
    assert complete("--node", "nobody", "data", "read", "/") == []


@pytest.mark.parametrize(
    ("line", "replaced", "expected"),
    [
        ("joule str", "str", ["stream"]),
        ("joule data read /my", "/my", ["/my\\ house/"]),
        ("joule data read /my\\ house/", "/my\\ house/", ["/my\\ house/first\\ floor"]),
        ("joule data read '/my house/", "/my house/", ["/my house/first floor'"]),
        ('joule data read "/my house/', "/my house/", ['/my house/first floor"']),
        # bash replaces what stands behind the last colon, equals sign or closed quote
        ("joule data read /größe/naïve:", "", ["1"]),
        ("joule data read /meter:7/a", "7/a", ["7/a:b=c,d@e"]),
        ('joule data read "/my house"/f', "/f", ["/first\\ floor"]),
        ("joule folder list --format=jsonl", "jsonl", ["jsonl"]),
        ("joule data copy my\\ lab:/house/m", "/house/m", ["/house/mains"]),
        # what bash-completion says behind a command such as nice
        ("joule data read '/my house/", "'/my house/", ["/my house/first floor'"]),
        ('joule data read "/my house"/f', '"/my house"/f', ["/my\\ house/first\\ floor"]),
        # where colons do not separate words
        ("joule data read /größe/naïve:", "/größe/naïve:", ["/größe/naïve:1"]),
        ("joule data read /house/m >/dev/null /house/mai", "/house/mai", []),
        ("joule data ingest two\\ ", "two\\ ", ["two\\ words.csv"]),
        ("joule data ingest ~/tw", "~/tw", ["~/two\\ words.csv"]),
        ("joule data read /house/mains > pa", "pa", ["parts/"]),
        ("joule data read /house/mains 2>&1 --max", "--max", ["--max-rows"]),
    ],
)
def test_texts_that_bash_inserts(complete, line, replaced, expected):
    assert complete.bash(line, replaced)[1] == expected


def test_bash_puts_no_blank_behind_a_folder_and_does_not_close_its_quote(complete):
    assert complete.bash("joule data read /house/k", "/house/k") == ("open", ["/house/kitchen/"])
    state, texts = complete.bash("joule data read '/house/k", "/house/k")
    assert state == "open"
    assert texts[0] == texts[1][: len(texts[0])] == "/house/kitchen/"
    assert len(texts) == 2


def test_bash_lists_names_without_their_folder(complete):
    assert complete.bash("joule data read /house/", "/house/", kind="63")[1] == [
        "kitchen/",
        "mains",
    ]


@pytest.mark.parametrize("quote", ["", "'", '"', "$'"])
def test_what_is_quoted_is_read_as_it_was(quote):
    text = f"/a b/{AWKWARD}/größe"
    line = read_line(f"joule {quote}{quote_bash(text, quote)}")
    assert (line.words, line.current) == (["joule"], text)


@pytest.mark.parametrize(
    ("typed", "words", "current"),
    [
        ("joule $HOME/$(date) `x", ["joule", "$HOME/$", "date"], "`x"),
        ("joule 'a", ["joule"], "a"),
        ('joule "a\\"b" c\\', ["joule", 'a"b'], "c"),
        ("joule ", ["joule"], ""),
        ("joule ''", ["joule"], ""),
        ("joule a'b c'\"d e\"\\ f", ["joule"], "ab cd e f"),
        ("joule < in --x", ["joule"], "--x"),
    ],
)
def test_lines_are_split_and_nothing_is_expanded(typed, words, current):
    line = read_line(typed)
    assert (line.words, line.current) == (words, current)


def test_words_of_fish():
    assert unquote_fish("'a b") == "a b"
    assert unquote_fish("'it\\'s $x") == "it's $x"
    assert unquote_fish('"a\\"b\\x') == 'a"b\\x'
    assert unquote_fish("a\\ b\\$c") == "a b$c"


def test_a_question_asked_again_is_answered_from_the_cache(complete):
    complete("data", "read", "/")
    for words in (["data", "read", "/"], ["data", "read", "/house/mains", "-i", ""], ["s"]):
        assert complete.run(*words).modules & HEAVY == set()
    folder = complete.folder / ".cache" / "joule"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in complete.cache} == {0o600}


def test_nothing_heavy_is_loaded_for_any_module_of_commands(complete):
    modules = {ctx.command.callback.__module__: path for path, ctx in CONTEXTS.items()}
    for path in modules.values():
        words = path.split()[1:]
        run = complete.run(*words, "")
        if run.modules & HEAVY:
            # the first for its kind of names asks the node
            run = complete.run(*words, "")
        assert run.modules & HEAVY == set(), path


def test_changes_of_a_node_file_are_seen_at_once(fresh):
    fill(fresh.folder / "joule.db")
    assert fresh("data", "read", "/n") == []
    # open elsewhere, so that the change stays in the write-ahead log
    with closing(sqlite3.connect(fresh.folder / "joule.db")) as held:
        held.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        run = fresh.forks.run(fresh.folder, "stream", "create", "/new:float32[x]", env=fresh.env)
        assert run.status == 0
        assert fresh("data", "read", "/n") == ["/new"]
    assert fresh("data", "read", "/n") == ["/new"]


def test_nothing_is_made_but_the_cache(fresh):
    fresh("data", "read", "/")
    fresh("--url", f"file:{fresh.folder}/other/x.db", "data", "read", "/")
    fresh("module", "info", "")
    fresh("--node", "")
    assert list(fresh.folder.iterdir()) == []
    fill(fresh.folder / "joule.db")
    fresh("data", "read", "/")
    made = {file.name for file in fresh.folder.iterdir()}
    assert made == {".cache", "joule.db", "joule.db-lock"}


def test_a_served_node_is_asked_once_in_a_while(fresh):
    fill(fresh.folder / "served.db")
    with served(fresh.folder / "served.db") as place:
        env = {"JOULE_URL": place.url, "JOULE_API_KEY": KEY}
        assert fresh("data", "read", "/house/", **env) == ["/house/kitchen/", "/house/mains"]
    # the node is away
    assert fresh("data", "read", "/house/m", **env) == ["/house/mains"]
    assert fresh.run("event", "read", "/", **env).modules & HEAVY == set()
    assert fresh("data", "read", "/house/", **env, JOULE_COMPLETION_TTL="0") == []
    assert len(fresh.cache) == 1
    time.sleep(0.02)
    assert fresh("data", "read", "/house/", **env, JOULE_COMPLETION_TTL="10ms") == []


def test_masters_of_the_type_that_stands_before(fresh):
    fill(fresh.folder / "joule.db")
    for name in ("alice", "al bundy"):
        run = fresh.forks.run(
            fresh.folder, "master", "add", "user", name, env={**fresh.env, "JOULE_NO_INPUT": "1"}
        )
        assert run.status == 0, run.err
    assert sorted(fresh("master", "delete", "user", "al")) == ["al bundy", "alice"]
    assert fresh("master", "delete", "joule", "al") == []


def test_modules_proxies_and_followers_of_a_node(fresh):
    with running(NodeWithModules().start) as url:
        asked = ["module", "info", ""]
        assert fresh.lines(*asked, JOULE_URL=url) == ["Visualizer\tweb interface", "7"]
        assert fresh("module", "logs", "V", JOULE_URL=url) == ["Visualizer"]
        assert fresh("proxy", "info", "", JOULE_URL=url) == ["web"]
        # it does not know what followers are
        assert fresh("follower", "delete", "", JOULE_URL=url) == []
    kinds_kept = [file.name.partition("-")[0] for file in fresh.cache]
    assert kinds_kept == ["followers", "modules", "proxies"]


def test_a_node_that_does_not_answer_is_waited_for_a_second_and_not_again(fresh):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        env = {"JOULE_URL": f"http://127.0.0.1:{deaf.getsockname()[1]}"}
        begin = time.monotonic()
        assert fresh("data", "read", "/", **env) == []
        assert 0.9 < time.monotonic() - begin < 5
        assert fresh.run("data", "read", "/", **env).modules & HEAVY == set()


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"format": 1}', '{"format": 1, "node": "x", "names": {}}']
)
def test_a_cache_that_cannot_be_read_is_replaced(fresh, content):
    fill(fresh.folder / "joule.db")
    fresh("data", "read", "/")
    fresh.cache[0].write_text(content)
    assert fresh("data", "read", "/house/m") == ["/house/mains"]
    assert "/house/mains" in fresh.cache[0].read_text()


def test_failures_are_silent(fresh):
    (fresh.folder / "joule.db").write_text("no node at all")
    assert fresh("data", "read", "/") == []
    (fresh.folder / "config").mkdir()
    (fresh.folder / "config" / "nodes.json").write_text("{")
    assert fresh("--node", "") == []
    assert fresh("data", "read", "/") == []
    assert fresh.lines("x", shell="tcsh") == []
    assert fresh.lines(shell="bash") == []
    assert fresh("data", "read", "/", JOULE_COMPLETION_TTL="soon") == []


def test_without_a_place_for_the_cache_the_node_is_asked_each_time(complete):
    locked = complete.folder / "rows.csv"
    assert "/house/" in complete("data", "read", "/", XDG_CACHE_HOME=str(locked))


@pytest.mark.parametrize(
    ("shell", "file"), [("bash", "joule.bash"), ("zsh", "_joule"), ("fish", "joule.fish")]
)
def test_the_files_are_what_the_command_prints(forks, tmp_path, shell, file):
    run = forks.run(tmp_path, "completion", shell, env={"HOME": str(tmp_path)})
    assert (run.status, run.err) == (0, "")
    assert run.out == SCRIPTS[shell] == (COMPLETIONS / file).read_text("utf-8")
    # as other programs on click print theirs
    run = forks.run(tmp_path, env={"_JOULE_COMPLETE": f"{shell}_source"})
    assert (run.out, run.err) == (SCRIPTS[shell], "")


def test_every_entry_of_the_table_is_an_argument_or_option():
    known = {
        (path.partition(" ")[2], param.name)
        for path, ctx in CONTEXTS.items()
        for param in ctx.command.params
    }
    assert set(kinds._BY_NAME) <= known


def test_files_of_every_format_are_offered():
    packed = {f"{suffix}{end}" for suffix in kinds._TEXTS for end in ("", ".gz", ".zst")}
    suffixes = {suffix for found in FORMATS.values() for suffix in found.suffixes}
    assert suffixes <= set(kinds._ROWS)
    assert packed <= set(kinds._ROWS)
