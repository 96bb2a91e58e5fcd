"""Distances to mapped vectors on the scale of distances to vectors that the new model made."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..metric import Metric


class Calibration(NamedTuple):
    """A straight line over the native scores of one kind of row: similarities, or squared Euclidean distances.

    A positive gain keeps the order of the rows it is applied to; what changes is where they stand among others.
    """

    gain: float
    shift: float

    def scores(self, native: np.ndarray, metric: Metric) -> np.ndarray:
        """Native scores, moved onto the line; +inf (missing) stays."""
        moved = (np.asarray(native, np.float64) * self.gain + self.shift).astype(np.float32)
        return np.maximum(moved, np.float32(0)) if metric.native == "l2" else moved

    def distances(self, distances: np.ndarray, metric: Metric) -> np.ndarray:
        """The same of the metric's distances."""
        scores = self.scores(metric.scores_from_distances(distances), metric)
        return np.asarray(metric.distances_from_scores(scores), np.float32)

    def before(self, distance: float, metric: Metric) -> float:
        """The distance that :meth:`distances` moves to this one."""
        score = float(metric.scores_from_distances(np.float32(distance)))
        score = (score - self.shift) / self.gain
        if metric.native == "l2":
            score = max(score, 0.0)
        return float(metric.distances_from_scores(np.float32(score)))
