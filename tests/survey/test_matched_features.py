import numpy as np
import pytest

from nearfield.survey import matched_features


def test_a_reordered_copy_is_matched_perfectly(two):
    x, _ = two(400, 20, 0, 0)
    order = np.random.default_rng(0).permutation(20)
    found = matched_features(x, -2 * x[:, order], metric="l2")
    assert found.value == pytest.approx(1, abs=1e-6) and found.verdict == "good"
    assert np.array_equal(order[found.arrays["match_second"]], found.arrays["match_first"])
    assert abs(found.parts["by_chance"]) < 0.1


def test_the_truth_is_inside(two, holds):
    def measure(seed):
        return matched_features(*two(600, 6, 1.0, seed, turned=False), metric="l2", random_state=seed)

    assert holds(measure, 1 / np.sqrt(2)) >= 18


def test_a_rotated_copy_has_no_partners(two):
    found = matched_features(*two(1000, 40, 0, 0), metric="l2")
    assert found.value < 0.5 and found.parts["one_way"] > 0.1 and found.parts["best"] >= found.value


def test_chance_is_zero_however_many_coordinates(two, holds):
    def measure(seed):
        return matched_features(two(100, 60, 0, seed)[0], two(100, 60, 0, 50 + seed)[0], metric="l2")

    assert holds(measure, 0.0) >= 18


def test_signed_matches_refuse_a_negative(two):
    x, _ = two(400, 6, 0, 0)
    assert matched_features(x, -x, metric="l2").value > 0.99
    assert matched_features(x, -x, signed=True, metric="l2").value < 0.2


def test_few_rows_say_why(two):
    assert "at least 40" in matched_features(*two(30, 4, 0, 0)).meaning
