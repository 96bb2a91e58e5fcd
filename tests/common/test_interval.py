import numpy as np
import pytest

from nearfield.common.interval import difference_interval, mean_interval, recall_interval, student_interval


def shares(rng, mean, kind, n):
    """Per-query recalls of the given mean: independent hits, hits that come in bunches, or all or nothing."""
    if kind == "independent":
        return rng.binomial(10, mean, n) / 10
    if kind == "bunched":
        return rng.binomial(10, rng.beta(2 * mean, 2 * (1 - mean), n)) / 10
    return (rng.random(n) < mean).astype(float)


@pytest.mark.parametrize("kind", ["independent", "bunched", "all or nothing"])
@pytest.mark.parametrize("mean", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("n", [100, 500])
def test_the_interval_covers_the_truth_as_often_as_it_says(kind, mean, n):
    rng = np.random.default_rng(0)
    inside = below = 0
    for _ in range(1000):
        _, low, high = mean_interval(shares(rng, mean, kind, n))
        inside += low <= mean <= high
        below += low <= mean
    # 0.95 is promised. Where one failing query is expected, or less, one of them moves the mean past the upper end;
    # the lower end, which decisions rest on, holds everywhere. 0.007 is the standard deviation of 1000 rounds.
    assert inside >= (925 if n * (1 - mean) > 2 else 900)
    assert below >= 960


def test_bunched_hits_give_a_wider_interval_than_independent_ones():
    even = np.full(400, 0.9)
    bunched = np.repeat([1.0, 0.0], [360, 40])
    widths = [high - low for _, low, high in (mean_interval(even), mean_interval(bunched))]
    assert widths[0] < 0.3 * widths[1]


def test_ends_and_single_values():
    assert mean_interval([1.0] * 1000)[1] == pytest.approx(1000 / (1000 + 1.96**2), abs=1e-6)
    assert mean_interval([1.0] * 1000)[2] == 1.0
    mean, low, high = mean_interval([0.0] * 10)
    assert mean == low == 0 < high < 0.3
    mean, low, high = mean_interval([0.5])
    assert 0 <= low < 0.1 and 0.9 < high <= 1
    assert mean_interval([0.9, 1.0], confidence=0.5)[1] > mean_interval([0.9, 1.0], confidence=0.99)[1]


@pytest.mark.parametrize("bad", [[], [[0.5]], [1.5], [np.nan], [-0.1]])
def test_bad_values(bad):
    with pytest.raises(ValueError, match="shares"):
        mean_interval(bad)


def test_bad_confidence():
    with pytest.raises(ValueError, match="confidence"):
        mean_interval([1.0], confidence=95)


def test_recall_is_the_mean_share_of_the_truth_that_was_found():
    truth, found = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 2, 1], [6, -1, 9]])
    assert recall_interval(truth, found) == mean_interval([1, 1 / 3])


def test_the_interval_of_a_difference_covers() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        a, b = rng.random(40) < 0.9, rng.random(60) < 0.7
        value, low, high = difference_interval(mean_interval(a), mean_interval(b))
        assert low <= value <= high
        covered += low <= 0.2 <= high
    assert covered >= 0.93 * 300


def test_interval_of_values_without_bounds():
    assert student_interval(np.array([np.nan, 1.0, 1.0])) == (1, 1, 1)
    assert student_interval(np.array([2.0]))[1:] == (-np.inf, np.inf)
    assert np.isnan(student_interval(np.array([np.nan]))[0])
