"""Bits by variance: the allotment, the packing, exact decoding, and bounds that hold."""

import numpy as np
import pytest

from nearfield.index import Flat, Graph
from nearfield.quantize import ScalarQuantizer, VarianceQuantizer
from nearfield.quantize.variance import allot_bits, lloyd, pack_bits


def falling(n, d, seed=0, base=0.9):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((d, d)))[0]
    return (rng.standard_normal((n, d)) * base ** np.arange(d) @ turn + 2).astype(np.float32)


def test_bits_go_to_the_largest_remaining_error():
    assert allot_bits(np.array([16.0, 4.0, 1.0, 0.01]), 6).tolist() == [3, 2, 1, 0]
    assert allot_bits(np.ones(3), 100).tolist() == [8, 8, 8]
    assert allot_bits(np.zeros(3), 3).sum() == 3


@pytest.mark.parametrize("seed", range(30))
def test_bytes_are_filled_and_no_code_crosses_one(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 60))
    variance = np.sort(rng.exponential(size=d) * rng.uniform(0.5, 1.0) ** np.arange(d))[::-1]
    count = int(rng.integers(1, d + 1))
    bits = allot_bits(variance, 8 * count)
    packed = pack_bits(bits, variance, count)
    assert len(packed) == count
    held = [j for byte in packed for j, _ in byte]
    assert len(held) == len(set(held))
    assert all(sum(b for _, b in byte) == 8 and all(1 <= b <= 8 for _, b in byte) for byte in packed if byte)


