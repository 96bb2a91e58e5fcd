"""What is wrong is refused, by name, and changes nothing."""

import numpy as np
import pytest

from nearfield.index import IVF, Flat, Graph, Hash, load
from nearfield.quantize import ScalarQuantizer

NAN_ROW = np.ones((70_000, 2), np.float16)
NAN_ROW[69_999] = np.nan
ZERO_ROW = np.ones((70_000, 2), np.float16)
ZERO_ROW[69_998] = 0


@pytest.mark.parametrize(
    ("vectors", "error", "message"),
    [
        (np.ones(4), ValueError, r"vectors: expected shape \(n, d\), got \(4,\)"),
        (np.ones((2, 3, 4)), ValueError, r"vectors: expected shape \(n, d\), got \(2, 3, 4\)"),
        (np.empty((0, 4)), ValueError, "vectors: expected at least 1 row, got 0"),
        (np.empty((4, 0)), ValueError, "vectors: expected at least 1 dimension, got 0"),
        (np.zeros((1, 16_385), np.float32), ValueError, "vectors: expected at most 16384 dimensions, got 16385"),
        (np.full((3, 4), np.nan), ValueError, "vectors: expected finite values, got NaN or infinity in row 0"),
        (np.float32([[1, 1], [1, np.inf]]), ValueError, "in row 1"),
        (NAN_ROW, ValueError, "vectors: expected finite values, got NaN or infinity in row 69999"),
        ([["a", "b"]], TypeError, "vectors: expected an array of numbers"),
        (np.array([[0.1, 0.2]]), TypeError, "vectors: dtype float64 would lose precision"),
        (np.array([[2**24 + 1, 0]]), TypeError, "vectors: dtype int64 would lose precision"),
        (np.ones((2, 2), complex), TypeError, "vectors: expected an array of numbers"),
        (None, (TypeError, ValueError), "vectors"),
    ],
)
def test_build_refuses(kind, metric, vectors, error, message):
    with pytest.raises(error, match=message):
        kind(metric).build(vectors)


@pytest.mark.parametrize("rows", [ZERO_ROW, ZERO_ROW.astype(np.float32)])
def test_zero_has_no_direction(kind, rows):
    with pytest.raises(ValueError, match=r"vectors: expected nonzero vectors .* got zeros in row 69998"):
        kind("cosine").build(rows)
    index = kind("cosine").build(rows[:100])
    with pytest.raises(ValueError, match="queries: expected nonzero vectors"):
        index.search(np.zeros(2), 1)


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_lengths_whose_squares_do_not_fit_are_refused(kind, metric):
    with pytest.raises(ValueError, match=r"vectors: expected lengths from 0 to 1e\+15, got 2e\+15 in row 1"):
        kind(metric).build(np.float32([[1, 0], [2e15, 0]]))
    with pytest.raises(ValueError, match="queries: expected lengths"):
        kind(metric).build(np.float32([[1, 0]])).search(np.float32([2e15, 0]), 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, ValueError, "k: expected an integer from 1"),
        ({"k": 1.0}, TypeError, "k: expected an integer"),
        ({"k": True}, TypeError, "k: expected an integer"),
        ({"threads": 0}, ValueError, "threads: expected an integer"),
        ({"queries": np.ones((1, 7))}, ValueError, "queries: expected 8 dimensions, got 7"),
        ({"queries": np.full((1, 8), np.nan)}, ValueError, "queries: expected finite values"),
        ({"queries": "text"}, TypeError, "queries: expected an array of numbers"),
        ({"queries": np.ones((1, 1, 8))}, ValueError, "queries: expected shape"),
        ({"allow": np.ones(99, bool)}, ValueError, r"allow: expected a bool array of shape \(100,\), got \(99,\)"),
        ({"allow": np.ones(101, bool)}, ValueError, r"allow: expected a bool array of shape \(100,\), got \(101,\)"),
        ({"allow": np.ones(100)}, ValueError, "allow: expected bool"),
        ({"allow": np.ones(3, np.uint64)}, ValueError, "allow: expected bool"),
        ({"allow": [1, 2]}, ValueError, "allow: expected bool"),
        ({"candidates": 0}, ValueError, "candidates: expected an integer from 1"),
        ({"candidates": 3.5}, TypeError, "candidates: expected an integer"),
        ({"beam": 0}, ValueError, "beam: expected an integer from 1"),
        ({"beam": "wide"}, TypeError, "beam: expected an integer"),
        ({"probes": 0}, ValueError, "probes: expected an integer from 1"),
        ({"probes": 2.0}, TypeError, "probes: expected an integer"),
    ],
)
def test_search_refuses(kind, options, error, message):
    rows = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    if ("beam" in options and kind in (Flat, Hash, IVF)) or ("probes" in options and kind not in (Hash, IVF)):
        pytest.skip("only a walk has a beam, and only lists and buckets are probed")
    index = kind("l2", codec=ScalarQuantizer(8), rescore="vectors").build(rows)
    with pytest.raises(error, match=message):
        index.search(**({"queries": rows[:2], "k": 5} | options))


