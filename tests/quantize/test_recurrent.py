"""Recurrent signs: the loops are a grid, more of them find more, and symmetric scores are the products of codes."""

import numpy as np
import pytest

from nearfield import native
from nearfield.quantize import RecurrentBinary


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def recall(found, exact):
    return np.mean([np.isin(f, e).mean() for f, e in zip(found, exact, strict=True)])


def scan(codec, codes, queries, metric):
    return native.scan(codec.space(codes), codec.prepare_queries(queries), 10, metric=metric).rows


@pytest.mark.parametrize("loops", [1, 2, 4])
def test_the_loops_are_signs_of_residuals(loops):
    x = gaussian(40, 65) + 1
    codec = RecurrentBinary(loops).fit(x)
    y = codec.decode(codec.encode(x)).astype(np.float64) - codec.center_
    step = 2 * np.abs(y).min(1, keepdims=True)  # the smallest level is half a step
    residual, sum_ = (x - codec.center_).astype(np.float64), np.zeros(x.shape)
    for loop in range(loops):
        sign = np.where(residual < 0, -1, 1)
        sum_ += sign * step * 2.0 ** (loops - 2 - loop)
        residual = x - codec.center_ - sum_
    # Each vector's levels are stretched to keep its length, so a few values fall on the other side of a border.
    assert (np.abs(sum_ - y) < 1e-4 * step).mean() > 0.97


@pytest.mark.parametrize("loops", [1, 2, 4])
def test_lengths_are_kept(loops):
    x = gaussian(40, 65) + 1
    codec = RecurrentBinary(loops).fit(x)
    decoded = codec.decode(codec.encode(x)) - codec.center_
    np.testing.assert_allclose(np.linalg.norm(decoded, axis=1), np.linalg.norm(x - codec.center_, axis=1), rtol=1e-5)


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_recall_rises_with_the_loops_and_symmetry_costs_some(metric):
    x, queries = gaussian(3000, 96), gaussian(80, 96, seed=1)
    exact = native.exact_search(x, queries, 10, metric=metric).rows
    found = {}
    for loops in (1, 2, 4):
        for symmetric in (False, True):
            codec = RecurrentBinary(loops, symmetric=symmetric).fit(x)
            found[loops, symmetric] = recall(scan(codec, codec.encode(x), queries, metric), exact)
    for symmetric in (False, True):
        assert found[1, symmetric] + 0.1 < found[2, symmetric] < found[4, symmetric] - 0.1
    assert all(found[loops, True] < found[loops, False] for loops in (1, 2))


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("loops", [1, 2, 4])
def test_symmetric_scores_are_those_of_two_codes(loops, metric):
    x, queries = gaussian(60, 100) + 0.5, gaussian(7, 100, seed=1)
    codec = RecurrentBinary(loops, symmetric=True).fit(x)
    codes = codec.encode(x)
    asked, decoded = codec.decode(codec.encode(queries)).astype(np.float64), codec.decode(codes).astype(np.float64)
    truth = -asked @ decoded.T if metric == "ip" else ((asked[:, None] - decoded[None]) ** 2).sum(-1)
    scores = np.stack([codec.scorer(query, metric)(codes) for query in queries])
    # Exact up to float32 when the mean takes no part; with it, up to the fifteen bits a query is rounded to.
    np.testing.assert_allclose(scores, truth, atol=2e-4 if metric == "l2" else 2e-2)
    if metric == "l2":
        rows = np.concatenate([codec.encode(queries[:1]), codes])
        pairs = native.score_pairs(codec.space(rows), 0, np.arange(1, len(rows), dtype=np.uint32))
        np.testing.assert_allclose(scores[0], pairs, rtol=1e-5)


def test_one_loop_orders_by_hamming_distance_where_lengths_are_equal():
    x = np.sign(gaussian(300, 64))
    x = np.concatenate([x, -x]).astype(np.float32)  # the mean is zero
    codec = RecurrentBinary(1, symmetric=True).fit(x)
    query = gaussian(1, 64, seed=4)[0]
    scores = codec.scorer(query, "ip")(codec.encode(x))
    hamming = (np.sign(query) != x).sum(1)
    assert np.corrcoef(scores, hamming)[0, 1] > 0.999999


@pytest.mark.parametrize("loops", [0, 3, 5, 8, 2.0, "2", None, True])
def test_other_numbers_of_loops_are_refused(loops):
    with pytest.raises(ValueError, match="loops: expected 1, 2 or 4, got"):
        RecurrentBinary(loops)


def test_symmetric_is_yes_or_no():
    with pytest.raises(TypeError, match="symmetric: expected True or False, got 1"):
        RecurrentBinary(2, symmetric=1)
