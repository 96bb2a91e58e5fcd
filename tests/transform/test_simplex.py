"""The fixed simplex geometry of classes."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.transform import SimplexMap, simplex_vertices


@pytest.mark.parametrize("count", [2, 3, 10, 65])
def test_corners_are_of_length_one_and_equally_far_apart(count):
    corners = simplex_vertices(count)
    assert corners.shape == (count, count - 1)
    products = corners @ corners.T
    np.testing.assert_allclose(np.diag(products), 1, atol=1e-5)
    np.testing.assert_allclose(products[~np.eye(count, dtype=bool)], -1 / (count - 1), atol=1e-5)


def test_a_corner_stays_when_classes_are_added():
    rng = np.random.default_rng(0)
    centres = 4 * rng.standard_normal((4, 8))
    labels = rng.integers(0, 4, 400)
    rows = centres[labels] + rng.standard_normal((400, 8))
    few = labels < 3
    first = SimplexMap(6, classes=[0, 1, 2]).fit(rows[few], labels[few])
    later = SimplexMap(6, classes=[0, 1, 2, 3]).fit(rows, labels)
    np.testing.assert_array_equal(first.vertices_, later.vertices_)
    for fitted in (first, later):
        mapped = fitted.transform(rows[few])
        nearest = (mapped @ fitted.vertices_.T).argmax(axis=1)
        assert (nearest == labels[few]).mean() > 0.9
        np.testing.assert_allclose(fitted.export().transform(rows[few].astype(np.float32)), mapped, atol=1e-3)


def test_too_few_corners_are_refused():
    rows, labels = np.random.default_rng(0).standard_normal((30, 3)), np.arange(30) % 5
    with pytest.raises(ValueError, match="vertices"):
        SimplexMap(3).fit(rows, labels)
