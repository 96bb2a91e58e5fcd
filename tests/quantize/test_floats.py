import numpy as np
import pytest

from nearfield.quantize import Float16, Float32


def test_floats_are_kept_bit_for_bit():
    x = np.random.default_rng(0).normal(size=(100, 13)).astype(np.float32)
    codec = Float32().fit(x)
    assert codec.decode(codec.encode(x)).tobytes() == x.tobytes()
    assert codec.bytes_per_vector == 52


def test_halves_err_by_half_a_unit_in_the_last_place():
    x = np.random.default_rng(1).normal(size=(100, 64)).astype(np.float32)
    codec = Float16().fit(x)
    assert (np.abs(codec.decode(codec.encode(x)) - x) <= np.abs(x) * 2.0**-11 + 2.0**-25).all()
    assert codec.bytes_per_vector == 128


def test_inner_products_of_unit_vectors_are_right_to_a_ten_thousandth():
    x = np.random.default_rng(2).normal(size=(500, 384)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    codec = Float16().fit(x)
    error = codec.scorer(x[0], "ip")(codec.encode(x)) + x @ x[0]
    assert np.abs(error).max() < 1e-4


def test_what_does_not_fit_into_a_half_is_refused():
    codec = Float16().fit(np.ones((2, 2), np.float32))
    assert codec.decode(codec.encode(np.float32([[65504, -65504]]))).tolist() == [[65504, -65504]]
    with pytest.raises(ValueError, match="vectors: expected values up to 65504 for float16, got 70000"):
        codec.encode(np.float32([[1, -70000]]))


def test_what_is_lost_near_zero_is_as_documented():
    codec = Float16().fit(np.ones((1, 2), np.float32))
    assert codec.decode(codec.encode(np.float32([[2.9e-8, 6e-5]])))[0, 0] == 0
    assert codec.decode(codec.encode(np.float32([[3.1e-8, 6e-5]])))[0, 0] > 0
