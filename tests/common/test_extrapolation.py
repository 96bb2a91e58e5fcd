import numpy as np
import pytest

from nearfield.common.extrapolation import extrapolate, rising
from nearfield.common.interval import mean_interval


def logistic(x):
    return 1 / (1 + np.exp(-x))


def test_a_straight_line_is_carried_on_and_the_upper_end_supposes_that_it_stops():
    sizes = [1000, 2000, 4000, 8000]
    means = [float(logistic(3 - 0.4 * np.log(n / 1000))) for n in sizes]
    narrow = [(m, m - 1e-4, m + 1e-4) for m in means]
    expected, low, high = extrapolate(sizes, narrow, 64_000, 10**6)
    assert low == pytest.approx(logistic(3 - 0.4 * np.log(64)), abs=2e-3)
    assert high == pytest.approx(means[-1], abs=2e-3) and low < expected < high
    wide = [(m, m - 0.02, m + 0.02) for m in means]
    assert extrapolate(sizes, wide, 64_000, 10**6)[1] < low


def test_nothing_missed_is_no_reason_to_doubt():
    perfect = [mean_interval(np.ones(500))] * 4
    assert extrapolate([1000, 2000, 4000, 8000], perfect, 10**6, 5000)[2] == 1.0
    little = [mean_interval(np.full(500, 0.1))] * 4
    assert extrapolate([1000, 2000, 4000, 8000], little, 10**6, 5000)[2] < 0.2


def test_sizes_rise_in_even_ratios_and_end_where_asked():
    sizes = rising(1000, 64_000)
    assert sizes[0] == 1000 and sizes[-1] == 64_000
    assert np.diff(np.log(sizes)) == pytest.approx(np.log(4), abs=1e-3)
