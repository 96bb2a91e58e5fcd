"""The neighbour graph made symmetric, and how its links pull."""

from __future__ import annotations

import numpy as np

from nearfield.view.graph import Links, check_neighbors, nearest_rows


def test_links_go_both_ways_and_weigh_one_in_all() -> None:
    links = Links.of(np.array([[1, 2], [0, -1], [1, -1], [-1, -1]]))
    pairs = set(zip(links.first.tolist(), links.second.tolist(), strict=True))
    assert pairs == {(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)}
    assert np.isclose(links.weights.sum(), 1)
    weight = dict(zip(zip(links.first.tolist(), links.second.tolist(), strict=True), links.weights, strict=True))
    assert weight[0, 1] == weight[1, 0] > weight[0, 2]
    assert links.owners.tolist() == [0, 1, 2]


def test_the_pull_is_the_sum_over_links() -> None:
    rng = np.random.default_rng(0)
    links = Links.of(rng.integers(-1, 40, (40, 5)))
    at = rng.normal(size=(2, 40)).astype(np.float32)
    wanted = np.zeros((2, 40))
    for i, j, w in zip(links.first, links.second, links.weights, strict=True):
        gap = at[:, i] - at[:, j]
        wanted[:, i] += w * gap / (1 + (gap**2).sum())
    assert np.allclose(np.stack(links.pull(at[0], at[1])), wanted, atol=1e-6)


def test_a_row_is_no_neighbour_of_itself() -> None:
    assert check_neighbors([[0, 1], [0, 1]], 2).tolist() == [[-1, 1], [0, -1]]
    rows = np.float32([[1, 0], [1, 0], [0, 1]])
    assert nearest_rows(rows, 1, "cosine")[:2].tolist() == [[1], [0]]
