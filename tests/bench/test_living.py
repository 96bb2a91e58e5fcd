import json
from pathlib import Path

import numpy as np

from nearfield.bench import data, living


def test_states_are_measured_and_written(tmp_path: Path, monkeypatch) -> None:
    def make(rows: int | None = None, count: int = 5) -> data.Workload:
        vectors = np.random.default_rng(0).standard_normal((1520, 16), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return data.Workload("wordnet", "cosine", vectors[20:], {"wordnet": vectors[:20]})

    monkeypatch.setattr(living, "wordnet", make)
    monkeypatch.setattr(living, "TIMED", 3)
    monkeypatch.setattr(living, "REPEATS", 1)
    path = living.run_living(tmp_path, rows=1500, recalls=(None,), folder=tmp_path)
    result = json.loads((tmp_path / "living.json").read_text())
    states = {state["change"]: state for state in result["parts"][0]["states"]}
    assert len(states) == 9 and all(state["left"]["recall"] == 1.0 for state in states.values())
    assert states["90% deleted, random"]["items"] == 150 and states["90% deleted, random"]["stored"] == 1500
    assert states["10 rounds of replace"]["items"] == 750
    assert "recall_near" in states["50% deleted, cluster"]["left"]
    assert "| 10% deleted, cluster |" in path.read_text()
    assert not (tmp_path / "nearfield-bench-living").exists()


def test_a_cluster_is_what_is_near_one_row() -> None:
    rows = np.random.default_rng(1).standard_normal((500, 8), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    gone = living.to_delete(rows, 0.1, "cluster")
    assert len(gone) == 50 == len(set(gone.tolist()))
    centre = rows[gone].mean(axis=0)
    assert (rows[gone] @ centre).min() > np.quantile(rows @ centre, 0.8)
    assert len(living.to_delete(rows, 0.5, "random")) == 250
