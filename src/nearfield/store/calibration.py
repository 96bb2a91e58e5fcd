"""Distances to mapped vectors on the scale of distances to vectors that the new model made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..metric import Metric

# Where there is a least distance, a mapped row stays at least so much of its own away from it: what is just what was
# asked for comes before what only might be.
_LEAST = 0.5


class Calibration(NamedTuple):
    """A straight line over the native scores of one kind of row: similarities, or squared Euclidean distances.

    It keeps the order of the rows it is applied to; what changes is where they stand among others.
    """

    gain: float
    shift: float

    def scores(self, native: np.ndarray, metric: Metric) -> np.ndarray:
        """Native scores, moved onto the line; +inf (missing) stays."""
        scores = np.asarray(native, np.float64)
        moved = self.gain * scores + self.shift
        origin = _origin(metric)
        if origin is not None:
            moved = np.maximum(moved, origin + _LEAST * np.maximum(scores - origin, 0.0))
        return moved.astype(np.float32)

    def distances(self, distances: np.ndarray, metric: Metric) -> np.ndarray:
        """The same of the metric's distances."""
        scores = self.scores(metric.scores_from_distances(distances), metric)
        return np.asarray(metric.distances_from_scores(scores), np.float32)

    def before(self, distance: float, metric: Metric) -> float:
        """The largest distance that :meth:`distances` moves to this one or a smaller one."""
        score = float(metric.scores_from_distances(np.float32(distance)))
        found = (score - self.shift) / self.gain
        origin = _origin(metric)
        if origin is not None:
            found = max(min(found, origin + (score - origin) / _LEAST), origin)
        return float(metric.distances_from_scores(np.float32(found)))


def _origin(metric: Metric) -> float | None:
    """The native score of distance 0; None where nothing is the nearest there can be."""
    return 0.0 if metric.native == "l2" else -1.0 if metric.name == "cosine" else None
