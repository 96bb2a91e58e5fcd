"""Euclidean distance."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import Metric, squared_differences


class Euclidean(Metric):
    """``|a - b|``, not squared: for raw coordinates, pixels, and embeddings trained with it.

    Reduction: the native "l2" score is the squared distance; vectors are stored as they are.

    Examples
    --------
    >>> import numpy as np
    >>> Euclidean().to_many(np.float32([0, 0]), np.float32([[3, 4], [0, 1]]))
    array([5., 1.], dtype=float32)
    """

    name = "l2"
    native = "l2"

    def distances_from_scores(self, scores: Any) -> np.ndarray:
        """The square root of the score, not below 0."""
        return np.sqrt(np.maximum(np.asarray(scores, np.float32), np.float32(0)))

    def scores_from_distances(self, distances: Any) -> np.ndarray:
        """The distance squared."""
        return np.square(np.asarray(distances, np.float32))

    def _fill(self, a: np.ndarray, b: np.ndarray, result: np.ndarray) -> None:
        # Distances do not change when the origin moves; near the data, fewer digits cancel.
        origin = b.mean(axis=0, dtype=np.float64)
        with np.errstate(over="ignore"):
            squared_differences(a - origin, b - origin, np.sqrt, result)
