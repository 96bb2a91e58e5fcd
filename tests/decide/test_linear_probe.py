"""Naive Bayes or logistic regression, as held-out rows say."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import LinearProbe, NaiveBayes


def correlated(count: int, seed: int, dim: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that differ little along directions hidden by noise that all dimensions share."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    shared = 4 * rng.standard_normal((count, 1))
    return shared + rng.standard_normal((count, dim)) + np.outer(y - 0.5, np.arange(dim) % 2), y


def independent(count: int, seed: int, dim: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    scale = np.geomspace(1, 30, dim)
    return scale * (rng.standard_normal((count, dim)) + 0.1 * (2 * y[:, None] - 1)), y


def test_logistic_regression_where_dimensions_depend_on_each_other() -> None:
    x, y = correlated(600, 0)
    unseen, truth = correlated(2000, 1)
    model = LinearProbe().fit(x, y)
    assert model.method_ == "logistic" and model.penalty_ in (1, 10, 100, 1000)
    assert model.score(unseen, truth) > NaiveBayes().fit(x, y).score(unseen, truth) + 0.1
    assert model.held_out_accuracy_["naive_bayes"] < max(model.held_out_accuracy_.values())


def test_naive_bayes_where_they_do_not_and_scales_differ() -> None:
    x, y = independent(60, 0)
    unseen, truth = independent(2000, 1)
    model = LinearProbe().fit(x, y)
    assert model.method_ == "naive_bayes" and np.isnan(model.penalty_)
    assert model.score(unseen, truth) > LinearProbe("logistic").fit(x, y).score(unseen, truth)
    assert (model.predict(unseen) == NaiveBayes().fit(x, y).predict(unseen)).all()


def test_scores_are_the_linear_map_it_shows() -> None:
    x, y = correlated(100, 2)
    model = LinearProbe("logistic").fit(x, y)
    assert model.coef_.shape == (2, 30)
    assert np.allclose(model._score(x), x @ model.coef_.T + model.intercept_)


def test_one_row_a_class_and_one_class() -> None:
    model = LinearProbe().fit(np.eye(4), ["a", "b", "c", "d"])
    assert model.predict(np.eye(4)).tolist() == ["a", "b", "c", "d"] and model.held_out_accuracy_ == {}
    assert LinearProbe("logistic").fit(np.eye(4), [7] * 4).predict(np.eye(4)).tolist() == [7] * 4


def test_of_many_rows_one_fold_chooses_and_all_calibrate() -> None:
    x, y = correlated(2000, 3, dim=6)
    model = LinearProbe().fit(x, y)
    assert len(model.held_out_support_) == 2000 and model.method_ == "logistic"


def test_the_method_is_checked() -> None:
    with pytest.raises(ValueError, match="method: expected one of 'auto', 'naive_bayes', 'logistic', got 'svm'"):
        LinearProbe("svm").fit(np.eye(3), [0, 1, 1])
