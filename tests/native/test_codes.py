"""Scalar codes as the format in src/native/kernels.hpp describes them."""

import numpy as np
import pytest

from nearfield import native

DIMS = [1, 2, 3, 15, 16, 17, 64, 127, 384, 1023]
HEADER = np.dtype([("low", "<f4"), ("step", "<f4"), ("norm2", "<f4"), ("sum", "<i4")])


def codes_of(kind, rows, dim):
    """The integer codes of code rows, read as the format says."""
    body = rows[:, 16:]
    if kind == "sq8":
        return body[:, :dim].astype(np.int64)
    half = (dim + 1) // 2
    return np.concatenate([body[:, :half] & 15, body[:, :half] >> 4], axis=1)[:, :dim].astype(np.int64)


@pytest.mark.parametrize("kind", ["sq8", "sq4"])
def test_a_row_takes_a_header_and_its_codes_in_whole_words(kind):
    for d in range(1, 200):
        bytes_ = native.code_row_bytes(kind, d)
        content = 16 + (d if kind == "sq8" else (d + 1) // 2)
        assert content <= bytes_ < content + 4 and bytes_ % 4 == 0


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("kind", ["sq8", "sq4"])
def test_headers_say_what_the_codes_hold(kind, dim):
    rng = np.random.default_rng(dim)
    rows, center = rng.normal(size=(50, dim)).astype(np.float32), rng.normal(size=dim).astype(np.float32)
    encoded = native.encode(kind, rows, center)
    header = encoded[:, :16].copy().view(HEADER)[:, 0]
    codes = codes_of(kind, encoded, dim)
    assert codes.max() <= (255 if kind == "sq8" else 15)
    assert (header["sum"] == codes.sum(1)).all()
    values = header["low"].astype(np.float64)[:, None] + header["step"].astype(np.float64)[:, None] * codes
    np.testing.assert_allclose(header["norm2"], (values**2).sum(1), rtol=1e-6)
    np.testing.assert_allclose(native.decode(kind, encoded, center), values + center, rtol=1e-6, atol=1e-6)


def test_spare_bits_are_zero():
    rng = np.random.default_rng(0)
    for d in (1, 3, 5, 17):
        encoded = native.encode("sq4", rng.normal(size=(20, d)).astype(np.float32), np.zeros(d, np.float32))
        half = (d + 1) // 2
        assert (encoded[:, 16 + half - 1] >> 4 == 0).all() and (encoded[:, 16 + half :] == 0).all()


@pytest.mark.parametrize("dim", DIMS)
def test_eight_bits_err_by_half_a_step_at_most(dim):
    rng = np.random.default_rng(dim)
    rows, center = rng.normal(size=(50, dim)).astype(np.float32), rng.normal(size=dim).astype(np.float32)
    shifted = rows - center
    step = (shifted.max(1) - shifted.min(1)) / 255
    error = np.abs(native.decode("sq8", native.encode("sq8", rows, center), center) - rows).max(1)
    assert (error <= step * 0.5001 + 1e-6).all()


def test_four_bits_are_never_worse_than_the_full_range():
    rng = np.random.default_rng(1)
    for d in DIMS:
        rows, center = rng.standard_t(3, (50, d)).astype(np.float32), np.zeros(d, np.float32)
        low, high = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
        step = (high - low) / 15 + (high == low)
        plain = low + step * np.clip(np.rint((rows - low) / step), 0, 15)
        ours = native.decode("sq4", native.encode("sq4", rows, center), center)
        assert (((ours - rows) ** 2).sum(1) <= ((plain - rows) ** 2).sum(1) * 1.001 + 1e-12).all()


@pytest.mark.parametrize("kind", ["sq8", "sq4"])
def test_codes_do_not_depend_on_level_or_threads(kind, on_level):
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(3000, 77)).astype(np.float32)
    center = rows.mean(0)
    first = on_level("scalar", native.encode, kind, rows, center, threads=1)
    for name in native.simd_levels():
        for threads in (1, 2, 3, 7):
            assert on_level(name, native.encode, kind, rows, center, threads=threads).tobytes() == first.tobytes()


@pytest.mark.parametrize("kind", ["sq8", "sq4"])
def test_constant_rows_and_no_rows(kind):
    rows = np.full((3, 10), 7.0, np.float32)
    center = np.full(10, 2.0, np.float32)
    assert (native.decode(kind, native.encode(kind, rows, center), center) == 7).all()
    assert native.encode(kind, rows[:0], center).shape == (0, native.code_row_bytes(kind, 10))
    assert native.decode(kind, native.encode(kind, rows[:0], center), center).shape == (0, 10)


@pytest.mark.parametrize("kind", ["sq8", "sq4"])
def test_the_rounding_of_a_query_adds_no_more_than_fifteen_bits_allow(kind):
    rng = np.random.default_rng(3)
    for d in (16, 384):
        rows = rng.normal(size=(200, d)).astype(np.float32)
        center = rows.mean(0)
        encoded = native.encode(kind, rows, center)
        decoded = native.decode(kind, encoded, center).astype(np.float64)
        space = native.make_space(kind, encoded, d, center=center)
        scores = native.score(space, rows, np.arange(200, dtype=np.uint32), metric="l2")
        truth = ((rows[:, None].astype(np.float64) - decoded[None]) ** 2).sum(-1)
        # Each value is off by a uniform error of one step's width; the product with a row sums these up.
        steps = np.abs(rows - center).max(1) / 16065
        deviation = 2 * steps[:, None] / 12**0.5 * np.linalg.norm(decoded - center, axis=1)
        z = (scores - truth) / (deviation + 1e-6 * d)
        assert np.abs(z).max() < 6 and abs(z.mean()) < 0.1
