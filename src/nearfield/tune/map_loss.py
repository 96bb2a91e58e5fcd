"""What a map between two spaces loses of the answers that the new model would give."""

from __future__ import annotations

import numpy as np

from .. import native
from ..metric import Metric

# Two scores nearer than this, relative to the lengths involved, are one score.
_TIE = 1e-5


def lost(
    queries: np.ndarray,
    base: np.ndarray,
    mapped_queries: np.ndarray,
    mapped_base: np.ndarray,
    k: int,
    metric: Metric,
    mapped_metric: Metric,
    own: np.ndarray | None = None,
) -> np.ndarray:
    """Per query, the share of its true ``k`` nearest rows that is not among the ``k`` nearest after the map: (q,).

    Truth is ``queries`` against ``base``, both as the new model gives them; found is ``mapped_queries`` against
    ``mapped_base``. ``own`` (q,) names the row that is the query itself and counts on neither side, None where there is
    none. A row found counts when it is as near, in truth, as the k-th nearest, so that duplicates count alike.
    """
    nearest = _nearest(queries, base, k, metric, own)
    found = _nearest(mapped_queries, mapped_base, k, mapped_metric, own)
    hits = np.asarray((found[:, :, None] == nearest[:, None, :]).any(axis=2))
    asked, columns = np.nonzero(~hits)
    farthest = _scores(queries, base, nearest, metric).max(axis=1)
    scores = _scores(queries, base, found, metric)
    length = np.square(queries).sum(axis=1) if metric.native == "l2" else 1.0
    near = scores <= (farthest + _TIE * np.maximum(np.abs(farthest), length))[:, None]
    hits[asked, columns] = near[asked, columns]
    return np.asarray(1.0 - hits.mean(axis=1))


def ready(vectors: np.ndarray, metric: Metric) -> np.ndarray:
    """Float32 rows, which may be zero, as the core's score takes them: under cosine at length one.

    Examples
    --------
    >>> from nearfield.metric import get_metric
    >>> ready(np.float32([[0, 2], [0, 0]]), get_metric("cosine"))
    array([[0., 1.],
           [0., 0.]], dtype=float32)
    """
    rows = np.ascontiguousarray(vectors, np.float32)
    if not metric.nonzero:
        return rows
    empty = ~rows.any(axis=1)
    if not empty.any():
        return native.unit(rows)
    rows = np.where(empty[:, None], np.float32(1), rows)
    return np.where(empty[:, None], np.float32(0), native.unit(rows))


def _nearest(queries: np.ndarray, base: np.ndarray, k: int, metric: Metric, own: np.ndarray | None) -> np.ndarray:
    """Row numbers (q, k), the query's own left out."""
    if own is None:
        return native.exact_search(base, queries, k, metric=metric.native).rows
    rows = native.exact_search(base, queries, k + 1, metric=metric.native).rows
    other = rows != own[:, None]
    other[other.all(axis=1), -1] = False
    return rows[other].reshape(len(rows), k)


def _scores(queries: np.ndarray, base: np.ndarray, rows: np.ndarray, metric: Metric) -> np.ndarray:
    """Native scores in float64 of each query with its ``rows`` (q, k): smaller is nearer."""
    scores = np.empty(rows.shape)
    for column in range(rows.shape[1]):
        q, x = queries.astype(np.float64), base[rows[:, column]].astype(np.float64)
        if metric.native == "l2":
            scores[:, column] = np.square(q - x).sum(axis=1)
        else:
            scores[:, column] = -np.einsum("ij,ij->i", q, x)
    return scores
