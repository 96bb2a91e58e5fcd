"""Rows at length one."""

from __future__ import annotations

import numpy as np


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows (n, d) divided by their length, in their own dtype; a row of zeros stays zero.

    Lengths are taken in double precision, of rows divided by their largest number: neither the square of a huge one nor
    that of a tiny one would fit.

    Examples
    --------
    >>> unit_rows(np.array([[3e200, 4e200], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    wide = rows.astype(np.float64)
    largest = np.abs(wide).max(axis=1, keepdims=True, initial=0.0)
    wide /= np.where(largest > 0, largest, 1.0)
    wide /= np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-300)
    return wide.astype(rows.dtype, copy=False)
