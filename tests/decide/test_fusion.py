"""A fusion's number is a probability, its cut keeps its rate, and it survives being saved."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nearfield.decide import Fusion


def questions(count: int, seed: int, *, strength: tuple[float, ...] = (3.0, 2.0), candidates: int = 60) -> Any:
    """Standings of candidates, which of them are relevant, and their questions; relevant ones stand out by strength."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(count), candidates)
    relevant = rng.random(len(numbers)) < 2 / candidates
    standing = rng.standard_normal((len(numbers), len(strength))) + np.array(strength) * relevant[:, None]
    return standing, relevant, numbers


@pytest.mark.parametrize("strength", [(3.0,), (3.0, 2.0), (2.0, 0.0, 2.0, 1.0)])
def test_relevance_is_the_share_that_is_relevant(strength: tuple[float, ...]) -> None:
    fusion = Fusion().fit(*questions(1500, 0, strength=strength))
    standing, relevant, numbers = questions(2000, 1, strength=strength)
    told = fusion.relevance(standing, numbers)
    tenth = np.minimum((10 * told).astype(int), 9)
    for level in range(10):
        some = tenth == level
        if some.sum() > 200:
            assert abs(told[some].mean() - relevant[some].mean()) < 0.06
    best = [np.corrcoef(column, relevant)[0, 1] for column in (told, *standing.T)]
    assert best[0] == max(best)  # no leg alone tells as much


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_the_cut_keeps_its_rate(rate: float) -> None:
    fusion = Fusion().fit(*questions(400, 0))
    standing, relevant, numbers = questions(2000, 1)
    kept = fusion.keep(standing[~relevant], rate, numbers[~relevant])
    answered = len(np.unique(numbers[~relevant][kept])) / 2000
    assert abs(answered - rate) < 0.02 + 0.2 * rate
    first = np.full(2000, -1.0)
    np.maximum.at(first, numbers[relevant], fusion.relevance(standing, numbers)[relevant])
    lost = (first[np.unique(numbers[relevant])] < fusion.threshold(rate)).mean()
    promised = fusion.expected_lost(rate)
    assert promised.low - 0.03 <= lost <= promised.high + 0.03


def test_the_ends_of_the_rate() -> None:
    standing, relevant, numbers = questions(50, 0)
    fusion = Fusion().fit(standing, relevant, numbers)
    assert not fusion.keep(standing, 0.0, numbers).any() and fusion.keep(standing, 1.0, numbers).all()
    levels = [fusion.threshold(rate) for rate in (0.001, 0.01, 0.1, 0.5, 0.9)]
    assert levels == sorted(levels, reverse=True)


def test_a_useless_leg_weighs_nothing() -> None:
    """A leg of noise changes little of what the other says."""
    standing, relevant, numbers = questions(400, 0, strength=(3.0, 0.0))
    both, alone = Fusion().fit(standing, relevant, numbers), Fusion().fit(standing[:, :1], relevant, numbers)
    fresh, _, group = questions(100, 1, strength=(3.0, 0.0))
    assert np.abs(both.relevance(fresh, group) - alone.relevance(fresh[:, :1], group)).mean() < 0.01


def test_no_opinion_counts_as_chance() -> None:
    fusion = Fusion().fit(*questions(100, 0))
    silent = fusion.relevance([[3.0, np.nan], [0.0, 0.0]])
    assert np.array_equal(silent, fusion.relevance([[3.0, 0.0], [0.0, 0.0]]))
    assert fusion.relevance(np.empty((0, 2))).shape == (0,)


def test_saved_and_restored_it_decides_the_same() -> None:
    standing, relevant, numbers = questions(100, 0)
    fusion = Fusion(penalty=3.0).fit(standing, relevant, numbers)
    again = Fusion.from_dict(json.loads(json.dumps(fusion.to_dict())))
    assert again.penalty == 3.0 and (again.n_legs_, again.n_queries_) == (2, 100)
    assert np.array_equal(again.relevance(standing, numbers), fusion.relevance(standing, numbers))
    assert again.threshold(0.03) == fusion.threshold(0.03)
    assert str(again.expected_lost(0.1)) == str(fusion.expected_lost(0.1))
    saved = fusion.to_dict()
    for change in ({"kind": "Judge"}, {"version": 9}, {"state": {}}, {"state": {**saved["state"], "n_legs_": 3}}):
        with pytest.raises(ValueError, match="saved: expected"):
            Fusion.from_dict({**saved, **change})


def test_questions_may_come_in_any_order() -> None:
    standing, relevant, numbers = questions(60, 0)
    order = np.random.default_rng(3).permutation(len(numbers))
    straight, mixed = (
        Fusion().fit(standing, relevant, numbers),
        Fusion().fit(standing[order], relevant[order], 7 * numbers[order] - 100),
    )
    assert np.allclose(straight.weights_, mixed.weights_, rtol=1e-6, atol=1e-8)
    assert np.allclose(
        straight.relevance(standing, numbers)[order], mixed.relevance(standing[order], numbers[order]), rtol=1e-6
    )


def test_bad_input_is_refused() -> None:
    standing, relevant, numbers = questions(60, 0)
    infinite = standing.copy()
    infinite[3, 1] = np.inf
    for given, message in (
        ((standing[:, 0], relevant, numbers), "standing: expected numbers of shape"),
        ((standing[:, :0], relevant, numbers), "standing: expected numbers of shape"),
        ((np.array([["a"]]), relevant, numbers), "standing: expected numbers"),
        ((infinite, relevant, numbers), "standing: expected finite numbers"),
        ((standing, relevant[:-1], numbers), "relevant: expected 3600 bools"),
        ((standing, relevant.astype(int), numbers), "relevant: expected 3600 bools, got int64"),
        ((standing, relevant, numbers[:-1]), "queries: expected 3600 ints"),
        ((standing, relevant, numbers.astype(float)), "queries: expected 3600 ints, got float64"),
        ((standing, np.zeros(3600, bool), numbers), "relevant: expected at least 20 queries .* got 0"),
        ((standing, np.ones(3600, bool), numbers), "relevant: expected candidates that are not relevant"),
    ):
        with pytest.raises(ValueError, match=message):
            Fusion().fit(*given)
    with pytest.raises(ValueError, match="penalty: expected"):
        Fusion(penalty=-1.0).fit(standing, relevant, numbers)
    with pytest.raises(RuntimeError, match="not fitted yet"):
        Fusion().relevance(standing)
    fusion = Fusion().fit(standing, relevant, numbers)
    with pytest.raises(ValueError, match="standing: expected 2 legs, as it was fitted to, got 3"):
        fusion.relevance(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="max_false: expected"):
        fusion.threshold(1.5)


def test_constant_and_separable_standings_stay_finite() -> None:
    _, relevant, numbers = questions(60, 0)
    constant = Fusion().fit(np.ones((3600, 2)), relevant, numbers)
    assert np.allclose(constant.relevance(np.ones((2, 2))), relevant.mean(), atol=0.01)
    apart = Fusion().fit(1e6 * relevant[:, None], relevant, numbers)
    assert np.isfinite(apart.weights_).all() and apart.relevance([[1e6], [0.0]])[0] > 0.5
