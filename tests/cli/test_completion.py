from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nearfield.cli.parsers import COMMANDS

# Words before the cursor, the word it stands in, and what must be among the answers, and what must not.
CASES = [
    ([], "", {"search", "doctor", "completion"}, {"--json"}),
    ([], "sea", {"search"}, {"demo"}),
    ([], "--", {"--version"}, {"--json"}),
    (["search"], "", {"papers.nf"}, {"notes.txt"}),
    (["search", "papers.nf"], "--ma", {"--max-false"}, {"--where"}),
    (["search", "-k", "3"], "pa", {"papers.nf"}, set()),
    (["search", "papers.nf", "--vector"], "", {"notes.txt"}, {"--json"}),
    (["index"], "n", {"notes.txt"}, {"papers.nf"}),
    (["index", "notes.txt"], "", {"papers.nf"}, {"notes.txt"}),
    (["index", "notes.txt", "--metric"], "", {"cosine", "ip", "l2"}, {"--json", "papers.nf"}),
    (["index", "notes.txt", "--encoder"], "word", {"wordllama"}, {"st:"}),
    (["bench"], "", {"peers", "report"}, {"search"}),
    (["bench", "peers"], "--th", {"--threads"}, {"--times"}),
    (["bench", "peers", "--out"], "", {"papers.nf"}, {"notes.txt"}),
    (["evidence"], "rank", {"rankme"}, {"hnsw"}),
    (["evidence", "rankme"], "hn", {"hnsw"}, {"rankme"}),
    (["completion"], "", {"bash", "zsh", "fish"}, {"--json"}),
    (["stats"], "", {"papers.nf"}, set()),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "papers.nf").mkdir()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_bash_completes(run, place: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    lines = [run("completion", "bash").out, "export PATH="]  # no command can be called: nothing starts at a TAB
    for before, cur, _, _ in [*CASES, (["index", "a", "--metric", "="], "i", (), ())]:
        words = " ".join(f"'{word}'" for word in ["nearfield", *before, cur])
        lines.append(f"COMP_WORDS=({words}); COMP_CWORD={len(before) + 1}; _nearfield")
        lines.append("IFS=' '; echo \"${COMPREPLY[*]}\"; unset IFS")
    bash = shutil.which("bash")
    done = subprocess.run([bash, "--norc"], input="\n".join(lines), capture_output=True, text=True, cwd=place)
    assert done.stderr == ""
    answers = [set(line.split()) for line in done.stdout.splitlines()]
    assert answers[-1] == {"ip"}  # bash takes --metric=i apart
    for (before, cur, there, absent), found in zip(CASES, answers[:-1], strict=True):
        assert there <= found and not absent & found, (before, cur, found)


def test_bash_knows_every_option_of_every_command(run) -> None:
    script = run("completion", "bash").out
    for line in run("completion", "bash", "--json").json:
        for option in line["options"]:
            assert all(flag in script for flag in option["flags"])
    assert all(f"'/{name}')" in script for name in COMMANDS)


def test_fish_completes(run, place: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("needs fish")
    (place / "nearfield.fish").write_text(run("completion", "fish").out)
    for before, cur, there, absent in CASES:
        if cur == "" and "--json" in absent:
            absent = absent - {"--json"}  # fish shows options of its own accord
        line = " ".join(["nearfield", *before, cur])
        program = f"source nearfield.fish; complete -C '{line}'"
        done = subprocess.run([fish, "--no-config", "-c", program], capture_output=True, text=True, cwd=place)
        assert done.stderr == ""
        found = {one.split("\t")[0].rstrip("/") for one in done.stdout.splitlines()}
        files = {"notes.txt"} if before[:1] == ["index"] else set()  # fish does not count places
        assert there <= found and not (absent - files) & found, (before, cur, found)


def test_zsh_can_read_its_script(run, place: Path) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("needs zsh")
    (place / "_nearfield").write_text(run("completion", "zsh").out)
    assert subprocess.run([zsh, "-n", "_nearfield"], capture_output=True, text=True, cwd=place).stderr == ""


def test_zsh_completes(run, place: Path) -> None:
    """On a terminal of its own: TAB is pressed, then the line that came of it is printed instead of run."""
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("needs zsh")
    (place / "_nearfield").write_text(run("completion", "zsh").out)
    (place / ".zshrc").write_text(
        "PS1='' RPS1=''; setopt no_beep; autoload -Uz compinit; compinit -u -D; source ./_nearfield\n"
        'print-line() { print -r -- "<$BUFFER>"; exit }\n'
        "zle -N print-line; bindkey '^X' print-line; print re\"\"ady\n"
    )
    for before, cur, there, _ in CASES:
        if len(there) > 1 or not cur or cur == "--":
            continue  # a list to choose from is left to the terminal
        line = " ".join(["nearfield", *before, cur])
        program = (
            "zmodload zsh/zpty; zpty shell ZDOTDIR=$PWD zsh -i; zpty -r shell answer '*ready*'\n"
            f"zpty -w -n shell $'{line}\\t\\C-x'; zpty -r shell answer '*<*>*'; print -r -- $answer"
        )
        done = subprocess.run([zsh, "-f", "-c", program], capture_output=True, text=True, cwd=place, timeout=60)
        found = re.search(r"<([^>]*)>", done.stdout)
        assert found and found[1].split()[-1].rstrip("/=") == next(iter(there)), (line, done.stdout, done.stderr)


def test_a_shell_we_do_not_know(run) -> None:
    answer = run("completion", "tcsh")
    assert answer.code == 2 and "tcsh" in answer.err
