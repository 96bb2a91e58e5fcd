from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide.logistic import sigmoid
from nearfield.decide.monotone import FORMS, count_of, fit_monotone, log_odds


@pytest.mark.parametrize("form", FORMS)
def test_the_function_that_made_the_labels_is_found(form: str) -> None:
    rng = np.random.default_rng(0)
    features, x = rng.standard_normal((1500, 2)), rng.random((1500, 30))
    true = np.zeros((count_of(form), 3))
    true[0] = [1.0, -0.5, -3.0]
    true[1, -1] = 1.5
    if form != "shift":
        true[1, 0] = 0.3
    if form == "power":
        true[2] = [0.0, 0.4, 0.5]
    target = rng.random(x.shape) < sigmoid(log_odds(form, true, features, x))
    found = fit_monotone(form, features, x, target, np.ones_like(target), np.full(2, 1e-3))
    made = sigmoid(log_odds(form, found, features, x))
    assert np.abs(made - sigmoid(log_odds(form, true, features, x))).mean() < 0.02
    assert np.abs(found[0, 0] - 1.0) < 0.2


@pytest.mark.parametrize("form", FORMS)
def test_it_never_falls_with_the_similarity(form: str) -> None:
    rng = np.random.default_rng(1)
    weights = 3 * rng.standard_normal((count_of(form), 4))
    x = np.sort(rng.random((50, 20)), axis=1)
    assert (np.diff(log_odds(form, weights, rng.standard_normal((50, 3)), x), axis=1) >= 0).all()


def test_unknown_labels_count_for_nothing() -> None:
    rng = np.random.default_rng(2)
    features, x = rng.standard_normal((40, 1)), rng.random((40, 10))
    target, known = rng.random((40, 10)) < x, rng.random((40, 10)) < 0.5
    other = np.where(known, target, ~target)
    a, b = (fit_monotone("linear", features, x, labels, known, np.ones(1)) for labels in (target, other))
    np.testing.assert_allclose(a, b, atol=1e-8)
