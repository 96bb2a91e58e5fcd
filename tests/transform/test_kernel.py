import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from nearfield.transform import KernelMap, RidgeMap


def test_all_pairs_as_centres_is_kernel_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((90, 4)), rng.standard_normal((90, 3))
    ours = KernelMap(0.8, alpha=0.3).fit(x, y)
    theirs = KernelRidge(alpha=0.3, kernel="rbf", gamma=ours.gamma_).fit(x, y - y.mean(axis=0))
    fresh = rng.standard_normal((20, 4))
    np.testing.assert_allclose(ours.transform(fresh), theirs.predict(fresh) + y.mean(axis=0), atol=1e-8)
    assert ours.gamma_ == pytest.approx(1 / (0.64 * 2 * np.square(x - x.mean(axis=0)).sum(axis=1).mean()))


def test_it_bends_with_few_centres_too() -> None:
    rng = np.random.default_rng(0)
    x, fresh = rng.standard_normal((800, 2)), rng.standard_normal((200, 2))

    def bent(rows):
        return np.column_stack([np.sin(2 * rows[:, 0]), rows[:, 0] * rows[:, 1]])

    def error(fitted):
        return float(np.square(fitted.fit(x, bent(x)).transform(fresh) - bent(fresh)).mean())

    all_centres, some, line = error(KernelMap()), error(KernelMap(centers=100)), error(RidgeMap())
    assert all_centres < 0.02 * line and some < 0.1 * line


def test_noise_raises_the_penalty() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3))
    clean, noisy = (KernelMap().fit(x, np.sin(x) + level * rng.standard_normal(x.shape)) for level in (0.01, 1.0))
    assert noisy.alpha_ > 10 * clean.alpha_
    for bad in ({"width": 0.0}, {"centers": 0}, {"alpha": -1.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            KernelMap(**bad).fit(x, x)


def test_all_pairs_are_centres_up_to_five_thousand_unless_said() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1_200, 3))
    fitted = KernelMap(alpha=0.1).fit(x, x)
    assert fitted.centers_.shape == (1_200, 3)
    assert fitted.gamma_ == pytest.approx(1 / (2 * np.square(x - x.mean(axis=0)).sum(axis=1).mean()))
    assert KernelMap(alpha=0.1, centers=50).fit(x, x).centers_.shape == (50, 3)
