"""The whole program, as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import papers
import pytest
from shelf import FEWEST

import nearfield as nf

SHARED = Path(os.environ.get("NEARFIELD_DATA", "/nowhere")).parent / "papers.json"


def ask(store: Path, *arguments: str) -> int:
    return papers.main([arguments[0], "--store", str(store), *arguments[1:]])


def titles(printed: str) -> list[str]:
    return [line[4:] for line in printed.splitlines() if line[2:4] == ". "]


def test_a_question_is_answered_and_a_strange_one_is_not(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(shelf, "search", "hyperbolic", "clustering of letters", "-k", "2") == 0
    printed = capsys.readouterr().out
    assert set(titles(printed)) == {
        f"Hyperbolic clustering of letters {when}" for when in ("at dawn", "in small rooms")
    }
    assert "relevance" in printed and "hyperbolic-clustering-of-letters-at-dawn-" in printed
    assert ask(shelf, "search", "how much butter goes into a cake of apples") == 1
    assert "nothing is relevant" in capsys.readouterr().out
    assert ask(shelf, "search", "--no-cut", "-k", "3", "how much butter goes into a cake of apples") == 0
    assert len(titles(capsys.readouterr().out)) == 3


def test_likeness_in_one_respect(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    like = ("search", "--like", "hyperbolic-clustering-of-letters-at-dawn", "-k", "10")
    assert ask(shelf, *like, "--aspect", "method") == 0
    assert all(title.startswith("Hyperbolic") for title in titles(capsys.readouterr().out))
    assert ask(shelf, *like, "--aspect", "task", "--aspect", "method=-1") == 0
    found = titles(capsys.readouterr().out)
    assert all("clustering" in title and not title.startswith("Hyperbolic") for title in found)
    assert ask(shelf, *like[:-1], "2", "--to", "data=graphs") == 0
    found = titles(capsys.readouterr().out)
    assert all(title.startswith("Hyperbolic clustering of rail") for title in found)
    assert ask(shelf, *like, "--unlike", "hyperbolic-clustering-of-photographs-at-dawn", "--where", "year = 2020") == 0
    found = titles(capsys.readouterr().out)
    assert len(found) == 10 and not any("photographs" in title for title in found[:4])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search"], "a question or --like"),
        (["search", "--like", "hyperbolic"], "the beginning of one paper's id"),
        (["search", "--like", "nobody"], "none begins so"),
        (["search", "lamps", "--aspect", "colour"], "colour"),
        (["search", "lamps", "--aspect", "task=much"], "a number as weight"),
        (["search", "lamps", "--to", "task"], "NAME=LABEL"),
        (["search", "lamps", "--where", "colour = 1"], "colour"),
        (["search", "lamps", "--max-false", "7"], "max_false"),
        (["search", "lamps", "-k", "0"], "k: expected"),
        (["digest", "--listing", "june"], "small"),
        (["digest", "--since", "1900-01-01"], "54 have a date"),
        (["digest", "--listing", "small", "--until", "2025-01-01"], "--until"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    shelf: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert ask(shelf, *arguments) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.startswith("papers.py: ")


def test_map_and_digest_are_written(shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(shelf, "map", "--out", str(tmp_path / "map.html"), "--by", "method") == 0
    assert (tmp_path / "map.html").read_text().count("</title></circle>") == 54
    assert ask(shelf, "digest", "--since", "2025-01-01", "--out", str(tmp_path / "june.2025")) == 0
    assert "hyperbolic and other geometries: 0.0%" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"map.html", "june.2025.eml", "june.2025.html"}


def test_a_second_listing_adds_what_is_new(
    tmp_path: Path, entries: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    store, first, second = tmp_path / "papers.nf", tmp_path / "may.json", tmp_path / "june.jsonl"
    first.write_text(json.dumps(entries[: FEWEST - 10]))
    second.write_text("\n".join(json.dumps(entry) for entry in entries[FEWEST - 20 :]))
    assert ask(store, "import", str(first)) == 0
    assert "relevance: not learnt" in capsys.readouterr().out
    assert ask(store, "search", "lamps") == 0  # nothing is cut without a judge
    assert ask(store, "search", "lamps", "--max-false", "0.1") == 2
    assert "fit_judge" in capsys.readouterr().err
    for added in (14, 0):
        assert ask(store, "import", str(second)) == 0
        printed = capsys.readouterr().out
        assert f"{added} papers added" in printed and "54 in" in printed and "relevance: learnt" in printed
    assert ask(store, "digest", "--listing", "june", "--out", str(tmp_path / "digest")) == 0
    assert "14 papers (listing june) against 40" in capsys.readouterr().out


def test_a_bad_listing_leaves_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.json").write_text("[{]")
    for name in ("bad.json", "absent.json"):
        assert ask(tmp_path / "papers.nf", "import", str(tmp_path / name)) == 2
        assert name in capsys.readouterr().err
    assert not (tmp_path / "papers.nf").exists()
    assert ask(tmp_path / "papers.nf", "search", "lamps") == 2


def test_one_paper_and_none_of_the_right_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.json").write_text('[{"title": "On lamps"}]')
    store = tmp_path / "papers.nf"
    assert ask(store, "import", str(tmp_path / "one.json")) == 0
    assert ask(store, "search", "lamps") == 0
    assert ask(store, "map", "--out", str(tmp_path / "map.html")) == 2
    assert "three papers or more" in capsys.readouterr().err
    nf.Store.create(tmp_path / "other.nf", dim=256).close()
    assert ask(tmp_path / "other.nf", "search", "lamps") == 2
    assert "made by the import of this example" in capsys.readouterr().err


def test_it_runs_as_a_script_from_anywhere(shelf: Path, tmp_path: Path) -> None:
    command = [sys.executable, papers.__file__, "search", "--store", str(shelf), "quantized", "retrieval"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "Quantized retrieval of" in done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_file(), reason="needs papers.json beside the folder that NEARFIELD_DATA names")
def test_a_real_listing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "papers.nf"
    assert ask(store, "import", str(SHARED)) == 0
    for question in ("approximate nearest neighbour search with graphs", "hyperbolic image embeddings"):
        assert ask(store, "search", question) == 0
    for question in ("history of the roman empire", "guitar chords for beginners", "tax law for small firms"):
        assert ask(store, "search", question) == 1
    assert ask(store, "map", "--out", str(tmp_path / "map.html")) == 0
    assert "190 papers" in capsys.readouterr().out
