"""The graph: sound lists, every row reachable, the same bytes however it was built."""

import hashlib

import numpy as np
import pytest

from nearfield import native

NO_LINK = native.NO_LINK
KINDS = ["f32", "f16", "sq8", "sq4"]


def make_space(kind, rows, center=None):
    rows = np.asarray(rows, np.float32)
    if kind == "f32":
        return native.make_space("f32", rows, rows.shape[1])
    if kind == "f16":
        return native.make_space("f16", rows.astype(np.float16), rows.shape[1])
    center = rows.mean(0) if center is None else center
    return native.make_space(kind, native.encode(kind, rows, center), rows.shape[1], center=center)


def build(space, *, degree=16, beam=40, alpha=1.2, seed=0, **options):
    return native.build_graph(space, degree=degree, beam=beam, alpha=alpha, seed=seed, **options)


def digest(graph):
    return hashlib.sha256(graph[0].tobytes() + graph[1].tobytes()).hexdigest()


def far_clusters(rng, n):
    rows = rng.normal(size=(n, 8))
    rows[: n // 2] += 1000
    return rows


def clustered(rng, n):
    return rng.normal(size=(20, 8))[rng.integers(0, 20, n)] * 10 + 0.1 * rng.normal(size=(n, 8))


DATA = {
    "gaussian": lambda rng, n: rng.normal(size=(n, 8)),
    "clustered": clustered,
    "nine tenths one value": lambda rng, n: np.where(rng.random((n, 1)) < 0.9, 1.0, rng.normal(size=(n, 8))),
    "each value ten times": lambda rng, n: rng.normal(size=(-(-n // 10), 8))[rng.integers(0, -(-n // 10), n)],
    "all equal": lambda rng, n: np.ones((n, 8)),
    "all zero": lambda rng, n: np.zeros((n, 8)),
    "two far clusters": far_clusters,
    "on a line": lambda rng, n: np.arange(n)[:, None] * np.ones(8),
    "one dimension": lambda rng, n: rng.normal(size=(n, 1)),
    "growing lengths": lambda rng, n: rng.normal(size=(n, 8)) * np.linspace(0, 6, n)[:, None] ** 5,
}


def assert_sound(neighbors, entries, n):
    rows = np.arange(n)[:, None]
    there = neighbors != NO_LINK
    assert (neighbors[there] < n).all()
    assert (neighbors != rows).all(), "a row leads to itself"
    assert (there[:, 1:] <= there[:, :-1]).all(), "a list goes on after its end"
    ordered = np.sort(neighbors, axis=1)
    assert ((ordered[:, 1:] != ordered[:, :-1]) | (ordered[:, 1:] == NO_LINK)).all(), "a link stands twice"
    assert native.links_valid(neighbors)
    assert native.reachable(neighbors, entries).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DATA)
def test_lists_are_sound_and_every_row_is_reachable(name, kind):
    for n, degree in ((1, 4), (2, 2), (3, 2), (70, 2), (1500, 4), (1500, 16)):
        rows = DATA[name](np.random.default_rng(n), n)
        neighbors, entries = build(make_space(kind, rows), degree=degree)
        assert neighbors.shape == (n, degree) and neighbors.dtype == np.uint32
        assert_sound(neighbors, entries, n)
        assert 1 <= len(entries) <= 64


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["gaussian", "nine tenths one value", "clustered"])
def test_the_same_bytes_for_any_number_of_threads(name, kind, level):
    space = make_space(kind, DATA[name](np.random.default_rng(0), 1200))
    one = digest(build(space, threads=1))
    for threads in (2, 3, 7):
        assert digest(build(space, threads=threads)) == one


@pytest.mark.parametrize("kind", ["sq8", "sq4"])
def test_graphs_over_codes_are_the_same_on_every_level(kind, on_level):
    space = make_space(kind, DATA["gaussian"](np.random.default_rng(1), 1000))
    assert len({on_level(name, lambda: digest(build(space))) for name in native.simd_levels()}) == 1


def test_the_seed_decides_the_order_and_nothing_else_does():
    space = make_space("sq8", DATA["gaussian"](np.random.default_rng(2), 800))
    assert digest(build(space, seed=5)) == digest(build(space, seed=5)) != digest(build(space, seed=6))


@pytest.mark.parametrize(
    ("name", "kind"), [*(("gaussian", kind) for kind in KINDS), ("clustered", "f32"), ("two far clusters", "f32")]
)
def test_the_order_of_the_rows_changes_nothing(name, kind):  # but where rows are equally far: coarse codes in clusters
    rows = np.asarray(DATA[name](np.random.default_rng(7), 900), np.float32)
    center = rows.mean(0)
    neighbors, entries = build(make_space(kind, rows, center))
    for order in (np.argsort(rows[:, 0]), np.argsort(-np.square(rows - center).sum(1)), np.arange(900)[::-1]):
        again, starts = build(make_space(kind, np.ascontiguousarray(rows[order]), center))
        assert order[starts].tolist() == entries.tolist()
        named = np.append(order, NO_LINK)[np.minimum(again, 900)]
        assert (np.sort(named, axis=1) == np.sort(neighbors[order], axis=1)).all()


def test_walks_begin_at_a_few_rows_that_are_near_to_all():
    rng = np.random.default_rng(8)
    rows = (rng.normal(size=(3, 16))[rng.integers(0, 3, 6000)] * 2 + rng.normal(size=(6000, 16))).astype(np.float32)
    space = make_space("f32", rows)
    neighbors, entries = build(space)
    assert 8 <= len(entries) < 16
    queries, cost = rows[rng.integers(0, 6000, 200)], np.empty(200, np.uint32)

    def mean_cost(starts):
        native.search_graph(space, neighbors, starts, queries, 10, metric="l2", beam=10, distances=cost)
        return cost.mean()

    single = [mean_cost(np.array([row], np.uint32)) for row in rng.integers(0, 6000, 30)]
    assert mean_cost(entries) < np.mean(single)


def test_links_are_near_and_diverse():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(600, 6)).astype(np.float32)
    neighbors, _ = build(make_space("f32", rows), degree=12, beam=80, alpha=1.2)
    squares = ((rows[:, None] - rows[None]) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    nearest_linked = (neighbors == squares.argmin(1)[:, None]).any(1)
    assert nearest_linked.mean() > 0.95
    kept = [squares[i, row[row != NO_LINK]] for i, row in enumerate(neighbors)]
    assert np.mean([len(k) for k in kept]) < 12  # alpha leaves lists shorter than their room on so few dimensions
    assert np.median(np.concatenate(kept)) < np.median(squares[np.isfinite(squares)]) / 4


def test_equal_rows_hang_below_the_first_of_them():
    rng = np.random.default_rng(4)
    distinct = rng.normal(size=(50, 5)).astype(np.float32)
    rows = np.concatenate([distinct, np.repeat(distinct[:1], 500, axis=0), distinct])
    neighbors, entries = build(make_space("f32", rows), degree=8)
    assert_sound(neighbors, entries, len(rows))
    # No row but equal ones, and the one that gave its link, leads to a copy: crowds are on nobody's way.
    equal = (rows[:, None] == rows[None]).all(-1)
    copies = np.arange(len(rows)) >= 50
    strangers = sum(
        copies[link] and not equal[row, link] for row in range(50) for link in neighbors[row] if link != NO_LINK
    )
    assert strangers == 0


def test_progress_counts_up_to_the_rows():
    seen = []
    space = make_space("sq8", np.random.default_rng(5).normal(size=(20_000, 32)))
    build(space, beam=60, progress=seen.append)
    assert seen, "a build of more than half a second reports"
    assert all(0 <= number <= 20_000 for number in seen)
    assert seen == sorted(seen)


def test_a_progress_callback_that_raises_stops_the_build():
    class Enough(Exception):
        pass

    def stop(done):
        raise Enough(done)

    space = make_space("sq8", np.random.default_rng(6).normal(size=(100_000, 32)))
    for threads in (1, 2):
        with pytest.raises(Enough):
            build(space, beam=200, progress=stop, threads=threads)
    small = make_space("sq8", np.random.default_rng(7).normal(size=(200, 8)))
    assert digest(build(small, threads=2)) == digest(build(small, threads=1))


def test_damaged_rows_do_not_crash_a_build():
    rows = np.random.default_rng(8).normal(size=(500, 8)).astype(np.float32)
    rows[::3] = np.nan
    rows[1::7] = np.inf
    neighbors, entries = build(native.make_space("f32", rows, 8), degree=8)
    assert native.links_valid(neighbors) and native.reachable(neighbors, entries).all()


def test_reachable_follows_the_links():
    neighbors = np.uint32([[1, NO_LINK], [2, NO_LINK], [NO_LINK, 0], [0, 1]])
    assert native.reachable(neighbors, np.uint32([0])).tolist() == [True, True, True, False]
    assert native.reachable(neighbors, np.uint32([3])).tolist() == [True] * 4
    assert native.reachable(neighbors, np.uint32([2, 1])).tolist() == [False, True, True, False]
    assert not native.links_valid(np.uint32([[4], [0], [0], [0]]))


def test_far_clusters_each_have_an_entry_and_plain_data_needs_a_few():
    rng = np.random.default_rng(9)
    cluster = rng.integers(0, 12, 6000)
    rows = (rng.normal(size=(6000, 24)) + 100 * rng.normal(size=(12, 24))[cluster]).astype(np.float32)
    space = make_space("f32", rows)
    neighbors, entries = build(space, degree=16, beam=60)
    found = native.search_graph(space, neighbors, entries, rows, 1, metric="l2", beam=32)
    shares = [(found.rows[cluster == c, 0] == np.flatnonzero(cluster == c)).mean() for c in range(12)]
    assert min(shares) > 0.9
    plain = build(make_space("f32", rng.normal(size=(6000, 6))), degree=16, beam=60)
    assert len(plain[1]) == 8


def test_lists_have_room_to_grow_and_give_it_back():
    assert [native.graph_room(degree) for degree in (1, 2, 3, 32)] == [1, 3, 4, 48]
    space = make_space("f32", np.random.default_rng(0).normal(size=(300, 8)))
    for degree in (1, 2, 3, 16):
        neighbors, entries = build(space, degree=degree)
        assert neighbors.shape == (300, degree) and neighbors.flags.c_contiguous
        assert_sound(neighbors, entries, 300)
