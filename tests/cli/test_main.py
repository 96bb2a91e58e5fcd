from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nearfield
from nearfield.cli.parsers import COMMANDS

HEAVY = ("sklearn", "scipy", "pandas", "matplotlib", "pyarrow", "sqlglot", "rich", "onnxruntime", "wordllama")


def test_help_names_every_command_and_the_exit_codes(run) -> None:
    answer = run("--help")
    assert answer.code == 0
    assert all(re.search(rf"^    {name}\b", answer.out, re.MULTILINE) for name in COMMANDS)
    assert "nothing relevant" in answer.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run, name: str) -> None:
    answer = run(name, "--help")
    assert answer.code == 0
    assert "usage: nearfield " + name in answer.out
    described = importlib.import_module(f"nearfield.cli.{name}").__doc__
    assert described.strip() in answer.out


def test_version(run) -> None:
    assert run("--version").out == f"nearfield {nearfield.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("paint",), ("search",), ("index", "a"), ("search", "s", "t", "-k", "many")])
def test_wrong_arguments_are_2_with_usage(run, arguments: tuple[str, ...]) -> None:
    answer = run(*arguments)
    assert answer.code == 2
    assert answer.err.startswith("usage: nearfield")


@pytest.mark.parametrize("name", ["search", "stats", "verify", "tune"])
def test_a_store_that_is_not_there(run, name: str) -> None:
    answer = run(name, "nowhere.nf", *(["words"] if name == "search" else []))
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("nearfield: ")
    assert "nowhere.nf" in answer.err
    assert "Traceback" not in answer.err


def test_debug_shows_where_an_error_came_from(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARFIELD_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        run("stats", "nowhere.nf")


def test_import_is_light() -> None:
    code = "import sys, nearfield; print('numpy' in sys.modules, len([m for m in sys.modules if 'nearfield' in m]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False 1\n"


def test_search_imports_nothing_heavy(store: Path) -> None:
    code = (
        "import sys; from nearfield.cli import main\n"
        f"main(['search', {str(store)!r}, 'invert', 'a', 'matrix', '--max-false', '0.2'])\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_interruption_is_130_without_a_traceback_and_leaves_nothing(texts: Path) -> None:
    texts.write_text(texts.read_text().replace('"id"', '"number"') * 300)  # some seconds of work
    line = [
        sys.executable,
        "-m",
        "nearfield",
        "index",
        str(texts),
        str(texts.with_name("big.nf")),
        "--text-column",
        "text",
    ]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    partial = texts.with_name("big.nf.partial")
    for _ in range(600):
        if partial.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "nearfield: interrupted\n")
    assert sorted(os.listdir(texts.parent)) == ["texts.jsonl"]


def test_a_closed_pipe_is_no_error(store: Path) -> None:
    line = [sys.executable, "-m", "nearfield", "search", str(store), "a matrix", "-k", "180", "--json"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no disk that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_one_line(store: Path, unbuffered: str) -> None:
    line = [sys.executable, "-m", "nearfield", "stats", str(store)]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert (done.returncode, done.stderr) == (2, "nearfield: No space left on device\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_closed_stdout_is_no_error(store: Path) -> None:
    line = f"{sys.executable} -m nearfield stats {store} >&-"
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_in_a_pipe_there_is_the_document_alone(command, texts: Path) -> None:
    for line in (
        ("index", texts, "a.nf", "--attributes", "topic"),
        ("search", "a.nf", "-k", "2", "a", "train"),
        ("survey", "a.nf", "--sample", "50"),
        ("tune", "a.nf"),
        ("compact", "a.nf"),
        ("stats", "a.nf"),
        ("verify", "a.nf"),
        ("tag", "a.nf", "now"),
        ("dump", "a.nf", "a.parquet"),
        ("load", "a.parquet", "b.nf"),
        ("drift", "a.nf", "a.parquet", "--vector-column", "vector"),
    ):
        answer = command(*line, "--json")
        assert (answer.code in (0, 1), answer.err) == (True, ""), (line, answer.err)
        assert isinstance(answer.json, dict)
