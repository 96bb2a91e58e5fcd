"""Cosine distance: one minus the cosine of the angle."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import native
from .base import Metric, squared_differences


class Cosine(Metric):
    """``1 - <a, b> / (|a| |b|)``, in [0, 2]: the direction counts, the length does not.

    The usual choice for text embeddings. Zero vectors have no direction and are refused. Reduction: on unit vectors
    the distance is ``1 + score`` of the native "ip", and ``|a - b|^2 / 2``, so unit vectors serve the graph as well.

    Examples
    --------
    >>> import numpy as np
    >>> Cosine().to_many(np.float32([1, 0]), np.float32([[2, 0], [0, 3], [-1, 0]]))
    array([0., 1., 2.], dtype=float32)
    """

    name = "cosine"
    native = "ip"
    nonzero = True

    def distances_from_scores(self, scores: Any) -> np.ndarray:
        """``1 + score``, not below 0."""
        return np.maximum(np.float32(1) + np.asarray(scores, np.float32), np.float32(0))

    def scores_from_distances(self, distances: Any) -> np.ndarray:
        """``distance - 1``."""
        return np.asarray(distances, np.float32) - np.float32(1)

    def _fill(self, a: np.ndarray, b: np.ndarray, result: np.ndarray) -> None:
        squared_differences(_unit(a), _unit(b), lambda squared: squared * 0.5, result)
        np.minimum(result, 2.0, out=result)

    def _prepare(self, vectors: np.ndarray) -> np.ndarray:
        return native.unit(vectors)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """The rows divided by their length, in float64: the squares of any float32 neither overflow nor vanish there."""
    exact = vectors.astype(np.float64)
    exact /= np.sqrt(np.einsum("ij,ij->i", exact, exact))[:, None]
    return exact
