"""The multi-vector index: what it finds, over what codes, how it changes, what it refuses."""

import numpy as np
import pytest

from nearfield.encode import Bags
from nearfield.index import (
    IVF,
    FixedDimensionalEncoding,
    Flat,
    Graph,
    LearnedEncoding,
    MeanEncoding,
    MultiVector,
    TokenSearch,
    exact_maxsim,
)
from nearfield.native import pack_bits
from nearfield.quantize import Float32, ProductQuantizer, ScalarQuantizer, TwoLevelQuantizer, VarianceQuantizer
from nearfield.transform import PCA, LeanVec

from .conftest import make_bags

WAYS = {
    "mean": MeanEncoding,
    "fixed": lambda: FixedDimensionalEncoding(8, 4, 6),
    "learned": lambda: LearnedEncoding(24, anchors=80),
    "tokens": lambda: TokenSearch(60),
    "first": lambda: TokenSearch(60, order="first"),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]()


def overlap(found, truth):
    return np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)])


def test_all_candidates_over_floats_are_exact(bags, queries, way):
    index = MultiVector(way, codec=Float32()).build(bags, queries=queries)
    truth = exact_maxsim(bags, queries, 7)
    found = index.search(queries, 7, candidates=len(bags))
    assert (found.rows == truth.rows).all() and found.distances.tobytes() == truth.distances.tobytes()
    assert overlap(index.candidate_rows(queries, 60), truth.rows) > 0.55  # chance: 0.15
    near = index.search(queries, 7, candidates=60)
    assert overlap(near.rows, truth.rows) > 0.55 and (np.diff(near.distances, axis=1) >= 0).all()


@pytest.mark.parametrize(
    ("codec", "share"),
    [
        (ScalarQuantizer(8), 0.95),
        (ScalarQuantizer(4), 0.75),
        (VarianceQuantizer(2.0), 0.6),
        (ProductQuantizer(12), 0.6),
        (TwoLevelQuantizer(), 0.75),
    ],
    ids=lambda value: repr(value),
)
def test_codes_keep_most_of_the_answers(bags, queries, codec, share):
    index = MultiVector(codec=codec).build(bags)
    found = index.search(queries, 10, candidates=len(bags)).rows
    assert overlap(found, exact_maxsim(bags, queries, 10).rows) > share
    assert index.memory()["tokens"] < 0.5 * bags.vectors.nbytes + 40_000


@pytest.mark.parametrize(
    "index",
    [
        Graph("ip", codec=ScalarQuantizer(8), degree=16),
        IVF("ip", lists=8),
        Flat("ip", transform=PCA(16, center=False)),
        Flat("ip", transform=LeanVec(16), rescore=ScalarQuantizer(8)),
    ],
    ids=repr,
)
def test_any_index_of_inner_products_serves(bags, queries, index):
    built = MultiVector(MeanEncoding(), index=index).build(bags, queries=queries)
    flat = MultiVector(MeanEncoding()).build(bags)
    assert overlap(built.candidate_rows(queries, 50), flat.candidate_rows(queries, 50)) > 0.5
    assert len(index) == 0  # what was given stays unbuilt
    assert len(built.compact(queries=queries)) == len(bags)


def test_changes_are_searched_at_once_and_like_a_fresh_build(bags, queries, way):
    more = make_bags(30, seed=9)
    index = MultiVector(way, codec=Float32()).build(bags, queries=queries)
    assert index.add(more).tolist() == list(range(400, 430)) and len(index) == 430
    index.update([5, 400], more[:2])
    index.delete([0, 401])
    assert len(index) == 428
    now = Bags.concatenate([bags, more])
    parts = list(now)
    parts[5], parts[400] = more[0], more[1]
    now = Bags.from_list(parts)
    kept = np.ones(430, bool)
    kept[[0, 401]] = False
    truth = exact_maxsim(now, queries, 9, allow=kept)
    for _ in range(2):
        found = index.search(queries, 9, candidates=430)
        assert np.allclose(found.distances, truth.distances, atol=1e-5)
        assert (found.rows == truth.rows).mean() > 0.99  # equal bags may change places
        named = index.candidate_rows(queries, 50)
        assert not np.isin(named, [0, 401]).any() and named.max() < 430
        index.compact(queries=queries)
    assert index.add(more[:1]).tolist() == [430]
    own = index.search(more[5:6], 1)
    assert own.rows[0, 0] == 405


def test_compacting_without_queries_keeps_what_was_learnt_from_them(bags, queries):
    how = {
        "candidates": LearnedEncoding(20, anchors=80),
        "index": Flat("ip", transform=LeanVec(10)),
        "codec": Float32(),
    }
    index = MultiVector(**how).build(bags, queries=queries)
    before = index.candidate_rows(queries, 40)
    index.delete([9])
    index.compact()
    kept = index.candidate_rows(queries, 40)
    assert not (kept == 9).any() and overlap(kept, np.where(before == 9, kept[:, -1:], before)) > 0.99
    index.compact(queries=queries[:10])
    assert overlap(index.candidate_rows(queries, 40), kept) < 0.99


