import json
from pathlib import Path

import numpy as np

from nearfield.bench import collections, data


def test_collections_are_measured_and_written(tmp_path: Path, monkeypatch) -> None:
    def make(rows: int | None = None, count: int = 5) -> data.Workload:
        vectors = np.random.default_rng(0).standard_normal((700, 16), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return data.Workload("wordnet", "cosine", vectors[5:], {"wordnet": vectors[:5]})

    monkeypatch.setattr(collections, "wordnet", make)
    monkeypatch.setattr(collections, "MOST_OPEN", 3)
    monkeypatch.setattr(collections, "HELD", 4)
    path = collections.run_collections(tmp_path, count=8, folder=tmp_path, requests=50)
    result = json.loads((tmp_path / "collections.json").read_text())
    assert result["collections"] == result["listed"] == 8 and result["pending"]["stores"] == 4
    assert result["sealed"]["open_ms"] > 0 and result["served"]["per_second"] > 0
    assert "Zipf" in path.read_text()
    assert not (tmp_path / "nearfield-bench-collections").exists()
