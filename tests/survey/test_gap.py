import numpy as np
import pytest

from nearfield.survey import modality_gap


@pytest.mark.parametrize("paired", [True, False])
def test_a_planted_gap_is_inside(two, holds, paired):
    def measure(seed):
        x, y = two(300, 8, 0.5, seed, turned=False)
        y = (y if paired else two(200, 8, 0, 50 + seed)[0]) + np.float32([0.6, 0.8, 0, 0, 0, 0, 0, 0])
        return modality_gap(x, y, metric="l2", paired=paired)

    assert holds(measure, 1.0) >= 18


def test_no_gap_is_at_zero(two, holds):
    def measure(seed):
        return modality_gap(two(300, 60, 0, seed)[0], two(300, 60, 0, 50 + seed)[0], metric="l2", paired=False)

    assert holds(measure, 0.0) >= 18
    assert measure(0).verdict == "good" and measure(0).parts["by_chance"] < 0.3


def test_two_clouds_are_told_apart():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 400, 5)) * 0.3 + np.array([1.0, -1.0])[:, None, None] * np.eye(5)[0]
    found = modality_gap(x.astype(np.float32), y.astype(np.float32))
    assert found.verdict == "poor" and found.parts["separable"] > 0.99 and found.parts["share"] > 0.5
    assert found.parts["partners"] == pytest.approx(found.parts["strangers"], abs=0.05)
    assert found.parts["partners"] < 0


def test_partners_lie_nearer_than_strangers(two):
    found = modality_gap(*two(400, 8, 0.3, 0, turned=False))
    assert found.parts["partners"] > 0.9 and abs(found.parts["strangers"]) < 0.1


def test_what_cannot_be_measured_says_why(two):
    x, _ = two(50, 8, 0, 0)
    assert "8 and 5 dimensions" in modality_gap(x, x[:, :5].copy()).meaning
    assert "there are 3 and 50" in modality_gap(x[:3], x, paired=False).meaning
    assert (
        "every row is zero"
        in modality_gap(np.zeros((20, 2), np.float32), np.zeros((20, 2), np.float32), metric="l2").meaning
    )
    with pytest.raises(ValueError, match="ids: expected None"):
        modality_gap(x, x, paired=False, ids=(range(50), range(50)))
