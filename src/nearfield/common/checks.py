"""Argument checks with one uniform sentence: which parameter, what is allowed, what came.

Arrays here and everywhere: float32, C-contiguous, ``(n, d)``; a single vector ``(d,)`` is accepted and answered in
kind.
"""

from __future__ import annotations

import importlib
from numbers import Integral, Real
from types import ModuleType
from typing import Any

import numpy as np

from .errors import MissingExtraError

# Longer vectors have squared distances, or sums on the way to them, that float32 cannot hold. Where the length is
# divided out (cosine), only its reciprocal must fit.
MAX_LENGTH = 1e15
_COSINE_LENGTHS = (1e-35, 1e35)


def check_vectors(
    value: Any,
    name: str = "vectors",
    *,
    dim: int | None = None,
    nonzero: bool = False,
    min_rows: int = 0,
    first_row: int = 0,
) -> tuple[np.ndarray, bool]:
    """Return ``(array, single)``: a float32 C-contiguous ``(n, d)`` array, and whether a single ``(d,)`` vector came.

    Other dtypes are converted only when no value changes. ``nonzero`` refuses rows of length zero (cosine has no
    direction for them); without it lengths above 1e15 are refused. ``first_row`` is added to the row number in errors.
    """
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected an array of numbers (float32), got dtype {array.dtype}")
    single = array.ndim == 1
    if single:
        array = array[None, :]
    if array.ndim != 2:
        raise ValueError(f"{name}: expected shape (n, d) or (d,), got {np.shape(value)}")
    if dim is not None and array.shape[1] != dim:
        raise ValueError(f"{name}: expected {dim} dimensions, got {array.shape[1]}")
    if array.shape[1] == 0:
        raise ValueError(f"{name}: expected at least 1 dimension, got 0")
    if array.shape[0] < min_rows:
        raise ValueError(f"{name}: expected at least {min_rows} rows, got {array.shape[0]}")
    if array.dtype != np.float32:
        with np.errstate(over="ignore", invalid="ignore"):
            converted = array.astype(np.float32)
            back = array if array.dtype == np.float16 else converted.astype(array.dtype)
        if back is not array and not np.array_equal(back, array, equal_nan=True):
            raise TypeError(
                f"{name}: dtype {array.dtype} would lose precision as float32; "
                "round on purpose with .astype(numpy.float32)"
            )
        array = converted
    array = np.ascontiguousarray(array)
    if len(array) == 1:  # most searches ask one thing, and what is beyond doubt needs no arrays to say so
        square = float(np.vdot(array, array))
        if 0 < square <= MAX_LENGTH**2:
            return array, single
    with np.errstate(invalid="ignore", over="ignore"):
        squares = np.einsum("ij,ij->i", array, array)
    if len(squares) and squares.min() > 0 and squares.max() <= MAX_LENGTH**2:
        return array, single
    doubtful = (squares == 0) | ~np.isfinite(squares) if nonzero else ~(squares <= MAX_LENGTH**2)
    if doubtful.any():
        _refuse(array, np.flatnonzero(doubtful), name, nonzero, first_row)
    return array, single


def _refuse(array: np.ndarray, rows: np.ndarray, name: str, nonzero: bool, first_row: int) -> None:
    for row in rows:
        where = f"in row {first_row + int(row)}"
        with np.errstate(invalid="ignore"):  # a NaN of the kind that signals
            values = array[row].astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite values, got NaN or infinity {where}")
        length = float(np.sqrt(values @ values))
        if nonzero and length == 0:
            raise ValueError(f"{name}: expected nonzero vectors (cosine has no direction for zero), got zeros {where}")
        low, high = _COSINE_LENGTHS if nonzero else (0.0, MAX_LENGTH)
        if not low <= length <= high:
            raise ValueError(f"{name}: expected lengths from {low:g} to {high:g}, got {length:g} {where}")


def check_int(value: Any, name: str, low: int, high: int | None = None) -> int:
    """Return ``value`` as an int within ``[low, high]``."""
    allowed = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected {allowed}, got {value!r}")
    number = int(value)
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name}: expected {allowed}, got {number}")
    return number


def check_real(
    value: Any, name: str, low: float, high: float, *, open_low: bool = False, open_high: bool = False
) -> float:
    """Return ``value`` as a float within the interval; ends are included unless said open."""
    allowed = f"a number in {'(' if open_low else '['}{low:g}, {high:g}{')' if open_high else ']'}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected {allowed}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name}: expected {allowed}, got an integer beyond any float") from None
    if not (low <= number <= high) or (open_low and number == low) or (open_high and number == high):
        raise ValueError(f"{name}: expected {allowed}, got {value!r}")
    return number


def check_choice(value: Any, name: str, allowed: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``allowed``."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def check_bytes(value: Any, name: str) -> int:
    """Return a size in bytes from an int or a text such as ``"200MB"`` (decimal) or ``"64MiB"`` (binary units)."""
    units = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
    units |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
    if isinstance(value, str):
        text = value.strip().lower().replace(" ", "").replace("_", "")
        number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
        try:
            size = float(number) * units[text[len(number) :]]
        except (ValueError, KeyError):
            size = -1.0
        if not 0 < size < 2**63:
            raise ValueError(f"{name}: expected bytes such as '200MB' or '1.5GiB', got {value!r}")
        return int(size)
    return check_int(value, name, 1, 2**63 - 1)


def check_random_state(value: Any, name: str = "random_state") -> int:
    """Return a seed in ``[0, 2**63)``."""
    return check_int(value, name, 0, 2**63 - 1)


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, or raise :class:`MissingExtraError` with the install line."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(module.split(".")[0], extra) from error
