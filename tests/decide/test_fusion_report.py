"""The report says when fusing gains, when it loses, and when that is not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from nearfield.decide import FusionReport, compare_fusion


def judged(strength: tuple[float, ...], *, count: int = 80, candidates: int = 50, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(count), candidates)
    grades = rng.choice([0.0, 1.0, 3.0], len(numbers), p=[0.94, 0.04, 0.02])
    scores = rng.standard_normal((len(numbers), len(strength))) + np.array(strength) * np.sqrt(grades)[:, None]
    return scores, grades, numbers


def test_two_good_legs_are_better_together() -> None:
    scores, grades, numbers = judged((2.0, 2.0))
    report = compare_fusion(scores, scores, grades, numbers, names=("vector", "text"))
    assert report.loses_to == [] and report.verdict.startswith("fusing gains")
    assert min(report.gains["vector"][1], report.gains["text"][1]) > 0
    assert set(report.baselines) == {
        "reciprocal ranks, k=60",
        "sum of standings",
        "reciprocal ranks, tuned",
        "sum of minmax, tuned",
        "sum of zscore, tuned",
    }
    assert report.brier < report.brier_base and report.calibration_error < 0.02
    assert all(low - 0.1 <= rate <= high + 0.1 for rate, (_, low, high) in report.false_answers.items())
    assert "held-out" in str(report) and "vector" in str(report)


def test_figures_are_ndcg() -> None:
    scores, grades, numbers = judged((2.0, 1.0), count=40)
    report = compare_fusion(scores, scores, grades, numbers, k=5)
    relevant, given = grades.reshape(40, 50), scores.reshape(40, 50, 2)
    some = relevant.sum(axis=1) > 0
    for leg in range(2):
        assert report.legs[f"leg {leg}"][0] == pytest.approx(ndcg_score(relevant[some], given[some, :, leg], k=5))
    assert report.queries == some.sum() and report.k == 5
    half = compare_fusion(scores, scores, grades, numbers, ideal={number: [3.0] * 9 for number in range(40)}, k=5)
    assert half.queries == 40 and half.legs["leg 0"][0] < report.legs["leg 0"][0]


def test_a_harmful_leg_is_named() -> None:
    """Standings that mislead: what the fit saw of the leg is not what it is later."""
    scores, grades, numbers = judged((3.0, 0.0), count=200)
    report = compare_fusion(scores, np.random.default_rng(1).standard_normal(scores.shape), grades, numbers)
    assert report.loses_to == ["leg 0"] and report.verdict.startswith("fusing loses to leg 0 alone by")


def test_not_known_is_said() -> None:
    scores, grades, numbers = judged((3.0, 0.0), count=40)
    report = compare_fusion(scores, scores, grades, numbers)
    assert report.loses_to == [] and report.verdict.startswith("whether fusing gains is not known")
    assert FusionReport.__doc__


def test_same_seed_same_report() -> None:
    scores, grades, numbers = judged((2.0, 1.0, 1.0), count=40)
    assert compare_fusion(scores, scores, grades, numbers) == compare_fusion(scores, scores, grades, numbers)


def test_bad_input_is_refused() -> None:
    scores, grades, numbers = judged((2.0, 1.0), count=40)
    for given, message in (
        ({"standing": scores[:, :1]}, "standing: expected shape"),
        ({"grades": grades[:-1]}, "grades: expected 2000 finite numbers"),
        ({"grades": np.full(2000, np.nan)}, "grades: expected 2000 finite numbers"),
        ({"names": ("one",)}, "names: expected 2 names, got 1"),
        ({"folds": 1}, "folds: expected"),
        ({"grades": np.zeros(2000)}, "relevant: expected at least 20 queries"),
    ):
        with pytest.raises(ValueError, match=message):
            compare_fusion(**({"scores": scores, "standing": scores, "grades": grades, "queries": numbers} | given))
    with pytest.raises(ValueError, match="queries: expected enough for 20"):
        compare_fusion(scores[:500], scores[:500], grades[:500], numbers[:500])
