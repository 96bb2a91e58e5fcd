"""The error of scalar codes against theory, and what rescoring makes of it."""

import os
from pathlib import Path

import numpy as np
import pytest

from nearfield import native
from nearfield.quantize import ScalarQuantizer


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def error_share(codec, x):
    """Squared error as a share of the variance around the center."""
    codec.fit(x)
    error = codec.decode(codec.encode(x)).astype(np.float64) - x
    return (error**2).sum() / ((x - codec.center_.astype(np.float64)) ** 2).sum()


def full_range_share(x, bits):
    """The same for a grid over each row's extremes, in numpy."""
    center = x.mean(0, dtype=np.float64)
    shifted = x - center
    low, high = shifted.min(1, keepdims=True), shifted.max(1, keepdims=True)
    step = (high - low) / (2**bits - 1)
    error = low + step * np.rint((shifted - low) / step) - shifted
    return (error**2).sum() / (shifted**2).sum()


@pytest.mark.parametrize("d", [64, 384, 1536])
def test_eight_bits_have_the_error_of_a_uniform_grid(d):
    x = gaussian(1500, d)
    shifted = x - x.mean(0)
    steps = (shifted.max(1) - shifted.min(1)) / 255
    predicted = (steps.astype(np.float64) ** 2 / 12).sum() * d / (shifted.astype(np.float64) ** 2).sum()
    assert error_share(ScalarQuantizer(8), x) == pytest.approx(predicted, rel=0.05)


def test_four_bits_come_to_the_best_uniform_quantiser():
    # Max, Quantizing for minimum distortion, 1960, table II: sixteen equal steps leave 0.01154 of the variance.
    assert error_share(ScalarQuantizer(4), gaussian(1500, 1536)) == pytest.approx(0.01154, rel=0.03)


@pytest.mark.parametrize(("d", "taken_off"), [(16, 0.03), (128, 0.10), (384, 0.18), (768, 0.24)])
def test_a_narrower_range_takes_off_what_the_docstring_says(d, taken_off):
    x = gaussian(1500, d)
    share = 1 - error_share(ScalarQuantizer(4), x) / full_range_share(x, 4)
    assert share == pytest.approx(taken_off, abs=0.01)
    assert f"{100 * taken_off:.0f}%" in ScalarQuantizer.__doc__


def test_a_narrower_range_on_sentence_vectors():
    path = Path(os.environ.get("NEARFIELD_DATA", "")) / "scifact" / "minilm_corpus.npy"
    if not path.is_file():
        pytest.skip("needs scifact/minilm_corpus.npy: set NEARFIELD_DATA to the directory that holds scifact/")
    x = np.load(path)[:3000].astype(np.float32)
    assert 1 - error_share(ScalarQuantizer(4), x) / full_range_share(x, 4) == pytest.approx(0.18, abs=0.02)


def test_the_mean_is_taken_away():
    x = gaussian(500, 64)
    assert error_share(ScalarQuantizer(8), x + 100) == pytest.approx(error_share(ScalarQuantizer(8), x), rel=0.02)
    codec = ScalarQuantizer(8).fit(x + 100)
    np.testing.assert_allclose(codec.center_, (x + np.float32(100)).mean(0, dtype=np.float64), rtol=1e-6)


def test_one_outlier_costs_its_own_row_alone():
    x = gaussian(200, 64)
    spoiled = x.copy()
    spoiled[17, 3] = 1000
    codec = ScalarQuantizer(8).fit(x)
    plain, other = codec.decode(codec.encode(x)), codec.decode(codec.encode(spoiled))
    rows = np.arange(200) != 17
    assert (plain[rows] == other[rows]).all()


def recall(found, exact):
    return np.mean([np.isin(f, e).mean() for f, e in zip(found, exact, strict=True)])


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_eight_bits_lose_a_fraction_of_a_point_and_rescoring_mends_four(metric):
    x, queries = gaussian(4000, 96), gaussian(100, 96, seed=1)
    exact = native.exact_search(x, queries, 10, metric=metric).rows
    found = {}
    for bits in (8, 4):
        codec = ScalarQuantizer(bits).fit(x)
        found[bits] = native.scan(codec.space(codec.encode(x)), queries, 40, metric=metric)
    assert recall(found[8].rows[:, :10], exact) > 0.985
    assert 0.75 < recall(found[4].rows[:, :10], exact) < 0.95
    finer = ScalarQuantizer(8).fit(x)
    mended = native.rescore(finer.space(finer.encode(x)), queries, found[4].rows, 10, metric=metric)
    assert recall(mended.rows, exact) > 0.985


@pytest.mark.parametrize("bits", [0, 1, 2, 6, 16, 8.0, 4.5, "8", None, True])
def test_other_numbers_of_bits_are_refused(bits):
    with pytest.raises(ValueError, match="bits: expected 8 or 4, got"):
        ScalarQuantizer(bits)


def test_numpy_integers_count():
    assert ScalarQuantizer(np.int64(4)).to_dict() == {"codec": "scalar", "bits": 4}
    assert type(ScalarQuantizer(np.int64(4)).bits) is int
