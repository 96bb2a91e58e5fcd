"""Naive Bayes with one variance a dimension for all classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from nearfield.decide import NaiveBayes


def mixture(count: int, seed: int, dim: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, count)
    means = np.random.default_rng(77).standard_normal((4, dim))
    return means[y] + np.linspace(0.5, 3, dim) * rng.standard_normal((count, dim)), y


def test_the_log_odds_are_those_of_shared_diagonal_gaussians() -> None:
    x, y = mixture(500, 0)
    model = NaiveBayes(smoothing=0, prior="empirical").fit(x, y)
    within = np.concatenate([x[y == c] - x[y == c].mean(axis=0) for c in range(4)])
    variance = np.square(within).sum(axis=0) / (500 - 4)
    assert np.allclose(model.variance_, variance)
    means = np.stack([x[y == c].mean(axis=0) for c in range(4)])
    density = -0.5 * (np.square(x[:, None] - means) / variance).sum(axis=2) + np.log(np.bincount(y) / 500)
    ours = model._score(x)
    assert np.allclose(ours - ours[:, :1], density - density[:, :1])
    distance = (np.square(x[:, None] - means) / variance).sum(axis=2)
    assert np.allclose(model._support(x), -distance[np.arange(500), ours.argmax(axis=1)], rtol=0.2)
    assert np.allclose(NaiveBayes(smoothing=0).fit(x, y)._support(x), -distance.min(axis=1))


def test_it_is_near_the_best_linear_rule_where_its_assumption_holds() -> None:
    x, y = mixture(2000, 0)
    unseen, truth = mixture(4000, 1)
    best = LinearDiscriminantAnalysis().fit(x, y).score(unseen, truth)
    assert NaiveBayes().fit(x, y).score(unseen, truth) > best - 0.01
    few, labels = mixture(24, 2)
    assert NaiveBayes().fit(few, labels).score(unseen, truth) > LinearDiscriminantAnalysis().fit(few, labels).score(
        unseen, truth
    )


def test_parts_and_the_whole_are_the_same() -> None:
    x, y = mixture(400, 3)
    whole = NaiveBayes().fit(x + 100, y)
    parts = NaiveBayes()
    for start in range(0, 400, 90):
        parts.partial_fit(x[start : start + 90] + 100, y[start : start + 90], classes=[0, 1, 2, 3])
    assert np.allclose(whole.coef_, parts.coef_) and np.allclose(whole.variance_, parts.variance_)
    assert (whole.predict(x + 100) == parts.predict(x + 100)).all()
    assert len(parts.held_out_support_) == 310 and 0.5 < parts.temperature_ / whole.temperature_ < 2


def test_classes_that_come_later() -> None:
    x, y = mixture(200, 4)
    model = NaiveBayes().partial_fit(x[y < 2], y[y < 2], classes=[0, 1, 2, 3])
    assert set(model.predict(x)) == {0, 1} and (model.predict_proba(x)[:, 2:] == 0).all()
    model.partial_fit(x, y)
    assert set(model.predict(x)) == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="expected labels among the 4 fitted, got 7"):
        model.partial_fit(x[:1], [7])
    with pytest.raises(ValueError, match="classes"):
        model.partial_fit(x, y, classes=[0, 1])
    assert model.fit(x[y > 1], y[y > 1]).classes_.tolist() == [2, 3]


def test_one_example_a_class_and_constant_dimensions() -> None:
    x, y = mixture(4000, 5)
    first = [int(np.flatnonzero(y == c)[0]) for c in range(4)]
    constant = np.column_stack([x, np.full(len(x), 7.0)])
    model = NaiveBayes(smoothing=0).fit(constant[first], y[first])
    assert model.score(constant, y) > 0.4
    assert np.isfinite(model.predict_proba(constant)).all()


@pytest.mark.parametrize("changed", [{"prior": "flat"}, {"smoothing": -1}, {"smoothing": np.nan}])
def test_parameters_are_checked(changed: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        NaiveBayes(**changed).fit(np.eye(3), [0, 1, 1])
