import numpy as np
import pytest

from nearfield.survey.costs import recall_loss, relevance_change


def test_recall_loss_is_a_difference_with_its_interval(holds):
    def measured(seed):
        rng = np.random.default_rng(seed)
        return recall_loss(rng.binomial(10, 0.95, 200) / 10, rng.binomial(10, 0.8, 200) / 10, what="the index", k=10)

    assert holds(measured, 0.15) >= 18
    assert measured(0).verdict == "poor" and "15" in measured(0).meaning


def test_no_loss_is_said_to_be_none():
    measure = recall_loss(np.ones(200), np.ones(200), what="the index", k=10)
    assert (measure.value, measure.verdict) == (0, "good") and "no loss" in measure.meaning
    better = recall_loss(np.full(200, 0.5), np.ones(200), what="the index", k=10)
    assert better.value < 0 and better.verdict == "good" and "easier" in better.meaning


def test_without_a_judge_the_stored_rows_set_the_distance(holds):
    def measured(seed):
        rng = np.random.default_rng(seed)
        return relevance_change(rng.random(800), rng.random(400))

    assert holds(measured, 0.0) >= 18
    moved = relevance_change(np.random.default_rng(0).random(800), 0.5 + np.random.default_rng(1).random(400))
    assert moved.value == pytest.approx(-0.5, abs=0.08) and moved.verdict == "poor"


def test_a_judge_gives_the_mean_relevance():
    far = np.zeros(100)
    measure = relevance_change(far, far, then_relevance=np.full(100, 0.9), now_relevance=np.full(100, 0.6))
    assert measure.value == pytest.approx(-0.3) and measure.parts["judged"] == 1
