"""Fréchet means of labels: in trees, on lines, and by a classifier of a few of them."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import (
    FrechetClassifier,
    NaiveBayes,
    Prototypes,
    frechet_mean,
    next_class,
    predictable,
    tree_distances,
)

#        0
#      /   \
#     1     2
#    / \     \
#   3   4     5
#  /
# 6
TREE = [-1, 0, 0, 1, 1, 2, 3]


def line_rows(count: int, seed: int, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 7, count)
    return y[:, None] + noise * rng.standard_normal((count, 4)), y


def test_distances_in_a_tree() -> None:
    found = tree_distances(TREE)
    assert found[6].tolist() == [3, 2, 4, 1, 3, 5, 0] and (found == found.T).all()
    assert tree_distances([-1, -1, 0]).tolist() == [[0, 2, 1], [2, 0, 3], [1, 3, 0]]
    for bad in ([1, 0], [0], [5], [], [[0]], [0.5]):
        with pytest.raises(ValueError, match="parents"):
            tree_distances(bad)


def test_the_mean_is_the_least_mean_square() -> None:
    rng = np.random.default_rng(0)
    shares, distances = rng.dirichlet(np.ones(5), 300), rng.random((40, 5))
    brute = [np.argmin([(share * row**2).sum() for row in distances]) for share in shares]
    assert frechet_mean(shares, distances).tolist() == brute
    assert frechet_mean(np.eye(7), tree_distances(TREE)).tolist() == list(range(7))
    half = np.zeros((1, 7))
    half[0, [6, 5]] = 0.5
    assert frechet_mean(half, tree_distances(TREE))[0] in (0, 1)


@pytest.mark.parametrize(
    ("shares", "distances", "match"),
    [
        ([[0.5, 0.5]], np.eye(3), "distances: expected 2 columns"),
        ([[0.0, 0.0]], np.ones((2, 2)), "above zero"),
        ([[-0.1, 1.1]], np.ones((2, 2)), "no negative"),
        ([[np.nan, 1]], np.ones((2, 2)), "probabilities: expected finite"),
        ([0.5, 0.5], np.ones((2, 2)), "probabilities: expected a table"),
        ([[0.5, 0.5]], -np.ones((2, 2)), "none below zero"),
    ],
)
def test_bad_tables_are_refused(shares: list, distances: np.ndarray, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        frechet_mean(shares, distances)


def test_in_a_tree_the_paths_are_in_reach() -> None:
    distances = tree_distances(TREE)
    assert np.flatnonzero(predictable(distances, [6, 4])).tolist() == [1, 3, 4, 6]
    assert np.flatnonzero(predictable(distances, [6, 4, 5])).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.flatnonzero(predictable(distances, [2])).tolist() == [2]


def test_the_next_class_is_the_end_of_the_longest_path() -> None:
    distances = tree_distances(TREE)
    assert next_class(distances, [2]) == 6
    assert next_class(distances, [6, 4]) == 5
    with pytest.raises(ValueError, match="not observed yet"):
        next_class(distances, np.arange(7))
    with pytest.raises(ValueError, match="observed: expected numbers from 0 to 6"):
        next_class(distances, [9])
    with pytest.raises(ValueError, match="zeros on the diagonal"):
        predictable(distances + 1, [0])


def test_choosing_reaches_a_random_tree_sooner_than_chance() -> None:
    rng = np.random.default_rng(0)
    distances = tree_distances([-1, *(int(rng.integers(max(0, i - 20), i)) for i in range(1, 120))])
    chosen, drawn = [0], [0, *rng.permutation(np.arange(1, 120))[:10]]
    for _ in range(10):
        chosen.append(next_class(distances, chosen))
    assert predictable(distances, chosen).sum() > predictable(distances, drawn).sum() + 10


def test_labels_without_examples_are_predicted() -> None:
    x, y = line_rows(700, 0, noise=3)
    unseen, truth = line_rows(500, 1, noise=3)
    some = np.isin(y, [0, 3, 6])
    distances = np.abs(np.arange(7.0)[:, None] - np.arange(7))
    model = FrechetClassifier(distances=distances, labels=np.arange(7)).fit(x[some], y[some])
    assert model.observed_.tolist() == [0, 3, 6] and len(model.classes_) == 7
    found, plain = model.predict(unseen), NaiveBayes().fit(x[some], y[some]).predict(unseen)
    assert set(found) > {0, 3, 6}
    assert np.square(found - truth).mean() < 0.8 * np.square(plain - truth).mean()
    assert model.predict_proba(unseen).shape == (500, 7)
    assert model.reject(unseen + 90).all()


def test_the_order_of_the_labels_does_not_matter() -> None:
    x, y = line_rows(300, 2)
    names = np.array(list("gfedcba"))
    distances = np.abs(np.arange(7.0)[:, None] - np.arange(7))
    model = FrechetClassifier(distances=distances, labels=names).fit(x, names[y])
    number = FrechetClassifier(distances=distances).fit(x, y)
    assert (model.predict(x) == names[number.predict(x)]).all()


def test_distances_of_its_own() -> None:
    x, y = line_rows(400, 3)
    model = FrechetClassifier(Prototypes(metric="l2")).fit(x, y)
    assert np.allclose(model.distances_[0], 2 * np.arange(7), atol=0.5)
    assert np.square(model.predict(x) - y).mean() < 0.5


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"labels": [0, 1]}, "labels: expected distances"),
        ({"labels": [0, 0], "distances": np.zeros((2, 2))}, "more than once"),
        ({"labels": [0, 1, 2], "distances": np.zeros((2, 2))}, "expected those of 3 labels, got those of 2"),
        ({"labels": [5, 7], "distances": np.zeros((2, 2))}, "among the 2 given, got 0"),
        ({"power": 0}, "power"),
    ],
)
def test_parameters_are_checked(options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        FrechetClassifier(**options).fit(np.eye(4), [0, 0, 1, 1])
