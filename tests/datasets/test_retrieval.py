from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.datasets import Retrieval, load
from nearfield.datasets.scifact import other_claims


def write_beir(folder: Path) -> None:
    """Two documents and two queries as BEIR lays them out; the second query is not judged."""
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": "7", "title": "Wings", "text": "On lift."}, {"_id": "8", "title": "", "text": "On drag."}]
    queries = [{"_id": "1", "text": "what lifts"}, {"_id": "2", "text": "never judged"}]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in documents))
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\t7\t1\n")


def test_beirs_own_layout_is_read(empty_home: Path) -> None:
    write_beir(empty_home / "scifact")
    loaded = load("scifact")
    assert isinstance(loaded, Retrieval)
    assert loaded.documents == ["Wings. On lift.", "On drag."]
    assert (loaded.document_ids, loaded.query_ids) == (["7", "8"], ["1"])
    assert loaded.judgements == {"1": {"7": 1}}


def test_vectors_are_read_on_first_use_and_must_fit(empty_home: Path) -> None:
    folder = empty_home / "scifact"
    write_beir(folder)
    loaded = load("scifact")
    with pytest.raises(FileNotFoundError, match=r"OnnxText.*max_tokens=256.*load\('scifact'\)\.documents"):
        _ = loaded.vectors
    np.save(folder / "minilm_corpus.npy", np.eye(2, 4, dtype=np.float16))
    np.testing.assert_array_equal(loaded.vectors, np.eye(2, 4))
    np.save(folder / "minilm_queries.npy", np.eye(2, 4, dtype=np.float16))
    with pytest.raises(CorruptFileError, match="expected 1 rows"):
        _ = loaded.query_vectors


def test_a_broken_line_names_the_file(empty_home: Path) -> None:
    folder = empty_home / "scifact"
    write_beir(folder)
    (folder / "corpus.jsonl").write_text('{"_id": "7", "text": "x"}\n{"_id"')
    with pytest.raises(CorruptFileError, match=r"corpus\.jsonl"):
        load("scifact")


def test_the_real_collections(data: Path) -> None:
    scifact = load("scifact")
    assert (len(scifact.documents), len(scifact.queries)) == (5183, 300)
    assert sum(map(len, scifact.judgements.values())) == 339
    assert scifact.vectors.shape == (5183, 384)
    assert scifact.query_vectors.shape == (300, 384)
    best = (scifact.query_vectors @ scifact.vectors.T).argmax(axis=1)
    first = [scifact.document_ids[row] in scifact.judgements[q] for q, row in zip(scifact.query_ids, best, strict=True)]
    assert np.mean(first) > 0.5, "vectors and texts are in the same order"
    cranfield = load("cranfield")
    assert (len(cranfield.documents), len(cranfield.queries)) == (1400, 225)
    assert sum(map(len, cranfield.judgements.values())) == 1837


def test_other_claims_are_those_not_asked_in_the_test(empty_home: Path) -> None:
    write_beir(empty_home / "scifact")
    assert other_claims() == ["never judged"]
    training = [{"id": "3", "claim": text} for text in ("what lifts", "what drags", "what drags")]
    (empty_home / "scifact" / "claims_train_dev.jsonl").write_text("".join(json.dumps(one) + "\n" for one in training))
    assert other_claims() == ["what drags"]
