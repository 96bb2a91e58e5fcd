"""Vectors held in memory are scored as their formulas say, whichever rows are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.serve.qdrant import vectors
from nearfield.serve.qdrant.vectors import DISTANCES, Bags, Dense


def similarity(one: np.ndarray, other: np.ndarray, distance: str) -> float:
    if distance in ("Cosine", "Dot"):
        return float(one @ other)
    apart = one - other
    return -float(apart @ apart if distance == "Euclid" else np.abs(apart).sum())


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("block", [1, 64, 1 << 19])
def test_bags_of_any_sizes(distance: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_BLOCK", block)
    rng = np.random.default_rng(0)
    held = Bags("b", 16, distance).held()
    owners = np.arange(0, 150, 3)
    for row in owners.tolist():
        held.add(row, rng.standard_normal((int(rng.integers(1, 9)), 16)).astype(np.float32))
    query = rng.standard_normal((5, 16)).astype(np.float32)
    for rows in (owners, owners[rng.random(len(owners)) < 0.6], owners[7:8], owners[:0]):
        expected = [sum(max(similarity(x, y, distance) for x in held.get(row)) for y in query) for row in rows.tolist()]
        assert held.score(query, rows) == pytest.approx(np.array(expected), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("distance", DISTANCES)
def test_one_vector_a_point(distance: str) -> None:
    rng = np.random.default_rng(0)
    held = Dense("d", 8, distance).held()
    owners = np.arange(1, 100, 2)
    for row in owners.tolist():
        held.add(row, rng.standard_normal(8).astype(np.float32))
    query = rng.standard_normal(8).astype(np.float32)
    for rows in (owners, owners[:40], owners[5:9], owners[:0]):
        expected = [similarity(held.get(row), query, distance) for row in rows.tolist()]
        assert held.score(query, rows) == pytest.approx(np.array(expected), rel=1e-4, abs=1e-4)
