from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from nearfield.decide.conditional_logistic import fit_conditional_logistic


@pytest.fixture(scope="module")
def chosen_by_chance() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """2,000 groups of 2 to 6 rows; the chosen one is drawn with known weights."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(2, 7, 2000)
    starts = np.cumsum([0, *sizes[:-1]])
    features, truth = rng.standard_normal((sizes.sum(), 3)), np.array([1.5, 0.5, 0.0])
    chosen = np.zeros(len(features), bool)
    for start, size in zip(starts, sizes, strict=True):
        chosen[start + rng.choice(size, p=softmax(features[start : start + size] @ truth))] = True
    return features, starts, chosen, truth


def test_it_finds_the_weights_behind_choices(chosen_by_chance) -> None:
    features, starts, chosen, truth = chosen_by_chance
    assert fit_conditional_logistic(features, starts, chosen) == pytest.approx(truth, abs=0.1)


def test_what_groups_share_does_not_matter(chosen_by_chance) -> None:
    features, starts, chosen, _ = chosen_by_chance
    sizes = np.diff(starts, append=len(features))
    moved = features + np.repeat(np.random.default_rng(1).normal(0, 100, (len(starts), 3)), sizes, axis=0)
    weights = [fit_conditional_logistic(each, starts, chosen) for each in (features, moved)]
    assert weights[0] == pytest.approx(weights[1], abs=1e-3)


def test_no_weight_is_negative_and_the_penalty_shrinks(chosen_by_chance) -> None:
    features, starts, chosen, _ = chosen_by_chance
    turned = fit_conditional_logistic(features * [-1.0, 1.0, 1.0], starts, chosen)
    assert turned[0] == 0.0 and turned[1] > 0.2
    sizes = [fit_conditional_logistic(features, starts, chosen, penalty)[0] for penalty in (0.0, 100.0, 1e6)]
    assert sizes[0] > sizes[1] > sizes[2] > 0 and sizes[2] < 0.01


def test_several_right_rows_share_the_credit() -> None:
    features = np.array([[2.0], [0.0], [2.0], [0.0], [1.0], [3.0]])
    chosen = np.array([True, False, True, False, True, True])
    assert 0 < fit_conditional_logistic(features, np.array([0, 3]), chosen)[0] < 10
    every = fit_conditional_logistic(features, np.array([0, 3]), np.ones(6, bool))
    assert every == pytest.approx([0.0], abs=1e-6)
    with np.errstate(
        over="raise", divide="raise", invalid="raise"
    ):  # scores far apart neither overflow nor divide by zero
        fit_conditional_logistic(features * 1e4, np.array([0, 3]), np.array([False, True, False, True, False, False]))
