"""Inner product, negated so that smaller is nearer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_real, check_vectors
from .base import _BLOCK, Metric


class InnerProduct(Metric):
    """``-<a, b>``: for vectors whose length carries meaning (popularity, confidence, fixed-dimensional encodings).

    Not a distance in the strict sense: it may be negative, and a row need not be its own nearest neighbour. On unit
    vectors it ranks as :class:`Cosine` does; choose that when lengths mean nothing.

    Reduction: with ``M`` the largest length in the base, ``x -> (x, sqrt(M^2 - |x|^2))`` and ``q -> (q, 0)`` leave
    every inner product as it was and give all base rows the length ``M``, so that
    ``|q' - x'|^2 = |q|^2 + M^2 - 2<q, x>`` ranks as the inner product does.
    Source: Bachrach et al., Speeding up the Xbox recommender system using a Euclidean transformation for
    inner-product spaces, RecSys 2014, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> metric = InnerProduct()
    >>> metric.to_many(np.float32([1, 2]), np.float32([[3, 4], [0, 1]]))
    array([-11.,  -2.], dtype=float32)
    >>> metric.reduce_base(np.float32([[3, 4], [0, 3]]))
    array([[3., 4., 0.],
           [0., 3., 4.]], dtype=float32)
    """

    name = "ip"
    native = "ip"

    def reduce_base(self, x: Any, *, max_norm: float | None = None) -> np.ndarray:
        """Append ``sqrt(M^2 - |x|^2)``; ``max_norm`` gives ``M`` when ``x`` is a block of a larger base."""
        vectors, single = check_vectors(x, "x")
        squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
        largest = float(squares.max(initial=0.0))
        if max_norm is not None:
            limit = check_real(max_norm, "max_norm", 0.0, np.inf) ** 2
            # One float32 rounding of the norm is the caller's right.
            if limit < largest * (1 - 1e-6):
                raise ValueError(f"max_norm: expected at least the longest row, {largest**0.5:g}, got {max_norm:g}")
            largest = max(limit, largest)
        reduced = np.empty((len(vectors), vectors.shape[1] + 1), np.float32)
        reduced[:, :-1] = vectors
        reduced[:, -1] = np.sqrt(largest - squares)
        return reduced[0] if single else reduced

    def reduce_queries(self, q: Any) -> np.ndarray:
        """Append 0."""
        vectors, single = check_vectors(q, "q")
        reduced = np.zeros((len(vectors), vectors.shape[1] + 1), np.float32)
        reduced[:, :-1] = vectors
        return reduced[0] if single else reduced

    def distances_from_scores(self, scores: Any) -> np.ndarray:
        """The score itself."""
        return np.asarray(scores, np.float32)

    def scores_from_distances(self, distances: Any) -> np.ndarray:
        """The distance itself."""
        return np.asarray(distances, np.float32)

    def _fill(self, a: np.ndarray, b: np.ndarray, result: np.ndarray) -> None:
        exact = b.astype(np.float64)
        step = max(1, _BLOCK // len(b))
        with np.errstate(over="ignore"):
            for start in range(0, len(a), step):
                result[start : start + step] = -(a[start : start + step].astype(np.float64) @ exact.T)
