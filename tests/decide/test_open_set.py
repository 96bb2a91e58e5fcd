"""Prototypes with a learnt boundary, and another domain."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import OpenSet
from nearfield.decide.open_set import _distances, _distances_without
from nearfield.decide.prototypes import class_means


def classes(per_class: int, kinds: range, seed: int) -> tuple[np.ndarray, np.ndarray]:
    centres = 2 * np.random.default_rng(5).standard_normal((12, 16))
    y = np.repeat(kinds, per_class)
    return centres[y] + np.random.default_rng(seed).standard_normal((len(y), 16)), y


def test_unseen_classes_are_rejected() -> None:
    x, y = classes(8, range(6), 0)
    model = OpenSet().fit(x, y)
    assert model.boundary_ is not None
    assert model.reject(classes(20, range(6), 1)[0], max_false=0.05).mean() < 0.15
    assert model.reject(classes(20, range(6, 12), 1)[0], max_false=0.05).mean() > 0.6


def test_another_domain() -> None:
    x, y = classes(8, range(6), 0)
    other, truth = classes(20, range(6), 2)
    other = 0.3 * other - 4
    model = OpenSet().fit(x, y)
    assert model.score(other, truth) < 0.5
    assert model.adapt(other).score(other, truth) > 0.9
    assert model.reject(other, max_false=0.05).mean() < 0.2


def test_a_row_is_measured_against_the_others_of_its_class() -> None:
    x, y = classes(3, range(3), 0)
    without = _distances_without(x, y, class_means(x, y))
    for row in range(len(x)):
        rest = (y == y[row]) & (np.arange(len(x)) != row)
        assert np.isclose(without[row, y[row]], np.square(x[row] - x[rest].mean(axis=0)).sum())
    lone = _distances_without(x[::3], y[::3], class_means(x[::3], y[::3]))
    assert np.allclose(lone, _distances(x[::3], class_means(x[::3], y[::3])))


def test_few_classes_are_judged_by_distance() -> None:
    x, y = classes(8, range(2), 0)
    model = OpenSet().fit(x, y)
    assert model.boundary_ is None and model.reject(x + 50, max_false=0.1).all()


@pytest.mark.parametrize("changed", [{"noise": -1}, {"copies": 0}])
def test_parameters_are_checked(changed: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        OpenSet(**changed).fit(np.eye(3), [0, 1, 1])
