"""k-means groups: a partition of the rows, around centroids near to them."""

import numpy as np
import pytest

from nearfield import native
from nearfield.index.partition import partition


def check(parts, rows, lists):
    assert parts.centroids.shape == (lists, rows.shape[1]) and parts.centroids.dtype == np.float32
    assert np.isfinite(parts.centroids).all()
    assert parts.offsets.dtype == parts.order.dtype == np.uint32
    assert parts.offsets[0] == 0 and parts.offsets[-1] == len(rows) and (np.diff(parts.offsets.astype(int)) >= 0).all()
    assert (np.sort(parts.order) == np.arange(len(rows))).all()
    for i in range(lists):
        assert (np.diff(parts.order[parts.offsets[i] : parts.offsets[i + 1]].astype(int)) > 0).all()


def spread(parts, rows):
    of_list = np.repeat(np.arange(len(parts.centroids)), np.diff(parts.offsets.astype(int)))
    return float(((rows[parts.order] - parts.centroids[of_list]) ** 2).sum())


@pytest.mark.parametrize(("n", "lists"), [(1, 1), (2, 1), (2, 2), (70, 70), (500, 1), (500, 33), (3000, 20)])
def test_every_row_is_in_one_list_the_nearest(n, lists):
    rows = np.random.default_rng(n).normal(size=(n, 6)).astype(np.float32)
    parts = partition(rows, lists, unit=False, seed=0)
    check(parts, rows, lists)
    nearest = native.exact_search(parts.centroids, rows, 1, metric="l2").rows[:, 0]
    for i in range(lists):
        assert (nearest[parts.order[parts.offsets[i] : parts.offsets[i + 1]]] == i).all()


def test_it_comes_close_to_what_scikit_learn_finds(make_rows):
    from sklearn.cluster import KMeans

    rows = make_rows(1500)
    parts = partition(rows, 40, unit=False, seed=0)
    peer = KMeans(40, n_init=1, init="random", max_iter=100, random_state=0).fit(rows)
    assert spread(parts, rows) < 1.08 * peer.inertia_


@pytest.mark.parametrize("distinct", [1, 3, 40])
def test_copies_leave_lists_empty_and_break_nothing(distinct):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(distinct, 5))[rng.integers(0, distinct, 2000)].astype(np.float32)
    parts = partition(rows, 50, unit=False, seed=0)
    check(parts, rows, 50)
    assert spread(parts, rows) < 1e-6 * len(rows)  # each value has a centroid of its own


def test_a_centroid_without_rows_moves_to_where_there_are_some():
    rng = np.random.default_rng(1)
    rows = np.concatenate([np.zeros((5000, 4)), 50 + rng.normal(size=(200, 4))]).astype(np.float32)
    parts = partition(rows, 20, unit=False, seed=0)
    check(parts, rows, 20)
    assert (np.diff(parts.offsets.astype(int)) > 0).sum() > 10


def test_centroids_of_unit_rows_may_be_kept_at_unit_length():
    rows = np.random.default_rng(2).normal(size=(900, 8)).astype(np.float32)
    rows[1::2] = -rows[::2]  # means near zero
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    parts = partition(rows, 12, unit=True, seed=0)
    check(parts, rows, 12)
    assert np.allclose(np.linalg.norm(parts.centroids, axis=1), 1, atol=1e-5)


def test_threads_do_not_matter_and_the_seed_does(make_rows):
    before = native.threads()
    try:
        found = []
        for threads in (1, 2, 3):
            native.set_threads(threads)
            found.append(partition(make_rows(1500), 30, unit=False, seed=4))
    finally:
        native.set_threads(before)
    for other in found[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found[0], other, strict=True))
    assert partition(make_rows(1500), 30, unit=False, seed=5).centroids.tobytes() != found[0].centroids.tobytes()
