"""Estimates from rotated codes: unbiased over rotations, as precise as theory says, and good once rescored."""

import numpy as np
import pytest

from nearfield import native
from nearfield.quantize import RotatedQuantizer, ScalarQuantizer


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def recall(found, exact):
    return np.mean([np.isin(f, e).mean() for f, e in zip(found, exact, strict=True)])


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_over_rotations_the_mean_estimate_is_the_truth(bits, metric):
    # Few large dimensions and an offset: what a code without rotation is worst at.
    spread = np.where(np.arange(48) < 5, 5, 0.3)
    x, query = gaussian(25, 48) * spread + 2, (gaussian(1, 48, seed=1)[0] * spread + 1).astype(np.float32)
    x = x.astype(np.float32)
    truth = -x.astype(np.float64) @ query if metric == "ip" else ((x.astype(np.float64) - query) ** 2).sum(1)
    seeds = 600
    errors = []
    for seed in range(seeds):
        codec = RotatedQuantizer(bits, random_state=seed).fit(x)
        errors.append(codec.scorer(query, metric)(codec.encode(x)) - truth)
    z = np.mean(errors, axis=0) / (np.std(errors, axis=0) / seeds**0.5)
    assert np.abs(z).max() < 4.5 and 0.6 < z.std() < 1.5
    assert RotatedQuantizer.unbiased


@pytest.mark.parametrize(("bits", "factor"), [(1, 0.76), (2, 0.37), (4, 0.11)])
def test_the_error_is_what_the_docstring_says(bits, factor):
    for d in (384, 1000):
        errors = []
        for seed in range(10):
            x, query = gaussian(200, d, seed), gaussian(1, d, seed + 100)[0]
            codec = RotatedQuantizer(bits, seed).fit(np.zeros((1, d), np.float32))
            estimated = codec.scorer(query, "ip")(codec.encode(x))
            errors.append((estimated + x @ query) / np.linalg.norm(x, axis=1) / np.linalg.norm(query))
        assert np.std(errors) * d**0.5 == pytest.approx(factor, rel=0.05)
    assert f"{factor}" in RotatedQuantizer.__doc__


def test_large_dimensions_do_no_harm():
    # All variance in six of 128 dimensions: signs of the raw dimensions would be mostly noise.
    spread = np.where(np.arange(128) < 6, 10, 0.1)
    x, queries = gaussian(3000, 128) * spread.astype(np.float32), gaussian(50, 128, 1) * spread.astype(np.float32)
    exact = native.exact_search(x, queries, 10, metric="l2").rows
    found = {}
    for name, codec in (("rotated", RotatedQuantizer(4)), ("scalar", ScalarQuantizer(4))):
        codec.fit(x)
        space = codec.space(codec.encode(x))
        found[name] = recall(native.scan(space, codec.prepare_queries(queries), 10, metric="l2").rows, exact)
    assert found["rotated"] > found["scalar"]


@pytest.mark.parametrize(("bits", "floor"), [(1, 0.97), (2, 0.999)])
def test_rescoring_mends_the_few_bits(bits, floor):
    x, queries = gaussian(4000, 96), gaussian(100, 96, seed=1)
    exact = native.exact_search(x, queries, 10, metric="l2").rows
    codec = RotatedQuantizer(bits).fit(x)
    space = codec.space(codec.encode(x))
    found = native.scan(space, codec.prepare_queries(queries), 400, metric="l2").rows
    assert recall(exact, found) > floor


def test_the_rotation_is_of_the_seed():
    x = gaussian(50, 40)
    first, same, other = (RotatedQuantizer(1, random_state=seed).fit(x).encode(x) for seed in (5, 5, 6))
    assert first.tobytes() == same.tobytes() != other.tobytes()


def test_one_row_and_many_dimensions():
    for d in (1, 8192):
        x = gaussian(1, d)
        for bits in (1, 2, 4, 8):
            codec = RotatedQuantizer(bits).fit(x)
            assert np.abs(codec.decode(codec.encode(x)) - x).max() <= 1e-5 * np.abs(x).max()


@pytest.mark.parametrize("bits", [0, 3, 16, 1.0, "1", None, True])
def test_other_numbers_of_bits_are_refused(bits):
    with pytest.raises(ValueError, match="bits: expected 1, 2, 4 or 8, got"):
        RotatedQuantizer(bits)


def test_a_seed_is_a_number():
    with pytest.raises(TypeError, match="random_state"):
        RotatedQuantizer(1, random_state=None)
    with pytest.raises(ValueError, match="random_state"):
        RotatedQuantizer(1, random_state=-1)
