import json
from pathlib import Path

import numpy as np

from nearfield.bench import data, store


def test_the_store_is_measured_and_written(tmp_path: Path, monkeypatch) -> None:
    def make(rows: int | None = None, count: int = 5) -> data.Workload:
        vectors = np.random.default_rng(0).standard_normal((700, 16), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return data.Workload("wordnet", "cosine", vectors[5:], {"wordnet": vectors[:5]})

    monkeypatch.setattr(store, "wordnet", make)
    monkeypatch.setattr(store, "BATCHES", (100, 500))
    monkeypatch.setattr(store, "SINGLE", 50)
    monkeypatch.setattr(store, "MOVING", 30)
    path = store.run_store(tmp_path, rows=600, folder=tmp_path)
    result = json.loads((tmp_path / "store.json").read_text())
    assert result["rows"] == 600 and [added["batch"] for added in result["adds"]] == [100, 500]
    assert all(added["rows_per_second"] > 0 and added["recall"] == 1.0 for added in result["adds"])
    assert result["compacted"]["recall"] > 0.9
    assert 0 < result["single"]["first_ms"] < 1000 * result["single"]["slowest_s"]
    assert "compacted in" in path.read_text() and "50 upserts" in path.read_text()
    assert all(result["moving"][f"{which}_ms"] > 0 for which in ("first", "last", "first_search", "last_search"))
    assert "30 adds to 600 items" in path.read_text()
    assert not (tmp_path / "nearfield-bench-store").exists()
