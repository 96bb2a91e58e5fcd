"""Links between rows that sample queries have in common."""

import numpy as np
import pytest

from nearfield import native
from nearfield.native import NO_LINK


def world(n=60, dim=6, degree=4):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n, dim)).astype(np.float32)
    space = native.make_space("f32", rows, dim)
    neighbors = np.full((n, degree), NO_LINK, np.uint32)
    for row in range(n):
        links = rng.permutation(n)[: rng.integers(0, degree + 1)]
        neighbors[row, : len(links)] = links[links != row].tolist() + [NO_LINK] * int((links == row).sum())
    return rows, space, neighbors


def test_new_links_are_those_of_the_rule():
    rows, space, neighbors = world()
    found = np.random.default_rng(1).integers(-1, 60, size=(25, 7))
    out = native.stitch(space, neighbors, found, 3)
    assert out.shape == (60, 7) and out.dtype == np.uint32
    for row in range(60):
        own = neighbors[row][neighbors[row] != NO_LINK].tolist()
        others = {int(r) for names in found if row in names for r in names if r >= 0} - {row, *own}
        apart = {r: float(((rows[r] - rows[row]) ** 2).sum()) for r in others}
        kept = []
        for r in sorted(others, key=lambda r: (apart[r], r)):
            if all(((rows[r] - rows[k]) ** 2).sum() > apart[r] for k in kept):
                kept.append(r)
        # One of the row's own links leads 1.2 times nearer: no need of another.
        news = [r for r in kept[:3] if all(1.2 * ((rows[r] - rows[o]) ** 2).sum() > apart[r] for o in own)]
        expected = own + news
        assert out[row].tolist() == expected + [NO_LINK] * (7 - len(expected))


def test_without_neighbours_or_room_nothing_changes():
    _, space, neighbors = world()
    assert (native.stitch(space, neighbors, np.empty((0, 5), np.int64), 0) == neighbors).all()
    assert (native.stitch(space, neighbors, np.full((4, 5), -1), 2)[:, :4] == neighbors).all()
    assert (native.stitch(space, neighbors, np.arange(60).reshape(6, 10), 0) == neighbors).all()


def test_arguments_are_checked():
    _, space, neighbors = world()
    with pytest.raises(ValueError, match="found: row out of range"):
        native.stitch(space, neighbors, np.array([[0, 60]]), 2)
    with pytest.raises(ValueError, match="neighbors"):
        native.stitch(space, neighbors[:-1], np.array([[0, 1]]), 2)
