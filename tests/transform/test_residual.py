import numpy as np
import pytest

from nearfield.transform import ResidualMap, RidgeMap


def test_it_learns_what_ridge_leaves() -> None:
    rng = np.random.default_rng(0)
    x, fresh = rng.standard_normal((700, 3)), rng.standard_normal((200, 3))

    def error(fitted):
        return float(np.square(fitted.fit(x, np.abs(x)).transform(fresh) - np.abs(fresh)).mean())

    assert error(ResidualMap(24, epochs=150)) < 0.3 * error(RidgeMap())


def test_the_seed_decides_and_parameters_are_checked() -> None:
    x = np.random.default_rng(0).standard_normal((60, 3))
    one, same, other = (ResidualMap(4, epochs=3, random_state=s).fit(x, np.abs(x)).transform(x) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert ResidualMap(4, epochs=3).fit(x, x[:, 0]).transform(x).shape == (60, 1)
    for bad in ({"units": 0}, {"epochs": 0}, {"alpha": -1.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            ResidualMap(**bad).fit(x, x)
