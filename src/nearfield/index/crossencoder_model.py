"""What the scores of anchor queries say about the scores of another query, once some of its own are known.

``R`` holds the scores of ``a`` anchor queries for all ``n`` items. CUR takes a query's scores ``c`` at some items ``S``
and predicts all of them by ``c pinv(R[:, S]) R``. Here the pseudo-inverse has a ridge: with the columns of ``R`` as
features of the items, it is the mean of a Gaussian process over items whose covariance is that of the anchor queries,
conditioned on what was scored. As the ridge goes to nothing the two are the same.

Departures from the source (Yadav et al. 2022): the ridge; what is common to all queries (the mean score of an item) and
to all items (a query that scores everything high) is taken out first; and where vectors of a bi-encoder are known, so
is the best multiple of their inner product: the anchor queries need to explain only what the bi-encoder does not. The
vectors are features of the items as well, beside the anchor queries' scores and with the same say, so that what is
scored turns the query's own vector, too (as Yadav et al. do in *Adaptive Retrieval and Scalable Indexing*, ICLR 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Prior variance of what a query adds to all its scores, in variances of the residuals: hardly bound.
_OFFSET = 100.0
# Below this part of the scores' own spread, residuals are what float32 rounds.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ScoreModel:
    """Estimated score of item i: ``row_i . v`` plus an offset, with ``v`` from :meth:`condition`.

    Attributes
    ----------
    anchors, dim : how many anchor queries, and dimensions of the bi-encoder (0 without one). A row has the item's
        residual for each anchor query, its mean score, and its vector: ``anchors + 1 + dim`` numbers.
    slope : what a unit of the bi-encoder's inner product adds to the score.
    spread : mean square of the residuals.
    width : mean squared distance of the items' vectors from their mean.
    """

    anchors: int
    dim: int
    slope: float
    spread: float
    width: float

    @classmethod
    def fit(
        cls, scores: np.ndarray, item_vectors: np.ndarray | None = None, anchor_vectors: np.ndarray | None = None
    ) -> tuple[ScoreModel, np.ndarray]:
        """The model of ``scores`` (a, n), and the rows of all items, float32 (n, a + 1 + dim)."""
        anchors, n = scores.shape
        dim = 0 if item_vectors is None else item_vectors.shape[1]
        rows = np.empty((n, anchors + 1 + dim), np.float32)
        # Pairs of a mean over anchors and a mean over items: what remains is how each query differs on each item.
        mean = scores.mean(axis=0, dtype=np.float64)
        level = scores.mean(axis=1, dtype=np.float64)
        whole = float(level.mean())
        total = float(np.square(scores - whole, dtype=np.float64).mean())
        slope, width, prior = 0.0, 0.0, None
        if item_vectors is not None and anchor_vectors is not None:
            rows[:, anchors + 1 :] = item_vectors
            width = float(np.square(item_vectors - item_vectors.mean(axis=0), dtype=np.float64).sum(axis=1).mean())
            prior = _centred(anchor_vectors @ item_vectors.T)
            sizes = float(np.square(prior, dtype=np.float64).sum())
            if sizes > 0:
                slope = float(np.einsum("ij,ij->", prior, scores, dtype=np.float64)) / sizes
            mean -= slope * (item_vectors @ anchor_vectors.mean(axis=0, dtype=np.float64))
        spread = 0.0
        for place in range(anchors):
            residual = scores[place] - mean
            if prior is not None:
                assert item_vectors is not None and anchor_vectors is not None
                residual -= slope * (item_vectors @ anchor_vectors[place])
            residual -= residual.mean()
            spread += float(np.square(residual).mean()) / anchors
            rows[:, place] = residual
        rows[:, anchors] = mean
        least = (_ROUNDING**2) * total
        return cls(anchors, dim, slope, spread if spread > least else 0.0, width), rows

    def start(self, vector: np.ndarray | None) -> np.ndarray:
        """``v`` before anything is scored: the mean score and the bi-encoder."""
        start = np.zeros(self.anchors + 1 + self.dim)
        start[self.anchors] = 1.0
        if vector is not None:
            start[self.anchors + 1 :] = self.slope * vector
        return start

    def condition(
        self, rows: np.ndarray, scores: np.ndarray, vector: np.ndarray | None, noise: float
    ) -> tuple[np.ndarray, float]:
        """``(v, offset)`` given the ``scores`` (m,) of some items with these ``rows`` (m, a + 1 + dim).

        ``noise`` is the ridge, in mean squares of the residuals: how far a score may lie from what the anchor queries
        can explain.
        """
        start = self.start(vector)
        known = rows.astype(np.float64)
        rest = scores - known @ start
        if not self.spread:
            return start, float(rest.mean())
        of_anchors = 1.0 / np.sqrt(self.anchors * self.spread)
        parts = [known[:, : self.anchors] * of_anchors, np.full((len(rows), 1), np.sqrt(_OFFSET))]
        if self.width:
            parts.append(known[:, self.anchors + 1 :] / np.sqrt(self.width))
        features = np.hstack(parts)
        count, size = features.shape
        # The smaller of the two systems; they have the same solution.
        if count <= size:
            weights = features.T @ _solve(features @ features.T, rest, noise)
        else:
            weights = _solve(features.T @ features, features.T @ rest, noise)
        start[: self.anchors] = weights[: self.anchors] * of_anchors
        if self.width:
            start[self.anchors + 1 :] += weights[self.anchors + 1 :] / np.sqrt(self.width)
        return start, float(weights[self.anchors] * np.sqrt(_OFFSET))


def _solve(matrix: np.ndarray, right: np.ndarray, noise: float) -> np.ndarray:
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    # Where the ridge is nothing, so much of the trace keeps the factorisation in reach of float64.
    ridge = max(noise, 1e-13 * float(np.trace(matrix)))
    matrix = matrix + ridge * np.eye(len(matrix))
    try:
        return np.asarray(cho_solve(cho_factor(matrix, check_finite=False), right, check_finite=False))
    except LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=1e-13)[0])


def _centred(matrix: Any) -> np.ndarray:
    centred = matrix - matrix.mean(axis=0)
    return np.asarray(centred - centred.mean(axis=1, keepdims=True))
