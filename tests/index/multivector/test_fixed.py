"""Fixed-dimensional encodings against their definition."""

import numpy as np
import pytest

from nearfield.encode import Bags
from nearfield.index import FixedDimensionalEncoding, exact_maxsim


def test_one_repetition_by_hand():
    bags = Bags.from_list([np.float32([[1, 2], [3, 2], [-1, 5]]), np.float32([[-2, 1]])])
    encoding = FixedDimensionalEncoding(2, 1, None).fit(bags)
    encoding.cells_ = np.float32([[[1, 0]]])  # cell 1 where the first value is positive
    assert np.allclose(encoding.documents(bags), [[-1, 5, 2, 2], [-2, 1, -2, 1]])  # the last cell was empty
    assert np.allclose(encoding.queries(bags), [[-1, 5, 4, 4], [-2, 1, 0, 0]])
    empty = FixedDimensionalEncoding(2, 1, None, fill=False).fit(bags)
    empty.cells_ = encoding.cells_
    assert np.allclose(empty.documents(bags)[1], [-2, 1, 0, 0])


def test_an_empty_cell_takes_the_nearest_by_its_sides():
    bags = Bags.from_list([np.float32([[1, 1, 1], [-1, -1, -1]])])
    encoding = FixedDimensionalEncoding(8, 1, None).fit(bags)
    encoding.cells_ = np.eye(3, dtype=np.float32)[None]
    blocks = encoding.documents(bags).reshape(8, 3)
    assert [row[0] for row in blocks] == [-1, -1, -1, 1, -1, 1, 1, 1]  # two sides of three decide


def test_bags_of_one_vector_keep_their_product():
    rng = np.random.default_rng(0)
    ones = Bags.from_list([rng.standard_normal((1, 12), np.float32) for _ in range(30)])
    for partition in ("simhash", "kmeans"):
        encoding = FixedDimensionalEncoding(4, 5, None, partition=partition).fit(ones)
        products = encoding.queries(ones) @ encoding.documents(ones).T
        np.testing.assert_allclose(products, ones.vectors @ ones.vectors.T, atol=1e-4)


def test_more_repetitions_and_cells_agree_better_with_maxsim(bags, queries):
    found = exact_maxsim(bags, queries, len(bags))
    truth = np.empty_like(found.distances)
    np.put_along_axis(truth, found.rows, -found.distances, axis=1)

    def agreement(**options):
        encoding = FixedDimensionalEncoding(**options).fit(bags)
        scores = encoding.queries(queries) @ encoding.documents(bags).T
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(scores, truth, strict=True)])

    few, many = (agreement(cells=8, repetitions=count, projected=8) for count in (2, 32))
    assert few < many and agreement(cells=16, repetitions=32, projected=None) > many


def test_residuals_begin_with_the_mean(bags):
    encoding = FixedDimensionalEncoding(4, 2, 4, residuals=True).fit(bags)
    np.testing.assert_allclose(encoding.documents(bags)[:, : bags.dim], bags.means(), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cells": 12}, "power of two"),
        ({"cells": 1}, "cells"),
        ({"repetitions": 0}, "repetitions"),
        ({"partition": "grid"}, "partition"),
        ({"projected": 0}, "projected"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_bad_settings(options, said):
    with pytest.raises(ValueError, match=said):
        FixedDimensionalEncoding(**options)


def test_too_many_dimensions_are_refused_before_they_are_made(bags):
    with pytest.raises(ValueError, match="final projection"):
        FixedDimensionalEncoding(1024, 100, None).fit(bags)
    assert FixedDimensionalEncoding(64, 20, None, final=100).fit(bags).documents(bags[:2]).shape == (2, 100)
