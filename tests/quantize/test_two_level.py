"""What each level of a two-level code loses, beside one-level codes of as many bits."""

import json

import numpy as np
import pytest

from nearfield import native
from nearfield.quantize import ScalarQuantizer, TwoLevelQuantizer, codec_from_dict, codec_loss


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def error(found, x):
    return ((found.astype(np.float64) - x) ** 2).sum()


def both(codec, x):
    return codec.decode_both(codec.encode(x), codec.encode_residual(x))


def test_four_and_four_bits_lose_what_eight_bits_lose():
    x = gaussian(1000, 384)
    whole = ScalarQuantizer(8).fit(x)
    assert error(both(TwoLevelQuantizer(4).fit(x), x), x) == pytest.approx(
        error(whole.decode(whole.encode(x)), x), rel=1e-3
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_first_level_is_nearly_as_good_as_four_bits_alone(bits):
    x = gaussian(1000, 384)
    alone, codec = ScalarQuantizer(4).fit(x), TwoLevelQuantizer(bits).fit(x)
    first = error(codec.decode(codec.encode(x)), x)
    assert error(alone.decode(alone.encode(x)), x) <= first <= 1.15 * error(alone.decode(alone.encode(x)), x)


def test_every_further_bit_helps():
    x = gaussian(1000, 128)
    errors = [error(both(TwoLevelQuantizer(bits).fit(x), x), x) for bits in (1, 2, 4, 8)]
    assert errors[0] > 2.5 * errors[1] and errors[1] > 8 * errors[2] and errors[2] > 200 * errors[3]


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_the_second_level_finds_what_the_first_misses(metric):
    x, queries = gaussian(4000, 96), gaussian(100, 96, seed=1)
    exact = native.exact_search(x, queries, 10, metric=metric).rows
    codec = TwoLevelQuantizer(4).fit(x)
    codes = codec.encode(x)
    coarse = native.scan(codec.space(codes), queries, 40, metric=metric).rows
    finer = codec.residual_space(codes, codec.encode_residual(x))
    mended = native.rescore(finer, queries, coarse, 10, metric=metric).rows
    shares = [np.mean([np.isin(f, e).mean() for f, e in zip(rows[:, :10], exact, strict=True)])
              for rows in (coarse, mended)]  # fmt: skip
    assert shares[0] < 0.95 and shares[1] > 0.985


@pytest.mark.parametrize("d", [1, 2, 33, 8192])
def test_hard_rows_come_back(d):
    x = np.concatenate([np.zeros((3, d)), np.full((3, d), 7.5), 1e6 * gaussian(3, d), 1e-6 * gaussian(3, d)])
    x = x.astype(np.float32)
    codec = TwoLevelQuantizer(8).fit(x)
    found = both(codec, x)
    span = np.ptp(x - codec.center_, axis=1)[:, None]
    assert (np.abs(found - x) <= span / 4000 + 1e-6 * np.abs(codec.center_).max() + 1e-12).all()


def test_one_row_and_levels_that_do_not_fit():
    x = gaussian(20, 12)
    codec = TwoLevelQuantizer().fit(x)
    codes, residual = codec.encode(x), codec.encode_residual(x)
    assert (codec.encode_residual(x[3]) == residual[3]).all()
    assert (codec.decode_both(codes[3], residual[3]) == codec.decode_both(codes, residual)[3]).all()
    with pytest.raises(ValueError, match=r"residual: expected uint8 \(20, 12\), got uint8 \(19, 12\)"):
        codec.decode_both(codes, residual[:-1])
    with pytest.raises(ValueError, match=r"codes: expected uint8"):
        codec.residual_space(residual, residual)
    with pytest.raises(ValueError, match="vectors: expected 12 dimensions, got 11"):
        codec.encode_residual(x[:, :11])
    with pytest.raises(ValueError, match="TwoLevelQuantizer is not fitted"):
        TwoLevelQuantizer().encode_residual(x)


def test_it_comes_back_from_json():
    x = gaussian(50, 10)
    codec = TwoLevelQuantizer(2).fit(x)
    other = codec_from_dict(json.loads(json.dumps(codec.to_dict())), 10, codec.to_arrays())
    assert repr(other) == "TwoLevelQuantizer(residual_bits=2)"
    assert other.encode_residual(x).tobytes() == codec.encode_residual(x).tobytes()


@pytest.mark.parametrize("bits", [0, 3, 16, 4.0, "4", None, True])
def test_other_numbers_of_bits_are_refused(bits):
    with pytest.raises(ValueError, match="residual_bits: expected 1, 2, 4 or 8, got"):
        TwoLevelQuantizer(bits)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_the_loss_of_both_levels_is_that_of_eight_bits(metric):
    x, queries = gaussian(1500, 64) + np.float32(0.2), gaussian(50, 64, seed=1)
    first, both = (
        codec_loss(TwoLevelQuantizer(), x, queries, metric=metric, residual=which) for which in (False, True)
    )
    whole = codec_loss(ScalarQuantizer(8), x, queries, metric=metric)
    assert both.bytes_per_vector == whole.bytes_per_vector + 4 == first.bytes_per_vector + 36
    assert both.reconstruction == pytest.approx(whole.reconstruction, rel=0.01)
    assert both.recall == pytest.approx(whole.recall, abs=0.005) and first.recall < both.recall
    with pytest.raises(ValueError, match="codec: expected a TwoLevelQuantizer with residual=True"):
        codec_loss(ScalarQuantizer(8), x, residual=True)
