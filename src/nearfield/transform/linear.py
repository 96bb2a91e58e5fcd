"""A fitted linear map as two arrays: what an index stores and applies, without the estimator that fitted it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..common.checks import check_vectors

_ROWS = 8192
# Rows of one matrix product. A BLAS picks its kernel, and so the last bit, by the shape: one shape, one answer.
_GROUP = 64


class LinearMap:
    """``y = matrix @ (x - offset)``: a fitted transform, ready to use and to save, needing numpy alone.

    Obtained from an estimator's ``export()``; use the estimator itself while fitting and comparing.

    Parameters
    ----------
    matrix : (d_out, d_in) float32. With orthonormal rows the map is a projection and keeps what lengths and inner
        products it can.
    offset : (d_in,) float32, subtracted first; None means zero. Leave it zero for an index under cosine or inner
        product: subtracting a mean changes their ranking (see :class:`nearfield.transform.PCA`).

    Notes
    -----
    Rows are multiplied in groups of 64, the last one filled up with zeros, so that a base gives the same bytes
    whether it is transformed at once or in blocks. A single vector takes a faster path and may differ in the last bit.

    Examples
    --------
    >>> import numpy as np
    >>> swap = LinearMap(np.float32([[0, 1], [1, 0]]), np.float32([1, 1]))
    >>> swap.transform(np.float32([3, 7]))
    array([6., 2.], dtype=float32)
    >>> swap.inverse_transform(np.float32([6, 2]))
    array([3., 7.], dtype=float32)
    """

    def __init__(self, matrix: Any, offset: Any = None):
        self.matrix = _frozen(matrix, "matrix", 2)
        if 0 in self.matrix.shape:
            raise ValueError(f"matrix: expected at least one row and one column, got shape {self.matrix.shape}")
        self.offset = _frozen(np.zeros(self.matrix.shape[1]) if offset is None else offset, "offset", 1)
        if len(self.offset) != self.matrix.shape[1]:
            raise ValueError(f"offset: expected {self.matrix.shape[1]} values, one a column, got {len(self.offset)}")
        self._shifts = bool(self.offset.any())

    @property
    def n_features_in(self) -> int:
        """Dimensions of the vectors it takes."""
        return int(self.matrix.shape[1])

    @property
    def n_features_out(self) -> int:
        """Dimensions of the vectors it gives."""
        return int(self.matrix.shape[0])

    def transform(self, x: Any) -> np.ndarray:
        """Map ``x`` (n, d_in) to float32 (n, d_out); a single vector is answered in kind."""
        vectors, single = check_vectors(x, "x", dim=self.n_features_in)
        if single:
            row = vectors[0] - self.offset if self._shifts else vectors[0]
            return np.asarray(self.matrix @ row)
        result = np.empty((len(vectors), self.n_features_out), np.float32)
        for start in range(0, len(vectors), _ROWS):
            block = vectors[start : start + _ROWS]
            if self._shifts:
                block = block - self.offset
            rows = len(block)
            if rows % _GROUP:
                block = np.concatenate([block, np.zeros((-rows % _GROUP, block.shape[1]), np.float32)])
            groups = block.reshape(-1, _GROUP, block.shape[1])
            result[start : start + rows] = (groups @ self.matrix.T).reshape(-1, self.n_features_out)[:rows]
        return result

    def inverse_transform(self, y: Any) -> np.ndarray:
        """The nearest vectors (n, d_in) that map to ``y`` (n, d_out): exact where the matrix is invertible."""
        vectors, single = check_vectors(y, "y", dim=self.n_features_out)
        result = vectors @ self._inverse.T
        result += self.offset
        return result[0] if single else result

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The map as named arrays, for an array container."""
        return {"matrix": self.matrix, "offset": self.offset}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> LinearMap:
        """The map that :meth:`to_arrays` described."""
        missing = [name for name in ("matrix", "offset") if name not in arrays]
        if missing:
            raise ValueError(f"arrays: expected 'matrix' and 'offset', got {sorted(arrays)}")
        return cls(arrays["matrix"], arrays["offset"])

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.linalg.pinv(self.matrix.astype(np.float64)).astype(np.float32)

    def __repr__(self) -> str:
        return f"LinearMap({self.n_features_in} -> {self.n_features_out})"


def _frozen(value: Any, name: str, ndim: int) -> np.ndarray:
    """A read-only float32 copy; an array that is one already, such as a view of a mapped file, is kept as it is."""
    array = np.asarray(value)
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} dimension{'s' * (ndim > 1)}, got shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected an array of numbers, got dtype {array.dtype}")
    if array.flags.writeable or array.dtype != np.float32 or not array.flags.c_contiguous:
        array = np.array(array, np.float32, order="C")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite values, got NaN or infinity")
    array.flags.writeable = False
    return array
