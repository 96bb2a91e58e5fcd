"""The sparse index answers as scipy's products do, whatever the filter, the bits and the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, csr_matrix, random_array, vstack

from nearfield import native
from nearfield.common.container import read_container, write_container
from nearfield.common.errors import CorruptFileError
from nearfield.index import SparseIndex, bm25_weights


def sparse(n: int, dim: int, density: float, seed: int, low: float = 0.0) -> csr_array:
    rng = np.random.default_rng(seed)
    made = random_array((n, dim), density=density, rng=rng, data_sampler=lambda size: rng.uniform(low, 3.0, size))
    return csr_array(made, dtype=np.float32)


def right(rows: csr_array, queries: csr_array, k: int, allowed: np.ndarray | None = None) -> tuple[Any, Any]:
    """By scipy: scores of all rows in float64, the rows that share a dimension, the best first, then the lower row."""
    scores = (queries.astype(np.float64) @ rows.astype(np.float64).T).toarray()
    shared = ((queries != 0).astype(int) @ (rows != 0).astype(int).T).toarray() > 0
    if allowed is not None:
        shared &= allowed
    found, best = np.full((len(scores), k), -1), np.full((len(scores), k), np.inf)
    for number in range(len(scores)):
        some = np.flatnonzero(shared[number])
        order = some[np.lexsort((some, -scores[number, some]))][:k]
        found[number, : len(order)], best[number, : len(order)] = order, -scores[number, order]
    return best, found


@pytest.mark.parametrize(
    ("n", "density", "low"), [(400, 0.05, 0.0), (400, 0.05, -3.0), (5000, 0.001, 0.0), (3, 0.9, 0.0)]
)
def test_answers_are_those_of_scipy(n: int, density: float, low: float) -> None:
    rows, queries = sparse(n, 300, density, 0, low), sparse(30, 300, 0.03, 1, low)
    index = SparseIndex().build(rows)
    allowed = np.random.default_rng(2).random(n) < 0.4
    for k in (1, 10, n + 5):
        for allow, mask in ((None, None), (allowed, allowed), (native.pack_bits(allowed), allowed)):
            found = index.search(queries, k, allow=allow)
            distances, wanted = right(rows, queries, k, mask)
            assert np.array_equal(found.rows, wanted) and found.distances.dtype == np.float32
            assert np.allclose(found.distances, distances, rtol=1e-6, atol=1e-6)


def test_ties_go_to_the_lower_row() -> None:
    rows = csr_array(np.ones((100, 3), np.float32))
    assert SparseIndex().build(rows).search(rows[:1], 5).rows.tolist() == [[0, 1, 2, 3, 4]]
    assert SparseIndex(bits=8).build(rows).search(rows[:1], 5).rows.tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("low", [0.0, -3.0])
def test_bytes_lose_no_more_than_is_said(low: float) -> None:
    rows, queries = sparse(2000, 300, 0.05, 0, low), sparse(50, 300, 0.05, 1, low)
    whole, small = SparseIndex().build(rows), SparseIndex(bits=8).build(rows)
    bound = small.error_bound(queries)
    assert (bound > 0).all() and not whole.error_bound(queries).any()
    truth = (queries.astype(np.float64) @ rows.astype(np.float64).T).toarray()
    found = small.search(queries, 2000)
    for number in range(50):
        there = found.rows[number] >= 0
        error = np.abs(-found.distances[number, there] - truth[number, found.rows[number, there]])
        assert error.max() <= bound[number] + 1e-5
    assert small.memory()["weights"] * 4 == whole.memory()["weights"]
    near = [np.isin(a, b).mean() for a, b in zip(small.search(queries).rows, whole.search(queries).rows, strict=True)]
    assert np.mean(near) > (0.95 if low == 0.0 else 0.9)


def test_what_comes_in_any_form_is_the_same() -> None:
    rows = sparse(50, 40, 0.1, 0)
    queries = sparse(5, 40, 0.2, 1)
    wanted = SparseIndex().build(rows).search(queries, 5)
    doubled = vstack([coo_array(rows / 2)] * 1).tocoo()
    twice = coo_array(
        (np.tile(doubled.data, 2), (np.tile(doubled.row, 2), np.tile(doubled.col, 2))), shape=doubled.shape
    )
    zeros = rows.copy().tolil()
    zeros[0, 0] = 0.0
    for form in (rows.tocsc(), rows.tocoo(), csr_matrix(rows), rows.toarray(), rows.astype(np.float64), twice, zeros):
        found = SparseIndex().build(form).search(queries.toarray(), 5)
        assert np.array_equal(found.rows, wanted.rows)
    one = SparseIndex().build(rows).search(queries.toarray()[0], 5)
    assert one.rows.shape == (5,) and np.array_equal(one.rows, wanted.rows[0])


@pytest.mark.parametrize("bits", [8, 32])
def test_a_file_gives_back_the_index(tmp_path: Path, bits: int) -> None:
    rows, queries = sparse(300, 200, 0.03, 0), sparse(10, 200, 0.1, 1)
    index = SparseIndex(bits=bits).build(rows)
    size = index.save(tmp_path / "a.nfa")
    assert size == (tmp_path / "a.nfa").stat().st_size
    again = SparseIndex.load(tmp_path / "a.nfa")
    assert (again.n, again.dim, again.nonzero, again.bits) == (300, 200, rows.nnz, bits)
    assert all(np.array_equal(a, b) for a, b in zip(again.search(queries), index.search(queries), strict=True))
    index.save(tmp_path / "b.nfa")
    assert (tmp_path / "a.nfa").read_bytes() == (tmp_path / "b.nfa").read_bytes()
    data = bytearray((tmp_path / "a.nfa").read_bytes())
    data[-100] ^= 1
    (tmp_path / "b.nfa").write_bytes(data)
    with pytest.raises(CorruptFileError):
        SparseIndex.load(tmp_path / "b.nfa")
    with pytest.raises(FileNotFoundError):
        SparseIndex.load(tmp_path / "none.nfa")


@pytest.mark.parametrize("what", ["rows", "offsets", "weights", "steps"])
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, what: str) -> None:
    SparseIndex().build(sparse(30, 20, 0.2, 0)).save(tmp_path / "a.nfa")
    container = read_container(tmp_path / "a.nfa", "sparse", 1)
    arrays = {name: array.copy() for name, array in container.arrays.items()}
    if what == "rows":
        arrays["rows"][3] = 30
    elif what == "offsets":
        arrays["offsets"][3] = 10**9
    elif what == "weights":
        arrays["weights"] = arrays["weights"][:-1]
    else:
        arrays["steps"] = arrays["steps"].astype(np.float64)
    write_container(tmp_path / "b.nfa", "sparse", 1, container.meta, arrays)
    with pytest.raises(CorruptFileError, match="sparse index cannot be understood"):
        SparseIndex.load(tmp_path / "b.nfa")


def test_bad_input_is_refused() -> None:
    rows = sparse(20, 30, 0.2, 0)
    index = SparseIndex().build(rows)
    nan = rows.copy()
    nan.data[5] = np.nan
    huge = rows.astype(np.float64)
    huge.data[5] = 1e300
    for build, error, message in (
        (nan, ValueError, "vectors: expected finite weights that float32 can hold, got others in row"),
        (huge, ValueError, "vectors: expected finite weights"),
        (csr_array((0, 5), dtype=np.float32), ValueError, "vectors: expected 1 to"),
        (csr_array((5, 0), dtype=np.float32), ValueError, "vectors: expected at least one dimension, got 0"),
        (np.array(["a"]), TypeError, "vectors: expected a scipy.sparse matrix"),
        (rows.astype(complex), TypeError, "vectors: expected numbers"),
        (np.zeros((2, 2, 2)), TypeError, "vectors: expected a scipy.sparse matrix"),
    ):
        with pytest.raises(error, match=message):
            SparseIndex().build(build)
    with pytest.raises(ValueError, match="bits: expected"):
        SparseIndex(bits=4).build(rows)
    with pytest.raises(ValueError, match="queries: expected 30 dimensions, got 7"):
        index.search(np.ones(7))
    with pytest.raises(ValueError, match="k: expected"):
        index.search(rows, 0)
    with pytest.raises((ValueError, TypeError), match="allow"):
        index.search(rows, allow=np.ones(3, bool))
    with pytest.raises(RuntimeError, match="not built yet"):
        SparseIndex().search(rows)
    empty = SparseIndex(bits=8).build(csr_array((4, 6), dtype=np.float32))
    assert (empty.search(np.ones(6), 3).rows == -1).all() and empty.nonzero == 0
    assert (index.search(np.zeros(30), 3).rows == -1).all()
    tiny = SparseIndex(bits=8).build(csr_array(np.float32([[1e-42, 0], [3e38, 1]])))
    assert np.isfinite(tiny.search(np.float32([0.1, 1]), 2).distances).all()


def test_bm25_weights_are_the_formula() -> None:
    rng = np.random.default_rng(0)
    counts = csr_array(rng.poisson(0.3, (40, 12)))
    dense, n = counts.toarray().astype(float), 40
    length = dense.sum(axis=1, keepdims=True)
    df = (dense > 0).sum(axis=0)
    for k1, b in ((1.2, 0.75), (0.9, 0.4), (2.0, 0.0)):
        norm = k1 * (1 - b + b * length / length.mean())
        wanted = np.log1p((n - df + 0.5) / (df + 0.5)) * dense * (k1 + 1) / (dense + norm)
        assert np.allclose(bm25_weights(counts, k1=k1, b=b).toarray(), wanted, rtol=1e-5)
    with pytest.raises(ValueError, match="counts: expected numbers of 0 or more"):
        bm25_weights(-counts)
    with pytest.raises(ValueError, match="b: expected"):
        bm25_weights(counts, b=2.0)
