"""MaxSim over rows of every kind, against the definition, on every instruction level; the same bits always."""

import itertools

import numpy as np
import pytest

from nearfield import native
from nearfield.native.maxsim import maxsim
from nearfield.quantize import Float16, Float32, ProductQuantizer, RotatedQuantizer, ScalarQuantizer

CODECS = [Float32(), Float16(), ScalarQuantizer(8), ScalarQuantizer(4), RotatedQuantizer(1), ProductQuantizer(6)]


def ragged(rng, count, most, dim=24):
    lengths = rng.integers(1, most, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return rng.standard_normal((offsets[-1], dim), np.float32), offsets


def bags_of(rows, offsets):
    return [rows[a:b] for a, b in itertools.pairwise(offsets)]


@pytest.mark.parametrize("codec", CODECS, ids=repr)
def test_is_the_sum_of_best_products(codec, level):
    rng = np.random.default_rng(0)
    (rows, offsets), (asked, ends) = ragged(rng, 30, 300), ragged(rng, 6, 150)
    codec = codec.fit(rows)
    space, prepared = codec.space(codec.encode(rows)), codec.prepare_queries(asked)
    everything = np.tile(np.arange(30), (6, 1))
    found = maxsim(space, offsets, prepared, ends, everything, 30, threads=1)
    scores = native.score(space, prepared, np.arange(len(rows), dtype=np.uint32), metric="ip")
    for query, own in enumerate(bags_of(scores, ends)):
        sums = np.array([part.min(axis=1).sum(dtype=np.float64) for part in np.split(own, offsets[1:-1], axis=1)])
        order = np.argsort(sums, kind="stable")
        np.testing.assert_allclose(found.scores[query], sums[order], rtol=1e-5, atol=1e-4)
        assert (found.bags[query] == order).all()


@pytest.mark.parametrize("codec", [ScalarQuantizer(8), ProductQuantizer(6)], ids=repr)
def test_threads_do_not_change_a_bit(codec):
    rng = np.random.default_rng(1)
    (rows, offsets), (asked, ends) = ragged(rng, 90, 40), ragged(rng, 2, 90)
    codec = codec.fit(rows)
    space = codec.space(codec.encode(rows))
    candidates = np.stack([rng.permutation(90)[:70], rng.permutation(90)[:70]])
    candidates[1, ::3] = -1
    one = maxsim(space, offsets, asked, ends, candidates, 5, threads=1)
    for threads in (2, 3, 8):
        other = maxsim(space, offsets, asked, ends, candidates, 5, threads=threads)
        assert one.scores.tobytes() == other.scores.tobytes() and (one.bags == other.bags).all()
    assert set(one.bags[1]) <= set(candidates[1][candidates[1] >= 0])


def test_a_bag_of_a_hundred_thousand_vectors_and_missing_places():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((100_001, 4), np.float32)
    offsets = np.array([0, 100_000, 100_001])
    space = native.make_space("f32", rows, 4)
    found = maxsim(space, offsets, rows[:2000], np.array([0, 2000]), np.array([[0, 1, -1]]), 5)
    assert found.bags[0].tolist() == [0, 1, -1, -1, -1] and np.isinf(found.scores[0, 2:]).all()
    best = (rows[:2000] @ rows.T)[:, :100_000].max(axis=1).sum(dtype=np.float64)
    assert found.scores[0, 0] == pytest.approx(-best, rel=1e-5)


def test_what_would_read_elsewhere_is_refused():
    space = native.make_space("f32", np.zeros((4, 2), np.float32), 2)
    asked, candidates = np.zeros((2, 2), np.float32), np.zeros((1, 1), np.int64)
    good = {"offsets": np.array([0, 2, 4]), "queries": asked, "query_offsets": np.array([0, 2])}
    for name, wrong, message in (
        ("offsets", np.array([0, 2, 5]), "within the rows"),
        ("offsets", np.array([1, 2, 4]), "begin with 0"),
        ("offsets", np.array([0, 2, 2]), "at least one row"),
        ("queries", np.zeros((2, 3), np.float32), "dimensions"),
        ("query_offsets", np.array([0, 1, 2]), "one row a query"),
        ("query_offsets", np.array([0, 3]), "within the rows"),
    ):
        with pytest.raises(ValueError, match=message):
            maxsim(space, candidates=candidates, k=1, **(good | {name: wrong}))
    with pytest.raises(ValueError, match="out of range"):
        maxsim(space, candidates=candidates + 2, k=1, **good)


@pytest.mark.parametrize("scaled", [False, True])
def test_centers_are_added_and_factors_multiply(level, scaled):
    rng = np.random.default_rng(3)
    (rows, offsets), (asked, ends) = ragged(rng, 20, 280), ragged(rng, 4, 80)
    middle = rng.standard_normal((20, 24), np.float32)
    codec, centers = ProductQuantizer(6).fit(rows), ScalarQuantizer(8).fit(middle)
    codes, kept = codec.encode(rows), centers.encode(middle)
    factors = rng.uniform(0.5, 2, len(rows)).astype(np.float32) if scaled else np.ones(len(rows), np.float32)
    codes[:, :4] = factors[:, None].view(np.uint8)
    own = np.repeat(np.arange(20), np.diff(offsets))
    stands = (codec.decode(codes) + centers.decode(kept)[own]) * factors[:, None]
    everything = np.tile(np.arange(20), (4, 1))
    options = {"centers": centers.space(kept), "centred": centers.prepare_queries(asked), "scaled": scaled}
    found = maxsim(codec.space(codes), offsets, asked, ends, everything, 20, threads=1, **options)
    truth = maxsim(native.make_space("f32", stands, 24), offsets, asked, ends, everything, 20, threads=1)
    places = [np.argsort(one.bags, axis=1) for one in (found, truth)]
    scores = [np.take_along_axis(one.scores, at, 1) for one, at in zip((found, truth), places, strict=True)]
    np.testing.assert_allclose(*scores, rtol=3e-3, atol=0.1)
    again = maxsim(codec.space(codes), offsets, asked, ends, everything, 20, threads=3, **options)
    assert again.scores.tobytes() == found.scores.tobytes()


def test_centers_and_factors_that_do_not_fit_are_refused():
    space = native.make_space("f32", np.zeros((4, 2), np.float32), 2)
    asked, candidates = np.zeros((2, 2), np.float32), np.zeros((1, 1), np.int64)
    good = (space, np.array([0, 2, 4]), asked, np.array([0, 2]), candidates, 1)
    with pytest.raises(ValueError, match="additive"):
        maxsim(*good, scaled=True)
    for wrong in (np.zeros((1, 2), np.float32), np.zeros((2, 3), np.float32)):
        with pytest.raises(ValueError, match="a row a bag"):
            maxsim(*good, centers=native.make_space("f32", wrong, wrong.shape[1]))
    with pytest.raises(ValueError, match="shape of queries"):
        maxsim(*good, centred=asked[:1])
