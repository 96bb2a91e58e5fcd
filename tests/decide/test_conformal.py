"""The guarantee is held to by simulation, for relevances that mean nothing as for good ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nearfield.decide import ConformalCut, conformal_cut


@pytest.mark.parametrize("n", [19, 60, 500])
@pytest.mark.parametrize("power", [0.2, 5.0])
def test_false_answers_stay_below_the_level_on_average(n: int, power: float) -> None:
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(2000):
        cut = conformal_cut(rng.random(n) ** power, max_false=0.05)
        rates.append(1 - min(max(cut.threshold, 0.0), 1.0) ** (1 / power))  # exact, by the law of the relevance
    assert np.mean(rates) <= 0.05 + 3 * np.std(rates) / np.sqrt(2000)
    assert np.mean(rates) > 0.02


def test_with_confidence_few_sets_of_labels_break_the_level() -> None:
    rng = np.random.default_rng(1)
    rates = [1 - min(conformal_cut(rng.random(200), max_false=0.1, confidence=0.9).threshold, 1.0) for _ in range(1000)]
    assert np.mean(np.array(rates) > 0.1) <= 0.13
    assert np.mean(rates) > 0.05


def test_too_few_queries_answer_nothing() -> None:
    assert conformal_cut(np.linspace(0, 1, 18), max_false=0.05).threshold == np.inf
    assert conformal_cut(np.linspace(0, 1, 19), max_false=0.05).threshold > 1
    assert conformal_cut(np.linspace(0, 1, 39), max_false=0.05).threshold < 1
    assert conformal_cut([0.5], max_false=1.0).threshold == -np.inf
    assert conformal_cut(np.linspace(0, 1, 10), max_false=0.2, confidence=0.95).threshold == np.inf


def test_ties_stay_out() -> None:
    cut = conformal_cut(np.repeat([0.3, 0.7], [50, 50]), max_false=0.1)
    assert not cut.keep([0.7]).any() and cut.keep([0.71]).all()


def test_lost_hits_stay_below_the_level_on_average() -> None:
    rng = np.random.default_rng(2)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        relevant = rng.random((n, 8)) < 0.3
        return rng.random((n, 8)) + 0.5 * relevant, relevant

    losses = []
    for _ in range(500):
        cut = conformal_cut(*draw(60), max_lost=0.1)
        # A relevant hit is even on [0.5, 1.5]: the expected share of it below the threshold.
        losses.append(np.clip(cut.threshold - 0.5, 0.0, 1.0))
    assert np.mean(losses) <= 0.1 + 3 * np.std(losses) / np.sqrt(500)
    assert np.mean(losses) > 0.07


def test_lost_hits_with_too_few_queries_keep_everything() -> None:
    assert conformal_cut(np.ones((3, 2)), np.ones((3, 2), bool), max_lost=0.1).threshold == -np.inf
    assert conformal_cut(np.ones((3, 2)), np.ones((3, 2), bool), max_lost=1.0).threshold == np.inf


def test_it_is_kept_as_json_and_says_what_it_means() -> None:
    cut = conformal_cut(np.linspace(0, 1, 200), max_false=0.05, confidence=0.9)
    assert ConformalCut.from_dict(json.loads(json.dumps(cut.to_dict()))) == cut
    assert "at most 5%" in str(cut) and "90% of such sets" in str(cut)
    lost = conformal_cut(np.ones((50, 1)), np.ones((50, 1), bool), max_lost=0.1)
    assert "relevant hits at most 10%" in str(lost)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.1],), "max_false, max_lost: expected one of them"),
        (([], None, 0.1), "relevance: expected numbers of shape"),
        (([np.nan], None, 0.1), "relevance: expected numbers, got NaN"),
        (([0.1], [True], 0.1), "relevant: expected None with max_false"),
        (([0.1], None, 2.0), "max_false: expected a number in"),
        (([[0.1]], [[1]], None, 0.1), "relevant: expected bools"),
        (([[0.1]], [[False]], None, 0.1), "relevant: expected queries with relevant hits, got none"),
    ],
)
def test_what_is_refused(arguments: tuple, message: str) -> None:
    relevance, relevant, max_false, max_lost = (*arguments, None, None, None)[:4]
    with pytest.raises(ValueError, match=message):
        conformal_cut(relevance, relevant, max_false=max_false, max_lost=max_lost)
