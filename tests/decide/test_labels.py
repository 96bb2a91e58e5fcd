"""Labels that agree with the store's own trials leave them in charge; labels that do not take over."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide.labels import blend, fit_item_shift, fit_weights
from nearfield.decide.logistic import sigmoid


def test_trust_follows_agreement() -> None:
    rng = np.random.default_rng(0)
    trials = rng.normal(size=2000)
    # Which trust an agreeing sample finds likeliest varies; it must be far from that of one that disagrees.
    agreeing = np.median([blend(trials, rng.normal(size=100), 2000) for _ in range(20)])
    shifted = np.median([blend(trials, rng.normal(2.0, 1.0, size=100), 2000) for _ in range(20)])
    assert agreeing > 100
    assert shifted < 10
    assert blend(trials, None, 2000) == 2000
    assert blend(trials, np.zeros(0), 2000) == 2000


def test_weights_find_what_the_base_score_misses() -> None:
    rng = np.random.default_rng(0)
    answered = np.arange(400) % 2 == 0
    base = np.where(answered, -1.0, 1.0) + rng.normal(size=400)
    features = rng.normal(size=(400, 3))
    features[:, 1] += np.where(answered, -1.0, 1.0)
    weights, held_out = fit_weights(base, features, answered, slope=2.0, penalty=np.full(3, 1.0), random_state=0)
    assert weights[1] > 0.5
    assert np.abs(weights[[0, 2]]).max() < 0.3

    def right(score: np.ndarray) -> float:
        return float(((score < np.median(score)) == answered).mean())

    assert right(held_out) > right(base) + 0.03


def test_held_out_scores_do_not_flatter() -> None:
    # 300 features of pure noise explain 100 labels perfectly; held out they explain nothing.
    rng = np.random.default_rng(0)
    answered = np.arange(100) % 2 == 0
    base, features = rng.normal(size=100), rng.normal(size=(100, 300))
    weights, held_out = fit_weights(base, features, answered, slope=0.1, penalty=np.full(300, 0.1), random_state=0)
    trained = base + features @ weights
    assert trained[~answered].min() > trained[answered].max()
    assert abs(np.corrcoef(held_out, answered)[0, 1]) < 0.35


@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_alone_moves_no_weight(kind: bool) -> None:
    base = np.linspace(0, 1, 30)
    weights, held_out = fit_weights(
        base, np.ones((30, 2)), np.full(30, kind), slope=1.0, penalty=np.ones(2), random_state=0
    )
    assert not weights.any()
    assert np.array_equal(held_out, base)


def test_a_score_that_labels_contradict_keeps_a_fifth_of_its_slope() -> None:
    base = np.linspace(-1, 1, 60)
    features = np.random.default_rng(0).normal(size=(60, 2))
    upside_down, _ = fit_weights(base, features, base > 0, slope=3.0, penalty=np.ones(2), random_state=0)
    assert np.isfinite(upside_down).all()
    assert np.abs(upside_down).max() < 2.0 / (0.2 * 3.0)


def test_item_shift_is_found() -> None:
    rng = np.random.default_rng(0)
    items = np.sort(rng.normal(0, 2, (500, 10)), axis=1)
    relevant = rng.uniform(size=items.shape) < sigmoid(0.5 - 1.5 * (items + 1.2))
    assert fit_item_shift(np.full(500, -9.0), items, relevant, 1.5, 0.5) == pytest.approx(1.2, abs=0.2)
