"""Checks of the distance matrices a judge is given."""

from __future__ import annotations

from typing import Any

import numpy as np


def matrix(value: Any, name: str, *, missing: bool = False) -> np.ndarray:
    """Float64 ``(q, j)``; unless ``missing``, finite and ascending along every row."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        raise ValueError(f"{name}: expected a 2-D array of numbers, got {array.dtype} of shape {array.shape}")
    array = array.astype(np.float64)
    if not missing:
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite distances, got NaN or infinity")
        _check_ascending(array, name)
    return array


def rows(value: Any, name: str) -> tuple[np.ndarray, bool]:
    """Ascending distances ``(q, j)``, +inf where missing, and whether a single row ``(j,)`` came."""
    array = np.asarray(value)
    single = array.ndim == 1
    array = matrix(array[None, :] if single else array, name, missing=True)
    if np.isnan(array).any():
        raise ValueError(f"{name}: expected distances (+inf where missing), got NaN")
    _check_ascending(array, name)
    return array, single


def _check_ascending(array: np.ndarray, name: str) -> None:
    bad = np.flatnonzero((array[:, 1:] < array[:, :-1]).any(axis=1))
    if bad.size:
        raise ValueError(f"{name}: expected ascending distances, got a descent in row {int(bad[0])}")
