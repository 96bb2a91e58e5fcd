from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nearfield.common import MissingExtraError
from nearfield.common.checks import (
    check_bytes,
    check_choice,
    check_int,
    check_random_state,
    check_real,
    check_vectors,
    require,
)


def test_vectors_come_back_as_contiguous_float32() -> None:
    array, single = check_vectors(np.asfortranarray(np.ones((3, 2), np.float32)))
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert not single
    assert check_vectors([1, 2, 3])[0].shape == (1, 3)
    assert check_vectors([1, 2, 3])[1]


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int8, np.int64, np.uint16])
def test_other_types_are_converted_when_nothing_is_lost(dtype: Any) -> None:
    assert check_vectors(np.array([[1, 2]], dtype))[0].dtype == np.float32


@pytest.mark.parametrize(
    ("value", "options", "error", "says"),
    [
        ([[0.1, 0.2]], {}, TypeError, "float64 would lose precision"),
        ([["a"]], {}, TypeError, "expected an array of numbers"),
        ([[True]], {}, TypeError, "dtype bool"),
        (np.zeros((2, 2, 2), np.float32), {}, ValueError, r"got \(2, 2, 2\)"),
        (np.zeros((2, 3), np.float32), {"dim": 4}, ValueError, "expected 4 dimensions, got 3"),
        (np.zeros((2, 0), np.float32), {}, ValueError, "at least 1 dimension"),
        (np.zeros((2, 2), np.float32), {"min_rows": 3}, ValueError, "at least 3 rows, got 2"),
        (np.float32([[1, 1], [np.nan, 0]]), {}, ValueError, "row 1"),
        (np.float32([[np.inf, 0]]), {}, ValueError, "row 0"),
        (np.float32([[1, 0], [0, 0]]), {"nonzero": True}, ValueError, "zeros in row 1"),
    ],
)
def test_bad_vectors_are_refused(value: Any, options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        check_vectors(value, "vectors", **options)


def test_lengths_whose_products_would_overflow_are_refused() -> None:
    assert check_vectors(np.float32([[1e14, 0]]))[0].shape == (1, 2)
    with pytest.raises(ValueError, match="expected lengths from 0 to"):
        check_vectors(np.float32([[1e30, 1e30]]))


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (11, ValueError), (1.5, TypeError), (True, TypeError)])
def test_ints(value: Any, error: type[Exception]) -> None:
    assert check_int(np.int64(7), "k", 1, 10) == 7
    with pytest.raises(error, match="k: expected an integer from 1 to 10, got"):
        check_int(value, "k", 1, 10)


@pytest.mark.parametrize("value", [0, 1.01, float("nan"), "x", None])
def test_reals(value: Any) -> None:
    assert check_real(0.5, "recall", 0, 1, open_low=True) == 0.5
    with pytest.raises((TypeError, ValueError), match=r"recall: expected a number in \(0, 1\], got"):
        check_real(value, "recall", 0, 1, open_low=True)


def test_choices() -> None:
    assert check_choice("a", "x", ("a", "b")) == "a"
    with pytest.raises(ValueError, match="x: expected one of 'a', 'b', got 'c'"):
        check_choice("c", "x", ("a", "b"))


@pytest.mark.parametrize(
    ("text", "size"), [("200MB", 200_000_000), ("1.5 GiB", 3 << 29), ("64KiB", 65536), ("7", 7), (9, 9)]
)
def test_sizes(text: Any, size: int) -> None:
    assert check_bytes(text, "memory") == size


@pytest.mark.parametrize("text", ["12 parsecs", "", "-1MB", "MB", "nanMB", 0, None, 1.5])
def test_bad_sizes(text: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="memory: expected"):
        check_bytes(text, "memory")


def test_seeds() -> None:
    assert check_random_state(0) == 0
    with pytest.raises(ValueError, match="random_state"):
        check_random_state(-1)


def test_a_missing_extra_says_the_install_line() -> None:
    assert require("json", "view").__name__ == "json"
    with pytest.raises(MissingExtraError, match=r"pip install 'nearfield\[view\]'"):
        require("no_such_module_here", "view")


@pytest.mark.parametrize("length", [1e-34, 1e-20, 1.0, 1e20, 1e34])
def test_under_cosine_any_length_with_a_reciprocal_will_do(length: float) -> None:
    assert check_vectors(np.float32([[length, 0]]), nonzero=True)[0].shape == (1, 2)


@pytest.mark.parametrize("length", [1e-37, 1e37])
def test_under_cosine_lengths_without_a_reciprocal_are_refused(length: float) -> None:
    with pytest.raises(ValueError, match=r"vectors: expected lengths from 1e-35 to 1e\+35, got .* in row 1"):
        check_vectors(np.float32([[1, 0], [length, 0]]), nonzero=True)


def test_the_row_named_counts_from_the_first_row_given() -> None:
    with pytest.raises(ValueError, match="in row 1002"):
        check_vectors(np.float32([[1], [1], [np.nan]]), first_row=1000)


@given(
    npst.arrays(
        st.sampled_from([np.float32, np.float64, np.float16, np.int32, np.int64, np.uint8]),
        npst.array_shapes(min_dims=1, max_dims=3, max_side=4),
    )
)
@settings(max_examples=300, deadline=None)
def test_vectors_are_converted_without_loss_or_refused(value: np.ndarray) -> None:
    try:
        array, single = check_vectors(value)
    except (TypeError, ValueError) as error:
        assert str(error).startswith("vectors: ")
    else:
        assert array.dtype == np.float32 and array.flags.c_contiguous and array.ndim == 2
        assert single == (value.ndim == 1)
        assert (array.reshape(value.shape).astype(value.dtype) == value).all()
        assert np.isfinite(np.einsum("ij,ij->i", array, array)).all()


@given(
    st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.booleans()), st.integers(-5, 5), st.integers(0, 9)
)
def test_integers_are_within_their_bounds_or_refused(value: Any, low: int, width: int) -> None:
    try:
        number = check_int(value, "k", low, low + width)
    except (TypeError, ValueError) as error:
        assert str(error).startswith(f"k: expected an integer from {low} to {low + width}, got ")
    else:
        assert type(number) is int and low <= number == value <= low + width


@given(st.floats(), st.floats(-10, 0), st.floats(0.1, 10), st.booleans(), st.booleans())
def test_reals_are_within_their_bounds_or_refused(
    value: float, low: float, high: float, open_low: bool, open_high: bool
) -> None:
    inside = (low < value or (value == low and not open_low)) and (value < high or (value == high and not open_high))
    try:
        assert check_real(value, "x", low, high, open_low=open_low, open_high=open_high) == value
        assert inside
    except ValueError:
        assert not inside


UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@given(st.integers(1, 10**6), st.sampled_from(list(UNITS)), st.sampled_from(["", " "]))
def test_sizes_are_what_their_units_say(number: int, unit: str, space: str) -> None:
    assert check_bytes(f"{number}{space}{unit}", "memory") == number * UNITS[unit]


def test_a_signalling_nan_is_refused_without_a_warning() -> None:
    with pytest.raises(ValueError, match="NaN or infinity in row 1"):
        check_vectors(np.uint32([[1, 2], [0x7F800001, 3]]).view(np.float32))


def test_an_integer_beyond_any_float_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond any float"):
        check_real(10**400, "rate", 0.0, 1.0)
    with pytest.raises(ValueError, match="memory: expected an integer"):
        check_bytes(2**63, "memory")
