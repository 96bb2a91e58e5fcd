from __future__ import annotations

from pathlib import Path

import pytest


def test_a_file_and_a_store_of_it_say_the_same(run, vectors: Path) -> None:
    run("index", vectors, "v.nf", "--metric", "l2")
    from_file = run("survey", vectors, "--metric", "l2", "--json").json
    from_store = run("survey", "v.nf", "--json").json
    assert from_file == from_store
    assert (from_store["rows"], from_store["dim"], from_store["metric"]) == (300, 12, "l2")
    assert "effective_rank" in from_store["measures"]


def test_texts_are_encoded_first(run, texts: Path) -> None:
    answer = run("survey", texts)
    assert answer.code == 0
    assert "Survey of 180 vectors with 256 dimensions, metric cosine" in answer.out


def test_html(run, vectors: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs nearfield[view]")
    assert run("survey", vectors, "--html", "out.html").code == 0
    assert "Survey of vectors.npy" in (tmp_path / "out.html").read_text()
    answer = run("survey", vectors, "--html", "no/such/out.html")
    assert (answer.code, "no directory" in answer.err) == (2, True)
