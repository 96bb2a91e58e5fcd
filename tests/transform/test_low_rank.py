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
