import numpy as np
import pytest

from nearfield.survey import Pair
from nearfield.survey.features import PairFeatures, correlations, ridge_fit


def test_constant_coordinates_are_left_out_and_counted(two):
    x, y = two(100, 5, 0.5, 0)
    x[:, 2], y[:, 4] = 1e6, 0
    found = PairFeatures.of(Pair.of(x, y, metric="l2"), None, 0)
    assert found.kept[0].tolist() == [0, 1, 3, 4] and found.kept[1].tolist() == [0, 1, 2, 3]
    assert "left out: 1 and 1" in found.scope
    assert "every coordinate of the first" in PairFeatures.of(Pair.of(np.ones((50, 2)), y[:50], metric="l2"), 50, 0).why


def test_correlations_are_numpys(two):
    x, y = two(100, 4, 0.5, 0)
    assert np.allclose(correlations((x, y)), np.corrcoef(x.T, y.T)[:4, 4:], atol=1e-6)


def test_shuffled_partners_share_nothing(two):
    found = PairFeatures.of(Pair.of(*two(3000, 4, 0.0, 0, turned=False), metric="l2"), None, 0)
    assert np.abs(correlations(found.judge)).max() > 0.99
    assert np.abs(correlations(found.shuffled(0).judge)).max() < 0.1


def test_ridge_fit_is_least_squares_with_many_rows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5000, 3))
    y = x @ np.array([[1.0], [2.0], [-1.0]])
    assert ridge_fit(x.T @ x, x.T @ y, 5000).ravel() == pytest.approx([1, 2, -1], abs=1e-5)
