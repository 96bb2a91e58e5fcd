"""The rerank that stops early: the answer of comparing all, from fewer comparisons."""

import numpy as np
import pytest

from nearfield.index import Bounded, rerank_bounded
from nearfield.quantize import VarianceQuantizer


def whole(query, candidates, vectors, k):
    chosen = candidates[candidates >= 0]
    gaps = vectors[chosen] - query
    distances = np.einsum("ij,ij->i", gaps, gaps)
    order = np.lexsort((chosen, distances))[:k]
    return distances[order], chosen[order]


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("copies", [1, 20])
def test_it_is_the_answer_of_comparing_all(make_rows, bits, copies):
    rows = np.repeat(make_rows(2000 // copies), copies, axis=0)
    queries = make_rows(10, seed=1)
    codec = VarianceQuantizer(bits).fit(rows)
    codes = codec.encode(rows)
    compared = []
    for seed, query in enumerate(queries):
        candidates = np.random.default_rng(seed).permutation(2000)[:1500]
        found = rerank_bounded(query, candidates, rows, codec, codes, 10)
        distances, chosen = whole(query, candidates, rows, 10)
        assert isinstance(found, Bounded) and found.distances.tobytes() == distances.tobytes()
        assert found.rows.tolist() == chosen.tolist()
        compared.append(found.compared)
    if bits == 4 and copies == 1:
        assert np.mean(compared) < 500


def test_fewer_candidates_than_k(make_rows):
    rows = make_rows(50)
    codec = VarianceQuantizer(2).fit(rows)
    found = rerank_bounded(rows[0], np.array([3, -1, 0]), rows, codec, codec.encode(rows), 5)
    assert found.rows.tolist() == [0, 3, -1, -1, -1] and np.isinf(found.distances[2:]).all()
    nothing = rerank_bounded(rows[0], np.array([-1]), rows, codec, codec.encode(rows), 2)
    assert nothing.rows.tolist() == [-1, -1] and nothing.compared == 0


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"query": np.zeros((2, 20), np.float32)}, "query: expected"),
        ({"candidates": np.zeros((2, 2), int)}, "candidates: expected ints of shape"),
        ({"candidates": np.zeros(2)}, "candidates: expected ints of shape"),
        ({"codes": np.zeros((3, 9), np.uint8)}, "codes: expected those of 50 vectors, got 3"),
        ({"k": 0}, "k: expected"),
    ],
)
def test_what_does_not_fit_is_refused(make_rows, changed, text):
    rows = make_rows(50)
    codec = VarianceQuantizer(2).fit(rows)
    given = {"query": rows[0], "candidates": np.arange(9), "vectors": rows, "codec": codec, "codes": codec.encode(rows)}
    with pytest.raises(ValueError, match=text):
        rerank_bounded(**{**given, "k": 3, **changed})
