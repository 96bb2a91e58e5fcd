"""Codes of two levels as src/native/levels.hpp describes them. (Instruction levels are tests/native/test_levels.py.)"""

import numpy as np
import pytest

from nearfield import native
from nearfield.native import levels

DIMS = [1, 2, 3, 7, 15, 16, 17, 64, 127, 384, 1023]
HEADER = np.dtype([("low", "<f4"), ("step", "<f4"), ("norm2", "<f4"), ("sum", "<i4")])


def some(dim, n=40, seed=0):
    rng = np.random.default_rng(seed + dim)
    return rng.normal(size=(n, dim)).astype(np.float32), rng.normal(size=dim).astype(np.float32)


def planes(body, bits, dim):
    """The codes of one level, read as src/native/kernels.hpp says."""
    width = (dim * bits + 7) // 8
    if bits == 1:
        return np.unpackbits(body[:, :width], axis=1, bitorder="little")[:, :dim].astype(np.int64)
    parts = [body[:, :width] >> shift & (1 << bits) - 1 for shift in range(0, 8, bits)]
    return np.concatenate(parts, axis=1)[:, :dim].astype(np.int64)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_rows_hold_what_the_format_says(bits, dim):
    rows, center = some(dim)
    first, second = levels.encode(bits, rows, center)
    assert first.shape[1] == native.code_row_bytes("sq4", dim)
    assert second.shape[1] == levels.row_bytes(bits, dim) == (4 + (dim * bits + 7) // 8 + 3) // 4 * 4
    header = first[:, :16].copy().view(HEADER)[:, 0]
    upper, lower = planes(first[:, 16:], 4, dim), planes(second[:, 4:], bits, dim)
    assert (header["sum"] == upper.sum(1)).all()
    low, step = (header[name].astype(np.float64)[:, None] for name in ("low", "step"))
    coarse = low + step * upper
    np.testing.assert_allclose(header["norm2"], (coarse**2).sum(1), rtol=1e-6)
    np.testing.assert_allclose(native.decode("sq4", first, center), coarse + center, rtol=1e-6, atol=1e-6)
    both = coarse + step * ((lower + 0.5) / 2**bits - 0.5)  # each cell in equal parts
    np.testing.assert_allclose(second[:, :4].copy().view("<f4")[:, 0], (both**2).sum(1), rtol=1e-5)
    np.testing.assert_allclose(levels.decode(bits, first, second, center), both + center, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dim", DIMS)
def test_four_and_four_bits_are_the_eight_bit_code_kept_apart(dim):
    rows, center = some(dim)
    first, second = levels.encode(4, rows, center)
    codes = 16 * planes(first[:, 16:], 4, dim) + planes(second[:, 4:], 4, dim)
    whole = native.encode("sq8", rows, center)
    # A value half-way between two codes may go either way: both grids are rounded in their own order.
    apart = np.abs(codes - whole[:, 16 : 16 + dim].astype(np.int64))
    assert apart.max() <= 1 and (apart > 0).mean() < 0.001
    np.testing.assert_allclose(
        levels.decode(4, first, second, center), native.decode("sq8", whole, center), atol=1.01 * np.ptp(rows) / 100
    )


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_scores_are_those_of_both_levels_and_the_same_on_every_level(bits, metric, on_level):
    for dim in DIMS:
        rows, center = some(dim, n=70)
        queries = some(dim, n=5, seed=1)[0]
        first, second = levels.encode(bits, rows, center)
        space = levels.space(bits, first, second, dim, center)
        decoded = levels.decode(bits, first, second, center).astype(np.float64)
        truth = -queries @ decoded.T if metric == "ip" else ((queries[:, None] - decoded) ** 2).sum(2)
        picked = np.random.default_rng(0).permutation(70)[:33].astype(np.uint32)
        scores = on_level("scalar", native.score, space, queries, picked, metric=metric)
        # Fifteen bits of the query: six deviations of a sum of uniform errors, of rows of about unit variance.
        allowed = 12 * np.abs(queries).max() / 16065 * np.sqrt(dim)
        np.testing.assert_allclose(scores, truth[:, picked], rtol=1e-3, atol=allowed)
        for name in native.simd_levels():
            assert on_level(name, native.score, space, queries, picked, metric=metric).tobytes() == scores.tobytes()


def test_largest_codes_and_queries_stay_within_their_integers():
    dim = native.MAX_DIM
    rows = np.ones((2, dim), np.float32)
    rows[:, 0] = -1  # every other code is the largest
    query = np.ones((1, dim), np.float32)
    for bits in (1, 2, 4, 8):
        first, second = levels.encode(bits, rows, np.zeros(dim, np.float32))
        space = levels.space(bits, first, second, dim, np.zeros(dim, np.float32))
        assert native.score(space, query, np.uint32([0]), metric="ip")[0, 0] == pytest.approx(2 - dim, rel=1e-3)


def test_pairs_are_compared_by_both_levels():
    rows, center = some(33)
    first, second = levels.encode(4, rows, center)
    decoded = levels.decode(4, first, second, center).astype(np.float64)
    found = native.score_pairs(levels.space(4, first, second, 33, center), 3, np.arange(40, dtype=np.uint32))
    np.testing.assert_allclose(found, ((decoded - decoded[3]) ** 2).sum(1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_codes_do_not_depend_on_threads(bits):
    rows, center = some(77, n=3000)
    whole = levels.encode(bits, rows, center, threads=1)
    for threads in (2, 7):
        again = levels.encode(bits, rows, center, threads=threads)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(whole, again, strict=True))


def test_levels_that_do_not_belong_together_are_refused():
    rows, center = some(16)
    first, second = levels.encode(4, rows, center)
    for wrong in (first[:-1], first[:, :-4], None):
        with pytest.raises(ValueError, match="first: expected as many rows of the first level"):
            native.make_space("levels4", second, 16, center=center, first=wrong)
    with pytest.raises(ValueError, match="data: expected uint8 rows of the second level"):
        levels.space(8, first, second, 16, center)
    for bits in (0, 3, 16):
        with pytest.raises(ValueError, match="bits: expected 1, 2, 4 or 8"):
            levels.encode(bits, rows, center)
