"""Rows at unit length, and the random rotation: an isometry that spreads what stood in one dimension."""

import numpy as np
import pytest

from nearfield import native

DIMS = [1, 2, 3, 7, 15, 16, 17, 96, 384, 1000, 8192]


def gaussian(n, d):
    return np.random.default_rng(d).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("d", DIMS)
def test_products_stay_and_it_can_be_taken_back(d):
    x = gaussian(6, d)
    turned = native.rotate(x, 3)
    size = (x.astype(np.float64) ** 2).sum(1).max()
    assert np.abs(turned.astype(np.float64) @ turned.T - x.astype(np.float64) @ x.T).max() <= 1e-5 * size
    assert np.abs(native.rotate(turned, 3, inverse=True) - x).max() <= 1e-5 * np.abs(x).max()
    assert native.rotate(x[:0], 3).shape == (0, d)


def test_it_depends_on_the_seed_alone(on_level):
    x = gaussian(700, 45)
    first = native.rotate(x, 5, threads=1)
    assert (native.rotate(x, 6) != first).any()
    for name in native.simd_levels():
        for threads in (1, 2, 5):
            assert on_level(name, native.rotate, x, 5, threads=threads).tobytes() == first.tobytes()


@pytest.mark.parametrize("d", [64, 100, 384])
def test_one_dimension_is_spread_over_all(d):
    # Over seeds every image of an axis has the moments of a random direction: mean 0, variance 1 / d.
    images = np.stack([native.rotate(np.eye(d, dtype=np.float32)[:1], seed)[0] for seed in range(2000)])
    assert np.abs(images.mean(0)).max() < 6 / np.sqrt(2000 * d)
    np.testing.assert_allclose((images**2).mean(0) * d, 1, atol=0.35)


def test_the_input_is_left_alone():
    x = gaussian(3, 8)
    before = x.copy()
    native.rotate(x, 0)
    assert (x == before).all()


@pytest.mark.parametrize("d", DIMS)
def test_unit_rows_have_length_one_and_their_direction(d, on_level):
    x = gaussian(700, d) * np.float32(10.0) ** np.random.default_rng(0).integers(-15, 15, (700, 1)).astype(np.float32)
    exact = x.astype(np.float64)
    exact /= np.sqrt((exact**2).sum(1, keepdims=True))
    found = native.unit(x, threads=1)
    assert found.dtype == np.float32 and np.abs(found - exact).max() <= 1e-7
    for name in native.simd_levels():
        for threads in (1, 2, 5):
            assert on_level(name, native.unit, x, threads=threads).tobytes() == found.tobytes()
    assert native.unit(x[:0]).shape == (0, d)
