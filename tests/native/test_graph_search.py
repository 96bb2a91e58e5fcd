"""Walks over a graph, against exact scans of the same codes."""

import numpy as np
import pytest

from nearfield import native
from nearfield.native import NO_LINK


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    rows, queries = (rng.normal(size=(n, 16)).astype(np.float32) for n in (3000, 50))
    center = rows.mean(0)
    space = native.make_space("sq8", native.encode("sq8", rows, center), 16, center=center)
    graph = native.build_graph(space, degree=24, beam=80, alpha=1.2, seed=0)
    return rows, queries, space, graph


def walk(world, k=10, *, queries=None, **options):
    _, known, space, (neighbors, entries) = world
    options = {"metric": "l2", "beam": 64} | options
    return native.search_graph(space, neighbors, entries, known if queries is None else queries, k, **options)


def same(a, b):
    return a.scores.tobytes() == b.scores.tobytes() and (a.rows == b.rows).all()


def recall(found, exact):
    return np.mean([np.isin(f, e).mean() for f, e in zip(found.rows, exact.rows, strict=True)])


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_a_wide_walk_finds_nearly_everything(world, metric):
    exact = native.scan(world[2], world[1], 10, metric=metric)
    found = walk(world, metric=metric, beam=400)
    assert recall(found, exact) > (0.97 if metric == "l2" else 0.6)  # the edges are those of l2
    for scores, rows, i in zip(found.scores, found.rows, range(50), strict=True):
        own = native.score(world[2], world[1][i : i + 1], rows.astype(np.uint32), metric=metric)[0]
        assert (own == scores).all() and (np.diff(scores) >= 0).all()


def test_recall_grows_with_the_beam(world):
    exact = native.scan(world[2], world[1], 10, metric="l2")
    recalls = [recall(walk(world, beam=beam), exact) for beam in (10, 20, 50, 200)]
    assert recalls == sorted(recalls) and recalls[0] > 0.6 and recalls[-1] > 0.99


def test_a_beam_of_all_rows_is_exact(world):
    assert same(walk(world, beam=3000), native.scan(world[2], world[1], 10, metric="l2"))


def test_single_equals_batch_and_threads_do_not_matter(world, level):
    together = walk(world)
    for i in range(0, 50, 7):
        assert same(walk(world, queries=world[1][i : i + 1]), native.Scores(*(a[i : i + 1] for a in together)))
    for threads in (1, 2, 3, 7):
        assert same(walk(world, threads=threads), together)


def test_batches_of_every_size_are_handed_out_whole(world):
    queries = np.random.default_rng(5).normal(size=(700, 16)).astype(np.float32)
    together = walk(world, queries=queries, threads=1)
    for size in (1, 2, 9, 63, 64, 65, 130, 700):
        for threads in (2, 5):
            part = walk(world, queries=queries[:size], threads=threads)
            assert same(part, native.Scores(*(a[:size] for a in together)))


def test_every_level_gives_the_same_answers(world, on_level):
    first = on_level("scalar", walk, world)
    for name in native.simd_levels():
        assert same(on_level(name, walk, world), first)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 1.0])
def test_only_allowed_rows_are_returned(world, share):
    mask = np.random.default_rng(1).random(3000) < share
    covered = np.full(50, 7, np.uint8)
    found = walk(world, allow=mask, beam=100, covered=covered)
    there = found.rows >= 0
    assert mask[found.rows[there]].all()
    assert np.isposinf(found.scores[~there]).all()
    exact = native.scan(world[2], world[1], 10, metric="l2", allow=mask)
    assert set(covered) <= {0, 1}
    # Where the walk says that it covered the k-th allowed row, its answer can be relied on as an unfiltered one can.
    good = covered == 1
    if good.any():
        picked = [native.Scores(a[good], b[good]) for a, b in ((found.scores, found.rows), (exact.scores, exact.rows))]
        assert recall(*picked) > 0.95
    assert good.all() == (share >= 0.5)
    assert same(walk(world, allow=native.pack_bits(mask), beam=100), found)


def test_allow_all_equals_no_filter(world):
    assert same(walk(world, allow=np.ones(3000, bool)), walk(world))


def test_the_work_is_counted(world):
    counts = np.zeros(50, np.uint32)
    walk(world, beam=20, distances=counts)
    wider = np.zeros(50, np.uint32)
    walk(world, beam=100, distances=wider)
    assert (counts >= 20).all() and (wider > counts).all() and (wider < 3000).all()


@pytest.mark.parametrize("wrong", [np.zeros(50, np.int64), np.zeros(50, np.float32), np.zeros(100, np.uint32)[::2]])
def test_counts_that_would_be_written_to_a_copy_are_refused(world, wrong):
    with pytest.raises(TypeError):
        walk(world, distances=wrong)


def test_k_beyond_the_rows_is_filled_with_missing(world):
    found = walk(world, k=3005, beam=1)
    assert (found.rows[:, 3000:] == -1).all() and np.isposinf(found.scores[:, 3000:]).all()
    assert (np.sort(found.rows[:, :3000]) == np.arange(3000)).all()


def test_a_single_row():
    space = native.make_space("f32", np.ones((1, 3), np.float32), 3)
    neighbors, entries = native.build_graph(space, degree=4, beam=4, alpha=1.2, seed=0)
    assert (neighbors == NO_LINK).all() and entries.tolist() == [0]
    found = native.search_graph(space, neighbors, entries, np.ones((2, 3), np.float32), 2, metric="l2", beam=4)
    assert found.rows.tolist() == [[0, -1], [0, -1]]


def test_no_queries(world):
    found = walk(world, queries=np.empty((0, 16), np.float32))
    assert found.rows.shape == (0, 10)


def test_a_second_space_decides_the_order(world):
    rows, queries, space, (neighbors, entries) = world
    finer = native.make_space("f32", rows, 16)
    for candidates in (10, 30, 64):
        found = walk(world, second=finer, second_queries=queries, candidates=candidates)
        first = native.search_graph(space, neighbors, entries, queries, candidates, metric="l2", beam=64)
        assert same(found, native.rescore(finer, queries, first.rows, 10, metric="l2"))


def test_a_second_space_that_is_damaged_gives_missing_rows(world):
    rows = world[0].copy()
    rows[::2] = np.nan
    found = walk(world, second=native.make_space("f32", rows, 16), second_queries=world[1], candidates=64)
    assert (found.rows[found.rows >= 0] % 2 == 1).all()
    assert np.isfinite(found.scores[found.rows >= 0]).all()


def test_damaged_rows_do_not_crash_a_walk(world):
    rows, queries, _, (neighbors, entries) = world
    rows = rows.copy()
    rows[::5] = np.nan
    found = native.search_graph(
        native.make_space("f32", rows, 16), neighbors, entries, queries, 10, metric="l2", beam=64
    )
    assert ((found.rows == -1) | (found.rows % 5 != 0)).all()
