import numpy as np
import pytest

from nearfield.survey import Pair
from nearfield.survey.moments import PairMoments, bounds, halves, leading, other_partners, ratio


def test_few_rows_keep_their_inner_products():
    x = np.random.default_rng(0).standard_normal((12, 40)).astype(np.float32)
    found = PairMoments.of(Pair.of(x, x, metric="l2"), None, 0)
    assert found.x.shape == (12, 12)
    centred = x - x.mean(axis=0, dtype=np.float64)
    assert np.allclose(found.x @ found.x.T, centred @ centred.T / np.square(centred).sum() * 12)


def test_other_partners_never_meet_their_own():
    for count in (2, 3, 10, 101):
        partner = other_partners(count, 0)
        assert sorted(partner) == list(range(count)) and (partner != np.arange(count)).all()


def test_halves_share_nothing():
    one, other = halves(11, 0)
    assert sorted([*one, *other]) == list(range(11)) and len(one) == 5


def test_ratio_and_its_error():
    rng = np.random.default_rng(0)
    draws = [ratio(rng.exponential(2, 400), rng.exponential(4, 400)) for _ in range(300)]
    values = np.array([value for value, _ in draws])
    assert values.mean() == pytest.approx(0.5, abs=0.01)
    assert np.mean([error for _, error in draws]) == pytest.approx(values.std(), rel=0.1)


def test_bounds_stay_inside_and_hold_the_value():
    assert bounds(1.0, 0.1) == (pytest.approx(0.804), 1.0)
    assert bounds(0.001, 0.1, low=0.0)[0] == 0


def test_leading_directions():
    directions, levels = leading(np.diag([1.0, 8.0, 1.0]), 0.8, 3)
    assert levels.tolist() == [8.0] and abs(directions[1, 0]) == 1
    assert leading(np.diag([4.0, 3.0, 0.0]), 1.0, 9)[1].tolist() == [4.0, 3.0]
