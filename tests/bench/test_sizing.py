import json
from pathlib import Path

import numpy as np
import pytest

from nearfield.bench import data, sizing


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="own pages are read from /proc")
def test_said_and_found_are_written(tmp_path: Path, monkeypatch) -> None:
    def make(rows: int | None = None, count: int = 5) -> data.Workload:
        vectors = np.random.default_rng(0).standard_normal((2500, 64), np.float32)
        return data.Workload("wordnet", "cosine", vectors, {})

    monkeypatch.setattr(sizing, "wordnet", make)
    monkeypatch.setattr(sizing, "RECIPES", {"graph, 8 bits": sizing.RECIPES["graph, 8 bits"]})
    path = sizing.run_sizing(tmp_path, rows=(2000,), folder=tmp_path)
    sizes = json.loads((tmp_path / "sizing.json").read_text())["sizes"]
    assert [row["rows"] for row in sizes] == [2500, 2000]
    for row in sizes:
        assert all(sizing.good(row[name]) for name in sizing.FIGURES), row
        assert row["disk"]["said"] == pytest.approx(row["disk"]["found"], rel=0.05)
    assert "| 2,000 x 64 | graph, 8 bits |" in path.read_text()


def test_what_is_off_is_marked() -> None:
    assert sizing.good({"said": 104, "found": 100}) and sizing.good({"said": 1_000_000, "found": 4_900_000})
    wrong = {name: {"said": 212_000_000, "found": 200_000_000} for name in sizing.FIGURES}
    text = sizing.markdown(
        {"machine": {"cpu": {"model": "x"}, "date": "y"}, "sizes": [{"recipe": "r", "rows": 5, "dim": 6, **wrong}]}
    )
    assert text.count("+6.0% !") == 3
