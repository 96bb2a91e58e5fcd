from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.bench.fusion import Questions, markdown, measure_fusion, measure_weights, measure_words
from nearfield.encode import WordLlama


@pytest.fixture(scope="module")
def data() -> Questions:
    try:
        return Questions("cranfield", documents=60, queries=50)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_what_is_measured_and_told(data: Questions, tmp_path: Path) -> None:
    words = measure_words(data, tmp_path)
    assert [row["tokenizer"] for row in words] == ["porter", "unicode61", "trigram"]
    assert all(0.2 < row["ndcg"] < 1 and row["text"] > 500 for row in words)
    assert words[2]["words"] > 3 * words[0]["words"]
    weights = measure_weights(data, times=False)
    assert weights[0]["ndcg"] == pytest.approx(words[1]["ndcg"], abs=0.05)
    assert weights[1]["ndcg"] == pytest.approx(weights[0]["ndcg"], abs=0.02)
    encoder = WordLlama()
    vectors = tuple(np.float32(encoder.encode(texts, progress=False)) for texts in (data.documents, data.queries))
    (tmp_path / "fused").mkdir()
    found = measure_fusion(data, vectors, tmp_path / "fused", times=False)
    report = found["report"]
    # As the public search ranks, so does the report: the words weigh the same in both.
    assert found["search"]["text"] == pytest.approx(words[0]["ndcg"])
    assert found["search"]["vector"] == pytest.approx(report["legs"]["vector"][0], abs=0.01)
    assert found["search"]["both"] == pytest.approx(report["baselines"]["sum of standings"][0], abs=0.01)
    assert "milliseconds" not in found
    machine = {"cpu": {"model": "x"}}
    text = markdown(
        {"machine": machine, "words": {"c": words}, "weights": {"c": weights}, "fusion": {"c": {"w": found}}}
    )
    assert "| c | porter |" in text and "### c, w" in text and "**fused**" in text


def test_ndcg(data: Questions) -> None:
    best = [
        [name for name, grade in sorted(grades.items(), key=lambda pair: -pair[1]) if grade > 0]
        for grades in data.grades
    ]
    assert np.allclose(data.ndcg(best), 1.0) and data.ndcg([[] for _ in best]).max() == 0.0
