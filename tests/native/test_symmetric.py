"""Codes on symmetric grids: the format, the choice of the grid, and what the factor keeps."""

import numpy as np
import pytest

from nearfield import native

DIMS = [1, 2, 3, 5, 8, 9, 16, 31, 64, 130, 384]
BITS = [1, 2, 4, 8]
HEADER = np.dtype([("low", "<f4"), ("step", "<f4"), ("norm2", "<f4"), ("sum", "<i4")])


def gaussian(n, d):
    return np.random.default_rng(d).normal(size=(n, d)).astype(np.float32)


def directions(bits, rows):
    """What the rows decode to with a factor of one, and the headers."""
    encoded = native.encode_symmetric(f"sq{bits}", "product", rows)
    header = encoded[:, :16].copy().view(HEADER)[:, 0]
    decoded = native.decode(f"sq{bits}", encoded, np.zeros(rows.shape[1], np.float32)).astype(np.float64)
    return decoded / header["step"][:, None].astype(np.float64), header


@pytest.mark.parametrize("bits", BITS)
def test_headers_say_what_the_codes_hold(bits):
    for d in DIMS:
        x = gaussian(30, d)
        u, header = directions(bits, x)
        codes = u + (2**bits - 1) / 2
        assert np.abs(codes - np.rint(codes)).max() < 1e-3 and codes.min() > -0.5 and codes.max() < 2**bits - 0.5
        assert (header["sum"] == np.rint(codes).sum(1)).all()
        np.testing.assert_allclose(header["norm2"], (x.astype(np.float64) ** 2).sum(1), rtol=1e-6)
        assert (np.sign(u) == np.sign(x)).all()


@pytest.mark.parametrize("bits", BITS)
def test_the_factor_keeps_the_product_or_the_length(bits):
    for d in DIMS:
        x = gaussian(30, d).astype(np.float64)
        zeros = np.zeros(d, np.float32)
        decoded = {
            keep: native.decode(f"sq{bits}", native.encode_symmetric(f"sq{bits}", keep, x), zeros).astype(np.float64)
            for keep in ("product", "length")
        }
        square = (x**2).sum(1)
        np.testing.assert_allclose((decoded["product"] * x).sum(1), square, rtol=1e-5)
        np.testing.assert_allclose((decoded["length"] ** 2).sum(1), square, rtol=1e-5)


@pytest.mark.parametrize(("bits", "worst"), [(2, 1.06), (4, 1.06), (8, 1.15)])
def test_the_grid_is_close_to_the_best_of_very_many(bits, worst):
    x = gaussian(40, 384).astype(np.float64)
    u, _ = directions(bits, x.astype(np.float32))
    ours = (u * x).sum(1) / np.linalg.norm(u, axis=1)
    best = np.zeros(40)
    for end in np.linspace(0.1, 1.05, 600):
        step = np.abs(x).max(1, keepdims=True) * end / 2 ** (bits - 1)
        v = np.clip(np.floor(x / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) + 0.5
        best = np.maximum(best, (v * x).sum(1) / np.linalg.norm(v, axis=1))
    length = np.linalg.norm(x, axis=1)
    lost, least = 1 - ours / length, 1 - best / length
    assert (lost <= worst * least + 1e-9).all() and lost.mean() <= (1 + worst) / 2 * least.mean()


def test_normal_rows_come_to_the_known_errors():
    # Max, Quantizing for minimum distortion, 1960, table II: 0.3634, 0.1188 and 0.01154 of the variance.
    x = gaussian(100, 8192)
    for bits, share in ((1, 0.3634), (2, 0.1188), (4, 0.01154)):
        u, _ = directions(bits, x)
        cosine = (u * x).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(x.astype(np.float64), axis=1)
        assert (1 - cosine**2).mean() == pytest.approx(share, rel=0.02)


@pytest.mark.parametrize("bits", BITS)
def test_codes_do_not_depend_on_level_threads_or_scale(bits, on_level):
    x = gaussian(1500, 77)
    first = on_level("scalar", native.encode_symmetric, f"sq{bits}", "product", x, threads=1)
    for name in native.simd_levels():
        for threads in (1, 3):
            again = on_level(name, native.encode_symmetric, f"sq{bits}", "product", x, threads=threads)
            assert again.tobytes() == first.tobytes()
    for scale in (2.0**-60, 2.0**50):
        scaled = native.encode_symmetric(f"sq{bits}", "product", x * np.float32(scale))
        assert (scaled[:, 16:] == first[:, 16:]).all()


@pytest.mark.parametrize("bits", BITS)
def test_hard_rows(bits):
    kind, d = f"sq{bits}", 33
    outlier = np.full(d, 1e-6)
    outlier[7] = 1e9
    rows = np.stack([np.zeros(d), np.ones(d), -np.ones(d), np.eye(d)[3], outlier, np.full(d, 1e-30)]).astype(np.float32)
    encoded = native.encode_symmetric(kind, "length", rows)
    decoded = native.decode(kind, encoded, np.zeros(d, np.float32))
    assert np.isfinite(decoded).all() and (decoded[0] == 0).all()
    np.testing.assert_allclose(decoded[[1, 2, 5]], rows[[1, 2, 5]], rtol=1e-5)  # of equal sizes: nothing is lost
    assert native.encode_symmetric(kind, "length", rows[:0]).shape == (0, native.code_row_bytes(kind, d))


def test_products_of_codes_are_exact(on_level):
    # A query that is a decoded code: its rounding loses nothing, and the score is the product of the codes.
    ids = np.arange(50, dtype=np.uint32)
    for bits in BITS:
        for d in (7, 96, 384):
            kind, center = f"sq{bits}", np.zeros(d, np.float32)
            encoded = native.encode_symmetric(kind, "length", gaussian(50, d))
            decoded = native.decode(kind, encoded, center)
            space = native.make_space(kind, encoded, d, center=center)
            truth = -decoded.astype(np.float64) @ decoded.T.astype(np.float64)
            scores = native.score(space, decoded, ids, metric="ip")
            size = np.abs(np.diag(truth)).max() * (1 + d**0.5)
            assert np.abs(scores - truth).max() <= 8 * 2.0**-24 * size
