import numpy as np
import pytest
from sklearn.linear_model import Ridge

from nearfield.transform import AffineMap, RidgeMap


def test_a_given_penalty_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for n, d in ((80, 5), (10, 30)):
        x, y = rng.standard_normal((n, d)) + 3, rng.standard_normal((n, 4))
        ours, theirs = RidgeMap(2.5).fit(x, y), Ridge(2.5).fit(x, y)
        np.testing.assert_allclose(ours.matrix_, theirs.coef_, atol=1e-10)
        np.testing.assert_allclose(ours.transform(x), theirs.predict(x), atol=1e-10)


def test_the_penalty_chosen_is_near_the_best_for_new_rows() -> None:
    rng = np.random.default_rng(1)
    turn = rng.standard_normal((40, 6)) / 40**0.5
    for n in (25, 60, 400):
        x, fresh = rng.standard_normal((n, 40)), rng.standard_normal((1000, 40))
        y = x @ turn + rng.standard_normal((n, 6))

        def error(alpha, x=x, y=y, fresh=fresh):
            return float(np.square(RidgeMap(alpha).fit(x, y).transform(fresh) - fresh @ turn).mean())

        assert error(None) < (1.5 if n == 25 else 1.2) * min(error(alpha) for alpha in np.logspace(-2, 4, 25))
        if n == 60:  # about as many pairs as dimensions, where least squares fits noise
            affine = AffineMap().fit(x, y)
            assert error(None) < 0.5 * float(np.square(affine.transform(fresh) - fresh @ turn).mean())


def test_nothing_to_learn_gives_the_mean() -> None:
    y = np.random.default_rng(0).standard_normal((20, 2))
    fitted = RidgeMap().fit(np.ones((20, 3)), y)
    np.testing.assert_allclose(fitted.transform(np.ones((1, 3)))[0], y.mean(axis=0))
    with pytest.raises(ValueError, match="alpha"):
        RidgeMap(-1.0).fit(np.ones((20, 3)), y)