def test_an_empty_index_says_so(kind, tmp_path):
    index = kind("l2")
    for call in (
        lambda: index.search(np.ones(3), 1),
        index.digest,
        index.arrays,
        lambda: index.save(tmp_path / "index.nfa"),
    ):
        with pytest.raises(ValueError, match="is empty; call build first"):
            call()
    assert len(index) == 0 and index.memory()["total"] == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metric": "manhattan"}, ValueError, "metric: expected one of 'cosine', 'ip', 'l2'"),
        ({"transform": "pca"}, TypeError, "transform: expected None, a LinearMap or an estimator"),
        ({"codec": "sq8"}, TypeError, "codec: expected a Codec or None"),
        ({"rescore": "codes"}, ValueError, "rescore: expected None, a Codec, 'residual' or 'vectors'"),
        ({"rescore": "residual"}, ValueError, "codec: expected a TwoLevelQuantizer with rescore='residual', got"),
        ({"rescore": 8}, ValueError, "rescore: expected None, a Codec, 'residual' or 'vectors'"),
    ],
)
def test_constructors_refuse(kind, options, error, message):
    with pytest.raises(error, match=message):
        kind(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"degree": 1}, ValueError, "degree: expected an integer from 2 to 1024, got 1"),
        ({"degree": 1025}, ValueError, "degree"),
        ({"degree": 2.0}, TypeError, "degree"),
        ({"build_beam": 1}, ValueError, "build_beam"),
        ({"alpha": 0.9}, ValueError, r"alpha: expected a number in \[1, 10\], got 0.9"),
        ({"alpha": float("nan")}, ValueError, "alpha"),
        ({"random_state": -1}, ValueError, "random_state"),
        ({"random_state": None}, TypeError, "random_state"),
    ],
)
def test_graph_refuses(options, error, message):
    with pytest.raises(error, match=message):
        Graph(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lists": 0}, ValueError, "lists: expected an integer from 1 to 1048576, got 0"),
        ({"lists": 3.5}, TypeError, "lists"),
        ({"lists": True}, TypeError, "lists"),
        ({"random_state": -1}, ValueError, "random_state"),
    ],
)
def test_lists_refuse(options, error, message):
    with pytest.raises(error, match=message):
        IVF(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tables": 0}, ValueError, "tables: expected an integer from 1 to 1024, got 0"),
        ({"tables": 2.5}, TypeError, "tables"),
        ({"bits": 0}, ValueError, "bits: expected an integer from 1 to 32, got 0"),
        ({"bits": 33}, ValueError, "bits"),
        ({"bits": True}, TypeError, "bits"),
        ({"random_state": -1}, ValueError, "random_state"),
    ],
)
def test_hash_refuses(options, error, message):
    with pytest.raises(error, match=message):
        Hash(**options)


def test_load_refuses_vectors_that_do_not_fit(kind, tmp_path):
    rows = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
    path = tmp_path / "index.nfa"
    kind("cosine", rescore="vectors").build(rows).save(path)
    with pytest.raises(ValueError, match="vectors: this index rescores with the caller's vectors; pass them"):
        load(path)
    for wrong in (rows[:-1], rows[:, :-1], rows.astype(np.float64), rows[0]):
        with pytest.raises(ValueError, match=r"vectors: expected float32 or float16 of shape \(50, 6\), got"):
            load(path, vectors=wrong)


def test_load_refuses_the_other_kind(kind, tmp_path):
    other = Graph if kind is Flat else Flat
    kind("l2").build(np.eye(3, dtype=np.float32)).save(tmp_path / "index.nfa")
    with pytest.raises(
        ValueError, match=f"path: expected a {other.__name__} index, .* holds a {type(kind('l2')).__name__}"
    ):
        other.load(tmp_path / "index.nfa")


def test_vectors_that_turned_bad_on_disk_do_not_crash_a_search(kind, tmp_path):
    rows = np.random.default_rng(2).normal(size=(400, 8)).astype(np.float32)
    path = tmp_path / "index.nfa"
    kind("l2", rescore="vectors").build(rows).save(path)
    spoiled = rows.copy()
    spoiled[::2] = np.nan
    spoiled[1::4] = np.inf
    found = load(path, vectors=spoiled).search(rows[:50], 20, candidates=100)
    assert (found.rows < 400).all()
