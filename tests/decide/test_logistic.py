"""Newton's answer is the optimum, and stays finite where there is none."""

from __future__ import annotations

import numpy as np

from nearfield.decide.logistic import fit_logistic, sigmoid


def test_the_gradient_vanishes() -> None:
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(500, 4)), rng.uniform(0.5, 2, 500)
    y = rng.uniform(size=500) < sigmoid(x @ np.array([2.0, -1.0, 0.0, 0.5]) + 0.3)
    penalty = np.array([1.0, 2.0, 3.0, 0.0])
    c = fit_logistic(x, y, penalty, weights)
    residual = weights * (sigmoid(x @ c[:-1] + c[-1]) - y)
    np.testing.assert_allclose(x.T @ residual + penalty * c[:-1], 0, atol=1e-3)
    assert abs(residual.sum()) < 1e-3


def test_separable_classes_stay_finite() -> None:
    x = np.linspace(-1, 1, 40)[:, None]
    c = fit_logistic(x, x[:, 0] > 0, np.array([1e-3]))
    assert np.isfinite(c).all()
    assert c[0] > 5


def test_sigmoid_does_not_overflow() -> None:
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
