"""Exact scans and rescoring, against a sort of every row's own score: the same rows, the same bits."""

import numpy as np
import pytest

from nearfield import native

KINDS = ["f32", "f16", "sq8", "sq4"]


def make_space(kind, rows):
    if kind == "f32":
        return native.make_space("f32", rows, rows.shape[1])
    if kind == "f16":
        return native.make_space("f16", rows.astype(np.float16), rows.shape[1])
    center = rows.mean(0)
    return native.make_space(kind, native.encode(kind, rows, center), rows.shape[1], center=center)


def expected(space, queries, k, metric, mask=None):
    """Every row scored alone, sorted by score and then by number."""
    scores = native.score(space, queries, np.arange(space.n, dtype=np.uint32), metric=metric)
    out_scores = np.full((len(queries), k), np.inf, np.float32)
    out_rows = np.full((len(queries), k), -1, np.int64)
    for i, row_scores in enumerate(scores):
        order = np.lexsort((np.arange(space.n), row_scores))
        if mask is not None:
            order = order[mask[order]]
        order = order[:k]
        out_scores[i, : len(order)], out_rows[i, : len(order)] = row_scores[order], order
    return out_scores, out_rows


def same(found, wanted):
    return found.scores.tobytes() == wanted[0].tobytes() and (found.rows == wanted[1]).all()


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 1000, 10_000])
def test_a_scan_finds_what_a_sort_finds(n, kind, metric):
    rng = np.random.default_rng(n)
    rows, queries = (rng.normal(size=(count, 20)).astype(np.float32) for count in (n, 5))
    space = make_space(kind, rows)
    for k in {1, 3, min(n, 40), n + 5 if n < 100 else 7}:
        wanted = expected(space, queries, k, metric)
        for threads in (1, 2, 3, 7):
            assert same(native.scan(space, queries, k, metric=metric, threads=threads), wanted), (k, threads)


@pytest.mark.parametrize("kind", KINDS)
def test_any_batching_gives_the_same_bits(kind, level):
    rng = np.random.default_rng(1)
    rows, queries = (rng.normal(size=(count, 45)).astype(np.float32) for count in (500, 70))
    space = make_space(kind, rows)
    together = native.scan(space, queries, 10, metric="l2")
    for size in (1, 2, 3, 4, 5, 31, 33, 69):
        parts = [native.scan(space, queries[i : i + size], 10, metric="l2") for i in range(0, 70, size)]
        assert same(together, tuple(np.concatenate(part) for part in zip(*parts, strict=True))), size


MASKS = {
    "all": lambda rng, n: np.ones(n, bool),
    "none": lambda rng, n: np.zeros(n, bool),
    "one": lambda rng, n: np.arange(n) == n // 2,
    "first": lambda rng, n: np.arange(n) == 0,
    "last": lambda rng, n: np.arange(n) == n - 1,
    "half": lambda rng, n: rng.random(n) < 0.5,
    "few": lambda rng, n: rng.random(n) < 0.01,
    "front": lambda rng, n: np.arange(n) < n // 10,
    "back": lambda rng, n: np.arange(n) >= n - n // 10,
}


@pytest.mark.parametrize("n", [1, 63, 64, 65, 127, 9000])
@pytest.mark.parametrize("name", MASKS)
def test_only_allowed_rows_are_found(name, n):
    rng = np.random.default_rng(2)
    rows, queries = (rng.normal(size=(count, 12)).astype(np.float32) for count in (n, 6))
    mask = MASKS[name](rng, n)
    for kind in ("f32", "sq8"):
        space = make_space(kind, rows)
        wanted = expected(space, queries, 10, "ip", mask)
        for threads in (1, 3):
            for allow in (mask, native.pack_bits(mask)):
                assert same(native.scan(space, queries, 10, metric="ip", allow=allow, threads=threads), wanted)


def test_bits_beyond_the_last_row_are_ignored():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(70, 8)).astype(np.float32)
    words = np.full(2, 2**64 - 1, np.uint64)
    found = native.exact_search(rows, rows[:4], 100, allow=words)
    assert same(found, expected(make_space("f32", rows), rows[:4], 100, "ip"))
    assert words[1] == 2**64 - 1  # the caller's array is left as it was


