import numpy as np
import pytest

from nearfield.native import NO_LINK
from nearfield.survey import order_sensitivity
from nearfield.survey.ordering import _link, _local_dimension, _prune, _squared


def mixture(rows=1500, seed=0):
    """Half of the rows on a plane, half in a ball of twenty dimensions around it."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([3 * rng.standard_normal((rows // 2, 2)) @ np.eye(2, 20), rng.standard_normal((rows // 2, 20))])
    return rng.permutation(x).astype(np.float32)


def test_an_even_cloud_does_not_mind_the_order():
    x = np.random.default_rng(0).standard_normal((1500, 4)).astype(np.float32)
    measure = order_sensitivity(x, metric="l2")
    assert measure.verdict == "good" and measure.value < 0.02
    assert min(measure.parts[name] for name in ("stored", "rising", "falling", "random")) > 0.9


def test_where_dimension_differs_the_order_matters_and_falling_beats_rising():
    measure = order_sensitivity(mixture(), metric="l2")
    assert measure.value > 0.02 and measure.verdict != "good"
    assert measure.parts["falling"] > measure.parts["rising"]
    assert measure.parts["spread"] > 2 * order_sensitivity(mixture()[:, :2] + 0, metric="l2").parts["spread"]


def test_links_are_diverse_and_lead_to_rows_before():
    x = np.random.default_rng(0).standard_normal((300, 6)).astype(np.float32)
    squared = _squared(x)
    assert squared[3, 7] == pytest.approx(np.square(x[3] - x[7]).sum(), rel=1e-4)
    links = _link(squared, np.random.default_rng(1).permutation(300))
    assert links.shape == (300, 16) and links.dtype == np.uint32
    for row, some in enumerate(links):
        there = some[some != NO_LINK]
        assert len(there) and row not in there and len(set(there)) == len(there)


def test_pruning_keeps_the_nearest_and_what_no_kept_one_is_nearer_to():
    x = np.float32([[0, 0], [1, 0], [1.2, 0], [0, 2], [-3, 0], *([20, i] for i in range(20))])
    chosen = _prune(_squared(x), np.array([0]), np.arange(1, 25)[None])[0]
    assert chosen[chosen >= 0].tolist() == [1, 3, 4]
    few = _prune(_squared(x), np.array([0]), np.array([[2, 1, -1]]))[0]
    assert few[:3].tolist() == [1, 2, -1]


def test_local_dimension_of_known_clouds():
    rng = np.random.default_rng(0)
    line = rng.random((500, 1)) @ np.ones((1, 3))
    assert np.median(_local_dimension(_squared(line.astype(np.float32)))) == pytest.approx(1, abs=0.2)


def test_same_seed_same_number_and_too_few_rows_say_so():
    x = mixture(600)
    assert order_sensitivity(x).to_dict() == order_sensitivity(x).to_dict()
    assert "at least 200 different rows, and there are 50" in order_sensitivity(x[:50]).meaning
    with pytest.raises(ValueError, match="beam"):
        order_sensitivity(x, beam=5)
