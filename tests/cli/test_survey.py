from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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


def test_labels_from_a_file(run, vectors: Path, tmp_path: Path) -> None:
    kinds = [f"kind {row % 3}" for row in range(300)]
    (tmp_path / "kinds.txt").write_text("\n".join(kinds))
    np.save(tmp_path / "kinds.npy", np.array(kinds))
    by_text = run("survey", vectors, "--labels", "kinds.txt", "--json").json
    assert by_text == run("survey", vectors, "--labels", "kinds.npy", "--json").json
    assert by_text["measures"]["neighbor_purity"]["parts"]["classes"] == 3
    assert len(by_text["summary"]) == 4


def test_labels_from_a_column_or_an_attribute(run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [
        json.dumps({"id": row, "vector": rng.standard_normal(6).round(3).tolist(), "kind": "abc"[row % 3]})
        for row in range(120)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    from_file = run("survey", "rows.jsonl", "--labels", "kind", "--json").json
    run("index", "rows.jsonl", "s.nf", "--attributes", "kind")
    assert from_file == run("survey", "s.nf", "--labels", "kind", "--json").json
    assert from_file["measures"]["neighbor_purity"]["parts"]["classes"] == 3


def test_labels_that_are_not_there(run, vectors: Path, tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("a\nb")
    for name, text in (("nothing", "no file nothing"), ("few.txt", "expected 300 labels, one for each row, got 2")):
        answer = run("survey", vectors, "--labels", name)
        assert (answer.code, text in answer.err) == (2, True)
    run("index", vectors, "s.nf")
    answer = run("survey", "s.nf", "--labels", "kind")
    assert (answer.code, "no attribute 'kind'; attributes: none" in answer.err) == (2, True)
