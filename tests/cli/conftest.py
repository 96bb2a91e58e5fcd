from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nearfield
from nearfield.cli import main


@dataclass
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Answer:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse: --help and usage errors
            code = int(error.code or 0)
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return call


@pytest.fixture
def command(tmp_path: Path) -> Run:
    """Run a command as users do: a process of its own, in an empty directory."""

    def call(*arguments: object, **options: Any) -> Answer:
        line = [sys.executable, "-m", "nearfield", *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, timeout=580, check=False, **options)
        return Answer(done.returncode, done.stdout, done.stderr)

    return call


TOPICS = {
    "cooking": ["Boil the {} for ten minutes.", "Chop the {} and fry it in butter.", "Season the {} with salt."],
    "rail": ["The train to {} leaves at noon.", "Change trains in {} for the coast.", "The line to {} is closed."],
    "matrix": ["Invert the {} matrix.", "The {} matrix has real eigenvalues.", "Multiply by the {} matrix."],
}
COLOURS = ("red", "blue", "green", "black", "white", "golden", "grey", "brown")
SIZES = ("old", "new", "small", "large", "first", "last", "warm", "cold", "deep", "flat", "round", "long")
WORDS = [*COLOURS, *SIZES]


def sentences() -> list[dict[str, Any]]:
    """180 short texts about three things, with a year and a topic."""
    return [
        {"id": f"{topic}-{number}", "text": form.format(word), "topic": topic, "year": 2000 + number % 25}
        for topic, forms in TOPICS.items()
        for number, (word, form) in enumerate((word, form) for word in WORDS for form in forms)
    ]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in sentences()))
    return path


@pytest.fixture
def store(texts: Path, run: Run) -> Path:
    """A store of 180 texts, with attributes and a judge."""
    path = texts.with_name("texts.nf")
    assert run("index", texts, path, "--attributes", "topic,year").code == 0
    return path


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.npy"
    np.save(path, np.random.default_rng(0).normal(size=(300, 12)).astype(np.float32))
    return path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes started from another directory find the package that is tested; nothing draws bars."""
    monkeypatch.setenv("PYTHONPATH", str(Path(nearfield.__file__).parents[1]), prepend=os.pathsep)
    monkeypatch.setenv("NEARFIELD_PROGRESS", "0")
    monkeypatch.delenv("NEARFIELD_DEBUG", raising=False)
