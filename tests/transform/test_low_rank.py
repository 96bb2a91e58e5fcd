import numpy as np
import pytest

from nearfield.transform import LowRankMap, RidgeMap


def test_rank_is_kept_and_found() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 12))
    y = x @ rng.standard_normal((12, 3)) @ rng.standard_normal((3, 15)) + 0.5 * rng.standard_normal((500, 15))
    for rank in (1, 3, 12):
        fitted = LowRankMap(rank).fit(x, y)
        assert np.linalg.matrix_rank(fitted.matrix_) == rank == fitted.rank_
    assert LowRankMap().fit(x, y).rank_ == 3
    whole, ridge = LowRankMap(12).fit(x, y), RidgeMap().fit(x, y)
    np.testing.assert_allclose(whole.transform(x), ridge.transform(x), atol=1e-8)
    with pytest.raises(ValueError, match="rank: expected an integer from 1 to 12"):
        LowRankMap(13).fit(x, y)
    assert LowRankMap(12).fit(x, y).inverse_transform(y).shape == (500, 12)


def test_in_parts_the_rank_is_given() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 12)) * np.logspace(0, -3, 12) + 2
    y = x @ rng.standard_normal((12, 15)) + 0.01 * rng.standard_normal((300, 15))
    whole, parts = LowRankMap(5).fit(x, y), LowRankMap(5)
    for start in range(0, 300, 70):
        parts.partial_fit(x[start : start + 70], y[start : start + 70])
    assert (parts.rank_, parts.n_pairs_) == (5, 300) and np.linalg.matrix_rank(parts.matrix_) == 5
    np.testing.assert_allclose(parts.matrix_, whole.matrix_, atol=1e-7 * np.abs(whole.matrix_).max())
    flat = LowRankMap(2).partial_fit(np.ones((5, 4)), y[:5])
    np.testing.assert_allclose(flat.transform(np.ones((1, 4)))[0], y[:5].mean(axis=0))
    found = LowRankMap().fit(x[:200], y[:200])
    for estimator in (found, LowRankMap()):
        with pytest.raises(ValueError, match="rank: expected an integer to be fitted in parts, got None"):
            estimator.partial_fit(x[200:], y[200:])
    found.set_params(rank=found.rank_).partial_fit(x[200:], y[200:])
    np.testing.assert_allclose(found.transform(x), LowRankMap(found.rank_).fit(x, y).transform(x), atol=1e-6)