def test_only_what_is_allowed_is_found(bags, queries, way):
    index = MultiVector(way).build(bags, queries=queries)
    index.delete([3])
    for share in (0.5, 0.05, 0.0):
        allow = np.random.default_rng(0).random(400) < share
        for mask in (allow, pack_bits(allow)):
            rows = index.search(queries, 10, candidates=60, allow=mask).rows
            assert allow[rows[rows >= 0]].all() and not (rows == 3).any()
            left = allow.sum() - allow[3]
            assert share > 0.2 or ((rows >= 0).sum(axis=1) == min(10, left)).all()


def test_threads_and_batches_do_not_matter(bags, queries, way):
    index = MultiVector(way).build(bags, queries=queries)
    together = index.search(queries, 5, candidates=40, threads=1)
    assert index.search(queries, 5, candidates=40, threads=3).distances.tobytes() == together.distances.tobytes()
    single = [index.search(queries[row : row + 1], 5, candidates=40).rows[0] for row in range(10)]
    assert (np.array(single) == together.rows[:10]).mean() > 0.97


def test_one_bag_more_wanted_than_there_are_and_a_very_large_bag():
    rng = np.random.default_rng(0)
    one = MultiVector().build(Bags.from_list([rng.standard_normal((3, 8), np.float32)]))
    found = one.search(Bags.from_list([rng.standard_normal((2, 8), np.float32)]), 5)
    assert found.rows.tolist() == [[0, -1, -1, -1, -1]] and np.isinf(found.distances[0, 1:]).all()
    large = Bags.from_list([rng.standard_normal((100_000, 8), np.float32), rng.standard_normal((2, 8), np.float32)])
    for way in (MeanEncoding(), FixedDimensionalEncoding(4, 2, 4), LearnedEncoding(4, anchors=20)):
        index = MultiVector(way).build(large)
        assert index.search(large[1:], 2).rows[0, 0] == 0 and index.search(large[:0], 2).rows.shape == (0, 2)
    one.delete([0])
    assert len(one) == 0 and one.search(large[1:], 2).rows.tolist() == [[-1, -1]]
    with pytest.raises(ValueError, match="all are deleted"):
        one.compact()


def test_what_makes_no_sense_is_refused_and_changes_nothing(bags, queries):
    index = MultiVector().build(bags)
    before = index.search(queries, 5)
    other, empty = Bags.from_list([np.zeros((1, 3))]), Bags.from_list([np.ones((1, 24)), np.ones((0, 24))])
    for call, said in (
        (lambda: index.search(other, 1), "24 dimensions, got 3"),
        (lambda: index.search(empty, 1), "bag 1 has none"),
        (lambda: index.search(queries, 0), "k: expected"),
        (lambda: index.search(queries, 1, candidates=0), "candidates: expected"),
        (lambda: index.search(queries, 1, allow=np.ones(3, bool)), "allow"),
        (lambda: index.add(other), "24 dimensions"),
        (lambda: index.add(empty), "bag 1 has none"),
        (lambda: index.update([1], bags[:2]), "one a row"),
        (lambda: index.update([1, 1], bags[:2]), "each row once"),
        (lambda: index.delete([0.5]), "integers"),
        (lambda: index.build(bags[:0]), "got none"),
        (lambda: index.build(empty), "bag 1 has none"),
        (lambda: index.build(bags, queries=other), "24 dimensions"),
        (lambda: MultiVector().search(queries, 1), "build first"),
        (lambda: MultiVector(index=Flat("l2")).build(bags), "metric 'ip'"),
        (lambda: MultiVector(index=Flat("ip", rescore="vectors")).build(bags), "rescore"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    for call in (lambda: index.delete([400]), lambda: index.update([-1], bags[:1])):
        with pytest.raises(IndexError, match="holds nothing"):
            call()
    for call in (
        lambda: index.search([np.zeros(24)], 1),
        lambda: MultiVector("mean"),
        lambda: MultiVector(codec="8"),
        lambda: MultiVector(index="flat"),
    ):
        with pytest.raises(TypeError, match="expected"):
            call()
    assert index.search(queries, 5).distances.tobytes() == before.distances.tobytes() and len(index) == 400


def test_bytes_are_counted(bags, queries):
    index = MultiVector(FixedDimensionalEncoding(4, 2, 4), codec=ScalarQuantizer(8)).build(bags)
    parts = index.memory()
    assert parts["tokens"] == len(bags.vectors) * 40 + 24 * 4 and parts["candidates"] >= 400 * (32 + 16)
    assert parts["total"] == sum(parts[name] for name in ("candidates", "encoding", "tokens", "lists"))
    index.add(bags[:10])
    assert index.memory()["candidates"] == parts["candidates"] + 10 * 32 * 4


def test_long_vectors_wait_without_overflow(bags, queries):
    long = Bags(bags.vectors * np.float32(1e6), bags.offsets)
    index = MultiVector(MeanEncoding(normalize=False)).build(long[:300])
    index.add(long[300:])
    found = index.candidate_rows(queries, 40)
    plain = MultiVector(MeanEncoding(normalize=False)).build(bags).candidate_rows(queries, 40)
    assert overlap(found, plain) > 0.95 and np.isfinite(index.search(queries, 5).distances).all()
