import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearfield.transform import Steering


@parametrize_with_checks([Steering(), Steering(-0.5)])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    has = rng.random(500) < 0.3
    return rng.standard_normal((500, 12)) + has[:, None] * np.arange(12), has


def test_two_classes_give_the_difference_of_their_means(world):
    rows, has = world
    model = Steering(0.5).fit(rows, has.astype(int))
    np.testing.assert_allclose(model.direction_, rows[has].mean(0) - rows[~has].mean(0))
    np.testing.assert_allclose(model.transform(rows) - rows, np.tile(model.direction_ / 2, (500, 1)))
    np.testing.assert_allclose(model.inverse_transform(model.transform(rows)), rows)
    np.testing.assert_allclose(model.export().transform(rows.astype(np.float32)), model.transform(rows), atol=1e-5)


def test_amounts_give_the_slope(world):
    rows, _ = world
    amount = np.random.default_rng(1).standard_normal(500)
    wanted = np.linalg.lstsq(np.column_stack([np.ones(500), amount]), rows, rcond=None)[0][1]
    np.testing.assert_allclose(Steering().fit(rows, amount).direction_, wanted)


def test_parts_are_as_good_as_the_whole(world):
    rows, has = world
    model = Steering()
    for start in range(0, 500, 100):
        model.partial_fit(rows[start : start + 100], has[start : start + 100].astype(float))
    np.testing.assert_allclose(model.direction_, Steering().fit(rows, has.astype(float)).direction_)
    assert model.n_samples_seen_ == 500


def test_a_query_moves_toward_the_concept(world):
    rows, has = world
    model = Steering(1.0).fit(rows, has.astype(int))
    plain = rows[~has].mean(0)
    np.testing.assert_allclose(model.transform(plain[None])[0], rows[has].mean(0))


def test_bad_input(world):
    rows, has = world
    for bad in (float("nan"), "much", True, None):
        with pytest.raises(ValueError, match="strength: expected a finite number"):
            Steering(bad).fit(rows, has.astype(int))
    with pytest.raises(ValueError, match="at least two different values, got one"):
        Steering().fit(rows, np.ones(500))
