import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearfield.transform import LabelSets


@parametrize_with_checks([LabelSets(), LabelSets(0.0, add_mean=True)])
def test_estimator_checks(estimator, check):
    check(estimator)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def world():
    """Labels live in the first half of the dimensions, most noise in the second; ten labels are never learnt from."""
    rng = np.random.default_rng(0)
    of_label = rng.standard_normal((40, 48)) * np.repeat([2.0, 0.1], 24)

    def items(has):
        noise = rng.standard_normal((len(has), 48)) * np.repeat([0.7, 2.5], 24)
        return has @ of_label / has.sum(axis=1, keepdims=True) + noise + 0.5

    has = np.zeros((3000, 40), bool)
    for row in has:
        row[rng.choice(30, rng.integers(1, 5), replace=False)] = True
    return LabelSets().fit(items(has), has), items, of_label


def pairs(world, count=200):
    """Items with unseen labels {a, b} and {b, c}."""
    _, items, _ = world
    rng = np.random.default_rng(1)
    drawn = np.array([30 + rng.permutation(10)[:3] for _ in range(count)])
    first, second = np.zeros((2, count, 40), bool)
    for row, (a, b, c) in enumerate(drawn):
        first[row, [a, b]] = second[row, [b, c]] = True
    return drawn, items(first), items(second)


def first_place(world, queries):
    """The label of the nearest of many items of one unseen label each."""
    _, items, _ = world
    labels = np.repeat(np.arange(30, 40), 50)
    gallery = items(np.eye(40, dtype=bool)[labels])
    return labels[np.argmax(unit(queries) @ unit(gallery).T, axis=1)]


def test_what_is_common_and_what_is_left_of_unseen_labels(world):
    sets, _, _ = world
    drawn, first, second = pairs(world)
    for made, plain, column in (
        (sets.intersection(first, second), first + second, 1),
        (sets.difference(first, second), first - second, 0),
    ):
        right, rival = ((first_place(world, rows) == drawn[:, column]).mean() for rows in (made, plain))
        assert right > rival + 0.05 and right > 0.6


def test_order_and_length(world):
    sets = world[0]
    _, first, second = pairs(world)
    for operate in (sets.union, sets.intersection):
        np.testing.assert_allclose(operate(first, second), operate(second, first))
    np.testing.assert_allclose(sets.union(first, second), (first + second) / 2)
    np.testing.assert_allclose(sets.difference(first, second), -sets.difference(second, first))
    assert min(sets.weights_.values()) > 0
    assert sets.union(first.astype(np.float32), second.astype(np.float32)).dtype == np.float32


def test_the_mean_is_added_on_request(world):
    _, first, second = pairs(world)
    model = LabelSets().fit(first, np.arange(len(first)) % 2)
    model.add_mean = True
    with_mean = model.difference(first, second)
    model.add_mean = False
    np.testing.assert_allclose(with_mean - model.mean_, model.difference(first, second))


def test_the_estimate_is_the_best_linear_one():
    """With the covariances known, no other multiple of a matrix of x + y comes nearer to the sum of the labels."""
    rng = np.random.default_rng(0)
    count, of_label = 40_000, rng.standard_normal((400, 4)) * [3, 1, 0.5, 0.1]
    labels = rng.integers(0, 400, count)
    rows = of_label[labels] + rng.standard_normal((count, 4))
    sets = LabelSets(0.0).fit(rows, labels)
    between, common = np.cov(of_label.T, bias=True), 0.999
    wanted = np.linalg.solve(between * (1 + common) + np.eye(4), between).T
    np.testing.assert_allclose(sets.sum_filter_, wanted, atol=0.03)


def test_bad_input(world):
    sets, _, _ = world
    rows = np.random.default_rng(0).standard_normal((20, 3))
    for name, bad in {"shrinkage": 2.0, "add_mean": 1, "pairs": 0, "random_state": -1}.items():
        with pytest.raises(ValueError, match=f"{name}: expected"):
            LabelSets(**{name: bad}).fit(rows, np.arange(20) % 2)
    with pytest.raises(ValueError, match="at least two labels"):
        LabelSets().fit(rows, np.zeros(20))
    with pytest.raises(ValueError, match="expected 0 and 1 in a table of labels"):
        LabelSets().fit(rows, np.arange(40).reshape(20, 2))
    with pytest.raises(ValueError, match="first, second: expected both"):
        sets.union(np.ones((2, 48)), np.ones((3, 48)))
