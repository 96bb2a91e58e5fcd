import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearfield.index import Flat
from nearfield.transform import HardDebias, Subspace


@parametrize_with_checks([HardDebias(), HardDebias(normalize=False)])
def test_estimator_checks(estimator, check):
    check(estimator)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def world():
    """Ten pairs that differ along one planted direction, some noise, and a thousand other rows."""
    rng = np.random.default_rng(0)
    direction = unit(rng.standard_normal((1, 30)))[0]
    middle = np.repeat(rng.standard_normal((10, 30)), 2, axis=0)
    pairs = middle + np.tile([2.0, -2.0], 10)[:, None] * direction + 0.1 * rng.standard_normal((20, 30))
    return direction, pairs, np.repeat(np.arange(10), 2), unit(rng.standard_normal((1000, 30)))


def test_the_planted_direction_is_found_and_removed(world):
    direction, pairs, sets, rows = world
    model = HardDebias().fit(pairs, sets)
    assert abs(model.components_[0] @ direction) > 0.995
    assert model.explained_variance_ratio_[0] > 0.9
    left = model.transform(rows)
    assert np.abs(left @ model.components_[0]).max() < 1e-15
    np.testing.assert_allclose(np.linalg.norm(left, axis=1), 1)
    names = np.array([f"set {number}" for number in sets])
    np.testing.assert_array_equal(HardDebias().fit(pairs, names).components_, model.components_)


def test_the_subspace_is_that_of_the_paper(world):
    """Covariances of the sets around their own means, each over the size of its set."""
    _, pairs, _, _ = world
    sets = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3] + [4] * 10)
    wanted = sum(np.cov(pairs[sets == number].T, bias=True) for number in range(5) if (sets == number).sum() > 1)
    values, vectors = np.linalg.eigh(wanted)
    model = HardDebias(3).fit(pairs, sets)
    np.testing.assert_allclose(np.abs(np.diag(model.components_ @ vectors[:, ::-1][:, :3])), 1)
    np.testing.assert_allclose(model.explained_variance_ratio_, values[::-1][:3] / values.sum())


@pytest.mark.parametrize("size", [2, 3])
def test_equalized_rows_are_equally_near_to_all_neutral_rows(world, size):
    _, pairs, sets, rows = world
    model = HardDebias(size - 1).fit(pairs, sets)
    equal = model.equalize(rows[:size])
    np.testing.assert_allclose(np.linalg.norm(equal, axis=1), 1)
    near = equal @ model.transform(rows[size:]).T
    assert np.abs(near - near[0]).max() < 1e-12
    ahead = rows[:size] @ model.components_[0]
    assert (np.argsort(equal @ model.components_[0]) == np.argsort(ahead)).all()


def test_a_whole_table(world):
    _, pairs, sets, rows = world
    model = HardDebias().fit(pairs, sets)
    made = model.debias(rows.astype(np.float32), specific=[0, 1, 2], equalize=[(1, 2), [5, 6]])
    assert made.dtype == np.float32
    np.testing.assert_allclose(made[0], rows[0], atol=1e-6)
    np.testing.assert_allclose(made[[5, 6]], model.equalize(rows[[5, 6]]), atol=1e-6)
    assert np.abs(made[7:] @ model.components_[0]).max() < 1e-7
    np.testing.assert_allclose(model.debias(rows), model.transform(rows))


def test_an_index_takes_it_and_a_subspace_softens_it(world):
    _, pairs, sets, rows = world
    model = HardDebias().fit(pairs, sets)
    rows = rows.astype(np.float32)
    found = Flat("cosine", transform=model).build(rows[100:]).search(rows[:100], 5).rows
    truth = Flat("cosine").build(model.transform(rows[100:])).search(model.transform(rows[:100]), 5).rows
    assert (found == truth).mean() > 0.99
    half = Subspace(HardDebias(), strength=0.5).fit(pairs, sets)
    np.testing.assert_allclose(
        half.transform(rows.astype(float)) @ model.components_[0], rows @ model.components_[0] / 2
    )


def test_a_row_inside_the_subspace_becomes_zero():
    model = HardDebias().fit(np.eye(3)[[0, 1]])
    assert not model.transform(model.components_).any()


def test_bad_input(world):
    _, pairs, sets, rows = world
    for bad in (0, 31, 1.5, True):
        with pytest.raises(ValueError, match="n_components: expected an integer from 1 to 30"):
            HardDebias(bad).fit(pairs, sets)
    with pytest.raises(ValueError, match="sets that do not differ within"):
        HardDebias().fit(pairs, np.arange(20))
    with pytest.raises(ValueError, match="sets that do not differ within"):
        HardDebias().fit(np.ones((4, 3)), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="y: expected a set for each of 20 rows"):
        HardDebias().fit(pairs, sets[:5])
    with pytest.raises(ValueError, match="normalize"):
        HardDebias(normalize="yes").fit(pairs, sets)
    model = HardDebias().fit(pairs, sets)
    with pytest.raises(ValueError, match="the set's mean there in row 0"):
        model.equalize(rows[[3, 3]])
    with pytest.raises(ValueError, match="specific: expected row numbers from 0 to 999"):
        model.debias(rows, specific=[1000])
    with pytest.raises(ValueError, match="equalize: expected numbers of rows"):
        model.debias(rows, equalize=[["he", "she"]])
