import numpy as np
import pytest

from nearfield.survey.jackknife import deal, margin


def test_groups_are_even_within_classes():
    codes = np.repeat([0, 1, 2], [200, 100, 40])
    group = deal(codes, 0)
    for c in range(3):
        counts = np.bincount(group[codes == c], minlength=20)
        assert counts.max() - counts.min() <= 1
    assert (deal(codes, 0) == group).all() and (deal(codes, 1) != group).any()


def test_the_margin_of_a_mean_is_students():
    x = np.random.default_rng(0).standard_normal(400)
    group = np.arange(400) % 20
    found = margin(x[group != g].mean() for g in range(20))
    assert found == pytest.approx(2.09 * x.std() / 20, rel=0.4)
    assert margin([1.0]) == 0 == margin([np.nan, np.nan])
