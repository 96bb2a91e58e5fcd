import numpy as np
import pytest

from nearfield.survey.variance import Sums


def test_components_are_those_of_the_textbook():
    # Two classes on a line: 0, 2 and 10, 12. Within 2, between (50 - 1) with two rows a class.
    spread = Sums.of(np.array([[0.0], [2], [10], [12]]), np.array([0, 0, 1, 1]), 2).spread()
    assert spread.within == 2
    assert spread.between == pytest.approx((100 - 2) / 2)
    assert spread.share == pytest.approx((100 - 2) / 104)


def test_unbiased_for_random_labels():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        rows, codes = rng.standard_normal((60, 3)), rng.integers(0, 12, 60)
        shares.append(Sums.of(rows, codes, 12).spread().share)
    assert abs(np.mean(shares)) < 0.01


def test_rows_can_be_taken_away():
    rng = np.random.default_rng(0)
    rows, codes = rng.standard_normal((50, 4)), rng.integers(0, 3, 50)
    left = Sums.of(rows, codes, 3).without(Sums.of(rows[:20], codes[:20], 3)).spread()
    assert left == pytest.approx(Sums.of(rows[20:], codes[20:], 3).spread())


def test_degenerate():
    assert Sums.of(np.array([[1.0], [1], [2], [2]]), np.array([0, 0, 1, 1]), 2).spread().ratio == np.inf
    assert np.isnan(Sums.of(np.ones((4, 1)), np.array([0, 0, 1, 1]), 2).spread().ratio)
    assert np.isnan(Sums.of(np.ones((4, 1)), np.zeros(4, int), 1).spread().within)
