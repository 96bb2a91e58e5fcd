"""The benchmark of batches on an invented index: it runs, says the same as one by one, and tells what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest

from nearfield.bench.many import WAYS, markdown, measure_many, run_many
from nearfield.datasets import DebianPackages


def invented(n: int) -> tuple[DebianPackages, np.ndarray]:
    rng = np.random.default_rng(0)
    section = rng.zipf(1.5, n) % 30
    columns = {"section": [f"section{i}" for i in section], "priority": ["optional"] * n}
    columns["tags"] = [", ".join(f"tag::{i}" for i in rng.integers(0, 40, 3)) for _ in range(n)]
    columns |= {name: rng.integers(10, 10_000, n).tolist() for name in ("size", "installed")}
    names = [f"package{i}" for i in range(n)]
    vectors = rng.standard_normal((30, 16))[section] + rng.standard_normal((n, 16))
    return DebianPackages(names, names, columns), vectors.astype(np.float32)


@pytest.mark.slow
def test_every_way_is_measured_and_finds_as_much(tmp_path: Path) -> None:
    found = measure_many(*invented(3000), tmp_path, queries=150, kinds=20, rounds=1)
    json.dumps(found)
    assert set(found["recall"]) == set(WAYS) == set(found["queries_per_second"]["1"])
    assert min(found["recall"].values()) > 0.9 and found["rows"] == 2700
    text = markdown({"machine": {"cpu": {"model": "x"}, "cores": 2, "date": "d", "load": [0]}, "rounds": 1, **found})
    assert all(f"| {way} |" in text for way in WAYS) and "2 threads" in text


def test_without_an_index_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEARFIELD_PACKAGES", raising=False)
    with pytest.raises(FileNotFoundError, match="apt-cache dumpavail"):
        run_many(tmp_path)
