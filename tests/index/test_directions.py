"""Directions of the differences between linked rows."""

import numpy as np

from nearfield import native
from nearfield.index import Graph
from nearfield.index.directions import link_directions
from nearfield.quantize import Float32


def built(rows):
    index = Graph("l2", codec=Float32()).build(rows)
    return index._space, index._neighbors


def test_they_span_those_of_large_differences_whatever_the_order_of_the_rows():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(48, 48)))[0]
    spread = np.where(np.arange(48) < 8, 1.0, 0.01)
    rows = ((rng.normal(size=(3000, 48)) * spread) @ turn.T).astype(np.float32)
    space, neighbors = built(rows)
    found = link_directions(space, neighbors, 16, 0)
    assert found.shape == (16, 48)
    assert np.allclose(found @ found.T, np.eye(16), atol=1e-5)
    inside = turn[:, :8] @ turn[:, :8].T
    eight = link_directions(space, neighbors, 8, 0)
    assert eight.shape == (8, 48) and np.abs(eight @ inside - eight).max() < 0.05
    assert np.abs(inside @ found.T @ found - inside).max() < 0.05
    other = link_directions(*built(rows[rng.permutation(3000)]), 8, 0)
    assert np.abs(other - eight).max() < 0.02
    assert np.abs(link_directions(space, neighbors, 8, 1) - eight).max() > 0.1


def test_without_fewer_directions_or_differences_there_are_none():
    rows = np.random.default_rng(1).normal(size=(3000, 32)).astype(np.float32)
    space, neighbors = built(rows)
    assert link_directions(space, neighbors, 32, 0) is None
    assert link_directions(space, neighbors, 16, 0).shape == (16, 32)
    equal, links = built(np.ones((500, 32), np.float32))
    assert link_directions(equal, links, 16, 0) is None
    none = np.full((10, 4), native.NO_LINK, np.uint32)
    assert link_directions(native.make_space("f32", rows[:10], 32), none, 8, 0) is None


def test_as_many_directions_as_hold_most_of_the_difference():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(4000, 96)).astype(np.float32)
    rows[:, 20:] *= 0.05
    space, neighbors = built(rows)
    assert link_directions(space, neighbors, None, 0).shape == (16, 96)
    space, neighbors = built(rng.normal(size=(4000, 96)).astype(np.float32))
    assert link_directions(space, neighbors, None, 0).shape == (80, 96)
    assert link_directions(native.make_space("f32", rows[:, :16].copy(), 16), neighbors, None, 0) is None
    fast = Graph("l2", layout="fast").build(rows)
    assert len(fast.arrays()["signs.projection"]) == 16 and fast.memory()["total"] < 4000 * 800
    assert "signs.projection" not in Graph("ip", layout="fast").build(rows).arrays()
