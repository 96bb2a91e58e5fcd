"""Reciprocal ranks and normalised sums against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from nearfield.decide import normalized_sum, reciprocal_rank_fusion


@pytest.fixture
def legs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 20, (200, 3)).astype(float)  # with ties
    scores[rng.random(scores.shape) < 0.3] = np.nan
    return scores, rng.integers(0, 7, 200)


@pytest.mark.parametrize("k", [0, 5, 60])
def test_reciprocal_ranks(legs: Any, k: int) -> None:
    scores, queries = legs
    wanted = np.zeros(200)
    for query in range(7):
        for leg in range(3):
            some = np.flatnonzero((queries == query) & ~np.isnan(scores[:, leg]))
            wanted[some] += 1 / (k + rankdata(-scores[some, leg], method="min"))
    assert np.allclose(reciprocal_rank_fusion(scores, queries, k=k), wanted)


@pytest.mark.parametrize("how", ["minmax", "zscore"])
def test_sums(legs: Any, how: str) -> None:
    scores, queries = legs
    weights = np.array([0.5, 0.3, 0.2])
    wanted = np.zeros(200)
    for query in range(7):
        some = np.flatnonzero(queries == query)
        for leg in range(3):
            column = np.where(np.isnan(scores[some, leg]), np.nanmin(scores[some, leg]), scores[some, leg])
            scaled = (
                (column - column.min()) / np.ptp(column) if how == "minmax" else (column - column.mean()) / column.std()
            )
            wanted[some] += weights[leg] * scaled
    assert np.allclose(normalized_sum(scores, queries, how=how, weights=weights), wanted)


def test_legs_that_say_nothing() -> None:
    silent = np.array([[1.0, np.nan], [2.0, np.nan]])
    assert reciprocal_rank_fusion(silent, k=1).tolist() == [1 / 3, 1 / 2]
    assert normalized_sum(silent).tolist() == [0.0, 0.5]
    assert normalized_sum(np.ones((3, 2)), how="zscore").tolist() == [0.0, 0.0, 0.0]
    assert reciprocal_rank_fusion(np.empty((0, 2))).shape == normalized_sum(np.empty((0, 2))).shape == (0,)


def test_bad_input_is_refused() -> None:
    scores = np.ones((3, 2))
    for call, message in (
        (lambda: reciprocal_rank_fusion(scores, k=-1), "k: expected"),
        (lambda: reciprocal_rank_fusion(np.full((2, 2), np.inf)), "scores: expected finite numbers"),
        (lambda: reciprocal_rank_fusion(np.ones(3)), "scores: expected numbers of shape"),
        (lambda: normalized_sum(scores, how="max"), "how: expected"),
        (lambda: normalized_sum(scores, weights=[1.0]), "weights: expected 2 numbers"),
        (lambda: normalized_sum(scores, weights=[1.0, -1.0]), "weights: expected 2 numbers of 0 or more"),
        (lambda: normalized_sum(scores, [1, 2]), "queries: expected 3 ints"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
