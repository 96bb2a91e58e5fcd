import numpy as np
import pytest

from nearfield.bench.curves import Point, frontier, rate_at, tie_aware_hits, wanted_beams

CURVE = [Point(10, 0.80, 8000.0), Point(20, 0.90, 4000.0), Point(40, 0.96, 2000.0), Point(80, 0.98, 1000.0)]


def test_a_rate_on_a_point_is_that_points() -> None:
    assert rate_at(CURVE, 0.90) == pytest.approx(4000.0)
    assert rate_at(CURVE, 0.98) == pytest.approx(1000.0)


def test_between_points_the_logarithm_is_linear_in_recall() -> None:
    assert rate_at(CURVE, 0.85) == pytest.approx(np.sqrt(8000.0 * 4000.0))
    assert rate_at(CURVE, 0.94) == pytest.approx(4000.0 ** (1 / 3) * 2000.0 ** (2 / 3))


def test_above_the_curve_there_is_no_rate_and_below_it_nothing_is_extrapolated() -> None:
    assert rate_at(CURVE, 0.99) is None
    assert rate_at([], 0.5) is None
    assert rate_at(CURVE, 0.50) == 8000.0


def test_a_slower_point_of_less_recall_does_not_count() -> None:
    noisy = [*CURVE, Point(30, 0.89, 500.0), Point(15, 0.86, 3000.0)]
    assert frontier(noisy) == CURVE
    assert rate_at(noisy, 0.85) == rate_at(CURVE, 0.85)


def test_of_equal_recall_the_faster_point_stays() -> None:
    assert frontier([Point(1, 0.9, 10.0), Point(2, 0.9, 20.0)]) == [Point(2, 0.9, 20.0)]


def test_wanted_beams_bracket_the_targets() -> None:
    assert wanted_beams(CURVE, [0.95]) == [20, 40]
    assert wanted_beams(CURVE, [0.85, 0.97]) == [10, 20, 40, 80]
    assert wanted_beams(CURVE, [0.85, 0.99]) == [10, 20, 80]
    assert wanted_beams(CURVE, [0.5]) == [10]
    assert wanted_beams(CURVE, [0.999]) == [80]


def test_ties_count_and_repeats_and_missing_rows_do_not() -> None:
    distances = np.array([[0.1, 0.2, 0.2], [0.1, 0.1, 0.3], [0.1, np.inf, np.inf]])
    rows = np.array([[3, 9, 5], [4, 4, 8], [2, -1, -1]])
    kth = np.array([0.2, 0.2, 0.2])
    assert tie_aware_hits(distances, kth, rows).tolist() == [3, 1, 1]


def test_rounding_is_forgiven_but_no_more() -> None:
    rows = np.array([[1, 2]])
    assert tie_aware_hits(np.array([[0.5 + 5e-7, 0.5 + 5e-6]]), np.array([0.5]), rows).tolist() == [1]
    assert tie_aware_hits(np.array([[1000.0 + 5e-4, 1000.1]]), np.array([1000.0]), rows).tolist() == [1]
