"""Transforms that know the queries: how sample queries reach them, and maps of queries and rows that differ."""

import numpy as np
import pytest

from nearfield.common.errors import CorruptFileError
from nearfield.index import Flat, Graph, explain, load
from nearfield.quantize import ScalarQuantizer
from nearfield.transform import PCA, LeanVec, LinearMap

METHODS = ["shared", "frank-wolfe"]


@pytest.fixture(scope="module")
def world():
    """Rows, sample queries and queries, the queries strong where the rows are weak."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((48, 48)))[0]
    spectrum = np.arange(1, 49) ** -0.7
    rows = rng.standard_normal((4000, 48)) * spectrum @ turn
    asked = rng.standard_normal((1100, 48)) * spectrum[::-1] @ turn
    return tuple(part.astype(np.float32) for part in (rows, asked[:1000], asked[1000:]))


def recall(index, world, metric, **settings):
    rows, _, queries = world
    truth = Flat(metric).build(rows).search(queries, 10).rows
    found = index.search(queries, 10, **settings).rows
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))


@pytest.mark.parametrize("metric", ["cosine", "ip"])
@pytest.mark.parametrize("method", METHODS)
def test_sample_queries_of_the_build_reach_the_fit(world, metric, method):
    rows, sample, _ = world
    for kind, settings in ((Flat, {}), (Graph, {"beam": 400})):
        lean, plain = (
            kind(metric, transform=t, rescore=ScalarQuantizer(8)).build(rows, queries=sample)
            for t in (LeanVec(16, method=method), PCA(16, center=False))
        )
        assert lean.transform.n_queries_ == 1000
        assert recall(lean, world, metric, candidates=60, **settings) > 0.1 + recall(
            plain, world, metric, candidates=60, **settings
        )
        without = kind(metric, transform=LeanVec(16, method=method)).build(rows)
        assert without.transform.n_queries_ == 0


@pytest.mark.parametrize("metric", ["cosine", "ip"])
@pytest.mark.parametrize("kind", [Flat, Graph])
def test_two_maps_in_a_file(world, metric, kind, tmp_path):
    rows, sample, queries = world
    index = kind(metric, transform=LeanVec(16, method="frank-wolfe"), rescore=ScalarQuantizer(8))
    index.build(rows, queries=sample)
    index.save(tmp_path / "index.nfa")
    again = load(tmp_path / "index.nfa")
    assert {"map.matrix", "map.offset", "map.queries"} <= set(again.arrays())
    assert again.digest() == index.digest() and again.memory() == index.memory()
    found, wanted = again.search(queries, 10), index.search(queries, 10)
    assert (found.rows == wanted.rows).all() and found.distances.tobytes() == wanted.distances.tobytes()
    alone = again.search(queries[3], 10)
    assert alone.distances.tobytes() == wanted.distances[3].tobytes()
    explanation = explain(index, rows, queries, candidates=20)
    assert explanation.counts.get("transform", 0) > 0


def test_one_map_writes_no_second_matrix(world):
    rows, sample, _ = world
    index = Flat(transform=LeanVec(16)).build(rows, queries=sample)
    assert "map.queries" not in index.arrays()


def test_euclidean_distances_take_one_map(world):
    rows, sample, _ = world
    for kind in (Flat, Graph):
        with pytest.raises(ValueError, match="transform: expected one map for rows and queries under metric 'l2'"):
            kind("l2", transform=LeanVec(16, method="frank-wolfe")).build(rows, queries=sample)
        shared = kind("l2", transform=LeanVec(40), rescore="vectors").build(rows, queries=sample)
        assert recall(shared, world, "l2", candidates=100) > 0.8
    eye = np.eye(48, dtype=np.float32)
    with pytest.raises(ValueError, match="under metric 'l2'"):
        Flat("l2", transform=LinearMap(eye, queries=eye)).build(rows)


def test_a_file_of_two_maps_under_l2_is_refused(world, tmp_path):
    from nearfield.common.container import write_container

    rows = world[0]
    eye = np.eye(48, dtype=np.float32)
    index = Flat("l2", transform=LinearMap(eye)).build(rows)
    write_container(tmp_path / "a.nfa", "index", 1, index.meta(), index.arrays() | {"map.queries": eye})
    with pytest.raises(CorruptFileError, match="one map"):
        load(tmp_path / "a.nfa")
    other = Flat("cosine", transform=LinearMap(eye)).build(rows)
    write_container(tmp_path / "b.nfa", "index", 1, other.meta(), other.arrays() | {"map.queries": eye[:5].copy()})
    with pytest.raises(CorruptFileError, match="shape of matrix"):
        load(tmp_path / "b.nfa")


def test_a_fitted_transform_is_left_as_it_is(world):
    rows, sample, _ = world
    fitted = LeanVec(16).fit(rows)
    before = fitted.components_.tobytes()
    Flat("ip", transform=fitted).build(rows, queries=sample)
    assert fitted.components_.tobytes() == before and fitted.n_queries_ == 0


def test_queries_are_checked_and_another_transform_does_without(world):
    rows, sample, _ = world
    with pytest.raises(ValueError, match="queries: expected 48 dimensions, got 47"):
        Flat(transform=LeanVec(16)).build(rows, queries=sample[:, :47])
    with pytest.raises(ValueError, match="NaN"):
        Flat(transform=LeanVec(16)).build(rows, queries=np.full((2, 48), np.nan, np.float32))
    with_, without = (Flat(transform=PCA(16, center=False)).build(rows, queries=q) for q in (sample, None))
    assert with_.digest() == without.digest()
    none = Flat(transform=LeanVec(16)).build(rows, queries=sample[:0])
    assert none.digest() == Flat(transform=LeanVec(16)).build(rows).digest()


def test_with_codes_passes_sample_queries_on(world):
    rows, sample, _ = world
    graph = Graph("ip").build(rows, queries=sample)
    lean = graph.with_codes(rows, queries=sample, transform=LeanVec(16, method="frank-wolfe"), rescore="vectors")
    assert lean.transform.n_queries_ == 1000
    plain = graph.with_codes(rows, transform=PCA(16, center=False), rescore="vectors")
    settings = {"beam": 400, "candidates": 60}
    assert recall(lean, world, "ip", **settings) > recall(plain, world, "ip", **settings) + 0.1
