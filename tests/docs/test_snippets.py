"""Every snippet of README.md and docs/ runs, page by page, as a reader would run it: in order, in an empty folder.

What a page may say to this test, in comments that a reader does not see:

- ``<!-- setup: ... -->`` holds Python that runs where it stands: the vectors a page speaks of, say.
- ``<!-- not run: REASON -->`` before a block leaves that block out.
- A ``text`` block right behind a snippet is what it prints, ``...`` standing for anything (as in a doctest).
- ``# exit code 1`` at the end of a console line is the exit code that is expected there.

Console lines that begin with ``nearfield`` run in this process, all others by bash, where ``nearfield`` is the same.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import nearfield
from nearfield.cli import main
from nearfield.common.errors import MissingExtraError

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
SHOWN_ONLY = {"", "text", "sql", "json", "toml", "yaml"}  # languages that are looked at and not run
_PART = re.compile(
    r"^<!-- (?P<note>setup|not run):(?P<said>.*?)-->"
    r"|^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Part:
    """Something to run: setup, a python or console block, with what it prints and the line where it begins."""

    kind: str
    code: str
    line: int
    prints: str | None = None


def parts_of(text: str) -> list[Part]:
    """The parts of a page in order, those that are not run left out."""
    found: list[Part] = []
    left_out, shown, end = False, False, 0
    for match in _PART.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        follows = bool(found) and not text[end : match.start()].strip()
        if match["note"] == "setup":
            found.append(Part("python", match["said"], line))
        elif match["note"] == "not run":
            left_out = True
        elif match["language"] in ("python", "console") and not left_out:
            found.append(Part(match["language"], textwrap.dedent(match["code"]), line + 1))
        elif match["language"] == "text" and follows and shown:
            found[-1].prints = textwrap.dedent(match["code"])
        shown = match["language"] in ("python", "console") and not left_out
        left_out = left_out and bool(match["note"])
        end = match.end()
    return found


def run_console(lines: str, shims: Path) -> str:
    """What the lines print, stdout alone; AssertionError for an exit code that was not expected."""
    printed = []
    for line in lines.replace("\\\n", " ").splitlines():
        line = line.removeprefix("$ ").strip()
        expected = re.search(r"# exit code (\d+)$", line)
        if not line or line.startswith("#"):
            continue
        command = shlex.split(line, comments=True)
        out, err = io.StringIO(), io.StringIO()
        if command[0] == "nearfield" and not re.search(r"[|>;&$`]", re.sub(r"'[^']*'|\"[^\"$`]*\"", "", line)):
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    code = main(command[1:])
                except SystemExit as ended:
                    code = int(ended.code or 0)
        else:
            path = {**os.environ, "PATH": f"{shims}{os.pathsep}{os.environ['PATH']}"}
            done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True, env=path)
            code = done.returncode
            out.write(done.stdout)
            err.write(done.stderr)
        assert code == int(expected[1] if expected else 0), (
            f"{line}\nexit code {code}\n{out.getvalue()}{err.getvalue()}"
        )
        printed.append(out.getvalue())
    return "".join(printed)


@pytest.fixture
def shims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ``nearfield`` that is the package under test."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "nearfield").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m nearfield "$@"\n')
    (folder / "nearfield").chmod(0o755)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_snippet_of_a_page_runs(
    page: Path, tmp_path: Path, shims: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    parts = parts_of(page.read_text(encoding="utf-8"))
    if not parts:
        return
    if any(part.kind == "console" for part in parts) and shutil.which("bash") is None:
        pytest.skip("needs bash")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEARFIELD_PROGRESS", "0")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("PYTHONPATH", str(Path(nearfield.__file__).parents[1]), prepend=os.pathsep)
    names: dict[str, Any] = {"__name__": "__main__"}
    checker = doctest.OutputChecker()
    for part in parts:
        if part.kind == "console":
            printed = run_console(part.code, shims)
        else:
            out = io.StringIO()
            # Lines are counted as in the page, so that a traceback points there.
            program = compile("\n" * (part.line - 1) + part.code, str(page), "exec")
            with contextlib.redirect_stdout(out):
                try:
                    exec(program, names)
                except MissingExtraError as error:
                    pytest.skip(str(error))
            printed = out.getvalue()
        if part.prints is not None:
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert checker.check_output(part.prints, printed, flags), (
                f"{page.name}, line {part.line}: the page says\n{part.prints}\nand this came\n{printed}"
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_nothing_hides_from_this_test(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for match in _PART.finditer(text):
        if match["note"] == "not run":
            assert len(match["said"].split()) >= 2, f"{page.name}: say why a block is not run"
            assert re.match(r"\s*```", text[match.end() :]), f"{page.name}: not run: stands right before its block"
        elif not match["note"]:
            assert match["language"] in {"python", "console", *SHOWN_ONLY}, f"{page.name}: {match['language']}"
    opened = len(re.findall(r"^ *```", text, re.MULTILINE))
    assert opened == 2 * sum(1 for match in _PART.finditer(text) if not match["note"]), f"{page.name}: an odd fence"
    notes = len(re.findall(r"<!--\s*(?:setup|not run)", text))
    assert notes == sum(1 for match in _PART.finditer(text) if match["note"]), f"{page.name}: a comment is not read"


def test_parts_are_told_apart() -> None:
    text = (
        "<!-- setup:\na = 1\n-->\n```python\nprint(a)\n```\n\n```text\n1\n```\nwords\n```text\nno\n```\n"
        "<!-- not run: needs a network -->\n```python\n1 / 0\n```\n"
        "- item\n\n    ```console\n    nearfield --version\n    ```\n"
    )
    found = [(part.kind, part.code.strip(), part.prints) for part in parts_of(text)]
    assert found == [
        ("python", "a = 1", None),
        ("python", "print(a)", "1\n"),
        ("console", "nearfield --version", None),
    ]


def test_what_goes_wrong_is_seen(tmp_path: Path, shims: Path) -> None:
    assert run_console("nearfield stats nowhere.nf  # exit code 2", shims) == ""
    with pytest.raises(AssertionError, match="no store"):
        run_console("nearfield stats nowhere.nf", shims)
    with pytest.raises(AssertionError, match="exit code 3"):
        run_console("echo a | (cat; exit 3)", shims)
    assert run_console("nearfield --version | tr a-z A-Z", shims).startswith("NEARFIELD ")