def test_ties_go_to_the_smaller_row():
    rows = np.repeat(np.eye(3, dtype=np.float32), 2000, axis=0)[np.random.default_rng(4).permutation(6000)]
    equal = np.flatnonzero(rows[:, 0] == 1)
    for threads in (1, 2, 7):
        for metric in ("ip", "l2"):
            found = native.exact_search(rows, np.eye(3, dtype=np.float32)[:1], 50, metric=metric, threads=threads)
            assert (found.rows[0] == equal[:50]).all()


def test_k_beyond_the_rows_is_filled_with_missing():
    found = native.exact_search(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), 5)
    assert (found.rows[:, 3:] == -1).all() and np.isposinf(found.scores[:, 3:]).all()
    assert (np.sort(found.rows[:, :3]) == np.arange(3)).all()


def test_no_rows_and_no_queries():
    found = native.exact_search(np.empty((0, 4), np.float32), np.ones((2, 4), np.float32), 3)
    assert (found.rows == -1).all() and np.isposinf(found.scores).all() and found.rows.shape == (2, 3)
    for threads in (1, 2, 7):
        found = native.exact_search(np.ones((5, 4), np.float32), np.empty((0, 4), np.float32), 3, threads=threads)
        assert found.rows.shape == found.scores.shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_memory_mapped_base_is_scanned_in_place(dtype, tmp_path):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(300, 24)).astype(dtype)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    queries = rows[:3].astype(np.float32)
    assert same(
        native.exact_search(mapped, queries, 5, metric="l2"), native.exact_search(rows, queries, 5, metric="l2")
    )


def test_a_scale_gives_cosine_on_raw_vectors():
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(200, 16)).astype(np.float32) * rng.uniform(0.1, 9, (200, 1)).astype(np.float32)
    queries = rng.normal(size=(4, 16)).astype(np.float32)
    found = native.exact_search(rows, queries, 10, scale=1 / np.linalg.norm(rows, axis=1))
    cosine = rows @ queries.T / np.linalg.norm(rows, axis=1)[:, None]
    assert (found.rows == np.argsort(-cosine, axis=0)[:10].T).all()


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("kind", KINDS)
def test_rescoring_orders_the_candidates_by_the_finer_scores(kind, metric):
    rng = np.random.default_rng(7)
    rows, queries = (rng.normal(size=(count, 20)).astype(np.float32) for count in (300, 9))
    space = make_space(kind, rows)
    candidates = np.stack([rng.permutation(300)[:40] for _ in queries]).astype(np.int64)
    candidates[:, 5] = candidates[:, 17] = -1
    for k in (1, 10, 60):
        wanted_scores, wanted_rows = [], []
        for query, row in zip(queries, candidates, strict=True):
            mask = np.isin(np.arange(300), row[row >= 0])
            scores, found_rows = expected(space, query[None], k, metric, mask)
            wanted_scores.append(scores[0])
            wanted_rows.append(found_rows[0])
        for threads in (1, 3):
            found = native.rescore(space, queries, candidates, k, metric=metric, threads=threads)
            assert same(found, (np.stack(wanted_scores), np.stack(wanted_rows)))


def test_rescoring_with_damaged_vectors_drops_what_has_no_score():
    rows = np.ones((100, 4), np.float32)
    rows[::2] = np.nan
    candidates = np.arange(100, dtype=np.int64)[None]
    found = native.rescore(native.make_space("f32", rows, 4), rows[1:2], candidates, 100, metric="ip")
    assert set(found.rows[0][:50]) == set(range(1, 100, 2)) and (found.rows[0][50:] == -1).all()


def test_rescoring_nothing():
    space = native.make_space("f32", np.ones((3, 4), np.float32), 4)
    found = native.rescore(space, np.ones((2, 4), np.float32), np.empty((2, 0), np.int64), 3, metric="ip")
    assert (found.rows == -1).all() and found.rows.shape == (2, 3)


def test_bits_are_packed_and_counted():
    rng = np.random.default_rng(8)
    for n in (0, 1, 63, 64, 65, 1000):
        mask = rng.random(n) < 0.3
        words = native.pack_bits(mask)
        assert words.dtype == np.uint64 and len(words) == -(-n // 64)
        assert native.count_bits(words) == mask.sum()
        for row in np.flatnonzero(mask):
            assert int(words[row // 64]) >> int(row % 64) & 1
