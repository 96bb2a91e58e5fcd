"""Nearest class mean."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import Prototypes


def two_topics(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes of two clusters each, whose means coincide."""
    y = rng.integers(0, 2, count)
    x = np.zeros((count, 6))
    x[np.arange(count), 2 * y] = rng.choice([-1, 1], count)
    return x + 0.2 * rng.standard_normal(x.shape), y


def test_the_nearest_mean_answers() -> None:
    x = np.array([[0.0, 0], [2, 0], [10, 10], [10, 12]])
    model = Prototypes(metric="l2", center=False).fit(x, ["a", "a", "b", "b"])
    assert np.allclose(model.prototypes_, [[1, 0], [10, 11]])
    assert model.predict([[4, 4], [7, 7]]).tolist() == ["a", "b"]
    assert np.allclose(model._score(np.array([[1.0, 0]])), [[0, -(81 + 121)]])


def test_several_prototypes_for_a_class_of_several_topics() -> None:
    rng = np.random.default_rng(0)
    x, y = two_topics(rng, 300)
    unseen, truth = two_topics(rng, 300)
    assert Prototypes(metric="l2").fit(x, y).score(unseen, truth) < 0.7
    assert Prototypes(2, metric="l2").fit(x, y).score(unseen, truth) > 0.98


def test_a_class_with_fewer_rows_has_all_of_them() -> None:
    x = np.array([[1.0, 0], [0, 1], [0, 2], [1, 3], [0, 4]])
    model = Prototypes(3, metric="l2", center=False).fit(x, [0, 1, 1, 1, 1])
    assert model.prototype_classes_.tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("changed", [{"per_class": 0}, {"metric": "ip"}, {"center": 1}])
def test_parameters_are_checked(changed: dict) -> None:
    with pytest.raises((ValueError, TypeError), match=next(iter(changed))):
        Prototypes(**changed).fit(np.eye(3), [0, 1, 1])
