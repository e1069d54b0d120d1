"""TAB in real shells on a pseudo-terminal, and what the program is called with afterwards."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from joule_cli.cli._completion.scripts import SCRIPTS
from tests.cli.completing import AWKWARD, KEY, fill, served, store_nodes
from tests.cli.conftest import PROGRAM, Joule
from tests.cli.shells import COMPLETIONS, Shell

FILES = {"bash": "joule.bash", "zsh": "_joule", "fish": "joule.fish"}
SHELLS = [
    pytest.param(
        shell,
        marks=pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed"),
    )
    for shell in FILES
]
#: Keys after ``joule data read``, in every shell and with every node, and the path.
PATHS = [
    ("/ho\tma\t", "/house/mains"),
    ("hou\tk\tf\t", "house/kitchen/fridge"),
    ("/my\tfi\t", "/my house/first floor"),
    ("/my\\ h\tfi\t", "/my house/first floor"),
    ("'/my\tfi\t", "/my house/first floor"),
    ('"/my\tfi\t', "/my house/first floor"),
    ("'/my house'/f\t", "/my house/first floor"),
    ("/gr\tna\t", "/größe/naïve:1"),
    ("/größe/naïve:\t", "/größe/naïve:1"),
    ("'/größe/日\t", "/größe/日本 語"),
    ("/me\t\t", "/meter:7/a:b=c,d@e"),
    ('"/meter:7/a:\t', "/meter:7/a:b=c,d@e"),
    ("/meter:7/a:b=c,\t", "/meter:7/a:b=c,d@e"),
    ("/ha\t\t", f"/hard/{AWKWARD}"),
    ("'/ha\t\t", f"/hard/{AWKWARD}"),
    ('"/ha\t\t', f"/hard/{AWKWARD}"),
]
#: Keys after ``joule``, and all words.
LINES = [
    ("str\tinf\t/ho\tma\t", "stream info /house/mains"),
    ("event read /d\t\t", "event read /doors/front"),
    ("folder info /e\t", "folder info '/empty one/'"),
    ("data read house/mains -i volts,ph\t", "data read house/mains -i 'volts,phase 1'"),
    ("data read /house/mains --max\t7", "data read /house/mains --max-rows 7"),
    ("data copy la\tho\tma\t 'my lab:/e\t'", "data copy lab:/house/mains 'my lab:/empty one/'"),
    ("--node=my\tfolder list", "'--node=my lab' folder list"),
    ("-n 'my\tfolder list --format=jsonl\t", "-n 'my lab' folder list --format=jsonl"),
    ("data read /a --start yes\t", "data read /a --start yesterday"),
    ("data ingest two\trows.h\t", "data ingest 'two words.csv' rows.h5"),
    ("archive inspect pa\tol\t", "archive inspect 'parts of it/old.zip'"),
    ("help exit\t", "help exit-status"),
]


def _folder(factory, shell):
    folder = factory.mktemp(shell)
    fill(folder / "joule.db")
    for name in ("two words.csv", "rows.h5", "rows.md"):
        (folder / name).touch()
    (folder / "parts of it").mkdir()
    (folder / "parts of it" / "old.zip").touch()
    return folder


def _environment(folder, **more):
    kept = {"JOULE_USER_CONFIG_DIR": str(folder / "config")}
    return {**Joule(folder).environment(), **kept, **more}


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, tmp_path_factory):
    """A shell over a node file."""
    folder = _folder(tmp_path_factory, request.param)
    url = f"file:{folder}/joule.db"
    store_nodes(folder / "config", {"lab": (url, ""), "my lab": (url, "")})
    found = Shell(request.param, folder, PROGRAM, _environment(folder))
    yield found
    found.close()


@pytest.mark.parametrize(("keys", "path"), PATHS)
def test_paths_of_a_node_file(shell, keys, path):
    assert shell.arguments(f"joule data read {keys}") == ["data", "read", path]


@pytest.mark.parametrize("kind", SHELLS)
def test_paths_of_a_served_node(tmp_path, kind):
    fill(tmp_path / "joule.db")
    with served(tmp_path / "joule.db") as place:
        store_nodes(tmp_path / "config", {"my plant": (place.url, KEY)})
        env = _environment(tmp_path, JOULE_NODE="my plant", JOULE_DATA_DIR=str(tmp_path / "none"))
        shell = Shell(kind, tmp_path, PROGRAM, env)
        try:
            for keys, path in PATHS[::2]:
                assert shell.arguments(f"joule data read {keys}") == ["data", "read", path]
            keys = "joule event copy 'my pl\tdo\tfr\t"
            assert shell.arguments(keys) == ["event", "copy", "my plant:/doors/front"]
        finally:
            shell.close()


@pytest.mark.parametrize(("keys", "words"), LINES)
def test_everything_else(shell, keys, words):
    assert shell.arguments(f"joule {keys}") == shlex.split(words)


def test_a_tilde_stands_for_the_home_directory(shell):
    assert shell.arguments("joule data ingest ~/rows.h\t") == [
        *("data", "ingest", f"{shell.home}/rows.h5")
    ]


def test_nothing_on_the_line_is_evaluated(shell):
    # neither by the shell before Enter nor by the program
    shell.shown('joule stream info "$(touch made)" $x /ho\t', "/house/")
    assert not (shell.home / "made").exists()


def test_a_quote_without_an_end_is_no_error(shell):
    told = shell.shown("joule stream info \"/a 'b $x\t\t\t /no\t", "/no")
    assert "rror" not in told


def test_what_there_is_is_listed_with_descriptions(shell):
    told = shell.shown("joule data read /house/\t\t", "mains")
    assert "kitchen/" in told
    assert ("grid" in told) == (shell.kind != "bash")


@pytest.mark.parametrize("kind", SHELLS)
def test_the_printed_script_can_be_evaluated(tmp_path, kind):
    words = " ".join(PROGRAM)
    loading = {
        "bash": f'COMP_WORDBREAKS=${{COMP_WORDBREAKS//:}}\neval "$({words} completion bash)"',
        "zsh": f'autoload -U compinit\ncompinit -u -D\neval "$({words} completion zsh)"',
        "fish": f"{words} completion fish | source",
    }
    fill(tmp_path / "joule.db")
    shell = Shell(kind, tmp_path, PROGRAM, _environment(tmp_path), loading[kind])
    try:
        for keys in ("/größe/na\t", "/größe/naïve:\t"):
            assert shell.arguments(f"joule data read {keys}")[-1] == "/größe/naïve:1"
    finally:
        shell.close()


@pytest.mark.skipif(
    not Path("/usr/share/bash-completion/bash_completion").exists(),
    reason="bash-completion is not installed",
)
def test_bash_completion_loads_the_script_by_its_name(tmp_path):
    place = tmp_path / "data-home" / "bash-completion" / "completions"
    place.mkdir(parents=True)
    (place / "joule").write_text(SCRIPTS["bash"])
    fill(tmp_path / "joule.db")
    loading = ". /usr/share/bash-completion/bash_completion"
    shell = Shell("bash", tmp_path, PROGRAM, _environment(tmp_path), loading)
    try:
        # as behind a command that bash-completion knows
        for command in ("joule", "nice joule"):
            keys = f"{command} data read '/my\tfi\t"
            assert shell.arguments(keys) == ["data", "read", "/my house/first floor"]
    finally:
        shell.close()


@pytest.mark.parametrize("kind", SHELLS)
def test_the_shell_finds_no_fault_in_its_script(kind):
    done = subprocess.run(
        [kind, "-n", COMPLETIONS / FILES[kind]], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
