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


def test_two_spaces(run, vectors: Path, tmp_path: Path) -> None:
    array = np.load(vectors)
    np.save(tmp_path / "new.npy", array[:, ::-1])
    answer = run("survey", vectors, "new.npy", "--metric", "l2", "--second-metric", "cosine", "--sample", 100)
    assert answer.code == 0 and "Comparison of 300 x 12 (l2) and 300 x 12 (cosine): 300 pairs" in answer.out
    found = run("survey", vectors, "new.npy", "--json").json
    assert found["measures"]["mutual_neighbors"]["value"] == 1 and found["pairs"] == 300


def test_two_spaces_by_id_with_labels(run, vectors: Path, tmp_path: Path) -> None:
    array = np.load(vectors)
    order = np.random.default_rng(0).permutation(300)
    np.save(tmp_path / "new.npy", array[order][:290])
    (tmp_path / "old.txt").write_text("".join(f"{i}\n" for i in range(300)))
    (tmp_path / "new.txt").write_text("".join(f"{i}\n" for i in order[:290]))
    (tmp_path / "labels.txt").write_text("".join(f"{int(row[0] > 0)}\n" for row in array))
    found = run("survey", vectors, "new.npy", "--ids", "old.txt", "new.txt", "--labels", "labels.txt", "--json").json
    assert (found["pairs"], found["unpaired"]) == (290, [10, 0])
    assert found["measures"]["mutual_neighbors"]["value"] == 1 and "compatibility" in found["measures"]


def test_a_store_and_a_file_are_paired_by_id(run, vectors: Path, tmp_path: Path) -> None:
    run("index", vectors, "v.nf", "--metric", "l2")
    found = run("survey", "v.nf", vectors, "--json").json
    assert found["metrics"] == ["l2", "l2"] and found["measures"]["mutual_neighbors"]["value"] == 1


def test_two_encoders_of_the_same_texts(run, texts: Path, tmp_path: Path) -> None:
    found = run("survey", texts, texts, "--json").json
    assert found["pairs"] == 180 and found["dims"] == [256, 256]


def test_what_is_wrong_is_said(run, vectors: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "less.npy", np.load(vectors)[:200])
    for arguments, text in (
        ((vectors, "less.npy"), "expected 300 rows"),
        ((vectors, vectors, "--ids", "a", "b", "c"), "expected one file or two"),
    ):
        answer = run("survey", *arguments)
        assert (answer.code, text in answer.err) == (2, True)


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
