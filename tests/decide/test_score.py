"""Features leave missing neighbours out and say so when there is nothing at all."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide.score import FEATURES, features_of, score_of


def test_features_are_what_they_are_called() -> None:
    near = np.array([[1.0, 2.0, 6.0, 8.0]])
    scales = np.array([[0.0, 2.0, 5.0, 5.0]])
    assert features_of(near, scales, 2).tolist() == [[1.5, 3.0, -0.5, 5.5, 4.0]]


def test_without_scales_or_far_ranks_those_features_rest() -> None:
    features = features_of(np.array([[1.0, 2.0]]), None, 2)
    assert features.tolist() == [[1.5, 0.0, -0.5, 0.0, 0.0]]
    assert features.shape[1] == FEATURES


def test_missing_neighbours_are_left_out() -> None:
    near = np.array([[1.0, np.nan, np.nan], [np.nan, np.nan, np.nan]])
    features = features_of(near, near, 2)
    assert features[0, 0] == 1.0
    assert np.isfinite(features[0]).all()
    assert np.isnan(features[1, 0])


def test_score() -> None:
    features = np.array([[2.0, 1.0, 0.0, 0.0, 3.0]])
    weights = np.array([0.0, 0.0, 0.0, 0.0, 0.5])
    score = score_of(features, 0.4, weights, np.zeros(5), np.full(5, 2.0))
    assert score.tolist() == [pytest.approx(2.0 - 0.4 + 0.75)]
