"""Search by lists, against a sort of the rows of the lists that must have been read: the same rows, the same bits."""

import numpy as np
import pytest

from nearfield import native

N, LISTS = 1200, 30


class World:
    """Rows in lists of uneven length, some empty, stored in an order that is not the caller's."""

    def __init__(self, kind, copies=1):
        rng = np.random.default_rng(0)
        self.rows = np.repeat(rng.normal(size=(N // copies, 20)), copies, axis=0)[rng.permutation(N)].astype(np.float32)
        self.queries = rng.normal(size=(23, 20)).astype(np.float32)
        self.centroids = rng.normal(size=(LISTS, 20)).astype(np.float32)
        of_list = np.sort(rng.integers(0, LISTS, N) ** 2 // LISTS)
        self.offsets = np.searchsorted(of_list, np.arange(LISTS + 1)).astype(np.uint32)
        self.order = rng.permutation(N).astype(np.uint32)
        self.list_of = np.empty(N, np.int64)
        self.list_of[self.order] = of_list
        stored = self.rows[self.order]
        if kind == "f32":
            self.space = native.make_space("f32", stored, 20)
        elif kind == "f16":
            self.space = native.make_space("f16", stored.astype(np.float16), 20)
        else:
            center = stored.mean(0)
            self.space = native.make_space(kind, native.encode(kind, stored, center), 20, center=center)
        self.centres = native.make_space("f32", self.centroids, 20)

    def search(self, k, *, metric="l2", queries=None, **options):
        asked = self.queries if queries is None else queries
        return native.search_lists(
            self.space, self.centres, self.offsets, self.order, asked, asked, k, metric=metric, **options
        )

    def expected(self, k, probes, metric, budget=0, mask=None):
        every = np.arange(N, dtype=np.uint32)
        scores = np.empty((len(self.queries), N), np.float32)
        scores[:, self.order] = native.score(self.space, self.queries, every, metric=metric)
        near = native.score(self.centres, self.queries, every[:LISTS], metric=metric)
        allowed = np.ones(N, bool) if mask is None else mask
        wanted = max(k, budget if mask is not None else 0)
        out = native.Scores(np.full((len(scores), k), np.inf, np.float32), np.full((len(scores), k), -1))
        for i in range(len(scores)):
            ranked = np.lexsort((np.arange(LISTS), near[i]))
            count = probes
            while count < LISTS and (np.isin(self.list_of, ranked[:count]) & allowed).sum() < wanted:
                count += 1
            rows = np.flatnonzero(np.isin(self.list_of, ranked[:count]) & allowed)
            rows = rows[np.lexsort((rows, scores[i, rows]))][:k]
            out.scores[i, : len(rows)], out.rows[i, : len(rows)] = scores[i, rows], rows
        return out


def same(found, wanted):
    return found.scores.tobytes() == wanted.scores.tobytes() and (found.rows == wanted.rows).all()


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("kind", ["f32", "f16", "sq8", "sq4"])
def test_the_nearest_lists_are_read_and_others_only_for_want_of_rows(kind, metric, level):
    world = World(kind)
    for k, probes in ((1, 1), (10, 1), (10, 7), (400, 2), (10, LISTS), (N + 3, 3)):
        wanted = world.expected(k, probes, metric)
        for threads in (1, 3):
            assert same(world.search(k, metric=metric, probes=probes, threads=threads), wanted), (k, probes)


def test_every_list_is_a_scan():
    world = World("sq8")
    found = world.search(20, probes=LISTS)
    scanned = native.scan(world.space, world.queries, 20, metric="l2")
    assert found.scores.tobytes() == scanned.scores.tobytes()
    assert (found.rows == world.order[scanned.rows]).all()


def test_any_batching_gives_the_same_bits(level):
    world = World("sq8")
    together = world.search(10, probes=3)
    for size in (1, 2, 3, 5, 22):
        parts = [world.search(10, probes=3, queries=world.queries[i : i + size]) for i in range(0, 23, size)]
        assert same(native.Scores(*map(np.concatenate, zip(*parts, strict=True))), together)


def test_ties_go_to_the_smaller_row_of_the_caller():
    world = World("f32", copies=40)
    for k, probes in ((5, LISTS), (70, LISTS), (10, 4)):
        assert same(world.search(k, probes=probes), world.expected(k, probes, "l2"))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.02, 0.001, 0.0])
@pytest.mark.parametrize("budget", [0, 40, N])
def test_only_allowed_rows_are_found_and_lists_are_read_until_the_budget_is_spent(share, budget):
    world = World("sq8")
    masks = [np.random.default_rng(1).random(N) < share, np.arange(N) < share * N]
    masks.append(np.isin(world.list_of, np.argsort(world.centroids[:, 0])[: round(share * LISTS)]))  # whole lists
    for mask in masks:
        wanted = world.expected(10, 3, "l2", budget, mask)
        for allow in (mask, native.pack_bits(mask)):
            for threads in (1, 2):
                assert same(world.search(10, probes=3, budget=budget, allow=allow, threads=threads), wanted)


def test_the_centroids_may_be_asked_in_another_frame():
    world = World("f32")
    turned = native.make_space("f32", np.ascontiguousarray(world.centroids[:, ::-1]), 20)
    asked = np.ascontiguousarray(world.queries[:, ::-1])
    found = native.search_lists(
        world.space, turned, world.offsets, world.order, world.queries, asked, 5, metric="l2", probes=2
    )
    assert (found.rows == world.search(5, probes=2).rows).all()


def test_no_queries_and_one_row():
    world = World("f32")
    assert world.search(3, probes=1, queries=world.queries[:0]).rows.shape == (0, 3)
    one = native.make_space("f32", world.rows[:1], 20)
    found = native.search_lists(
        one, one, np.uint32([0, 1]), np.uint32([0]), world.queries, world.queries, 3, metric="ip", probes=5
    )
    assert (found.rows == [0, -1, -1]).all() and np.isposinf(found.scores[:, 1:]).all()


def test_rows_without_a_score_are_not_returned():
    world = World("f32")
    rows = world.rows[world.order]
    rows[::2] = np.nan
    world.space = native.make_space("f32", rows, 20)
    found = world.search(N, probes=LISTS)
    assert (np.sort(found.rows[:, : N // 2], axis=1) == np.sort(world.order[1::2])).all()
    assert (found.rows[:, N // 2 :] == -1).all()
