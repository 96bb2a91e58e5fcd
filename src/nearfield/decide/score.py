"""From the neighbours of a query to one score: the lower, the more surely the store holds an answer."""

from __future__ import annotations

import numpy as np

FEATURES = 5


def features_of(near: np.ndarray, scales: np.ndarray | None, nearest: int) -> np.ndarray:
    """(q, 5) features from (q, K) log-odds of the neighbour distances and of their local scales.

    0 mean of the ``nearest``; 1 mean local scale; then three that only labels may weigh: 2 the nearest of all and 3 the
    ranks after ``nearest``, both against feature 0; 4 how much the scale rises from the near half to the far half. NaN
    (missing neighbours) is left out; a query without any neighbour gets NaN.
    """
    out = np.zeros((len(near), FEATURES))
    out[:, 0] = _mean(near[:, :nearest])
    out[:, 2] = near[:, 0] - out[:, 0]
    rest = _mean(near[:, nearest:]) if near.shape[1] > nearest else np.full(len(near), np.nan)
    out[:, 3] = np.where(np.isnan(rest), 0.0, rest - out[:, 0])
    if scales is not None:
        out[:, 1] = _mean(scales)
        far = _mean(scales[:, nearest:]) if scales.shape[1] > nearest else np.full(len(near), np.nan)
        out[:, 4] = np.where(np.isnan(far), 0.0, far - _mean(scales[:, :nearest]))
    return out


def score_of(
    features: np.ndarray, locality: float, weights: np.ndarray, center: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """``feature 0 - locality * feature 1`` plus what labels taught about the standardised features."""
    return features[:, 0] - locality * features[:, 1] + ((features - center) / spread) @ weights


def _mean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
