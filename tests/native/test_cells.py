"""Batches with filters of their own, against a sort of what must have been read: the same rows, the same bits."""

import numpy as np
import pytest

from nearfield import native
from nearfield.native.cells import Group, search_cells

N, LISTS, DIM = 1200, 30, 20


class World:
    """Rows in lists of uneven length, some empty, stored in an order that is not the caller's; eight filters."""

    def __init__(self, kind, copies=1, asked=150):
        rng = np.random.default_rng(0)
        rows = np.repeat(rng.normal(size=(N // copies, DIM)), copies, axis=0)[rng.permutation(N)].astype(np.float32)
        self.queries = rng.normal(size=(asked, DIM)).astype(np.float32)
        self.list_of = np.sort(rng.integers(0, LISTS, N) ** 2 // LISTS)  # of each stored row
        self.order = rng.permutation(N).astype(np.uint32)
        stored = rows[self.order]
        if kind in ("f32", "f16"):
            self.space = native.make_space(kind, stored.astype({"f32": np.float32, "f16": np.float16}[kind]), DIM)
        else:
            center = stored.mean(0)
            self.space = native.make_space(kind, native.encode(kind, stored, center), DIM, center=center)
        self.centres = native.make_space("f32", rng.normal(size=(LISTS, DIM)).astype(np.float32), DIM)
        self.masks = rng.random((8, N)) < np.array([0.9, 0.5, 0.3, 0.1, 0.05, 0.01, 0.002, 0])[:, None]
        self.which = rng.integers(0, 8, asked)

    def groups(self, budget):
        groups = []
        for number, mask in enumerate(self.masks):
            positions = np.flatnonzero(mask).astype(np.uint32)
            lists, sizes = np.unique(self.list_of[positions], return_counts=True)
            own = np.flatnonzero(self.which == number)
            groups.append(Group(own, positions, lists.astype(np.uint32), sizes, budget))
        return groups

    def search(self, k, budget, *, metric="l2", **options):
        options = {"centroids": self.centres, "order": self.order, **options}
        return search_cells(self.space, self.groups(budget), self.queries, k, metric=metric, **options)

    def expected(self, k, budget, metric):
        every = np.arange(N, dtype=np.uint32)
        scores = native.score(self.space, self.queries, every, metric=metric)
        near = native.score(self.centres, self.queries, every[:LISTS], metric=metric)
        found = np.full((len(scores), k), np.inf, np.float32), np.full((len(scores), k), -1), np.zeros(len(scores))
        for i, number in enumerate(self.which):
            mask = self.masks[number]
            read = np.zeros(N, bool)
            for one in np.lexsort((np.arange(LISTS), near[i])):
                if read.sum() >= max(k, min(budget, mask.sum())):
                    break
                read |= mask & (self.list_of == one)
            stored = np.flatnonzero(read)
            stored = stored[np.lexsort((self.order[stored], scores[i, stored]))][:k]
            found[0][i, : len(stored)], found[1][i, : len(stored)] = scores[i, stored], self.order[stored]
            found[2][i] = read.sum()
        return found


def same(found, wanted):
    assert found.scores.tobytes() == wanted[0].tobytes()
    assert (found.rows == wanted[1]).all() and (found.scored == wanted[2]).all()


@pytest.mark.parametrize("kind", ["f32", "f16", "sq8", "sq4"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_it_is_a_sort_of_what_was_read(kind, metric):
    world = World(kind)
    for k, budget in ((10, 0), (1, 50), (10, 300), (25, N), (N, 7)):
        same(world.search(k, budget, metric=metric), world.expected(k, budget, metric))


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("level", native.simd_levels())
@pytest.mark.parametrize("dim", [1, 3, 15, 16, 17, 63, 64, 65, 130])
def test_rounded_queries_are_scored_as_their_numbers_say(metric, level, dim):
    rng = np.random.default_rng(dim)
    rows, queries = (rng.normal(size=(count, dim)).astype(np.float32) for count in (300, 70))
    queries[3] = 0
    center = rows.mean(0)
    codes = native.encode("sq8", rows, center)
    space = native.make_space("sq8", codes, dim, center=center)
    whole = [Group.whole(np.arange(70), np.arange(300, dtype=np.uint32))]
    before = native.simd_level()
    try:
        native.set_simd_level(level)
        found = search_cells(space, whole, queries, 300, metric=metric, rounded=True)
    finally:
        native.set_simd_level(before)
    asked = queries.astype(np.float64) - (center if metric == "l2" else 0)
    step = np.abs(asked).max(axis=1, keepdims=True) / 127
    asked = np.divide(asked, step, out=np.zeros_like(asked), where=step > 0).round() * step
    decoded = native.decode("sq8", codes, np.zeros(dim, np.float32)).astype(np.float64)
    product = asked @ decoded.T
    if metric == "ip":
        wanted = -(product + queries.astype(np.float64) @ center[:, None])
    else:
        exact = queries.astype(np.float64) - center
        wanted = np.maximum((exact**2).sum(axis=1, keepdims=True) + (decoded**2).sum(axis=1) - 2 * product, 0)
    assert np.allclose(found.scores, np.take_along_axis(wanted, found.rows, axis=1), atol=2e-5 * dim)
    assert (np.diff(found.scores, axis=1) >= 0).all() and (np.sort(found.rows, axis=1) == np.arange(300)).all()


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_rounded_scores_are_the_same_bits_everywhere(metric):
    world = World("sq8")
    wanted = world.search(10, 100, metric=metric, rounded=True, threads=1)
    before = native.simd_level()
    try:
        for level in native.simd_levels():
            native.set_simd_level(level)
            for threads in (1, 2, 7):
                same(world.search(10, 100, metric=metric, rounded=True, threads=threads), wanted)
    finally:
        native.set_simd_level(before)


def test_ties_go_to_the_smaller_number():
    world = World("f32", copies=40)
    same(world.search(60, 200), world.expected(60, 200, "l2"))


@pytest.mark.parametrize("level", native.simd_levels())
def test_neither_threads_nor_levels_change_a_bit_of_codes(level):
    world = World("sq8")
    wanted = world.search(10, 100, threads=1)
    before = native.simd_level()
    try:
        native.set_simd_level(level)
        for threads in (1, 2, 7):
            same(world.search(10, 100, threads=threads), wanted)
    finally:
        native.set_simd_level(before)


def test_a_whole_group_is_a_scan():
    world = World("f32")
    groups = [Group.whole(np.flatnonzero(world.which == i), np.flatnonzero(m)) for i, m in enumerate(world.masks)]
    found = search_cells(world.space, groups, world.queries, 10, metric="ip")
    for number, mask in enumerate(world.masks):
        own = world.which == number
        scanned = native.scan(world.space, world.queries[own], 10, metric="ip", allow=mask)
        assert found.scores[own].tobytes() == scanned.scores.tobytes() and (found.rows[own] == scanned.rows).all()


def test_nothing_asked_nothing_there():
    world = World("f32")
    empty = search_cells(world.space, [], world.queries[:0], 3, metric="ip")
    assert empty.scores.shape == (0, 3)
    nothing = Group.whole(np.array([0]), np.empty(0, np.uint32))
    found = search_cells(world.space, [nothing], world.queries[:1], 3, metric="ip")
    assert (found.rows == -1).all() and np.isinf(found.scores).all() and found.scored[0] == 0


def test_a_query_is_in_one_group():
    world = World("f32")
    one = Group.whole(np.array([0, 1]), np.arange(5, dtype=np.uint32))
    for groups, count in (([one], 3), ([one, one], 2), ([], 1)):
        with pytest.raises(ValueError, match="groups: expected each of"):
            search_cells(world.space, groups, world.queries[:count], 3, metric="ip")


@pytest.mark.parametrize(
    "changed", [{"positions": np.uint32([0, N])}, {"lists": np.uint32([LISTS])}, {"sizes": np.array([3])}]
)
def test_numbers_that_point_outside_are_refused(changed):
    world = World("f32")
    group = Group.whole(np.array([0]), np.uint32([0, 1]))._replace(**changed)
    with pytest.raises(ValueError, match="points outside"):
        search_cells(world.space, [group], world.queries[:1], 1, metric="ip", centroids=world.centres)