@pytest.mark.parametrize(("d", "bits"), [(1, 3), (7, 0.5), (33, 1.3), (64, 2), (100, 4)])
def test_rows_take_the_budget_rounded_up_to_bytes(d, bits):
    codec = VarianceQuantizer(bits).fit(falling(500, d))
    count = max(1, -(-round(bits * d) // 8))
    assert len(codec.layout_) == count and codec.bytes_per_vector == -(-(4 + count) // 4) * 4
    assert codec.bits_.sum() <= 8 * count


def test_decoding_gives_the_level_of_every_direction_and_encodes_to_the_same_bytes():
    x = falling(2000, 24)
    codec = VarianceQuantizer(2.5).fit(x)
    codes = codec.encode(x)
    assert (codec.encode(codec.decode(codes)) == codes).all(axis=1).mean() > 0.999  # rounding may cross a boundary
    rotated = codec.prepare_queries(x) - codec.center_
    for number, (begin, width, first) in enumerate(codec.layout_):
        for j in range(begin, begin + width):
            levels, shift = codec._levels(first + j - begin, j, codec._shifts())
            own = (codes[:, 4 + number].astype(int) >> shift) & (len(levels) - 1)
            assert (np.diff(levels) >= 0).all()
            nearest = np.abs(rotated[:, j, None] - levels).min(1)
            np.testing.assert_allclose(np.abs(rotated[:, j] - levels[own]), nearest, atol=1e-5)


def test_levels_are_the_best_for_a_normal_variable():
    # Max, Quantizing for minimum distortion, 1960, table I: the squared error of 2, 4 and 8 levels.
    values = np.random.default_rng(0).standard_normal(200_000)
    for levels, expected in ((2, 0.3634), (4, 0.1175), (8, 0.03454)):
        found = lloyd(values, levels, 500)
        assert ((values[:, None] - found) ** 2).min(1).mean() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("bits", [0.5, 2, 6])
def test_a_lower_bound_never_exceeds_the_distance(bits):
    x, queries = falling(3000, 32), falling(40, 32, seed=2)
    codec = VarianceQuantizer(bits).fit(x)
    codes = codec.encode(x)
    for query in [*queries, x[0], x[1] * 50]:
        distances = ((x.astype(np.float64) - query) ** 2).sum(1)
        bounds = codec.lower_bounds(query, codes)
        assert (bounds <= distances).all() and (bounds >= 0).all()
        if bits == 6 and np.abs(query).max() < 20:  # far away, the outermost cells have no edge to be far from
            assert np.corrcoef(bounds, distances)[0, 1] > 0.99


def test_fewer_bits_where_the_spectrum_falls_do_as_well_as_more_spread_evenly():
    x = falling(3000, 64)
    error = {
        codec.bytes_per_vector: ((codec.decode(codec.encode(x)) - x) ** 2).sum()
        for codec in (VarianceQuantizer(2).fit(x), ScalarQuantizer(4).fit(x))
    }
    assert error[20] < error[48]


@pytest.mark.parametrize("kind", [Flat, Graph])
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_an_index_asks_in_the_frame_of_the_directions(kind, metric, tmp_path):
    x, queries = falling(1500, 24), falling(40, 24, seed=3)
    exact = Flat(metric).build(x).search(queries, 10).rows
    index = kind(metric, codec=VarianceQuantizer(4), rescore=VarianceQuantizer(8)).build(x)
    options = {"beam": 300} if kind is Graph else {}
    found = index.search(queries, 10, candidates=100, **options).rows
    assert np.mean([np.isin(a, b).mean() for a, b in zip(found, exact, strict=True)]) > 0.93
    index.save(tmp_path / "index.nfa")
    again = kind.load(tmp_path / "index.nfa")
    assert again.digest() == index.digest()
    assert (again.search(queries, 10, candidates=100, **options).rows == found).all()


def test_longer_vectors_are_not_rotated(tmp_path):
    rng = np.random.default_rng(6)
    spread = rng.permutation(0.998 ** np.arange(2500, dtype=np.float32))
    x = (rng.standard_normal((150, 2500), np.float32) * spread + 1).astype(np.float32)
    index = Flat("l2", codec=VarianceQuantizer(2)).build(x)
    codec = index.codec
    assert codec.rotation_.shape == (2500,) and codec.rotation_.dtype == np.int32
    assert np.corrcoef(codec.bits_, spread[codec.rotation_])[0, 1] > 0.8
    codes = codec.encode(x)
    assert ((codec.decode(codes) - x) ** 2).sum() < 0.06 * ((x - x.mean(0)) ** 2).sum()
    assert (codec.lower_bounds(x[3], codes) <= ((x.astype(np.float64) - x[3]) ** 2).sum(1)).all()
    assert (index.search(x, 1).rows[:, 0] == np.arange(150)).all()
    index.save(tmp_path / "index.nfa")
    assert Flat.load(tmp_path / "index.nfa").digest() == index.digest()
    arrays = codec.to_arrays()
    arrays["rotation"] = np.zeros_like(arrays["rotation"])
    with pytest.raises(ValueError, match="every coordinate once"):
        VarianceQuantizer(2)._restore(2500, arrays)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rotation", lambda a: a[:-1].copy()),
        ("rotation", lambda a: a * np.float32(np.inf)),
        ("bits", lambda a: a + 5),
        ("bits", lambda a: a[:-1].copy()),
        ("layout", lambda a: a + 1),
        ("layout", lambda a: a[:-1].copy()),
        ("words", lambda a: a[:, :9].copy()),
    ],
)
def test_contradictory_arrays_are_refused(name, change):
    codec = VarianceQuantizer(2).fit(falling(300, 16))
    arrays = codec.to_arrays() | {name: change(codec.to_arrays()[name])}
    with pytest.raises(ValueError, match=r"expected|layout|shapes"):
        VarianceQuantizer(2)._restore(16, arrays)


@pytest.mark.parametrize("bits", [0, -1, 8.5, float("nan"), "2"])
def test_other_budgets_are_refused(bits):
    with pytest.raises((ValueError, TypeError), match="bits: expected"):
        VarianceQuantizer(bits)


def test_bounds_refuse_other_queries():
    codec = VarianceQuantizer(2).fit(falling(300, 16))
    with pytest.raises(ValueError, match="query: expected one vector"):
        codec.lower_bounds(np.ones((2, 16)), codec.encode(falling(3, 16)))
